"""What a calibration does not look at: values that no plan asks for, and those that follow from others."""

import numpy as np
import pytest
from edgeport.quantize import QuantizeError, collect, find_all_wanted, plan
from edgeport.quantize.calibration.collect import SAMPLES_PER_INPUT
from edgeport.quantize.calibration.derived import find_derived
from edgeport.runtime.graph_session import evaluate
from edgeport.targets.registry import get_target, list_targets

STEPS = "strides=[1,1], pads=[0,0,0,0], dilations=[1,1], group=1, kernel_shape=[1,1]"
ACTIVATIONS = {
    "relu": "a = Relu(c)",
    "relu6": "a = Clip(c, zero, six)",
    "leaky": "a = LeakyRelu<alpha=0.2>(c)",
    "sigmoid": "a = Sigmoid(c)",
    "tanh": "a = Tanh(c)",
    "silu": "g = Sigmoid(c) a = Mul(c, g)",
    "silu_swapped": "g = Sigmoid(c) a = Mul(g, c)",
    "hard_swish": "a = HardSwish(c)",
}


def make(build, activation, size):
    return build(
        f"(float[1,3,{size},{size}] x) => (float[1,4,{size},{size}] z)"
        f" <float[8,3,1,1] w, float[8] b, float[4,8,1,1] v, float[4] d, float zero, float six>"
        f" {{ c = Conv<{STEPS}>(x, w, b) {ACTIVATIONS[activation]} z = Conv<{STEPS}>(a, v, d) }}",
        w=np.random.default_rng(0).normal(0, 2, (8, 3, 1, 1)),
        zero=0,
        six=6,
    )


@pytest.mark.parametrize("size", [8, 96])  # all elements are counted, and a sample of them
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_what_follows_from_another_value_has_its_own_statistics(activation, size, build, feeds):
    """The same as if somebody had looked at it, for one without the other nobody derives."""
    model = make(build, activation, size)
    assert "a" in find_derived(model.graph, {"c", "a"}, ())
    assert not find_derived(model.graph, {"a"}, ())
    derived, seen = (
        collect(model, feeds(model, 3), wanted={*names})["a"] for names in (("x", "c", "a"), ("x", "a", "z"))
    )
    arrays = [evaluate(model, ["a"], feed)["a"] for feed in feeds(model, 3)]
    for statistics in (derived, seen):
        assert statistics.min == pytest.approx(min(float(a.min()) for a in arrays), abs=1e-5)
        assert statistics.max == pytest.approx(max(float(a.max()) for a in arrays), abs=1e-5)
        assert statistics.mean_max == pytest.approx(np.mean([a.max() for a in arrays]), abs=1e-5)
        assert 3 * min(arrays[0].size, SAMPLES_PER_INPUT // 2) <= statistics.histogram.counts.sum()
    if activation in ("relu", "relu6", "leaky"):
        np.testing.assert_array_equal(derived.histogram.counts, seen.histogram.counts)
    for share in (0.001, 0.1, 0.5, 0.9, 0.999):  # others differ in the last bit, and so may the grids of the bins
        assert quantile(derived, share) == pytest.approx(quantile(seen, share), abs=2 * seen.histogram.width)


def quantile(statistics, share):
    histogram = statistics.histogram
    below = np.cumsum(histogram.counts)
    return histogram.centres[np.searchsorted(below, share * below[-1])]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("target", [name for name in list_targets() if get_target(name).profiles])
def test_a_plan_needs_no_more_than_is_wanted(target, activation, build, feeds):
    model, profiles = make(build, activation, 12), get_target(target).profiles
    for profile in (each.name for each in profiles if "int8" in each.precisions):
        kernels = get_target(target).kernels(profile)
        form = kernels.apply_forms(model)
        wanted = find_all_wanted(model, [kernels])
        plans = []
        for names in (None, wanted):
            graph, statistics = kernels.apply_rewrites(form, collect(form, feeds(model, 3), wanted=names))
            try:
                plans.append(plan(graph, statistics, kernels))
            except QuantizeError as e:  # without statistics
                pytest.fail(str(e))
            outputs = [unit.output for unit in plans[0].units]
            for kept in outputs if kernels.has_float else ():
                plan(graph, statistics, kernels, keep_float={kept})
        whole, lean = plans
        assert lean.units == whole.units
        assert lean.activations.keys() == whole.activations.keys()
        for name, params in whole.activations.items():
            assert lean.activations[name].scale == pytest.approx(params.scale, rel=1e-5)


def test_what_a_kernel_keeps_to_itself_is_not_wanted(build):
    """A convolution before its ReLU; and the matrix product before its bias."""
    tflite, openvino = (get_target(name).kernels(None) for name in ("tflite", "openvino"))
    assert find_all_wanted(make(build, "relu6", 8), [tflite]) == {"x", "a", "z"}
    assert find_all_wanted(make(build, "silu", 8), [tflite]) == {"x", "c", "g", "a", "z"}
    assert find_all_wanted(make(build, "silu", 8), [openvino]) == {"x", "a"}
    assert find_all_wanted(make(build, "silu", 8), [openvino, tflite]) == {"x", "c", "g", "a", "z"}
