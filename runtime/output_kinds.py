"""What an output is: how its agreement is summed up, and by which figures it is judged.

The kinds are a table (KINDS): a new one is a row, and a tally where no other one does.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from .agreement import OutputAgreement
from .scores import are_probabilities, divergence

MAX_SNR_DB = 200.0  # stands for "identical": float32 itself ends at about 150 dB
ONE_VALUE = float(np.finfo(np.float32).eps)  # a spread below so much of the largest value is float32's rounding of one


class Tally(Protocol):
    """What is summed up over the samples of one output, which are not kept."""

    def add(self, ref: np.ndarray, cand: np.ndarray) -> str:
        """Adds one feed's output, of the same shapes; returns why it cannot be compared, or ""."""
        ...

    def agreement(self, samples: int) -> OutputAgreement:
        """The figures, of an output that has no name yet."""
        ...


@dataclass
class EqualTally:
    """Of whole numbers and truth values: how many are the same."""

    count: int = 0
    same: int = 0

    def add(self, ref: np.ndarray, cand: np.ndarray) -> str:
        self.count += ref.size
        self.same += int(np.count_nonzero(ref == cand))
        return ""

    def agreement(self, samples: int) -> OutputAgreement:
        return _agreement(samples, WHOLE, equal=self.same / self.count) if self.count else _agreement(samples, EMPTY)


@dataclass
class NumberTally:
    """Of numbers: float64 sums."""

    count: int = 0
    ref_square: float = 0.0
    cand_square: float = 0.0
    dot: float = 0.0
    error_square: float = 0.0
    max_abs: float = 0.0
    largest: float = 0.0
    shift: float | None = (
        None  # the first value, subtracted before squaring, so that a large mean does not hide the spread
    )
    shifted: float = 0.0
    shifted_square: float = 0.0

    def add(self, ref: np.ndarray, cand: np.ndarray) -> str:
        for who, array in (("reference", ref), ("candidate", cand)):
            bad = array.size - np.count_nonzero(np.isfinite(array))
            if bad:
                return f"the {who} has {bad} of {array.size} values that are NaN or infinite"
        if ref.size:
            self.add_numbers(ref.astype(np.float64), cand.astype(np.float64))
        return ""

    def add_numbers(self, ref: np.ndarray, cand: np.ndarray) -> None:
        """Adds finite numbers in float64, at least one."""
        if self.shift is None:
            self.shift = float(ref.flat[0])
        error, centred = ref - cand, ref - self.shift
        self.count += ref.size
        self.shifted += float(centred.sum())
        self.shifted_square += float(np.vdot(centred, centred))
        self.ref_square += float(np.vdot(ref, ref))
        self.cand_square += float(np.vdot(cand, cand))
        self.dot += float(np.vdot(ref, cand))
        self.error_square += float(np.vdot(error, error))
        self.max_abs = max(self.max_abs, float(np.abs(error).max()))
        self.largest = max(self.largest, float(np.abs(ref).max()))

    def agreement(self, samples: int) -> OutputAgreement:
        if not self.count:
            return _agreement(samples, EMPTY)
        std = math.sqrt(max(self.shifted_square / self.count - (self.shifted / self.count) ** 2, 0.0))
        figures = {"max_abs": self.max_abs}
        if self.ref_square or not self.error_square:  # else there is no signal that the noise could be compared with
            norms = math.sqrt(self.ref_square * self.cand_square)
            figures |= {"snr_db": decibel(self.ref_square, self.error_square), "cosine": norms and self.dot / norms}
        if std <= ONE_VALUE * self.largest:
            return _agreement(samples, CONSTANT, value=(self.shift or 0.0), **figures)
        return _agreement(samples, NUMBERS, max_abs_over_std=self.max_abs / std, **figures)


@dataclass
class ScoreTally(NumberTally):
    """Of class scores, (n, classes): numbers, and which class is the highest."""

    top1: int = 0
    top5: int = 0
    kl_of_logits: float = 0.0
    kl_of_probabilities: float = 0.0
    probabilities: bool = True  # what the reference has given so far

    def add_numbers(self, ref: np.ndarray, cand: np.ndarray) -> None:
        super().add_numbers(ref, cand)
        first = ref.argmax(1)
        own = np.take_along_axis(cand, first[:, None], 1)
        self.top1 += int((cand.argmax(1) == first).sum())
        self.top5 += int(((cand > own).sum(1) < 5).sum())
        self.probabilities = self.probabilities and are_probabilities(ref)
        self.kl_of_logits += float(divergence(ref, cand, probabilities=False).sum())
        self.kl_of_probabilities += float(divergence(ref, cand, probabilities=True).sum())

    def agreement(self, samples: int) -> OutputAgreement:
        numbers = super().agreement(samples)
        if numbers.kind != NUMBERS.name:
            return numbers
        kl = self.kl_of_probabilities if self.probabilities else self.kl_of_logits
        top1, top5, kl = (total / samples for total in (self.top1, self.top5, kl))
        return replace(numbers, kind=SCORES.name, top1=top1, top5=top5, kl=max(kl, 0.0))


@dataclass(frozen=True)
class Kind:
    """A kind of output.

    Attributes:
        name: for people and manifests.
        judged_by: the figures of OutputAgreement that have limits.
        tally: makes what sums them up.
    """

    name: str
    judged_by: tuple[str, ...]
    tally: Callable[[], Tally]


NUMBERS = Kind("numbers", ("max_abs_over_std", "snr_db", "cosine"), NumberTally)
SCORES = Kind("class scores", (*NUMBERS.judged_by, "top1"), ScoreTally)
WHOLE = Kind("whole numbers", ("equal",), EqualTally)  # class maps, indices, counts, truth values
CONSTANT = Kind("constant", ("constant_error",), NumberTally)  # numbers of which the reference gives only one
EMPTY = Kind("empty", (), NumberTally)  # there are none

KINDS = {kind.name: kind for kind in (NUMBERS, SCORES, WHOLE, CONSTANT, EMPTY)}


def kind_of(array: np.ndarray, told: Kind | None = None) -> Kind:
    """What an output is: what is told of it, or what its type alone says.

    Scores are (n, classes) or nothing. 8 bits hold pixels or quantised numbers more often than indices.
    """
    if told is not None and (told is not SCORES or (array.ndim == 2 and array.shape[1] > 1)):
        return told
    is_whole = array.dtype == np.bool_ or (array.dtype.kind in "iu" and array.dtype.itemsize > 1)
    return WHOLE if is_whole else NUMBERS


def decibel(signal: float, noise: float) -> float:
    """Compute 10 log10(signal / noise) of two sums of squares, within +-MAX_SNR_DB.

    Args:
        signal: the sum of the squared reference.
        noise: the sum of the squared difference.

    Returns:
        dB; MAX_SNR_DB where there is no noise.

    Example:
        >>> decibel(100.0, 1.0)
        20.0
    """
    if noise == 0:
        return MAX_SNR_DB
    return max(-MAX_SNR_DB, min(MAX_SNR_DB, 10 * math.log10(signal / noise))) if signal else -MAX_SNR_DB


def _agreement(
    samples: int,
    kind: Kind,
    *,
    snr_db: float = math.nan,
    max_abs: float = math.nan,
    max_abs_over_std: float = math.nan,
    cosine: float = math.nan,
    equal: float | None = None,
    value: float | None = None,
) -> OutputAgreement:
    """The figures of one output; NaN for those that its kind has not."""
    return OutputAgreement(
        *(snr_db, max_abs, max_abs_over_std, cosine, None, None, None, samples),
        equal=equal,
        kind=kind.name,
        value=value,
    )
