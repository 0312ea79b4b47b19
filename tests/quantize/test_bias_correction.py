import numpy as np
import onnx_ir as ir
import pytest
from edgeport.quantize import QuantizeError, apply, collect, correct_biases, correct_for_weights, plan
from edgeport.targets.kernel_sets.tflite import TFLITE_XNNPACK

# Two convolutions, a residual, a linear on a transposed view, and one bias that two layers share.
TEXT = (
    "(float[1,4,6,6] x) => (float[1,36,3] y) "
    "<float[4,4,3,3] w1, float[4,4,1,1] w2, float[4] b, float[4,3] w3, float[3] b3, int64[3] to> "
    "{ c = Conv<kernel_shape=[3,3], pads=[1,1,1,1]>(x, w1, b) r = Relu(c) d = Conv<kernel_shape=[1,1]>(r, w2, b)"
    " g = Gelu(d) a = Add(g, x) v = Reshape(a, to) t = Transpose<perm=[0,2,1]>(v) m = MatMul(t, w3) y = Add(m, b3) }"
)


@pytest.fixture(scope="module")
def case(build, feeds):
    """(float model, plan, calibration inputs)"""
    model = build(TEXT, to=[1, 4, 36])
    inputs = list(feeds(model, 16))
    return model, plan(model, collect(model, inputs), TFLITE_XNNPACK), inputs


def _means(model, inputs, run, name="y"):
    return np.mean([run(model, feed)[name] for feed in inputs], axis=(0, 1, 2))


def test_the_mean_of_every_output_channel_is_that_of_the_float_graph(case, run):
    model, made, inputs = case
    corrected = correct_biases(model, made, inputs)
    wanted = _means(model, inputs, run)
    step = made.activations["y"].scale
    before = np.abs(_means(apply(model, made), inputs, run) - wanted).max()
    after = np.abs(_means(apply(corrected, made), inputs, run) - wanted).max()
    assert after < 0.05 * step
    assert after < before


def test_only_biases_change_and_a_shared_one_is_split(case):
    model, made, inputs = case
    before = ir.to_proto(model).SerializeToString()
    corrected = correct_biases(model, made, inputs)
    assert ir.to_proto(model).SerializeToString() == before
    for name in ("w1", "w2", "w3"):
        np.testing.assert_array_equal(
            corrected.graph.initializers[name].const_value.numpy(), model.graph.initializers[name].const_value.numpy()
        )
    one, other = (n.inputs[2].const_value.numpy() for n in corrected.graph if n.op_type == "Conv")
    assert not np.array_equal(one, other)
    again = correct_biases(model, made, inputs)
    assert ir.to_proto(again).SerializeToString() == ir.to_proto(corrected).SerializeToString()


def test_progress_counts_the_layers(case):
    model, made, inputs = case
    done = []
    correct_biases(model, made, inputs, progress=done.append)
    assert done == [1, 2, 3]


def test_without_inputs(case):
    with pytest.raises(QuantizeError, match="no calibration inputs"):
        correct_biases(case[0], case[1], [])


LAYERS = {
    "1x1": "(float[1,4,6,6] x) => (float[1,8,6,6] y) <float[8,4,1,1] w, float[8] b>"
    " { y = Conv<kernel_shape=[1,1]>(x, w, b) }",
    "groups": "(float[1,4,6,6] x) => (float[1,8,6,6] y) <float[8,2,1,1] w, float[8] b>"
    " { y = Conv<kernel_shape=[1,1], group=2>(x, w, b) }",
    "depthwise": "(float[1,4,6,6] x) => (float[1,4,4,4] y) <float[4,1,3,3] w, float[4] b>"
    " { y = Conv<kernel_shape=[3,3], group=4>(x, w, b) }",
    "linear": "(float[1,6,4] x) => (float[1,6,8] y) <float[4,8] w, float[8] b> { m = MatMul(x, w) y = Add(m, b) }",
}


@pytest.mark.parametrize("name", LAYERS)
def test_the_rounding_of_weights_moves_no_mean(name, build, feeds, run):
    """The float graph with rounded weights has the means of the float graph; where a window sees all of the inputs."""
    model = build(LAYERS[name])
    inputs = [{"x": feed["x"] + 3} for feed in feeds(model, 16)]
    if name == "depthwise":  # a constant image: no border, and every position sees the mean
        inputs = [{"x": np.broadcast_to(feed["x"].mean((2, 3), keepdims=True), feed["x"].shape)} for feed in inputs]
        inputs = [{"x": np.ascontiguousarray(feed["x"])} for feed in inputs]
    made = plan(model, collect(model, inputs), TFLITE_XNNPACK)
    axes = (0, 1) if name == "linear" else (0, 2, 3)

    def means(graph):
        return np.mean([run(graph, feed)["y"].mean(axes, dtype=np.float64) for feed in inputs], axis=0)

    def rounded(graph):
        copy = graph.clone()
        weight = copy.graph.initializers["w"]
        params = made.weights["w"]
        weight.const_value = ir.tensor(params.dequantize(params.quantize(weight.const_value.numpy())), name="w")
        return copy

    wanted = means(model)
    before, after = (
        np.abs(means(rounded(graph)) - wanted).max() for graph in (model, correct_for_weights(model, made, inputs))
    )
    assert before > 1e-3
    assert after < 1e-5


def test_the_short_way_changes_only_biases_and_wants_inputs(case):
    model, made, inputs = case
    corrected = correct_for_weights(model, made, inputs)
    for name in ("w1", "w2", "w3"):
        np.testing.assert_array_equal(
            corrected.graph.initializers[name].const_value.numpy(), model.graph.initializers[name].const_value.numpy()
        )
    one, other = (n.inputs[2].const_value.numpy() for n in corrected.graph if n.op_type == "Conv")
    assert not np.array_equal(one, other)
    with pytest.raises(QuantizeError, match="no calibration inputs"):
        correct_for_weights(model, made, [])
