"""Every operator case through the TFLite converter and LiteRT, with and without the delegate, in both input layouts."""

import numpy as np
import onnx_ir as ir
import pytest
from cases import CASES
from edgeport.artifacts.errors import UnsupportedAttribute, UnsupportedOp
from edgeport.exporters.coreml.lowering_table import table as coreml_table
from edgeport.exporters.lowering import LoweringTable
from edgeport.exporters.tflite.convert import EXPANDED
from edgeport.exporters.tflite.lowering_table import table
from edgeport.graph.dialect import OPS
from edgeport.quantize import apply, collect, plan
from edgeport.runtime.contents.tflite import read_contents
from edgeport.targets.kernel_sets.tflite import TFLITE_XNNPACK
from graphs import canonical, canonical_case, feeds, graph, operators, random_integers, run_onnx, run_tflite, units
from tflite_convert import convert


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
@pytest.mark.parametrize("name", CASES)
def test_float_operator(name, layout):
    model = canonical_case(name)
    inputs = feeds(model)
    expected = run_onnx(model, inputs)["y"]
    content = convert(model, input_layout=layout)
    for delegate in (True, False):
        got = run_tflite(content, inputs, delegate=delegate)["y"]
        assert got.shape == expected.shape
        np.testing.assert_allclose(got, expected, atol=2e-5 * max(expected.std(), 1), rtol=0)


def test_the_table_is_the_dialect():
    assert table.ops() | EXPANDED == set(OPS)
    assert not table.ops() & EXPANDED


def test_every_operator_has_a_case():
    used = {node.op_type for text, _, constants in CASES.values() for node in graph(text, constants).graph}
    assert set(OPS) <= used


@pytest.mark.parametrize("name", CASES)
def test_int8_operator(name):
    """The case canonicalised, calibrated and quantised: every unit within one step of ONNX Runtime's arithmetic."""
    model = canonical_case(name)
    stats = collect(model, (feeds(model, seed) for seed in range(4)))
    quantized = apply(model, plan(model, stats, TFLITE_XNNPACK))
    whole = run_tflite(convert(quantized), feeds(model))["y"]
    assert np.isfinite(whole).all()
    for unit, cut, parameters, scale in units(quantized):
        inputs = random_integers(cut, parameters)
        expected = run_onnx(cut, inputs)[unit]
        for delegate in (True, False):
            got = run_tflite(convert(cut), inputs, delegate=delegate)[unit]
            # the builtin kernels of LOGISTIC, TANH and MEAN use tables and shifts: up to two steps
            assert np.abs(got - expected).max() <= (1.01 if delegate else 2.01) * scale, (unit, delegate)


def test_unknown_operator_is_named_with_its_place():
    model = graph("agraph (float[2,3] x) => (float[2,3] y) { y = Sinh (x) }")
    with pytest.raises(UnsupportedOp, match=r"Sinh 'n0' is outside the dialect; known ops: .*Conv"):
        convert(model)
    with pytest.raises(UnsupportedOp, match=r"tflite: no lowering for Sinh 'n0'.*known ops: .*Conv"):
        table(None, model.graph[0], [None])


def test_unknown_attribute_is_named():
    text = "agraph (float[1,2,6,6] x) => (float[1,2,4,4] y) { y = MaxPool <kernel_shape=[3,3], ceil_mode=1> (x) }"
    with pytest.raises(UnsupportedAttribute, match=r"tflite: MaxPool 'n0': attribute ceil_mode = 1 is not supported"):
        table(None, graph(text).graph[0], [None])


@pytest.mark.parametrize(
    ("lowerings", "op"), [(lowerings, op) for lowerings in (table, coreml_table) for op in OPS if op in lowerings.ops()]
)
def test_a_lowering_takes_what_the_dialect_has(lowerings, op):
    inputs, attributes = lowerings.parameters(op)
    assert attributes == OPS[op].attributes
    assert inputs[-1] == "*" or len(inputs) == OPS[op].inputs[0] == OPS[op].inputs[1]


def test_what_it_has_not_is_named():
    model = canonical("agraph (float[1,2,6,6] x) => (float[1,2,4,4] y) { y = MaxPool <kernel_shape=[3,3]> (x) }")
    model.graph[0].attributes["dilations"] = ir.AttrInt64s("dilations", (2, 2))
    with pytest.raises(UnsupportedAttribute, match="pools with dilations"):
        convert(model)


def test_a_second_lowering_of_an_operator_names_both():
    rows = LoweringTable("test")
    rows.lower("Add")(lambda mb, a, b: None)
    with pytest.raises(ValueError, match=r"Add is lowered by both .*<lambda> and .*second"):

        @rows.lower("Add")
        def second(mb, a, b): ...


# case -> how many times data moves; an NHWC input whose result leaves as NCHW costs one at the end
TRANSPOSES = {
    "conv_conv": 1,
    "mobilevit_unfold": 1,
    "linear_of_flattened_conv": 0,  # the weight is permuted instead
    "attention": 4,  # q, k and v to heads first, and back
    "add_channel": 1,
    "window_mask": 0,
    "layer_norm_channels_last": 0,
    "concat_channels": 1,
}


@pytest.mark.parametrize(("name", "count"), TRANSPOSES.items())
def test_views_move_nothing(name, count):
    text, _, constants = CASES[name]
    assert operators(convert(canonical(text, constants))).count("TRANSPOSE") == count


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("conv_depthwise_")])
def test_a_large_depthwise_window_is_made_of_fast_ones(name):
    """The delegate has fast kernels for up to 25 elements; a padded one of stride 1 still needs no PAD."""
    from ai_edge_litert.interpreter import Interpreter

    text, _, constants = CASES[name]
    content = convert(canonical(text, constants))
    interpreter = Interpreter(model_content=content)
    shapes = {details["index"]: details["shape"] for details in interpreter.get_tensor_details()}
    windows = [
        tuple(shapes[operator["inputs"][1]][1:3])
        for operator in interpreter._get_ops_details()
        if operator["op_name"] == "DEPTHWISE_CONV_2D"
    ]
    assert windows
    assert all(height * width <= 25 for height, width in windows), windows
    if "strides" not in text and "7x12" not in name:  # an even window is never SAME in both frameworks
        assert "PAD" not in operators(content)


def test_means_of_large_maps_are_exact():
    """Added up one by one, the float32 sum of so many positive numbers is wrong in its fifth digit."""
    model = canonical(
        "agraph (float[1,2,190,190] x) => (float[1,2,1,1] y) { y = ReduceMean (x, axes) }", {"axes": [2, 3]}
    )
    inputs = {"x": np.random.default_rng(0).uniform(1, 2, (1, 2, 190, 190)).astype(np.float32)}
    exact = inputs["x"].astype(np.float64).mean(axis=(2, 3), keepdims=True)
    for delegate in (True, False):
        got = run_tflite(convert(model), inputs, delegate=delegate)["y"]
        assert np.abs(got / exact - 1).max() < 1e-6


def test_long_products_are_exact():
    """As means: two matrices of positive numbers, 3136 products for each result."""
    model = canonical("agraph (float[2,6,3136] a, float[2,3136,5] b) => (float[2,6,5] y) { y = MatMul (a, b) }", {})
    rng = np.random.default_rng(0)
    inputs = {
        "a": rng.uniform(1, 2, (2, 6, 3136)).astype(np.float32),
        "b": rng.uniform(1, 2, (2, 3136, 5)).astype(np.float32),
    }
    exact = inputs["a"].astype(np.float64) @ inputs["b"].astype(np.float64)
    for delegate in (True, False):
        got = run_tflite(convert(model), inputs, delegate=delegate)["y"]
        assert np.abs(got / exact - 1).max() < 1e-6


def test_what_reads_itself_twice_is_seen_once():
    """DenseNet's blocks put each result in front of the last; a walk back along every path would never end."""
    steps, last = [], "x"
    for i in range(64):  # half of what was put together goes on
        steps.append(f"c{i} = Concat <axis=1> ({last}, {last}) s{i} = Slice (c{i}, start, end, axis)")
        last = f"s{i}"
    text = f"agraph (float[1,2,3,3] x) => (float[1,2,3,3] y) {{ {' '.join(steps)} y = Relu ({last}) }}"
    model = canonical(text, {"start": [0], "end": [2], "axis": [1]})
    inputs = feeds(model)
    np.testing.assert_array_equal(run_tflite(convert(model), inputs)["y"], np.maximum(inputs["x"], 0))


def test_a_number_is_added_under_the_shape_that_a_tensor_has(tmp_path):
    """Tokens that lie in memory as an image: a RESHAPE in between would keep the delegate from joining the two."""
    body = "c = Conv(x, w, b) r = Reshape(c, to) t = Transpose<perm=[0,2,1]>(r) m = MatMul(t, v)"
    model = canonical(
        f"agraph (float[1,4,2,3] x) => (float[1,6,5] y) {{ {body} a = Add(m, three) y = Mul(m, a) }}",
        {"w": (4, 4, 1, 1), "b": (4,), "v": (4, 5), "to": [1, 4, 6], "three": [3.0]},
    )
    path = tmp_path / "model.tflite"
    path.write_bytes(convert(model))
    kinds = [operator.kind for operator in read_contents(path).operators]
    assert kinds == ["CONV_2D", "FULLY_CONNECTED", "ADD", "MUL", "RESHAPE"]
    np.testing.assert_allclose(
        run_tflite(path.read_bytes(), feeds(model))["y"], run_onnx(model, feeds(model))["y"], atol=2e-5
    )
