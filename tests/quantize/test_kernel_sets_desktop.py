"""Where OPENVINO_CPU and ONNXRUNTIME_CPU put pairs: graph -> who has a pair, per kernel set, and who reads it."""

import numpy as np
import pytest
from edgeport.quantize import apply, collect, correct_biases, plan
from edgeport.targets.kernel_sets.onnx import ONNXRUNTIME_CPU
from edgeport.targets.kernel_sets.openvino import OPENVINO_CPU
from edgeport.targets.kernel_sets.tflite import TFLITE_XNNPACK

IMAGE = "(float[1,4,6,6] x)"
WEIGHTS = "float[4,4,1,1] w, float[4] b"
WIDE = "float[4,8,1,1] v"

# name: (text, constants, pairs of OpenVINO, pairs of ONNX Runtime)
CASES = {
    "convolutions": (
        f"{IMAGE} => (float[1,4,6,6] z) <{WEIGHTS}> {{ y = Conv(x, w, b) z = Conv(y, w, b) }}",
        {},
        "x y",
        "x y z",
    ),
    "linear": ("(float[1,5,4] x) => (float[1,5,4] m) <float[4,4] w> { m = MatMul(x, w) }", {}, "x", "x"),
    "silu": (
        f"{IMAGE} => (float[1,4,6,6] z) <{WEIGHTS}> "
        "{ c = Conv(x, w, b) s = Sigmoid(c) y = Mul(c, s) z = Conv(y, w, b) }",
        {},
        "x y",
        "x c s y z",
    ),
    "residual": (
        f"{IMAGE} => (float[1,4,6,6] z) <{WEIGHTS}> "
        "{ c = Conv(x, w, b) a = Add(c, x) y = Relu(a) z = Conv(y, w, b) }",
        {},
        "x y",
        "x c y z",
    ),
    "concat": (
        f"{IMAGE} => (float[1,4,6,6] z) <{WEIGHTS}, {WIDE}> "
        "{ c = Conv(x, w, b) d = Conv(c, w, b) e = Concat<axis=1>(c, d) z = Conv(e, v, b) }",
        {},
        "x c d",
        "x c d e z",
    ),
    "concat_of_float": (
        f"{IMAGE} => (float[1,4,6,6] z) <{WEIGHTS}, {WIDE}> "
        "{ c = Gelu(x) d = Gelu(c) e = Concat<axis=1>(c, d) z = Conv(e, v, b) }",
        {},
        "e",
        "e z",
    ),
    "max_pool": (
        f"{IMAGE} => (float[1,4,3,3] z) <{WEIGHTS}> "
        "{ c = Conv(x, w, b) p = MaxPool<kernel_shape=[2,2], strides=[2,2]>(c) z = Conv(p, w, b) }",
        {},
        "x c",
        "x c p z",
    ),
    "average_pool": (
        f"{IMAGE} => (float[1,4,3,3] z) <{WEIGHTS}> "
        "{ c = Conv(x, w, b) p = AveragePool<kernel_shape=[2,2], strides=[2,2]>(c) z = Conv(p, w, b) }",
        {},
        "x p",
        "x c p z",
    ),
    "attention": (
        "(float[1,2,5,4] x) => (float[1,2,5,4] y) <float[4,4] wq, float[4,4] wk> "
        "{ q = MatMul(x, wq) k = MatMul(x, wk) t = Transpose<perm=[0,1,3,2]>(k) s = MatMul(q, t)"
        "  p = Softmax<axis=3>(s) y = MatMul(p, q) }",
        {},
        "x",
        "x",
    ),
    "hard_swish_behind_little_work": (
        f"{IMAGE} => (float[1,4,6,6] z) <{WEIGHTS}> {{ c = Conv(x, w, b) h = HardSwish(c) z = Conv(h, w, b) }}",
        {},
        "x h",
        "h z",
    ),
    "hard_swish_behind_much_work": (
        f"{IMAGE} => (float[1,4,4,4] z) <float[4,4,5,5] w5, {WEIGHTS}> "
        "{ c = Conv<pads=[1,1,1,1]>(x, w5, b) h = HardSwish(c) z = Conv(h, w, b) }",
        {},
        "x h",
        "x c h z",
    ),
}


def pairs(model):
    return {node.inputs[0].name for node in model.graph if node.op_type == "QuantizeLinear"}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kernels", [OPENVINO_CPU, ONNXRUNTIME_CPU], ids=lambda kernels: kernels.name)
def test_where_pairs_stand(case, kernels, build, feeds, run):
    text, constants, *wanted = CASES[case]
    model = build(text, **constants)
    written = apply(model, plan(model, collect(model, feeds(model)), kernels))
    expected = set(wanted[kernels is ONNXRUNTIME_CPU].split())
    assert {name.removesuffix("_float") for name in pairs(written)} == expected
    zero_points = [
        v for v in written.graph.initializers.values() if v.name.endswith("_zero_point") and v.shape.rank() == 0
    ]
    assert all(v.const_value.numpy().dtype == np.uint8 for v in zero_points)
    (feed,) = feeds(model, 1)
    for name, exact in run(model, feed).items():
        assert np.abs(run(written, feed)[name] - exact).max() < 0.1 * np.abs(exact).max()


def test_float_readers_of_a_float_result_keep_it(build, feeds):
    """OpenVINO: the convolution reads integers, the residual beside it what was computed."""
    text, constants, *_ = CASES["residual"]
    model = build(text.replace("z = Conv(y, w, b)", "g = Conv(y, w, b) z = Add(g, y)"), **constants)
    written = apply(model, plan(model, collect(model, feeds(model)), OPENVINO_CPU))
    reads = {n.outputs[0].name: [v.name for v in n.inputs] for n in written.graph}
    assert reads["g"][0] == "y_dq"
    assert reads["z"] == ["g", "y"]
    assert reads["a"] == ["c", "x"]


def test_what_is_only_moved_has_its_sources_parameters_and_no_pair(build, feeds):
    text, constants, *_ = CASES["concat"]
    model = build(text, **constants)
    made = plan(model, collect(model, feeds(model)), OPENVINO_CPU)
    assert made.activations["e"] == made.activations["c"] == made.activations["d"]
    reads = {n.outputs[0].name: [v.name for v in n.inputs] for n in apply(model, made).graph}
    assert reads["e"] == ["c_dq", "d_dq"]
    assert reads["z"][0] == "e"


@pytest.mark.parametrize("case", CASES)
def test_schemes_agree(case, build, feeds):
    """A value has the same real range, a weight the same scales, whatever the target."""
    text, constants, *_ = CASES[case]
    model = build(text, **constants)
    stats = collect(model, feeds(model))
    one = plan(model, stats, TFLITE_XNNPACK)
    for kernels in (OPENVINO_CPU, ONNXRUNTIME_CPU):
        other = plan(model, stats, kernels)
        for name in one.activations.keys() & other.activations.keys():
            assert one.activations[name].unsigned() == other.activations[name], (name, kernels.name)
        for name in one.weights.keys() & other.weights.keys():
            assert one.weights[name] == other.weights[name], (name, kernels.name)


@pytest.mark.parametrize("case", ["concat", "residual", "max_pool", "silu"])
@pytest.mark.parametrize("kernels", [OPENVINO_CPU, ONNXRUNTIME_CPU], ids=lambda kernels: kernels.name)
def test_biases_can_be_corrected(case, kernels, build, feeds, run):
    """Also behind what a kernel only moves: the mean error of the result's channels shrinks."""
    text, constants, *_ = CASES[case]
    model = build(text, **constants)
    made = plan(model, collect(model, feeds(model, 16)), kernels)
    corrected = correct_biases(model, made, feeds(model, 16))

    def shift(graph):
        errors = [run(apply(graph, made), feed)["z"] - run(model, feed)["z"] for feed in feeds(model, 16)]
        return np.abs(np.mean(errors, axis=(0, 1, 3, 4))).max()

    assert shift(corrected) <= max(0.85 * shift(model), 1e-3)
