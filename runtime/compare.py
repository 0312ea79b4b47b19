"""Measure how far a candidate's outputs are from the reference's, and judge the distance by one table."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..artifacts.errors import EdgeportError
from .agreement import Agreement, OutputAgreement
from .last_bits import LastBitsSession
from .output_kinds import KINDS, Kind, Tally, kind_of
from .session import Session, Widens

Arrays = Mapping[str, np.ndarray]  # {name: array}
Watch = Callable[[Arrays, Arrays, Arrays], None]


@dataclass(frozen=True)
class Limits:
    """What an artifact of one precision must reach; None where a figure is reported and not judged."""

    max_abs_over_std: float | None = None  # at most
    snr_db: float | None = None  # at least
    cosine: float | None = None  # at least
    top1: float | None = None  # at least
    equal: float | None = None  # at least
    constant_error: float | None = None  # at most


# The one table of what counts as "agrees with the reference". fp32: only the order of the sums differs, so a wrong
# layout or a wrong approximation of an activation stands out. fp16: weights of 11 bits give 55 to 70 dB. int8: the best
# public W8A8 of MobileNets reaches about 20 dB on random weights, a wrong scale or a lost zero point ends far below 10;
# accuracy on one's own labels is the user's test. Of whole numbers (class maps, indices) those change whose scores are
# as near to one another as the error is large; by chance 5% of a map of 20 classes are equal.
_FLOAT32 = Limits(max_abs_over_std=1e-4, snr_db=80.0, equal=0.999, constant_error=1e-4)
TOLERANCE = {
    "fp32": _FLOAT32,
    "fp16": Limits(snr_db=45.0, equal=0.98, constant_error=1e-2),
    "int8": Limits(snr_db=10.0, cosine=0.95, equal=0.5, constant_error=0.05),
    **dict.fromkeys(("int16x8", "w8a32", "w8a16"), Limits(snr_db=12.0, cosine=0.95, equal=0.5, constant_error=0.05)),
    "dynamic": Limits(snr_db=10.0, cosine=0.95, equal=0.5, constant_error=0.05),
}

# Of what is no artifact: the canonical graph beside the model, and what int8 makes of it before it rounds, where some
# operators become several, whose float32 errors add up.
GRAPHS = {"graph": _FLOAT32, "rewritten": Limits(snr_db=60.0, equal=0.99, constant_error=1e-3)}

# Of what an accelerator makes of a float artifact: its kernels approximate activations and sum in other orders, and in
# float16 each value has 11 bits, of whatever size it is, sums too. int8 artifacts are judged by their own limits there.
ACCELERATED = {
    "accelerated fp32": Limits(snr_db=60.0, equal=0.99, constant_error=1e-3),
    "accelerated fp16": Limits(snr_db=20.0, cosine=0.99, equal=0.9, constant_error=2e-2),
    "computed fp16": Limits(snr_db=30.0, cosine=0.99, equal=0.9, constant_error=2e-2),  # by a runtime on the CPU
}

# What artifacts usually reach: one that does not is what was asked for, but whoever uses it must know.
EXPECTED: dict[str, Limits] = dict.fromkeys(
    ("int8", "int16x8", "w8a32", "w8a16", "dynamic"), Limits(snr_db=20.0, top1=0.95, equal=0.95)
) | {
    "accelerated fp16": Limits(snr_db=30.0, top1=0.95, equal=0.95),
    "computed fp16": Limits(snr_db=40.0, top1=0.95, equal=0.95),
}

NOISE_COUNTS = ("fp32", "accelerated fp32", *GRAPHS)  # float32 itself is judged, which loses more in some models
ROUNDINGS = 8  # runs that tell what float32 loses: by its last bits an amplifying network lost 1 to 7 times as much
# How far two orders of float32 sums may be apart, times what float32 loses in the reference itself. A kernel that adds
# product after product loses the square root of 16 as much as one with 16 lanes; that is the typical case, and the
# worst of a few thousand values is twice that: 240 products of OpenVINO's lost 9 units, of ONNX Runtime's 2.5.
ROOM = 8.0

# field of Limits -> (what to call it, +1 where more is better)
_JUDGED = {
    "max_abs_over_std": ("max abs error / std", -1),
    "snr_db": ("SNR in dB", +1),
    "cosine": ("cosine", +1),
    "top1": ("top-1 agreement", +1),
    "equal": ("share of equal values", +1),
    "constant_error": ("error of a constant", -1),
}


def compare(
    reference: Session,
    candidate: Session,
    feeds: Iterable[Mapping[str, np.ndarray]],
    kinds: Mapping[str, Kind] | None = None,
    watch: Watch | None = None,
) -> Agreement:
    """Run both on each of `feeds` and measure how far apart their outputs are, keeping none of them.

    Where the candidate has other names, its inputs and outputs are taken in the reference's order. Outputs beyond the
    reference's own (a classifier's probabilities) are left aside.

    Args:
        reference: the session that is right, usually the PyTorch model.
        candidate: the session that is measured.
        feeds: {input name of the reference: float32 NCHW array}, any number of samples each; read once.
        kinds: {output of the reference: what it is}, where more is known than its type; of KINDS.
        watch: is shown each feed, the reference's outputs and the candidate's, by the reference's names.

    Returns:
        The figures over all samples and outputs, and those of each output; `problem` says why, where they
        cannot be believed (a NaN, another shape).

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
    tallies: dict[str, Tally] = {}
    samples = 0
    for feed in feeds:
        wanted = reference.run(feed)
        got = candidate.run({to_inputs[name]: array for name, array in feed.items()})
        for name, other in to_outputs.items():
            ref, cand = wanted[name], got[other]
            if name not in tallies:
                tallies[name] = kind_of(ref, (kinds or {}).get(name)).tally()
            problem = tallies[name].add(ref, cand) if ref.shape == cand.shape else _other_shape(ref, cand)
            if problem:
                return _not_comparable(f"output {name!r}: {problem}", samples)
        if watch:
            watch(feed, wanted, {name: got[other] for name, other in to_outputs.items()})
        samples += max((len(array) for array in feed.values() if array.ndim), default=1)
    if not samples:
        raise ValueError("there is nothing to compare on: no inputs were given")
    return _worst([replace(tally.agreement(samples), name=name) for name, tally in tallies.items()], samples)


def verdict(
    agreement: Agreement,
    precision: str,
    reference: Session,
    feeds: Iterable[Mapping[str, np.ndarray]],
    kinds: Mapping[str, Kind] | None = None,
) -> str:
    """Judge a comparison; where fp32 fails, after a look at how much float32 itself loses in the reference.

    Some networks (untrained ones without normalised residuals, say) lose more in float32 than TOLERANCE allows,
    whoever computes them.

    Args:
        agreement: what `compare` gave.
        precision: of the artifact, a key of TOLERANCE, GRAPHS or ACCELERATED.
        reference: the session that the artifact was compared with.
        feeds: those of the comparison; read only where fp32 fails and the reference can compute in float64.
        kinds: as `compare` was given.

    Returns:
        "ok", "warn: WHY" or "fail: WHY", as `judge` says it.
    """
    first = judge(agreement, precision)
    settled = agreement.problem or not first.startswith("fail")
    if settled or precision not in NOISE_COUNTS or not isinstance(reference, Widens):
        return first
    try:
        again = (feed for feed in feeds for _ in range(ROUNDINGS))
        noise = compare(reference.double(), LastBitsSession(reference), again, kinds)
    except (RuntimeError, EdgeportError):  # a module that makes float32 tensors of its own, an operator without float64
        return first
    return first if noise.problem else judge(agreement, precision, noise)


def judge(agreement: Agreement, precision: str, noise: Agreement | None = None) -> str:
    """Judge the figures of a comparison by the table of tolerances.

    Args:
        agreement: what `compare` gave.
        precision: of the artifact, a key of TOLERANCE, GRAPHS or ACCELERATED.
        noise: how the reference agrees with itself in float64; within ROOM times that, an error is a warning.

    Returns:
        "ok", "warn: " and what is less than EXPECTED[precision], or "fail: " and what is out of TOLERANCE[precision].

    Example:
        >>> judge(Agreement(9.0, 0.1, 0.01, 0.99, None, None, None, samples=8), "int8")
        'fail: SNR in dB 9, must be at least 10 (int8)'
    """
    if agreement.problem:
        return f"fail: {agreement.problem}"
    tolerance, expected = {**GRAPHS, **ACCELERATED, **TOLERANCE}[precision], EXPECTED.get(precision, Limits())
    failed = _misses(agreement, tolerance, "must")
    if failed and noise is not None and not _misses(agreement, tolerance, "must", noise):
        lost = _lost(noise)
        return f"warn: {'; '.join(_misses(agreement, tolerance, 'should'))} ({precision}), but float32 itself {lost}"
    if failed:
        return f"fail: {'; '.join(failed)} ({precision})"
    missed = _misses(agreement, expected, "should")
    return f"warn: {'; '.join(missed)} ({precision})" if missed else "ok"


def _lost(noise: Agreement) -> str:
    """What float32 does to the reference itself, in words."""
    lost = []
    if not math.isnan(noise.max_abs_over_std):
        lost.append(f"loses {noise.max_abs_over_std:.2g} of std")
    if noise.equal is not None:
        lost.append(f"changes {1 - noise.equal:.2g} of the whole numbers")
    return f"{' and '.join(lost) or 'rounds as much'} in this model"


def _loosened(limits: Limits, noise: Agreement) -> Limits:
    """The limits, or what ROOM times the noise needs."""
    needed = {
        "max_abs_over_std": ROOM * noise.max_abs_over_std,
        "snr_db": noise.snr_db - 20 * math.log10(ROOM),
        "equal": None if noise.equal is None else 1 - ROOM * (1 - noise.equal),
        "constant_error": None if (error := _figure(noise, "constant_error")) is None else ROOM * error,
    }
    loosened = {}
    for name, figure in needed.items():
        limit, sign = getattr(limits, name), _JUDGED[name][1]
        if limit is not None and figure is not None and not math.isnan(figure):
            loosened[name] = sign * min(sign * limit, sign * figure)
    return replace(limits, **loosened)


def _misses(agreement: Agreement, limits: Limits, must: str, noise: Agreement | None = None) -> list[str]:
    """What is out of the limits, in words that name the output where there are several."""
    outputs: Sequence[Agreement] = agreement.outputs or (agreement,)
    noises: Sequence[Agreement | None] = (noise.outputs or (noise,)) if noise else [None] * len(outputs)
    misses = []
    for output, own in zip(outputs, noises, strict=True):
        place = f"output {output.name!r}: " if isinstance(output, OutputAgreement) and len(outputs) > 1 else ""
        misses += [place + miss for miss in _misses_of(output, _loosened(limits, own) if own else limits, must)]
    return misses


def _misses_of(output: Agreement, limits: Limits, must: str) -> list[str]:
    """The same of one output, of the figures that judge its kind."""
    judged_by = KINDS[output.kind].judged_by if isinstance(output, OutputAgreement) else _JUDGED
    misses = []
    for name in judged_by:
        (words, sign), limit, value = _JUDGED[name], getattr(limits, name), _figure(output, name)
        if limit is None or value is None:
            continue
        if not sign * value >= sign * limit:  # a NaN misses too
            misses.append(f"{words} {value:.3g}, {must} be {'at least' if sign > 0 else 'at most'} {limit:g}")
    return misses


def _figure(output: Agreement, name: str) -> float | None:
    """A figure by its name; None where there is no such one, as of an agreement that is not of one output."""
    return getattr(output, name, None)


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


def _worst(outputs: Sequence[OutputAgreement], samples: int) -> Agreement:
    """The worst figures of all outputs, of each among those that have it."""
    return Agreement(
        snr_db=_of_all(min, (each.snr_db for each in outputs), math.nan),
        max_abs=_of_all(max, (each.max_abs for each in outputs), math.nan),
        max_abs_over_std=_of_all(max, (each.max_abs_over_std for each in outputs), math.nan),
        cosine=_of_all(min, (each.cosine for each in outputs), math.nan),
        top1=_of_all(min, (each.top1 for each in outputs), None),
        top5=_of_all(min, (each.top5 for each in outputs), None),
        kl=_of_all(max, (each.kl for each in outputs), None),
        samples=samples,
        equal=_of_all(min, (each.equal for each in outputs), None),
        outputs=tuple(outputs),
    )


def _of_all(choose: Callable, figures: Iterable[float | None], without: float | None) -> Any:
    """The worst of the figures that exist, `without` where none does."""
    known = [figure for figure in figures if figure is not None and not math.isnan(figure)]
    return choose(known) if known else without


def _other_shape(ref: np.ndarray, cand: np.ndarray) -> str:
    return f"the candidate's shape is {cand.shape}, the reference's {ref.shape}"


def _not_comparable(problem: str, samples: int) -> Agreement:
    nan = math.nan
    return Agreement(nan, nan, nan, nan, None, None, None, samples, problem)
