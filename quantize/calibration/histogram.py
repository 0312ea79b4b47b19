"""Count a stream of numbers in a bounded number of bins whose width doubles as the range grows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

BINS = 2048
_FINEST = -100  # exponent of the narrowest bin
_INDEX_BITS = 20  # |bin index| stays below 2**20, so that x / width is exact enough in float32


def _exponent_for(lo: float, hi: float) -> int:
    """The smallest e for which bins of width 2**e, aligned at 0, cover [lo, hi] with at most BINS bins."""
    largest = max(abs(lo), abs(hi))
    exponent = max(_FINEST, math.frexp(largest)[1] - _INDEX_BITS) if largest else _FINEST
    if hi > lo:
        exponent = max(exponent, math.frexp((hi - lo) / BINS)[1] - 1)
    while math.floor(math.ldexp(hi, -exponent)) - math.floor(math.ldexp(lo, -exponent)) >= BINS:
        exponent += 1
    return exponent


@dataclass
class Histogram:
    """Counts per bin: bin i covers [(first + i) * 2**exponent, (first + i + 1) * 2**exponent).

    Widths are powers of two and bins are aligned at zero, so doubling the width merges whole neighbours: the result
    does not depend on the order of the numbers, nor on how they were split into calls.
    """

    exponent: int = _FINEST
    first: int = 0
    counts: np.ndarray = field(default_factory=lambda: np.zeros(BINS, np.int64))  # (BINS,) int64
    lo: float = math.inf
    hi: float = -math.inf

    @classmethod
    def of(cls, numbers: np.ndarray, counts: np.ndarray, lo: float, hi: float) -> Histogram:
        """The histogram of `numbers` (n,), each as often as `counts` (n,) says, all within [lo, hi]."""
        made = cls()
        made._widen(lo, hi)
        np.add.at(made.counts, np.floor(numbers / made.width).astype(np.int64) - made.first, counts)
        return made

    def add(self, samples: np.ndarray, lo: float, hi: float) -> None:
        """Count float32 `samples` (n,), all within [lo, hi]; the range may be wider than the samples are."""
        if lo < self.lo or hi > self.hi:
            self._widen(min(lo, self.lo), max(hi, self.hi))
        bins = np.floor(samples * np.float32(2.0**-self.exponent)).astype(np.int64)
        bins -= self.first
        self.counts += np.bincount(bins, minlength=BINS)

    @classmethod
    def merged(cls, parts: Sequence[Histogram]) -> Histogram:
        """Of all that was counted in the parts: what one histogram would have counted."""
        made = cls()
        made._widen(min(part.lo for part in parts), max(part.hi for part in parts))
        for part in parts:
            (filled,) = np.nonzero(part.counts)
            bins = ((filled + part.first) >> (made.exponent - part.exponent)) - made.first
            np.add.at(made.counts, bins, part.counts[filled])
        return made

    def _widen(self, lo: float, hi: float) -> None:
        exponent = _exponent_for(lo, hi)
        first = math.floor(math.ldexp(lo, -exponent))
        counts = np.zeros(BINS, np.int64)
        (filled,) = np.nonzero(self.counts)
        np.add.at(counts, ((filled + self.first) >> (exponent - self.exponent)) - first, self.counts[filled])
        self.exponent, self.first, self.counts, self.lo, self.hi = exponent, first, counts, lo, hi

    @property
    def width(self) -> float:
        """The width of a bin."""
        return 2.0**self.exponent

    @property
    def centres(self) -> np.ndarray:
        """The middle of each bin, (BINS,) float64."""
        return (self.first + np.arange(BINS) + 0.5) * self.width
