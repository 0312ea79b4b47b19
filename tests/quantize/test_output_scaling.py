"""A gain and a shift per channel of a network's last layers: what is fitted, when it is kept, where it is put."""

import numpy as np
import onnx_ir as ir
import pytest
from edgeport.quantize import Scaling, apply, collect, correct_and_compare, fit_scalings, plan, scale_outputs
from edgeport.quantize.tuning.output_scaling import Pairs, find_ends, fit_scaling
from edgeport.targets.kernel_sets.openvino import OPENVINO_CPU
from edgeport.targets.kernel_sets.tflite import TFLITE_XNNPACK

CLASSES = 12
LINEAR = (
    "(float[1,8] x) => (float[1,12] y) <float[8,16] w1, float[16] b1, float[16,12] w2, float[12] b2> "
    "{ m = MatMul(x, w1) a = Add(m, b1) r = Relu(a) n = MatMul(r, w2) y = Add(n, b2) }"
)
CONV = (
    "(float[1,8,6,6] x) => (float[1,12,6,6] y) <float[16,8,1,1] w1, float[16] b1, float[12,16,1,1] w2, float[12] b2> "
    "{ a = Conv<kernel_shape=[1,1]>(x, w1, b1) r = Relu(a) y = Conv<kernel_shape=[1,1]>(r, w2, b2) }"
)


def pairs(gain, shift, noise, images, seed=0):
    """(exact, rounded) (images, 1, CLASSES), where `rounded` is a gain, a shift and noise away."""
    rng = np.random.default_rng(seed)
    exact = rng.normal(size=(images, 1, CLASSES))
    return exact, (exact - shift + noise * rng.normal(size=exact.shape)) / gain


@pytest.mark.parametrize("gain", [0.85, 1.2], ids=str)
@pytest.mark.parametrize("noise", [0.01, 0.15], ids=str)
def test_a_common_gain_is_restored_on_other_inputs(gain, noise):
    scaling = fit_scaling(*pairs(gain, 0.1, noise, 64))
    assert scaling is not None
    exact, rounded = pairs(gain, 0.1, noise, 200, seed=1)
    before, after = (np.square(each - exact).sum() for each in (rounded, scaling(rounded)))
    assert after < 0.6 * before
    assert np.mean(scaling.gain) == pytest.approx(gain, abs=0.05)


def test_gains_of_single_channels_are_restored_where_the_inputs_tell_them():
    gain = np.linspace(0.8, 1.25, CLASSES)
    scaling = fit_scaling(*pairs(gain, 0.0, 0.02, 64))
    assert scaling is not None
    np.testing.assert_allclose(scaling.gain, gain, atol=0.05)


@pytest.mark.parametrize("seed", range(8))
def test_mere_noise_is_not_fitted_to_the_loss_of_other_inputs(seed):
    scaling = fit_scaling(*pairs(1.0, 0.0, 0.1, 48, seed=seed))
    if scaling is None:
        return
    exact, rounded = pairs(1.0, 0.0, 0.1, 2000, seed=100 + seed)
    before, after = (np.square(each - exact).sum() for each in (rounded, scaling(rounded)))
    assert after < 1.02 * before


@pytest.mark.parametrize("images", [1, 7])
def test_too_few_inputs_tell_nothing(images):
    assert fit_scaling(*pairs(1.5, 0.0, 0.0, images)) is None


@pytest.mark.parametrize("kernels", [TFLITE_XNNPACK, OPENVINO_CPU], ids=lambda k: k.name)
@pytest.mark.parametrize("text", [LINEAR, CONV], ids=["linear", "conv"])
def test_the_integers_stay_and_the_scales_take_the_gain(text, kernels, build, feeds, run):
    model = build(text)
    inputs = list(feeds(model, 8))
    made = plan(model, collect(model, inputs), kernels)
    scaling = Scaling(np.linspace(0.8, 1.3, CLASSES), np.linspace(-1, 1, CLASSES))
    before = ir.to_proto(model).SerializeToString()
    scaled, scaled_plan = scale_outputs(model, made, {"y": scaling})
    assert ir.to_proto(model).SerializeToString() == before
    weight = model.graph.initializers["w2"].const_value.numpy()
    np.testing.assert_array_equal(
        scaled_plan.weights["w2"].quantize(scaled.graph.initializers["w2"].const_value.numpy()),
        made.weights["w2"].quantize(weight),
    )
    (axis,) = find_ends(model.graph).values()
    for feed in inputs:
        wanted = scaling(run(model, feed)["y"], axis)
        np.testing.assert_allclose(run(scaled, feed)["y"], wanted, atol=1e-5)
        rounded = scaling(run(apply(model, made), feed)["y"], axis)
        step = made.activations["y"].scale if "y" in made.activations else 0.0
        if step:  # what leaves the graph is rounded, too
            rounded = np.clip(rounded, *made.activations["y"].range)
        np.testing.assert_allclose(run(apply(scaled, scaled_plan), feed)["y"], rounded, atol=1e-4 + 1.5 * step)


OTHERS = {
    "a softmax behind it": "{ n = MatMul(r, w2) s = Add(n, b2) y = Softmax(s) }",
    "no bias": "{ y = MatMul(r, w2) }",
    "an activation function": "{ n = MatMul(r, w2) s = Add(n, b2) y = Relu(s) }",
}


@pytest.mark.parametrize("name", OTHERS)
def test_only_outputs_of_a_layer_are_scaled(name, build):
    text = f"(float[1,16] r) => (float[1,12] y) <float[16,12] w2, float[12] b2> {OTHERS[name]}"
    assert find_ends(build(text).graph) == {}


def test_a_network_that_inflates_its_logits_gets_them_back(build, feeds, run):
    """Weights that int8 meets a tenth too large stand for whatever inflates; the fit undoes it on other inputs."""
    model = build(LINEAR)
    inputs, unseen = list(feeds(model, 48)), list(feeds(model, 100, seed=7))
    inflated = model.clone()
    for name in ("w2", "b2"):
        stored = inflated.graph.initializers[name]
        stored.const_value = ir.tensor((1.1 * stored.const_value.numpy()).astype(np.float32), name=name)
    made = plan(inflated, collect(inflated, inputs), TFLITE_XNNPACK)
    corrected = correct_and_compare(inflated, made, inputs, reference=model)
    scalings = fit_scalings(corrected.pairs)
    assert scalings["y"].gain.mean() == pytest.approx(1 / 1.1, abs=0.02)

    def noise(graph):
        return sum(np.square(run(graph, feed)["y"] - run(model, feed)["y"]).sum() for feed in unseen)

    plain = apply(corrected.model, made)
    assert noise(apply(*scale_outputs(corrected.model, made, scalings))) < 0.3 * noise(plain)


def test_pairs_of_nothing():
    assert fit_scalings(Pairs.of([{}, {}], [{}, {}])) == {}
