"""Weight rounding by reconstruction: on the plan's grid, and closer to what the layer computed than rounding alone."""

import numpy as np
import onnx_ir as ir
import pytest
from edgeport.graph.edit import array
from edgeport.quantize import QuantizeError, collect, plan, round_weights
from edgeport.targets.kernel_sets.tflite import TFLITE_XNNPACK

LAYERS = {
    "linear": "(float[1,40,24] x) => (float[1,40,16] y) <float[24,16] w, float[16] b> "
    "{ m = MatMul(x, w) y = Add(m, b) }",
    "conv": "(float[1,6,9,9] x) => (float[1,8,9,9] y) <float[8,6,3,3] w, float[8] b> "
    "{ y = Conv<kernel_shape=[3,3], pads=[1,1,1,1], strides=[1,1], dilations=[1,1], group=1>(x, w, b) }",
    "strided": "(float[1,6,9,9] x) => (float[1,8,4,3] y) <float[8,6,3,3] w, float[8] b> "
    "{ y = Conv<kernel_shape=[3,3], pads=[0,0,0,0], strides=[2,3], dilations=[1,1], group=1>(x, w, b) }",
    "depthwise": "(float[1,6,9,9] x) => (float[1,6,9,9] y) <float[6,1,3,3] w, float[6] b> "
    "{ y = Conv<kernel_shape=[3,3], pads=[1,1,1,1], strides=[1,1], dilations=[1,1], group=6>(x, w, b) }",
    "grouped": "(float[1,6,9,9] x) => (float[1,8,9,9] y) <float[8,3,3,3] w, float[8] b> "
    "{ y = Conv<kernel_shape=[3,3], pads=[2,2,2,2], strides=[1,1], dilations=[2,2], group=2>(x, w, b) }",
}

for _name, _kernel, _attributes, _size in (
    ("transposed", 2, "pads=[0,0,0,0], strides=[2,2]", 18),
    ("transposed_overlapping", 4, "pads=[1,1,1,1], strides=[2,2]", 18),
):
    LAYERS[_name] = (
        f"(float[1,6,9,9] x) => (float[1,8,{_size},{_size}] y) <float[6,8,{_kernel},{_kernel}] w, float[8] b> "
        f"{{ y = ConvTranspose<kernel_shape=[{_kernel},{_kernel}], {_attributes}, output_padding=[0,0]>(x, w, b) }}"
    )


def correlated(shape, count, seed=0):
    """Inputs in which neighbours resemble each other, as in images: what rounding can make use of."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        noise = rng.standard_normal(shape).cumsum(-1).cumsum(-2)
        yield {"x": (noise / noise.std() + 0.5).astype(np.float32)}


@pytest.mark.parametrize("kind", LAYERS)
def test_layer_error_falls(kind, build, run):
    model = build(LAYERS[kind])
    shape = tuple(int(d) for d in model.graph.inputs[0].shape)
    made = plan(model, collect(model, correlated(shape, 24)), TFLITE_XNNPACK)
    rounded = round_weights(model, made, correlated(shape, 24))
    (weight,) = made.weights
    params = made.weights[weight]
    exact, new = (array(m.graph.initializers[weight]) for m in (model, rounded))
    np.testing.assert_array_equal(new, params.dequantize(params.quantize(new)))
    nearest = model.clone()
    value = nearest.graph.initializers[weight]
    value.const_value = ir.Tensor(params.dequantize(params.quantize(exact)), name=weight)
    errors = []
    for candidate in (nearest, rounded):
        pairs = [(run(candidate, f)["y"], run(model, f)["y"]) for f in correlated(shape, 8, seed=1)]
        errors.append(np.mean([np.square(a - b).mean() for a, b in pairs]))
    # one tap a phase: the six channels of the input, which are independent, are all that there is to make use of
    most = 1.0 if kind == "transposed" else 0.7
    assert errors[1] < most * errors[0], "on inputs it has not seen"


def test_inputs_that_are_always_zero_do_no_harm(build):
    model = build(LAYERS["linear"])
    feeds = list(correlated((1, 40, 24), 4))
    for feed in feeds:
        feed["x"][..., 3:9] = 0
    made = plan(model, collect(model, feeds), TFLITE_XNNPACK)
    (weight,) = made.weights
    assert np.isfinite(array(round_weights(model, made, feeds).graph.initializers[weight])).all()


def test_no_inputs_are_refused(build):
    model = build(LAYERS["linear"])
    made = plan(model, collect(model, correlated((1, 40, 24), 1)), TFLITE_XNNPACK)
    with pytest.raises(QuantizeError, match="no calibration inputs"):
        round_weights(model, made, [])
