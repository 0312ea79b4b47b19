import numpy as np
from edgeport.quantize.calibration.histogram import BINS, Histogram
from hypothesis import given, settings
from hypothesis import strategies as st

# Below 1e-30 times the bin width underflows and a number may fall into the other bin beside zero: harmless, not tested.
finite = st.floats(-1e4, 1e4, width=32).map(lambda x: x if abs(x) > 1e-20 else 0.0)
chunks = st.lists(
    st.lists(finite, min_size=1, max_size=30).map(lambda x: np.array(x, np.float32)),
    min_size=1,
    max_size=6,
)


def filled(parts):
    histogram = Histogram()
    for part in parts:
        histogram.add(part, float(part.min()), float(part.max()))
    return histogram


@given(chunks)
@settings(deadline=None)
def test_streaming_equals_one_shot(parts):
    streamed, at_once = filled(parts), filled([np.concatenate(parts)])
    assert (streamed.exponent, streamed.first) == (at_once.exponent, at_once.first)
    np.testing.assert_array_equal(streamed.counts, at_once.counts)


@given(chunks)
@settings(deadline=None)
def test_merging_equals_one_shot(parts):
    merged, at_once = Histogram.merged([filled([part]) for part in parts]), filled([np.concatenate(parts)])
    assert (merged.exponent, merged.first, merged.lo, merged.hi) == (
        *(at_once.exponent, at_once.first),
        *(at_once.lo, at_once.hi),
    )
    np.testing.assert_array_equal(merged.counts, at_once.counts)


@given(chunks)
@settings(deadline=None)
def test_every_number_is_in_its_bin(parts):
    numbers = np.concatenate(parts).astype(np.float64)
    histogram = filled(parts)
    edges = (histogram.first + np.arange(BINS + 1)) * histogram.width
    np.testing.assert_array_equal(histogram.counts, np.histogram(numbers, edges)[0])
    assert histogram.counts.sum() == numbers.size


def test_resolution_stays_above_half_of_the_bins():
    numbers = np.random.default_rng(0).uniform(-3, 5, 100_000).astype(np.float32)
    assert (filled([numbers]).counts > 0).sum() > BINS // 2
