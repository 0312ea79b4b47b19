"""What biases are corrected for: the mean behind a smooth activation function, not only the one in front."""

import math

import numpy as np
import onnx_ir as ir
import pytest
from edgeport.graph.edit import name_of
from edgeport.quantize import HeldOut, apply, collect, correct_biases, plan
from edgeport.quantize.tuning import bias_correction
from edgeport.quantize.tuning.pointwise import find_pointwise
from edgeport.targets.kernel_sets.openvino import OPENVINO_CPU
from edgeport.targets.kernel_sets.tflite import TFLITE_XNNPACK

# Two convolutions; what the second gives is mostly negative, and HardSwish and the mean make the output of what is not.
NEGATIVE = (
    "(float[1,8,12,12] x) => (float[1,16,1,1] y) "
    "<float[16,8,1,1] w1, float[16] b1, float[16,16,1,1] w2, float[16] b2, int64[2] axes> "
    "{ c = Conv<kernel_shape=[1,1]>(x, w1, b1) r = Relu(c) z = Conv<kernel_shape=[1,1]>(r, w2, b2)"
    " h = HardSwish(z) y = ReduceMean<keepdims=1>(h, axes) }"
)
FUNCTIONS = {
    "hardswish": ("y = HardSwish(z)", ("HardSwish",)),
    "gelu": ("y = Gelu(z)", ("Gelu",)),
    "silu": ("s = Sigmoid(z) y = Mul(z, s)", ("Sigmoid", "Mul")),
    "hard sigmoid": ("c = Clip(z, low, high) y = Mul(c, three)", ("Clip", "Mul")),
    "hardswish of three": ("a = Add(z, three) c = Clip(a, low, high) y = Mul(z, c)", ("Add", "Clip", "Mul")),
}


@pytest.fixture(scope="module")
def case(build, feeds):
    """(float model, 24 inputs, some outliers among their channels, so that the rounding of x and r is coarse)"""
    rng = np.random.default_rng(3)
    model = build(
        NEGATIVE,
        axes=[2, 3],
        w1=rng.normal(0, 1, (16, 8, 1, 1)),
        b1=rng.normal(0, 0.3, 16),
        w2=rng.normal(0, 0.3, (16, 16, 1, 1)),
        b2=np.full(16, -3.0),
    )
    gain = np.ones((1, 8, 1, 1), np.float32)
    gain[0, 0] = 40
    return model, [{"x": feed["x"] * gain} for feed in feeds(model, 24)]


@pytest.mark.parametrize("kernels", [TFLITE_XNNPACK, OPENVINO_CPU], ids=lambda k: k.name)
def test_the_mean_behind_hardswish_is_the_float_graphs(case, run, kernels, monkeypatch):
    model, inputs = case
    statistics = collect(model, inputs)
    formed, statistics = kernels.apply_rewrites(kernels.apply_forms(model), statistics)
    made = plan(formed, statistics, kernels, observer="mse")

    def error():
        """Of the mean of each channel, over what it varies by."""
        written = apply(correct_biases(formed, made, inputs), made)
        difference = [run(written, feed)["y"] - run(model, feed)["y"] for feed in inputs]
        return np.sqrt(np.square(np.mean(difference, axis=0)).mean())

    after = error()
    monkeypatch.setattr(bias_correction.ActivationMeans, "shift", lambda *args: np.zeros(1))
    before = error()
    assert after < 0.6 * before


@pytest.mark.parametrize("name", FUNCTIONS)
def test_finds_the_function_and_its_numbers(name, build, run):
    body, operators = FUNCTIONS[name]
    numbers = "<float[2,2,1,1] w, float[2] b" + (", float three, float low, float high" if "three" in body else "")
    text = f"(float[1,2,4,4] x) => (float[1,2,4,4] y) {numbers}> {{ z = Conv<kernel_shape=[1,1]>(x, w, b) {body} }}"
    given = {"three": 3.0, "low": 0.0, "high": 6.0} if "three" in body else {}
    model = build(text, **given)
    (z,) = (o for node in model.graph for o in node.outputs if o.name == "z")
    found = find_pointwise(z)
    assert found is not None
    assert found.operators == operators
    assert found.is_smooth is (name != "hard sigmoid")
    assert name_of(found.result) == "y"
    x = np.linspace(-8, 8, 97)
    exact = {
        "gelu": lambda v: 0.5 * v * (1 + np.vectorize(math.erf)(v / 2**0.5)),
        "silu": lambda v: v / (1 + np.exp(-v)),
        "hardswish": lambda v: v * np.clip(v / 6 + 0.5, 0, 1),
        "hard sigmoid": lambda v: 3 * np.clip(v, 0, 6),
        "hardswish of three": lambda v: v * np.clip(v + 3, 0, 6),
    }[name](x)
    np.testing.assert_allclose(found.tabulate(-8.0, 8.0)(x), exact, atol=0.02)


def test_one_constant_for_each_channel_is_no_function_of_one_number(build):
    text = (
        "(float[1,2,4,4] x) => (float[1,2,4,4] y) <float[2,2,1,1] w, float[2] b, float[2,1,1] s> "
        "{ z = Conv<kernel_shape=[1,1]>(x, w, b) m = Mul(z, s) y = Sigmoid(m) }"
    )
    model = build(text)
    (z,) = (o for node in model.graph for o in node.outputs if o.name == "z")
    assert find_pointwise(z) is None


def test_what_others_read_too_is_no_function_behind_the_layer(build):
    text = (
        "(float[1,2,4,4] x) => (float[1,2,4,4] y, float[1,2,2,2] p) <float[2,2,1,1] w, float[2] b> "
        "{ z = Conv<kernel_shape=[1,1]>(x, w, b) y = Sigmoid(z) p = MaxPool<kernel_shape=[2,2], strides=[2,2]>(z) }"
    )
    (z,) = (o for node in build(text).graph for o in node.outputs if o.name == "z")
    assert find_pointwise(z) is None


def test_the_same_bytes_twice(case):
    model, inputs = case
    made = plan(model, collect(model, inputs), OPENVINO_CPU)
    once, again = (ir.to_proto(correct_biases(model, made, inputs)).SerializeToString() for _ in range(2))
    assert once == again


def test_held_inputs_judge(case):
    model, inputs = case
    held = HeldOut(model, inputs[:4])
    made = plan(model, collect(model, inputs), OPENVINO_CPU)
    assert held.judge(model).loss == 0
    rounded, corrected = apply(model, made), apply(correct_biases(model, made, inputs[4:]), made)
    assert 0 < held.judge(corrected).loss < held.judge(rounded).loss
    assert not HeldOut(model, [])
