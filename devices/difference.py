"""Measure how far apart the same artifact's outputs on two machines are, value by value."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..runtime.output_kinds import decibel
from .job import Arrays

_LEVELS = 256  # of 8 bits


@dataclass(frozen=True)
class Difference:
    """Of all outputs of all samples, as the artifact gives them; NaN where a value is no number.

    Attributes:
        bit_exact: whether every bit is the same.
        differing: share of the values that differ.
        max_abs: the largest difference, in the units of the output.
        max_steps: the same in steps of 8-bit quantisation, where the output is quantised; else None.
        snr_db: 10 log10(sum here^2 / sum (here - there)^2).
    """

    bit_exact: bool
    differing: float
    max_abs: float
    max_steps: int | None
    snr_db: float


def difference(here: Sequence[Arrays], there: Sequence[Arrays]) -> Difference:
    """How what came from there differs from what came from here: the same samples in the same order.

    Raises ValueError where the shapes differ.
    """
    pairs = [(a, b) for mine, theirs in zip(here, there, strict=True) for a, b in zip(mine, theirs, strict=True)]
    unlike = next(((a.shape, b.shape) for a, b in pairs if a.shape != b.shape), None)
    if unlike:
        raise ValueError(f"an output has the shape {unlike[1]} there and {unlike[0]} here")
    mine, theirs = (np.concatenate([pair[i].ravel().astype(np.float64) for pair in pairs]) for i in (0, 1))
    with np.errstate(invalid="ignore"):
        apart = np.abs(mine - theirs)
    farthest = float(apart.max())
    known = math.isfinite(farthest)
    step = 1.0 if all(a.dtype.kind in "iu" for a, _ in pairs) else step_of(mine)
    return Difference(
        bit_exact=all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in pairs),
        differing=float(np.count_nonzero(apart) / apart.size),
        max_abs=farthest,
        max_steps=round(farthest / step) if step and known else None,
        snr_db=decibel(float(mine @ mine), float(apart @ apart)) if known else math.nan,
    )


def step_of(values: np.ndarray) -> float | None:
    """The step of values that come from 8 bits: they are few, and whole steps apart. None for other values."""
    levels = np.unique(values)
    if not 1 < len(levels) <= _LEVELS:
        return None
    step = float(np.diff(levels).min())
    numbers = (levels - levels[0]) / step
    whole = numbers[-1] < _LEVELS and np.abs(numbers - np.rint(numbers)).max() < 0.01
    return step if whole else None
