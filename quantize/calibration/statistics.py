"""Hold what calibration learned about each value, with its file format (.npz)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from zipfile import BadZipFile

import numpy as np

from ...artifacts.errors import QuantizeError
from .histogram import BINS, Histogram


@dataclass(frozen=True)
class ValueStatistics:
    """What one value took over all calibration inputs, in the value's own unit.

    `min` and `max` are exact; `mean_min` and `mean_max` average the extremes of each input; the histogram counts a
    regular sample of the elements.
    """

    min: float
    max: float
    mean_min: float
    mean_max: float
    histogram: Histogram

    def mapped(self, function: Callable[[np.ndarray], np.ndarray]) -> ValueStatistics:
        """The statistics of `function(value)`, a function that never falls."""
        keep = self.histogram.counts > 0
        lo, hi, mean_lo, mean_hi = function(np.array([self.min, self.max, self.mean_min, self.mean_max])).tolist()
        counted = np.clip(function(self.histogram.centres[keep]), lo, hi)
        return ValueStatistics(lo, hi, mean_lo, mean_hi, Histogram.of(counted, self.histogram.counts[keep], lo, hi))

    @classmethod
    def merged(cls, parts: Sequence[ValueStatistics], samples: Sequence[int]) -> ValueStatistics:
        """Over the inputs of all parts, of which the first saw the first of `samples` and so on."""
        shares = [count / sum(samples) for count in samples]
        return cls(
            min(part.min for part in parts),
            max(part.max for part in parts),
            sum(part.mean_min * share for part, share in zip(parts, shares, strict=True)),
            sum(part.mean_max * share for part, share in zip(parts, shares, strict=True)),
            Histogram.merged([part.histogram for part in parts]),
        )


@dataclass(frozen=True)
class Statistics:
    """Statistics per value name, over `samples` calibration inputs."""

    samples: int
    values: dict[str, ValueStatistics]

    def __getitem__(self, name: str) -> ValueStatistics:
        try:
            return self.values[name]
        except KeyError:
            raise QuantizeError(
                f"quantize: no statistics for value {name!r}; calibrate the same graph that is planned"
            ) from None

    @classmethod
    def merged(cls, parts: Sequence[Statistics]) -> Statistics:
        """Those of one graph over the inputs of all parts: what one pass over all of them would have kept."""
        samples = [part.samples for part in parts]
        values = {name: ValueStatistics.merged([part[name] for part in parts], samples) for name in parts[0].values}
        return cls(sum(samples), values)

    def save(self, path: str | PathLike) -> None:
        """Write an .npz; the same statistics give the same bytes."""
        values = self.values.values()
        np.savez_compressed(
            path,
            samples=np.int64(self.samples),
            names=np.array(list(self.values), np.str_),
            extremes=np.array([(v.min, v.max, v.mean_min, v.mean_max) for v in values], np.float64).reshape(-1, 4),
            grid=np.array([(v.histogram.exponent, v.histogram.first) for v in values], np.int64).reshape(-1, 2),
            counts=np.array([v.histogram.counts for v in values], np.int64).reshape(-1, BINS),
        )

    @classmethod
    def load(cls, path: str | PathLike) -> Statistics:
        """Read what `save` wrote. Raises QuantizeError if the file is not one of ours."""
        try:
            with np.load(path, allow_pickle=False) as file:
                samples, names, extremes, grid, counts = (
                    file[key] for key in ("samples", "names", "extremes", "grid", "counts")
                )
        except (KeyError, ValueError, OSError, EOFError, BadZipFile) as e:
            raise QuantizeError(f"quantize: {path} holds no calibration statistics ({e})") from e
        values = {}
        for name, four, (exponent, first), row in zip(names, extremes.tolist(), grid.tolist(), counts, strict=True):
            lo, hi, mean_lo, mean_hi = four
            values[str(name)] = ValueStatistics(lo, hi, mean_lo, mean_hi, Histogram(exponent, first, row, lo, hi))
        return cls(int(samples), values)
