"""What a calibration does not look at: values that follow, number by number, from others."""

import numpy as np
import pytest
from edgeport.quantize import collect
from edgeport.quantize.calibration import collect as module
from edgeport.quantize.calibration.collect import SAMPLES_PER_INPUT
from edgeport.quantize.calibration.derived import find_derived
from edgeport.runtime.graph_session import evaluate

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
def test_what_follows_from_another_value_has_its_own_statistics(activation, size, build, feeds, monkeypatch):
    """The same as if somebody had looked at it."""
    model = make(build, activation, size)
    assert "a" in find_derived(model.graph, {"c", "a"}, ())
    assert not find_derived(model.graph, {"a"}, ())
    derived = collect(model, feeds(model, 3))["a"]
    monkeypatch.setattr(module, "find_derived", lambda graph, values, never: {})
    seen = collect(model, feeds(model, 3))["a"]
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
