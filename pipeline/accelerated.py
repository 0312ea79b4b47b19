"""What an accelerator makes of an artifact: what it takes, and how far it is from the reference and from the CPU."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from ..graph.edit import STEP
from ..runtime.child_session import ChildSession
from ..runtime.compare import compare
from ..runtime.noise_gain import verdict_with_cause
from ..runtime.output_kinds import decibel
from ..runtime.residency import Residency
from ..runtime.session import Session
from ..runtime.session_wrappers import SessionWrapper
from ..targets.foreign import open_accelerated
from .pair import Pair
from .progress import Progress
from .results import FLOAT_NAMES, AcceleratedRun, AcceleratorFacts

PRECISIONS_OF = {"gpu": ("fp32", "fp16"), "npu": ("fp16",), "cpu": ("fp32",)}
BY_ARITHMETIC = ("fp32", "fp16")  # artifacts whose limits are those of the arithmetic, not their own


class _BesideCpu(SessionWrapper):
    """Runs the accelerator, and tallies how far it is from the same artifact on the CPU."""

    def __init__(self, session: Session, cpu: Session):
        super().__init__(session)
        self._cpu = cpu
        self._signal = self._error = 0.0

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        there, here = self.bare.run(feeds), self._cpu.run(feeds)
        for name, array in here.items():
            mine, theirs = array.astype(np.float64), there[name].astype(np.float64)
            self._signal += float(np.sum(mine * mine))
            self._error += float(np.sum((mine - theirs) ** 2))
        return there

    def snr_db(self) -> float:
        """Of all outputs that were computed; NaN where one is no number."""
        return decibel(self._signal, self._error) if np.isfinite(self._error) else float("nan")


def run_accelerated(
    pair: Pair, accelerator: str, threads: int, progress: Progress, seconds: dict[str, float]
) -> AcceleratorFacts:
    """The artifact of a pair on an accelerator, in each precision that this computes in.

    Raises UsageError, ArtifactError and RuntimeUnavailable, as `edgeport.open_session`.
    """
    found = [
        _run(pair, open_accelerated(pair.path, accelerator, precision, threads), progress, seconds)
        for precision in PRECISIONS_OF[accelerator]
    ]
    runs, sessions = zip(*found, strict=True)
    session = sessions[0]
    residency = _residency(session)
    return AcceleratorFacts(
        name=accelerator,
        device=residency.device,
        runtime=session.runtime,
        emulated=session.emulated,
        operators=residency.operators,
        accelerated=residency.accelerated,
        partitions=residency.partitions,
        refused=tuple(refusals(residency)),
        runs=runs,
    )


def _run(
    pair: Pair, session: ChildSession, progress: Progress, seconds: dict[str, float]
) -> tuple[AcceleratedRun, ChildSession]:
    """What the artifact comes to in one precision; the session is closed then."""
    residency, count = _residency(session), len(pair.inputs)
    name, precision = residency.accelerator, residency.precision
    beside = _BesideCpu(session, pair.session)
    text = f"validate on the {name.upper()} in {FLOAT_NAMES[precision]} on {count} inputs"
    with progress.stage(text, seconds, f"validate_{name}_{precision}", count) as advance:
        agreement = compare(pair.reference, pair.feed(beside), pair.inputs.feeds(advance), pair.kinds)
    limits = f"accelerated {precision}" if pair.precision in BY_ARITHMETIC else pair.precision
    verdict = verdict_with_cause(agreement, limits, pair.reference, pair.inputs.feeds, pair.kinds)
    session.close()
    run = AcceleratedRun(precision=precision, agreement=agreement, cpu_snr_db=beside.snr_db(), verdict=verdict)
    return run, session


def _residency(session: ChildSession) -> Residency:
    assert session.residency is not None  # an accelerator's session has it
    return session.residency


def refusals(residency: Residency) -> list[dict[str, object]]:
    """What is refused, with the path of the PyTorch module that it comes from."""
    return [
        {
            "operator": each.operator,
            "reason": each.reason,
            "tensor": each.tensor,
            "module": module_of(each.tensor),
            "count": 1,
        }
        for each in residency.refused
    ]


def module_of(tensor: str) -> str:
    """The PyTorch module path in a tensor's name: "stages.2.1.attn" of "stages/2/1/attn/matmul_2/step:reshape1"."""
    from ..graph.dialect import OPS

    parts = tensor.partition(STEP)[0].split("/")
    operator = re.sub(r"_\d+$", "", parts[-1])  # of a value inside of its module, which is not called as the module
    return ".".join(parts[:-1] if operator in {name.lower() for name in OPS} else parts)


def overall_verdict(runs: Sequence[AcceleratedRun]) -> str:
    """The gravest verdict of all precisions, and of which it is."""
    for grade in ("fail", "warn"):
        for run in runs:
            if run.verdict.startswith(grade):
                return run.verdict.replace(f"{grade}: ", f"{grade}: in {FLOAT_NAMES[run.precision]}, ", 1)
    return "ok"
