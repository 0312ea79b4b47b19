"""Turn the statistics of a value into the range (lo, hi) that its 256 steps should cover.

Every observer returns lo <= 0 <= hi with hi > lo: 0 must be exact (padding, ReLU, the zero point). `seen` is the
function through which the value's only reader sees it; only observers that weigh errors ask for it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...graph.qparams import INT8
from .statistics import ValueStatistics

Function = Callable[[np.ndarray], np.ndarray]
Observer = Callable[
    [ValueStatistics, Function], tuple[float, float]
]  # what is observed, what its only reader makes of it
MIN_RANGE = 2.0**-52  # narrower than this, a value is taken for constant zero


def _as_is(x: np.ndarray) -> np.ndarray:
    return x


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.tanh(0.5 * x)


FUNCTIONS: dict[str, Function] = {  # by the kind of unit; "Silu" is x * Sigmoid(x)
    "Gelu": lambda x: 0.5 * x * (1 + np.tanh(0.7978845608 * (x + 0.044715 * x**3))),  # sqrt(2 / pi)
    "HardSwish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "Relu": lambda x: np.maximum(x, 0),
    "Sigmoid": _sigmoid,
    "Silu": lambda x: x * _sigmoid(x),
    "Tanh": np.tanh,
}


def with_zero(lo: float, hi: float) -> tuple[float, float]:
    """Widen to include 0. A value that is always 0 gets (0, 1): any range represents it, this one harms nothing."""
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    return (lo, hi) if hi - lo >= MIN_RANGE else (0.0, 1.0)


def min_max(s: ValueStatistics, seen: Function = _as_is) -> tuple[float, float]:
    """The extremes over all calibration inputs."""
    return with_zero(s.min, s.max)


def moving_average(s: ValueStatistics, seen: Function = _as_is) -> tuple[float, float]:
    """The mean over the inputs of each input's extremes."""
    return with_zero(s.mean_min, s.mean_max)


def percentile(s: ValueStatistics, seen: Function = _as_is, *, percent: float = 99.99) -> tuple[float, float]:
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


def mse(s: ValueStatistics, seen: Function = _as_is) -> tuple[float, float]:
    """The range with the least mean squared error of rounding and clipping, found one end at a time, twice.

    The error is that of `seen(x)`, so a range need not reach where SiLU is flat.
    """
    lo, hi = min_max(s)
    keep = s.histogram.counts > 0
    x, n = s.histogram.centres[keep], s.histogram.counts[keep].astype(np.float64)
    wanted = seen(x)

    def best(lows: np.ndarray, highs: np.ndarray) -> int:
        """Which of the ranges (k,) is best for bin centres x (m,), counted n (m,)."""
        bottom, top = INT8
        scale = np.maximum((highs - lows) / (top - bottom), np.finfo(np.float64).tiny)[:, None]  # (k, 1)
        zero = np.rint(bottom - lows[:, None] / scale)
        real = (np.clip(np.rint(x / scale) + zero, bottom, top) - zero) * scale  # (k, m)
        return int(np.argmin((seen(real) - wanted) ** 2 @ n))

    shrink = np.linspace(1.0, 0.1, 91)
    for _ in range(2):
        hi *= shrink[best(np.full_like(shrink, lo), hi * shrink)] if hi > 0 else 1
        lo *= shrink[best(lo * shrink, np.full_like(shrink, hi))] if lo < 0 else 1
    return with_zero(lo, hi)


def entropy(s: ValueStatistics, seen: Function = _as_is) -> tuple[float, float]:
    """The range whose 256 steps keep most of the histogram's information, found one end at a time, twice.

    What is compared is the histogram with all that lies beyond the range at its ends, and what the steps tell of the
    rest: each step's count, spread evenly over its bins that have any. The measure is their Kullback-Leibler
    divergence (S. Migacz, "8-bit Inference with TensorRT", GTC 2017). Harsher on tails than `mse`.
    """
    lo, hi = min_max(s)
    keep = s.histogram.counts > 0
    x, n = s.histogram.centres[keep], s.histogram.counts[keep].astype(np.float64)
    bottom, top = INT8

    def divergence(low: float, high: float) -> float:
        scale = max((high - low) / (top - bottom), np.finfo(np.float64).tiny)
        steps = np.rint(x / scale) + np.rint(bottom - low / scale)
        inside = (steps >= bottom) & (steps <= top)
        if not inside.any():
            return np.inf
        steps, kept = (steps[inside] - bottom).astype(np.int64), n[inside]
        told = (np.bincount(steps, kept) / np.maximum(np.bincount(steps), 1))[steps]
        kept = kept.copy()
        kept[0] += n[: int(inside.argmax())].sum()
        kept[-1] += n.sum() - kept.sum()
        kept, told = kept / kept.sum(), told / told.sum()
        return float((kept * np.log(kept / told)).sum())

    shrink = np.linspace(1.0, 0.1, 91)
    for _ in range(2):
        hi *= shrink[int(np.argmin([divergence(lo, hi * by) for by in shrink]))] if hi > 0 else 1
        lo *= shrink[int(np.argmin([divergence(lo * by, hi) for by in shrink]))] if lo < 0 else 1
    return with_zero(lo, hi)


OBSERVERS: dict[str, Observer] = {
    "minmax": min_max,
    "average": moving_average,
    "percentile": percentile,
    "entropy": entropy,
    "mse": mse,
}
