"""This file turns the statistics of a value into the range (lo, hi) that its 256 steps should cover.

Every observer returns lo <= 0 <= hi with hi > lo: 0 must be exact (padding, ReLU, the zero point).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .qparams import INT8
from .statistics import ValueStatistics

Observer = Callable[[ValueStatistics], tuple[float, float]]
MIN_RANGE = 2.0**-52  # narrower than this, a value is taken for constant zero


def with_zero(lo: float, hi: float) -> tuple[float, float]:
    """Widen to include 0. A value that is always 0 gets (0, 1): any range represents it, this one harms nothing."""
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    return (lo, hi) if hi - lo >= MIN_RANGE else (0.0, 1.0)


def min_max(s: ValueStatistics) -> tuple[float, float]:
    """The extremes over all calibration inputs."""
    return with_zero(s.min, s.max)


def moving_average(s: ValueStatistics) -> tuple[float, float]:
    """The mean over the inputs of each input's extremes."""
    return with_zero(s.mean_min, s.mean_max)


def percentile(s: ValueStatistics, *, percent: float = 99.99) -> tuple[float, float]:
    """The central `percent` of all elements, from the histogram; never wider than the extremes.

    Use with care: on a MobileNetV2 with real weights, percent=99.9 cost 10 points of top-1 where min-max cost 3.
    """
    counts, h = s.histogram.counts, s.histogram
    below = np.cumsum(counts)
    tail = (100 - percent) / 200 * below[-1]
    first = int(np.searchsorted(below, tail, side="right"))
    last = int(np.searchsorted(below, below[-1] - tail, side="left"))
    lo, hi = (h.first + first) * h.width, (h.first + last + 1) * h.width
    return with_zero(max(s.min, lo), min(s.max, hi))


def mse(s: ValueStatistics) -> tuple[float, float]:
    """The range with the least mean squared error of rounding and clipping, found one end at a time, twice."""
    lo, hi = min_max(s)
    keep = s.histogram.counts > 0
    x, n = s.histogram.centres[keep], s.histogram.counts[keep]
    shrink = np.linspace(1.0, 0.2, 81)
    for _ in range(2):
        if hi > 0:
            hi = hi * _best(x, n, np.full_like(shrink, lo), hi * shrink, shrink)
        if lo < 0:
            lo = lo * _best(x, n, lo * shrink, np.full_like(shrink, hi), shrink)
    return with_zero(lo, hi)


def _best(x: np.ndarray, n: np.ndarray, lo: np.ndarray, hi: np.ndarray, shrink: np.ndarray) -> float:
    """The entry of `shrink` (k,) whose range (lo, hi) (k,) quantises centres x (m,), counted n (m,), best."""
    bottom, top = INT8
    scale = np.maximum((hi - lo) / (top - bottom), np.finfo(np.float64).tiny)[:, None]  # (k, 1)
    zero = np.rint(bottom - lo[:, None] / scale)
    real = (np.clip(np.rint(x / scale) + zero, bottom, top) - zero) * scale  # (k, m)
    return float(shrink[np.argmin(((real - x) ** 2) @ n.astype(np.float64))])


OBSERVERS: dict[str, Observer] = {
    "minmax": min_max,
    "average": moving_average,
    "percentile": percentile,
    "mse": mse,
}
