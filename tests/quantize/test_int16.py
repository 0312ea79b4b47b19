"""Precision int16x8, and int8 with units in int16: operators and their borders, in the runtimes' own kernels."""

import importlib.util
from collections import Counter

import numpy as np
import onnx_ir as ir
import pytest
from cases import CASES
from edgeport.artifacts.errors import UnsupportedOp
from edgeport.exporters.canonicalize import canonicalize
from edgeport.exporters.tflite.convert import convert
from edgeport.exporters.tflite.versions import minimum_runtime, operator_version
from edgeport.exporters.tflite.writer import Tensor
from edgeport.graph.qparams import QParams
from edgeport.quantize import apply, collect, correct_biases, plan
from edgeport.runtime.sessions.tflite import TFLiteSession
from edgeport.runtime.sessions.tflite_graph import read_graph
from edgeport.runtime.sessions.tflite_micro import MicroSession
from edgeport.targets.kernel_sets.tflite import (
    TFLITE_INT16,
    TFLITE_MICRO_INT16,
    TFLITE_NPU,
    TFLITE_NPU_INT16,
    TFLITE_XNNPACK,
)
from graphs import canonical_case, feeds, run_onnx, snr_db

SETS = {"cpu": TFLITE_INT16, "npu": TFLITE_NPU_INT16, "micro": TFLITE_MICRO_INT16}
SIMULATED_DB = 60  # the artifact against the graph with Q/DQ: a step or two
INTERPOLATED_DB = 45  # RESIZE_BILINEAR weighs by 1024ths
INT8_DB = 35  # what has no int16 kernel
WEIGHTS_DB = 38  # against float, with int8 weights


def quantized(model: ir.Model, kernels, int16="all", examples=None):
    """(the plan, the quantised graph), by ranges alone."""
    examples = examples or [feeds(model, seed) for seed in range(1, 5)]
    formed = kernels.apply_forms(model)
    formed, statistics = kernels.apply_rewrites(formed, collect(formed, examples))
    made = plan(formed, statistics, kernels, int16=int16)
    return made, apply(formed, made)


@pytest.fixture
def make(build):
    """A canonical graph from ONNX text."""
    return lambda text, **constants: canonicalize(build(text, **constants))


def opened(kind: str, content: bytes, folder) -> TFLiteSession:
    path = folder / "made.tflite"
    path.write_bytes(content)
    return MicroSession(path) if kind == "micro" else TFLiteSession(path)


def types_of(content: bytes, folder) -> Counter:
    path = folder / "read.tflite"
    path.write_bytes(content)
    return Counter(tensor.dtype for tensor in read_graph(path).computed())


def least_db(name: str, made) -> float:
    if any(unit.precision == "int8" for unit in made.units):
        return INT8_DB
    return INTERPOLATED_DB if "resize_linear" in name else SIMULATED_DB


EVERY = 6
ROWS = [name if i % EVERY == 0 else pytest.param(name, marks=pytest.mark.exhaustive) for i, name in enumerate(CASES)]


@pytest.mark.parametrize("kind", SETS)
@pytest.mark.parametrize("name", ROWS)
def test_an_operator_computes_what_its_simulation_does(name, kind, tmp_path):
    """Every case of the dialect that has an integer form: ONNX Runtime computes the same, and float nearly so."""
    if kind == "micro":
        pytest.importorskip("tflite_micro", reason="tflite-micro is for Linux on x86-64")
    model, kernels = canonical_case(name), SETS[kind]
    output_type = "int16" if not kernels.has_float else "float32"
    try:
        made, written = quantized(model, kernels)
        content = convert(written, kernels=kernels, input_layout="nchw", output_type=output_type)
    except UnsupportedOp:
        if kernels.has_float:
            raise
        return
    feed = feeds(model)
    expected, simulated = run_onnx(model, feed), run_onnx(written, feed)
    session = opened(kind, content, tmp_path)
    got = session.run(feed)
    rounds_weights = any(unit.weight and unit.is_integer for unit in made.units)
    for output, values in got.items():
        if expected[output].dtype == np.float32 and any(unit.is_integer for unit in made.units):
            assert snr_db(simulated[output], values) > least_db(name, made), made
            assert snr_db(expected[output], values) > min(least_db(name, made), WEIGHTS_DB if rounds_weights else 50)
    if not kernels.has_float and all(value.dtype == ir.DataType.FLOAT for value in model.graph.inputs):
        assert {session.inputs[0].dtype, session.outputs[0].dtype} <= {"int16", "int32", "bool"}


IMAGE = "(float[1,4,6,6] x) => (float[1,4,6,6] y)"
FORMS = {  # name: (text, constants, {profile: operators that are there})
    "hard_swish": (f"{IMAGE} {{ y = HardSwish(x) }}", {}, {kind: {"ADD", "MUL"} for kind in SETS}),
    "gelu": (
        f'{IMAGE} {{ y = Gelu<approximate="none">(x) }}',
        {},
        {"cpu": {"GELU"}, "npu": {"GELU"}, "micro": {"LOGISTIC", "MUL"}},
    ),
    "clip to one": (
        f"{IMAGE} <float lo, float hi> {{ y = Clip(x, lo, hi) }}",
        {"lo": 0, "hi": 1},
        {kind: {"RELU"} for kind in SETS},
    ),
    "convolution that clips to one": (
        f"{IMAGE} <float[4,4,1,1] w, float[4] b, float lo, float hi> {{ c = Conv(x, w, b) y = Clip(c, lo, hi) }}",
        {"lo": 0, "hi": 1},
        {kind: {"CONV_2D"} for kind in SETS},
    ),
    "layer norm": (
        "(float[1,9,16] x) => (float[1,9,16] y) <float[16] g, float[16] b> "
        "{ y = LayerNormalization<axis=2, epsilon=1e-5>(x, g, b) }",
        {},
        {"cpu": {"MEAN"}, "npu": {"RSQRT"}, "micro": {"RSQRT"}},
    ),
}


@pytest.mark.parametrize("kind", ["npu", "micro"])
def test_rows_of_very_different_size_are_normalised_alike(kind, make, tmp_path):
    """LiteRT's own inverse root is off by some percent where a variance is a hundredth of the largest."""
    if kind == "micro":
        pytest.importorskip("tflite_micro", reason="tflite-micro is for Linux on x86-64")
    model, kernels = make(FORMS["layer norm"][0], g=np.ones(16), b=np.zeros(16)), SETS[kind]
    rng = np.random.default_rng(0)
    sizes = (1 / np.array([1, 2, 4, 6, 8, 11, 13, 16, 18])).astype(np.float32)
    feed = {"x": (rng.normal(size=(1, 9, 16)) * sizes[:, None]).astype(np.float32)}
    graph = kernels.apply_forms(model)
    written = apply(graph, made := plan(graph, collect(graph, [feed]), kernels, int16="all"))
    content = convert(written, kernels=kernels, input_layout="nchw", output_type="int16")
    expected, got = run_onnx(model, feed)["y"], opened(kind, content, tmp_path).run(feed)["y"]
    assert all(unit.precision == "int16" for unit in made.units)
    assert min(snr_db(expected[0, row], got[0, row]) for row in range(9)) > 40


@pytest.mark.parametrize("kind", SETS)
@pytest.mark.parametrize("name", FORMS)
def test_what_has_no_int16_kernel_is_written_otherwise(name, kind, make, tmp_path):
    text, constants, operators = FORMS[name]
    model, kernels = make(text, **constants), SETS[kind]
    made, written = quantized(model, kernels)
    content = convert(written, kernels=kernels, input_layout="nchw", output_type=None if kind == "cpu" else "int16")
    assert set(types_of(content, tmp_path)) <= {"int16"} | ({"float32"} if kind == "cpu" else set())
    assert operators[kind] <= set(read_graph(tmp_path / "read.tflite").count())
    assert {unit.precision for unit in made.units} == {"float" if (name, kind) == ("layer norm", "cpu") else "int16"}
    if kind == "micro" and not importlib.util.find_spec("tflite_micro"):
        return
    feed = feeds(model)
    got = opened(kind, content, tmp_path).run(feed)["y"]
    least = 30 if "norm" in name else 40 if "convolution" in name else 55
    assert snr_db(run_onnx(model, feed)["y"], got) > least


BORDERS = """(float[1,4,6,6] x) => (float[1,4,6,6] y, float[1,36,4] z) <float[4,4,1,1] v, float[4,4,1,1] w, float[4] b,
    float[4,4] u, int64[3] s>
    { c = Conv(x, v, b) d = Conv(c, w, b) h = HardSwish(d) y = Add(c, h) t = Transpose<perm=[0,2,3,1]>(c)
      r = Reshape(t, s) m = MatMul(r, u) z = Tanh(m) }"""


@pytest.mark.parametrize("kind", ["npu", "micro"])
@pytest.mark.parametrize(
    "raised", [(), ("c",), ("d",), ("h",), ("y",), ("m",), ("z",), ("c", "d"), ("d", "h"), ("h", "y", "z"), "cdhymz"]
)
def test_types_meet_where_they_change(raised, kind, make, tmp_path):
    """One value is read in both types, once behind views; the ends stay int8; the simulation is the artifact."""
    if kind == "micro":
        pytest.importorskip("tflite_micro", reason="tflite-micro is for Linux on x86-64")
    model = make(BORDERS, s=np.array([1, 36, 4]))
    examples = [feeds(model, seed) for seed in range(1, 9)]
    made, written = quantized(model, TFLITE_NPU, frozenset(raised), examples)
    assert {unit.output for unit in made.units if unit.precision == "int16"} == set(raised)
    content = convert(written, kernels=TFLITE_NPU, input_layout="nchw")
    counted = types_of(content, tmp_path)
    assert set(counted) == ({"int8", "int16"} if raised else {"int8"})
    session = opened(kind, content, tmp_path)
    assert {spec.dtype for spec in (*session.inputs, *session.outputs)} == {"int8"}
    feed = examples[0]
    got, simulated, exact = session.run(feed), run_onnx(written, feed), run_onnx(model, feed)
    for output in ("y", "z"):
        assert snr_db(simulated[output], got[output]) > 42
        assert snr_db(exact[output], got[output]) > 30
    if raised == "cdhymz":  # int8 is left at the ends, and in the weights
        _, narrow = quantized(model, TFLITE_NPU, (), examples)
        assert snr_db(exact["y"], simulated["y"]) > snr_db(exact["y"], run_onnx(narrow, feed)["y"]) + 1


def test_biases_are_corrected_behind_int16(make):
    """Layer by layer, with units of both types; the float bias of an int16 unit is not one that others share."""
    model = make(BORDERS, s=np.array([1, 36, 4]))
    examples = [feeds(model, seed) for seed in range(1, 9)]
    made, _ = quantized(model, TFLITE_NPU, {"d", "m"}, examples)
    corrected = correct_biases(model, made, examples)
    for output in ("y", "z"):
        before, after = (
            np.mean([run_onnx(apply(each, made), feed)[output] for feed in examples], axis=(0, 1))
            for each in (model, corrected)
        )
        exact = np.mean([run_onnx(model, feed)[output] for feed in examples], axis=(0, 1))
        axis = (1, 2) if output == "y" else 0
        assert np.abs((after - exact).mean(axis)).max() <= np.abs((before - exact).mean(axis)).max() + 1e-4


OUT_OF_RANGE = "(float[1,4,6,6] x) => (float[1,4,6,6] y) <float k> { s = Mul(x, k) t = Add(x, s) y = Tanh(t) }"


def test_what_int8_cannot_requantise_is_int16_where_there_is_no_float(make, tmp_path):
    """A sum of numbers whose scales are too far apart for int8's ADD; on a device with float it is float."""
    model = make(OUT_OF_RANGE, k=3000.0)
    (without,), (beside,) = (
        [unit for unit in quantized(model, kernels, ())[0].units if unit.output == "t"]
        for kernels in (TFLITE_NPU, TFLITE_XNNPACK)
    )
    assert (without.precision, beside.precision) == ("int16", "float")
    assert "requantisation factor" in without.why


def test_what_neither_has_is_refused(make):
    with pytest.raises(UnsupportedOp, match="Sin 'y' cannot be int16 or int8: no int16 kernel"):
        quantized(make(f"{IMAGE} {{ y = Sin(x) }}"), TFLITE_NPU_INT16)


def test_parameters_are_those_of_the_specification(make):
    """Zero point 0; int64 biases at s_input * s_weight; the fixed scale of SOFTMAX, LOGISTIC and TANH."""
    model = make(BORDERS, s=np.array([1, 36, 4]))
    made, _ = quantized(model, TFLITE_NPU_INT16)
    assert {(params.dtype, params.zero_point) for params in made.activations.values()} == {("int16", 0)}
    assert made.activations["z"] == QParams((2.0**-15,), dtype="int16")
    assert not made.requantized
    (weight,) = (unit.weight for unit in made.units if unit.output == "c")
    assert made.biases["c"].dtype == "int64"
    scales = made.activations["x"].scale * np.array(made.weights[weight].scales)
    np.testing.assert_allclose(made.biases["c"].scales, scales, rtol=1e-6)


def test_versions_are_those_that_brought_int16():
    x, w = Tensor("x", (1, 4, 4, 8), np.int16, QParams((1.0,), dtype="int16")), Tensor("w", (8, 1, 1, 8), np.int8)
    found = {
        op: operator_version(op, [x, w], x, {})
        for op in ("CONV_2D", "FULLY_CONNECTED", "ADD", "SUB", "MUL", "QUANTIZE")
    }
    assert found == {"CONV_2D": 4, "FULLY_CONNECTED": 7, "ADD": 3, "SUB": 5, "MUL": 4, "QUANTIZE": 2}
    assert minimum_runtime([("RSQRT", 3)]) == "2.15.0"
    assert minimum_runtime([*found.items()]) == "2.4.0"


@pytest.mark.parametrize("kernels", SETS.values(), ids=SETS)
def test_the_two_types_fuse_alike(kernels):
    """Units have the same names whatever their type, so a search can name them."""
    for kind in kernels.kernels.keys() & kernels.int16.keys():
        assert kernels.kernels[kind].epilogues == kernels.int16[kind].epilogues, kind
        assert kernels.kernels[kind].operands == kernels.int16[kind].operands, kind
