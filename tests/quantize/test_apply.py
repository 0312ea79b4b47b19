"""What `apply` writes: the shape of the graph, and that its numbers stay near the float graph's."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from edgeport.graph.qparams import INT8
from edgeport.quantize import apply, collect, plan
from edgeport.targets.kernel_sets.tflite import TFLITE_XNNPACK
from graphs import snr_db
from hypothesis import given, settings
from hypothesis import strategies as st


def quantised(model, feeds):
    made = plan(model, collect(model, feeds(model)), TFLITE_XNNPACK)
    return made, apply(model, made)


def edges(model):
    """{output: (op type, inputs)} less scales and zero points."""
    return {
        n.outputs[0].name: (n.op_type, [v.name for v in n.inputs][: 1 if "Linear" in n.op_type else None])
        for n in model.graph
    }


def test_the_written_form(build, feeds):
    model = build(
        "(float[1,3,5,4] image) => (float[1,1,1,3] logits) <float[4,3,1,1] w, float[4] b, float[4,3] w2, float[3] b2,"
        " int64[2] axes, int64[4] to>"
        "{ c = Conv<kernel_shape=[1,1]>(image, w, b) r = Relu(c) g = ReduceMean(r, axes) v = Reshape(g, to)"
        "  m = MatMul(v, w2) logits = Add(m, b2) }",
        axes=[2, 3],
        to=[1, 1, 1, 4],
    )
    _, written = quantised(model, feeds)
    q, dq = "QuantizeLinear", "DequantizeLinear"
    assert edges(written) == {
        "image_q": (q, ["image"]),
        "image_dq": (dq, ["image_q"]),
        "w_dq": (dq, ["w_q"]),
        "b_dq": (dq, ["b_q"]),
        "c": ("Conv", ["image_dq", "w_dq", "b_dq"]),
        "r": ("Relu", ["c"]),
        "r_q": (q, ["r"]),
        "r_dq": (dq, ["r_q"]),
        "g": ("ReduceMean", ["r_dq", "axes"]),
        "g_q": (q, ["g"]),
        "g_dq": (dq, ["g_q"]),
        "v": ("Reshape", ["g_dq", "to"]),
        "w2_dq": (dq, ["w2_q"]),
        "b2_dq": (dq, ["b2_q"]),
        "m": ("MatMul", ["v", "w2_dq"]),
        "logits_float": ("Add", ["m", "b2_dq"]),
        "logits_q": (q, ["logits_float"]),
        "logits": (dq, ["logits_q"]),
    }
    assert [v.name for v in written.graph.outputs] == ["logits"]
    kinds = {name: value.dtype for name, value in written.graph.initializers.items()}
    assert kinds["w_q"] == kinds["w2_q"] == ir.DataType.INT8
    assert kinds["b_q"] == kinds["b2_q"] == ir.DataType.INT32
    assert not {"w", "b", "w2", "b2"} & set(kinds)


def test_float_readers_of_a_float_value_keep_it(build, feeds):
    model = build(
        "(float[1,4,3,3] x) => (float[1,4,3,3] z, float[1,4,3,3] y) <float[4,4,1,1] w, float[4] b> "
        "{ h = HardSwish(x) g = Gelu(h) z = Conv(h, w, b) y = Add(g, h) }"
    )
    _, written = quantised(model, feeds)
    found = edges(written)
    assert found["g"] == ("Gelu", ["h"])
    assert found["y"] == ("Add", ["g", "h"])
    assert found["z_float"] == ("Conv", ["h_dq", "w_dq", "b_dq"])


def test_a_view_leads_both_ways(build, feeds):
    model = build(
        "(float[1,4,3,3] x) => (float[1,9,4] y, float[4,9] z) <float[9,9] w, int64[3] to, int64[2] flat> "
        "{ h = HardSwish(x) v = Reshape(h, to) t = Transpose<perm=[0,2,1]>(v) m = MatMul(v, w) y = Gelu(t)"
        "  z = Reshape(m, flat) }",
        to=[1, 4, 9],
        flat=[4, 9],
    )
    _, written = quantised(model, feeds)
    assert edges(written)["v"] == ("Reshape", ["h_dq", "to"])
    assert edges(written)["z"] == ("Reshape", ["m_dq", "flat"])


def test_names_are_taken_around(build, feeds):
    model = build(
        "(float[1,4] x) => (float[1,4] y) <float[4,4] w, float[4,4] w_q> { x_q = MatMul(x, w) y = MatMul(x_q, w_q) }"
    )
    _, written = quantised(model, feeds)
    names = [o.name for n in written.graph for o in n.outputs] + list(written.graph.initializers)
    assert len(names) == len(set(names))
    onnx.checker.check_model(ir.to_proto(written), full_check=True)


BLOCKS = {
    "conv": "{o} = Conv<kernel_shape=[3,3], pads=[1,1,1,1]>({i}, w{n}, b{n})",
    "relu": "r{n} = Conv<kernel_shape=[3,3], pads=[1,1,1,1]>({i}, w{n}, b{n}) {o} = Relu(r{n})",
    "silu": "r{n} = Conv<kernel_shape=[1,1]>({i}, k{n}, b{n}) s{n} = Sigmoid(r{n}) {o} = Mul(r{n}, s{n})",
    "hard_swish": "{o} = HardSwish({i})",
    "residual": "{o} = Add({i}, {j})",
    "difference": "{o} = Sub({i}, {j})",
    "gate": "g{n} = Tanh({j}) {o} = Mul({i}, g{n})",
    "pool": "{o} = MaxPool<kernel_shape=[3,3], pads=[1,1,1,1]>({i})",
    "attention": "t{n} = Transpose<perm=[0,1,3,2]>({j}) a{n} = MatMul({i}, t{n}) p{n} = Softmax<axis=3>(a{n}) "
    "{o} = MatMul(p{n}, {j})",
    "swap": "t{n} = Transpose<perm=[0,1,3,2]>({i}) {o} = Reshape(t{n}, same)",
    "concat": "c{n} = Concat<axis=1>({i}, {j}) {o} = Conv<kernel_shape=[1,1]>(c{n}, v{n}, b{n})",
}


@st.composite
def graphs(draw):
    """A random graph of 1..8 blocks on (1, 4, 5, 5); each reads one or two earlier values."""
    text, names = [], ["x"]
    for n in range(draw(st.integers(1, 8))):
        block = BLOCKS[draw(st.sampled_from(sorted(BLOCKS)))]
        text.append(block.format(n=n, o=f"y{n}", i=draw(st.sampled_from(names)), j=draw(st.sampled_from(names))))
        names.append(f"y{n}")
    body = " ".join(text)
    shapes = {"w": "4,4,3,3", "b": "4", "v": "4,8,1,1", "k": "4,4,1,1"}
    declared = [f"float[{shape}] {c}{n}" for c, shape in shapes.items() for n in range(len(text)) if f"{c}{n}" in body]
    unread = [name for name in names if body.count(name) == 1]
    outputs = ", ".join(f"float[1,4,5,5] {name}" for name in dict.fromkeys([draw(st.sampled_from(names[1:])), *unread]))
    return f"(float[1,4,5,5] x) => ({outputs}) <{', '.join([*declared, 'int64[4] same'])}> {{ {body} }}"


@given(text=graphs(), seed=st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_any_graph(text, seed, build, feeds, run):
    model = build(text, seed=seed, same=[1, 4, 5, 5])
    before = ir.to_proto(model).SerializeToString()
    made, written = quantised(model, feeds)
    assert ir.to_proto(model).SerializeToString() == before, "the input model was changed"
    proto = ir.to_proto(written)
    onnx.checker.check_model(proto, full_check=True)
    again = ir.to_proto(apply(model, plan(model, collect(model, feeds(model)), TFLITE_XNNPACK)))
    assert again.SerializeToString() == proto.SerializeToString(), "two runs differ"
    check_pairs(written)
    for unit in made.units:
        kernel = TFLITE_XNNPACK.kernels.get(unit.kind)
        if unit.precision == "float":
            continue
        params = [made.activations[name] for name in (*unit.operands, unit.output)]
        if kernel.same_parameters:
            assert len(set(params)) == 1
        if kernel.fixed_output:
            assert params[-1] == kernel.fixed_output
        for index in kernel.symmetric:
            assert params[index].zero_point == 0
    (feed,) = feeds(model, 1)
    exact, rounded = run(model, feed), run(written, feed)
    assert list(exact) == list(rounded)
    assert all(snr_db(exact[name], rounded[name]) > 10 for name in exact if np.abs(exact[name]).max() > 1e-3)


def check_pairs(written):
    """No pair around a view or between fused nodes; none that nobody reads; weights within half a scale of integers."""
    for node in written.graph:
        assert any(o.uses() or o.is_graph_output() for o in node.outputs), f"{node.op_type} is read by nothing"
        if node.op_type == "QuantizeLinear":
            source = node.inputs[0].producer()
            assert source is None or source.op_type not in ("Reshape", "Transpose", "DequantizeLinear")
            assert [use.node.op_type for use in node.outputs[0].uses()] == ["DequantizeLinear"]
    for name, value in written.graph.initializers.items():
        if value.dtype == ir.DataType.INT8 and value.const_value.size > 1:
            integers = value.const_value.numpy()
            assert integers.min() >= -127 or not name.startswith("w")
            assert INT8[0] <= integers.min()
        assert value.uses(), f"{name} is read by nothing"


@pytest.mark.parametrize("bits", [1, 2])
def test_dequantised_weights_are_within_half_a_scale(bits, build, feeds):
    model = build(
        "(float[1,4,3,3] x) => (float[1,6,3,3] y) <float[6,4,1,1] w, float[6] b> { y = Conv(x, w, b) }", seed=bits
    )
    made, written = quantised(model, feeds)
    for name, params in (("w", made.weights["w"]), ("b", made.biases["y"])):
        real = model.graph.initializers[name].const_value.numpy()
        stored = written.graph.initializers[f"{name}_q"].const_value.numpy()
        scales = np.reshape(params.scales, (-1, *[1] * (real.ndim - 1)))
        assert (np.abs(stored * scales - real) <= scales * 0.5001).all()
