import math

import numpy as np
import pytest
from edgeport.graph.qparams import asymmetric
from edgeport.quantize.calibration.histogram import Histogram
from edgeport.quantize.calibration.observers import (
    FUNCTIONS,
    OBSERVERS,
    entropy,
    min_max,
    moving_average,
    mse,
    percentile,
)
from edgeport.quantize.calibration.statistics import ValueStatistics
from hypothesis import given, settings
from hypothesis import strategies as st


def statistics(*inputs):
    inputs = [np.asarray(x, np.float32) for x in inputs]
    histogram = Histogram()
    for x in inputs:
        histogram.add(x, float(x.min()), float(x.max()))
    lows, highs = [float(x.min()) for x in inputs], [float(x.max()) for x in inputs]
    return ValueStatistics(min(lows), max(highs), float(np.mean(lows)), float(np.mean(highs)), histogram)


numbers = st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=200)


@pytest.mark.parametrize("name", OBSERVERS)
@given(numbers)
@settings(max_examples=50, deadline=None)
def test_a_range_holds_zero_and_is_no_wider_than_the_data(name, x):
    lo, hi = OBSERVERS[name](statistics(x))
    assert lo <= 0 <= hi
    assert lo < hi
    if max(x) > 1e-9 or min(x) < -1e-9:
        assert min(0.0, *x) <= lo
        assert hi <= max(0.0, *x)


@given(numbers)
@settings(max_examples=50, deadline=None)
def test_min_max_represents_every_number_to_half_a_step(x):
    params = asymmetric(*min_max(statistics(x)))
    x = np.array(x, np.float32)
    # Rounding the zero point shifts the range by at most half a step, so an end may clip by that much more.
    assert np.abs(params.dequantize(params.quantize(x)) - x).max() <= params.scale * 1.001


@pytest.mark.parametrize("name", OBSERVERS)
@pytest.mark.parametrize("constant", [0.0, 3.0, -3.0, 1e-30])
def test_constants_are_exact(name, constant):
    params = asymmetric(*OBSERVERS[name](statistics([constant] * 5)))
    x = np.array([constant], np.float32)
    np.testing.assert_allclose(params.dequantize(params.quantize(x)), x, rtol=1e-6, atol=1e-20)


def test_moving_average_is_the_mean_of_each_inputs_extremes():
    assert moving_average(statistics([-1, 1], [-3, 5])) == (-2, 3)


def test_percentile_drops_the_tails():
    x = np.concatenate([np.random.default_rng(0).uniform(-1, 1, 100_000), [50.0]])
    lo, hi = percentile(statistics(x), percent=99.9)
    assert -1 <= lo < -0.9
    assert 0.9 < hi < 1.1


@pytest.mark.parametrize("side", [1, -1])
def test_entropy_cuts_a_thin_tail_and_keeps_a_thick_one(side):
    body = np.random.default_rng(0).normal(0, 1, 200_000)
    thin = entropy(statistics(np.append(body, 30.0 * side)))
    assert max(map(abs, thin)) < 15
    thick = entropy(statistics(side * np.random.default_rng(0).uniform(-1, 30, 200_000)))
    assert max(map(abs, thick)) > 29


@pytest.mark.parametrize("outlier", [5.0, 20.0, 1000.0])
def test_mse_never_does_worse_than_min_max(outlier):
    x = np.append(np.random.default_rng(0).normal(0, 1, 200_000), outlier).astype(np.float32)

    def error(observer):
        params = asymmetric(*observer(statistics(x)))
        return float(((params.dequantize(params.quantize(x)) - x) ** 2).mean())

    assert error(mse) <= error(min_max) * 1.01
    if outlier == 20.0:  # rare and large, but not so large that it outweighs the rest
        assert error(mse) < error(min_max) * 0.9


@pytest.mark.parametrize("name", FUNCTIONS)
def test_mse_fits_what_the_reader_sees(name):
    x = np.random.default_rng(0).normal(-1, 2, 20_000).astype(np.float32)
    seen = FUNCTIONS[name]

    def error(rng):
        params = asymmetric(*rng)
        return float(((seen(params.dequantize(params.quantize(x)).astype(np.float64)) - seen(x)) ** 2).mean())

    assert error(mse(statistics(x), seen)) <= error(mse(statistics(x))) * 1.01
    if name in ("Relu", "Silu", "Gelu", "HardSwish"):
        assert mse(statistics(x), seen)[0] > 0.7 * float(x.min())


def test_gelu_is_gelu():
    x = np.linspace(-4, 4, 101)
    exact = [0.5 * v * (1 + math.erf(v / math.sqrt(2))) for v in x]
    np.testing.assert_allclose(FUNCTIONS["Gelu"](x), exact, atol=1e-3)
