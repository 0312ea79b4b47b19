"""Measure how far a candidate's outputs are from the reference's, and judge the distance by one table."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np

from .session import Session

MAX_SNR_DB = 200.0  # stands for "identical": float32 itself ends at about 150 dB


@dataclass(frozen=True)
class Agreement:
    """How a candidate agrees with its reference over all samples; of several outputs, the worst.

    Attributes:
        snr_db: 10 log10(sum ref^2 / sum (ref - cand)^2), within +-MAX_SNR_DB.
        max_abs: the largest |ref - cand|.
        max_abs_over_std: that, in standard deviations of the reference's output.
        cosine: the cosine of the two outputs, all samples as one vector.
        top1: share of samples whose highest class is the same; None where the output is not (batch, classes).
        top5: share of samples whose highest class by the reference is among the candidate's five highest, or None.
        kl: mean KL(softmax(ref) || softmax(cand)) in nats, or None.
        samples: how many samples were compared.
        problem: why the numbers cannot be believed (they are NaN then), or "".
    """

    snr_db: float
    max_abs: float
    max_abs_over_std: float
    cosine: float
    top1: float | None
    top5: float | None
    kl: float | None
    samples: int
    problem: str = ""


@runtime_checkable
class Widens(Protocol):
    """A session that also computes in float64."""

    def double(self) -> Session:
        """Return the same session in float64; it takes and gives what this one does."""
        ...


@dataclass(frozen=True)
class Limits:
    """What an artifact of one precision must reach; None where a figure is reported and not judged."""

    max_abs_over_std: float | None = None  # at most
    snr_db: float | None = None  # at least
    cosine: float | None = None  # at least
    top1: float | None = None  # at least


# The one table of what counts as "agrees with the reference". fp32: only the order of the sums differs, so a wrong
# layout or a wrong approximation of an activation stands out. fp16: weights of 11 bits give 55 to 70 dB. int8: the best
# public W8A8 of MobileNets reaches about 20 dB on random weights, a wrong scale or a lost zero point ends far below 10;
# accuracy on one's own labels is the user's test.
TOLERANCE = {
    "fp32": Limits(max_abs_over_std=1e-4, snr_db=80.0),
    "fp16": Limits(snr_db=45.0),
    "int8": Limits(snr_db=10.0, cosine=0.95),
    **dict.fromkeys(("w8a32", "w8a16"), Limits(snr_db=12.0, cosine=0.95)),
    "dynamic": Limits(snr_db=10.0, cosine=0.95),
}

# What artifacts usually reach: one that does not is what was asked for, but whoever uses it must know.
EXPECTED: dict[str, Limits] = dict.fromkeys(("int8", "w8a32", "w8a16", "dynamic"), Limits(snr_db=20.0, top1=0.95))

ROOM = 4.0  # how far two orders of float32 sums may be apart, times what float32 loses in the reference itself

# field of Limits -> (what to call it, +1 where more is better)
_JUDGED = {
    "max_abs_over_std": ("max abs error / std", -1),
    "snr_db": ("SNR in dB", +1),
    "cosine": ("cosine", +1),
    "top1": ("top-1 agreement", +1),
}


def compare(reference: Session, candidate: Session, feeds: Iterable[Mapping[str, np.ndarray]]) -> Agreement:
    """Run both on each of `feeds` and measure how far apart their outputs are, keeping none of them.

    Where the candidate has other names, its inputs and outputs are taken in the reference's order. Outputs beyond the
    reference's own (a classifier's probabilities) are left aside.

    Args:
        reference: the session that is right, usually the PyTorch model.
        candidate: the session that is measured.
        feeds: {input name of the reference: float32 NCHW array}, any number of samples each; read once.

    Returns:
        The figures over all samples; `problem` says why, where they cannot be believed (a NaN, another shape).

    Raises:
        ValueError: no feeds, or another number of inputs or outputs.
        FeedError: feeds that do not fit a session.

    Example:
        A float artifact against the model that it was made of::

            reference = TorchSession(model, [TensorSpec("image", (1, 3, 224, 224), "float32")], ["logits"])
            agreement = compare(reference, open_session("mobilevit_s_fp32.tflite"), feeds)
            print(f"{agreement.snr_db:.1f} dB, {judge(agreement, 'fp32')}")
    """
    to_inputs = pair_names("inputs", reference, candidate)
    to_outputs = pair_names("outputs", reference, candidate)
    tallies = {name: _Tally() for name in to_outputs}
    samples = 0
    for feed in feeds:
        wanted = reference.run(feed)
        got = candidate.run({to_inputs[name]: array for name, array in feed.items()})
        for name, tally in tallies.items():
            problem = tally.add(wanted[name], got[to_outputs[name]])
            if problem:
                return _not_comparable(f"output {name!r}: {problem}", samples)
        samples += len(np.atleast_1d(next(iter(feed.values()))))
    if not samples:
        raise ValueError("there is nothing to compare on: no inputs were given")
    constant = [name for name, tally in tallies.items() if tally.std == 0]
    if constant:
        return _not_comparable(
            f"output {constant[0]!r}: the reference gives one and the same value everywhere", samples
        )
    return _worst([tally.agreement(samples) for tally in tallies.values()])


def verdict(agreement: Agreement, precision: str, reference: Session, feeds: Iterable[Mapping[str, np.ndarray]]) -> str:
    """Judge a comparison; where fp32 fails, after a look at how much float32 itself loses in the reference.

    Some networks (untrained ones without normalised residuals, say) lose more in float32 than TOLERANCE allows,
    whoever computes them.

    Args:
        agreement: what `compare` gave.
        precision: of the artifact, a key of TOLERANCE.
        reference: the session that the artifact was compared with.
        feeds: those of the comparison; read only where fp32 fails and the reference can compute in float64.

    Returns:
        "ok", "warn: WHY" or "fail: WHY", as `judge` says it.
    """
    first = judge(agreement, precision)
    if precision != "fp32" or agreement.problem or not first.startswith("fail") or not isinstance(reference, Widens):
        return first
    try:
        noise = compare(reference.double(), reference, feeds)
    except RuntimeError:  # a module that makes float32 tensors of its own
        return first
    return first if noise.problem else judge(agreement, precision, noise)


def judge(agreement: Agreement, precision: str, noise: Agreement | None = None) -> str:
    """Judge the figures of a comparison by the table of tolerances.

    Args:
        agreement: what `compare` gave.
        precision: of the artifact, a key of TOLERANCE.
        noise: how the reference agrees with itself in float64; within ROOM times that, an error is a warning.

    Returns:
        "ok", "warn: " and what is less than EXPECTED[precision], or "fail: " and what is out of TOLERANCE[precision].

    Example:
        >>> judge(Agreement(9.0, 0.1, 0.01, 0.99, None, None, None, samples=8), "int8")
        'fail: SNR in dB 9, must be at least 10 (int8)'
    """
    if agreement.problem:
        return f"fail: {agreement.problem}"
    tolerance = TOLERANCE[precision]
    if noise is not None and not _misses(agreement, _loosened(tolerance, noise), "must"):
        lost = f"float32 itself loses {noise.max_abs_over_std:.2g} of std in this model"
        misses = _misses(agreement, tolerance, "should")
        return f"warn: {'; '.join(misses)} ({precision}), but {lost}" if misses else "ok"
    for kind, limits, must in (("fail", tolerance, "must"), ("warn", EXPECTED.get(precision), "should")):
        misses = _misses(agreement, limits, must) if limits else []
        if misses:
            return f"{kind}: {'; '.join(misses)} ({precision})"
    return "ok"


def _loosened(limits: Limits, noise: Agreement) -> Limits:
    """The limits, or what ROOM times the noise needs."""
    return replace(
        limits,
        max_abs_over_std=limits.max_abs_over_std and max(limits.max_abs_over_std, ROOM * noise.max_abs_over_std),
        snr_db=limits.snr_db and min(limits.snr_db, noise.snr_db - 20 * math.log10(ROOM)),
    )


def _misses(agreement: Agreement, limits: Limits, must: str) -> list[str]:
    """What is out of the limits, in words."""
    misses = []
    for name, (words, sign) in _JUDGED.items():
        limit, value = getattr(limits, name), getattr(agreement, name)
        if limit is None or value is None:
            continue
        if not sign * value >= sign * limit:  # a NaN misses too
            misses.append(f"{words} {value:.3g}, {must} be {'at least' if sign > 0 else 'at most'} {limit:g}")
    return misses


@dataclass
class _Tally:
    """float64 sums over the samples of one output."""

    count: int = 0
    ref_square: float = 0.0
    cand_square: float = 0.0
    dot: float = 0.0
    error_square: float = 0.0
    max_abs: float = 0.0
    shift: float | None = (
        None  # the first value, subtracted before squaring, so that a large mean does not hide the spread
    )
    shifted: float = 0.0
    shifted_square: float = 0.0
    ranked: bool = True
    top1: int = 0
    top5: int = 0
    kl: float = 0.0

    def add(self, ref: np.ndarray, cand: np.ndarray) -> str:
        """Adds one feed's output; returns why it cannot be compared, or ""."""
        if ref.shape != cand.shape:
            return f"the candidate's shape is {cand.shape}, the reference's {ref.shape}"
        for who, array in (("reference", ref), ("candidate", cand)):
            bad = array.size - np.count_nonzero(np.isfinite(array))
            if bad:
                return f"the {who} has {bad} of {array.size} values that are NaN or infinite"
        ref, cand = ref.astype(np.float64), cand.astype(np.float64)
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
        self.ranked = self.ranked and ref.ndim == 2 and ref.shape[1] > 1
        if self.ranked:
            self._add_ranks(ref, cand)
        return ""

    def _add_ranks(self, ref: np.ndarray, cand: np.ndarray) -> None:
        first = ref.argmax(1)
        own = np.take_along_axis(cand, first[:, None], 1)
        higher = (cand > own).sum(1)
        self.top1 += int((cand.argmax(1) == first).sum())
        self.top5 += int((higher < 5).sum())
        log_p, log_q = log_probabilities(ref), log_probabilities(cand)
        self.kl += float((np.exp(log_p) * (log_p - log_q)).sum())

    @property
    def std(self) -> float:
        return math.sqrt(max(self.shifted_square / self.count - (self.shifted / self.count) ** 2, 0.0))

    def agreement(self, samples: int) -> Agreement:
        norms = math.sqrt(self.ref_square * self.cand_square)
        return Agreement(
            snr_db=decibel(self.ref_square, self.error_square),
            max_abs=self.max_abs,
            max_abs_over_std=self.max_abs / self.std,
            cosine=self.dot / norms if norms else 0.0,
            top1=self.top1 / samples if self.ranked else None,
            top5=self.top5 / samples if self.ranked else None,
            kl=max(self.kl / samples, 0.0) if self.ranked else None,
            samples=samples,
        )


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


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Compute the logarithm of the softmax of each row; (n, classes) -> same."""
    shifted = logits - logits.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))


def log_probabilities(scores: np.ndarray) -> np.ndarray:
    """Compute the logarithms of probabilities: log-softmax of logits, the logarithm of what is a distribution already.

    Args:
        scores: (n, classes); rows that are non-negative and sum to one within 1e-2 are probabilities.

    Returns:
        (n, classes), at least the logarithm of the smallest normal float32 where `scores` were probabilities.
    """
    if (scores >= 0).all() and np.allclose(scores.sum(1), 1, atol=1e-2):
        return np.log(np.maximum(scores, np.finfo(np.float32).tiny))
    return log_softmax(scores)


def pair_names(side: str, reference: Session, candidate: Session) -> dict[str, str]:
    """Match the names of two sessions: by name where they have the same, or else by order.

    Args:
        side: "inputs" or "outputs"; of the candidate's outputs, those that the reference has.
        reference: whose order counts.
        candidate: whose names may be other ones.

    Returns:
        {name in the reference: name in the candidate}.

    Raises:
        ValueError: another number of them.
    """
    ref = [spec.name for spec in getattr(reference, side)]
    cand = [spec.name for spec in getattr(candidate, side)]
    if set(ref) == set(cand) or (side == "outputs" and set(ref) < set(cand)):
        return {name: name for name in ref}
    if len(ref) != len(cand):
        raise ValueError(f"the reference has {len(ref)} {side} {ref}, the candidate {len(cand)} {cand}")
    return dict(zip(ref, cand, strict=True))


def _not_comparable(problem: str, samples: int) -> Agreement:
    nan = math.nan
    return Agreement(nan, nan, nan, nan, None, None, None, samples, problem)


def _worst(agreements: list[Agreement]) -> Agreement:
    first, *others = agreements
    for other in others:
        first = Agreement(
            snr_db=min(first.snr_db, other.snr_db),
            max_abs=max(first.max_abs, other.max_abs),
            max_abs_over_std=max(first.max_abs_over_std, other.max_abs_over_std),
            cosine=min(first.cosine, other.cosine),
            top1=_of_both(min, first.top1, other.top1),
            top5=_of_both(min, first.top5, other.top5),
            kl=_of_both(max, first.kl, other.kl),
            samples=first.samples,
        )
    return first


def _of_both(choose: Callable, a: float | None, b: float | None) -> float | None:
    """The worse of two figures of which one may not exist."""
    return a if b is None else b if a is None else choose(a, b)
