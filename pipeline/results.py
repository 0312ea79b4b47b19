"""What the functions of the library return: plain facts, with the names that `--json` prints."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..artifacts.exit_codes import BUG, DISAGREES, DONE, OVER_BUDGET
from ..artifacts.manifest import AcceleratedRun as RecordedRun
from ..artifacts.manifest import Accelerator, Budget, CalibrationSpread, finite
from ..reporting.html_table import html_table
from ..runtime.agreement import Agreement
from ..runtime.benchmark import Latency
from ..tasks.agreement import TaskAgreement
from ..tasks.registry import CLASSIFY, GENERIC
from .text_table import format_facts

FIGURES = tuple(each.name for each in dataclasses.fields(Agreement) if each.name not in ("problem", "outputs"))


def agreement_figures(agreement: Agreement | None) -> dict[str, float | None] | None:
    """The numbers of an agreement; why they cannot be believed is the verdict's to say."""
    if agreement is None:
        return None
    return {name: getattr(agreement, name) for name in FIGURES}


def output_figures(agreement: Agreement | None) -> list[dict[str, Any]] | None:
    """The same of each output, with its name and kind."""
    if agreement is None:
        return None
    return [{"name": each.name, "kind": each.kind, **(agreement_figures(each) or {})} for each in agreement.outputs]


def describe_outputs(agreement: Agreement | None) -> list[tuple[str, str, str, str, str]]:
    """(name, kind, SNR, top-1, share of equal values) of each of several outputs; none where all say the same."""
    outputs = agreement.outputs if agreement else ()
    described = [
        (
            each.name,
            each.kind if each.value is None else f"{each.kind} {each.value:g}",
            format_number(each.snr_db, ".1f"),
            format_number(each.top1, ".1%"),
            format_number(each.equal, ".1%"),
        )
        for each in outputs
    ]
    return described if len({figures[1:] for figures in described}) > 1 else []


class _Readable:
    """Shows itself in a notebook as a small table, in a terminal as lines."""

    def to_rows(self) -> list[tuple[str, str]]:
        """(name, value) of what matters most, for people."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        return html_table(self.to_rows())

    def __str__(self) -> str:
        return format_facts(self.to_rows(), 12)


def _output_rows(agreement: Agreement | None) -> list[tuple[str, str]]:
    """(output, its figures in words) of each of several outputs that do not agree equally well."""
    rows = []
    for name, kind, snr, top1, equal in describe_outputs(agreement):
        figures = (f"{snr} dB", f"top-1 {top1}", f"{equal} equal")
        rows.append((f"output {name}", ", ".join([kind, *(each for each in figures if "-" not in each.split())])))
    return rows


def _task_rows(answers: TaskAgreement | None) -> list[tuple[str, str]]:
    """(the task, its figures with their standard errors), or why there are none; empty for a classifier or no task."""
    if answers is None or answers.task in (CLASSIFY, GENERIC):
        return []
    return [(answers.task, ", ".join(map(str, answers.figures)) or answers.problem)]


def format_number(value: float | None, form: str) -> str:
    """A number, or "-" for none and for NaN."""
    return "-" if value is None or value != value else format(value, form)


@dataclass(frozen=True)
class BudgetSearch:
    """What came of an accuracy budget.

    Attributes:
        budget: the goal, what was reached, and on how many inputs.
        raised: the units that are not int8 for its sake.
        frontier: a dict for each step of the search.
        table: the same as text.
        raised_to: what they are: "float", or "int16" on a device without.
    """

    budget: Budget
    raised: tuple[str, ...]
    frontier: list[dict[str, Any]]
    table: str
    raised_to: str = "float"

    @property
    def kept_float(self) -> tuple[str, ...]:
        """The units that are float for its sake."""
        return self.raised if self.raised_to == "float" else ()

    @property
    def kept_int16(self) -> tuple[str, ...]:
        """Those that have int16 activations for its sake."""
        return self.raised if self.raised_to == "int16" else ()


@dataclass(frozen=True, kw_only=True)
class ExportResult(_Readable):
    """One artifact. None stands for what was not asked for.

    Attributes:
        model: as it was named.
        weights: where they came from.
        target, precision: of the artifact.
        path: of the artifact.
        manifest_path: of the facts beside it.
        size_bytes: of all its files.
        agreement: with the reference.
        latency: on this machine; None where nothing was timed.
        ratio: of the median latency to the float twin's.
        emulated: it was not run by what runs it on a device, so nothing was timed.
        seconds: what each stage took.
        peak_rss_mb: the most memory that this process had, in MB (10^6 bytes).
        delegate_partitions: of a .tflite, how many the CPU delegate made.
        verdict: "ok", "warn: ...", "fail: ...", "over budget: ..." or "not validated".
        accelerator: what that of the artifact's profile takes of it, and makes of it; None where the profile has none,
            or there is none on this machine.
        task: how its answers agree with the model's; None where it was not validated.
        pictures: the file with answers of both side by side; None where none are drawn.
        float_twin: the float artifact that an int8 one was timed beside.
        search: what came of the accuracy budget.
        spread: how far int8 depends on which inputs calibrate; None where nobody asked.
        warnings: what makes the result less than it seems.
        exit_code: what the command line ends with.
    """

    model: str
    weights: str
    target: str
    precision: str
    path: Path
    manifest_path: Path
    size_bytes: int
    agreement: Agreement | None = None
    latency: Latency | None = None
    ratio: float | None = None
    emulated: bool | None = None
    seconds: dict[str, float] | None = field(default=None, repr=False)
    peak_rss_mb: float | None = field(default=None, repr=False)
    delegate_partitions: int | None = None
    verdict: str
    accelerator: "AcceleratorFacts | None" = None
    task: TaskAgreement | None = None
    pictures: Path | None = None
    float_twin: "ExportResult | None" = field(default=None, repr=False)
    search: BudgetSearch | None = field(default=None, repr=False)
    spread: CalibrationSpread | None = None
    warnings: tuple[str, ...] = field(default=(), repr=False)
    exit_code: int = field(default=DONE, repr=False)

    @property
    def ok(self) -> bool:
        """Whether the artifact is what was asked for: made, and not judged to fail."""
        return self.exit_code == DONE

    def to_json(self) -> dict[str, Any]:
        """The object that `edgeport export --json` prints."""
        value = self._facts() | {"warnings": list(self.warnings)}
        if self.search:
            found = self.search
            value |= {"budget": dataclasses.asdict(found.budget), f"kept_{found.raised_to}": found.raised}
            value["frontier"] = found.frontier
        if self.float_twin:
            value["fp32"] = self.float_twin._facts()
        return value

    def _facts(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "weights": self.weights,
            "target": self.target,
            "precision": self.precision,
            "artifact": str(self.path),
            "manifest": str(self.manifest_path),
            "size_bytes": self.size_bytes,
            "agreement": agreement_figures(self.agreement),
            "outputs": output_figures(self.agreement),
            "latency": dataclasses.asdict(self.latency) if self.latency else None,
            "ratio": self.ratio,
            "emulated": self.emulated,
            "seconds": self.seconds,
            "peak_rss_mb": self.peak_rss_mb,
            "delegate_partitions": self.delegate_partitions,
            "accelerator": self.accelerator.to_json() if self.accelerator else None,
            "task": self.task.to_json() if self.task else None,
            "pictures": None if self.pictures is None else str(self.pictures),
            "calibration_spread": finite(dataclasses.asdict(self.spread)) if self.spread else None,
            "verdict": self.verdict,
        }

    def to_rows(self) -> list[tuple[str, str]]:
        """(name, value) of what matters most, for people."""
        agreement = self.agreement
        ratio = f" ({self.ratio:.2f} of float)" if self.ratio is not None else ""
        median = format_number(self.latency and self.latency.median_ms, ".2f")
        return [
            ("artifact", str(self.path)),
            ("precision", self.precision),
            ("size", f"{self.size_bytes / 1e6:.2f} MB"),
            ("latency", "emulated" if self.emulated else f"{median} ms{ratio}"),
            ("SNR", f"{format_number(agreement and agreement.snr_db, '.1f')} dB"),
            *(_task_rows(self.task) or [("top-1", format_number(agreement and agreement.top1, ".1%"))]),
            *_output_rows(agreement),
            *(self.accelerator.to_rows() if self.accelerator else []),
            *([("spread", str(self.spread))] if self.spread else []),
            ("verdict", self.verdict),
        ]


@dataclass(frozen=True, kw_only=True)
class ExportFailure(_Readable):
    """What there is in place of an artifact that `export_all` could not make.

    Attributes:
        model, weights, target, precision: as asked for.
        error: a sentence.
        exit_code: what the command line ends with.
        warnings: of the whole job.
    """

    model: str
    weights: str
    target: str
    precision: str
    error: str
    exit_code: int
    warnings: tuple[str, ...] = field(default=(), repr=False)

    ok = False

    @property
    def verdict(self) -> str:
        """Where an artifact's verdict would be."""
        return f"error: {self.error}"

    def to_json(self) -> dict[str, Any]:
        """The object that `edgeport export --json` prints: an artifact's, with null for what there is not."""
        names = [each.name for each in dataclasses.fields(ExportResult) if each.name not in _NOT_IN_JSON]
        value: dict[str, Any] = {_IN_JSON.get(name, name): None for name in names}
        value["outputs"] = None
        own = {name: getattr(self, name) for name in ("model", "weights", "target", "precision", "verdict")}
        return value | own | {"warnings": list(self.warnings)}

    def to_rows(self) -> list[tuple[str, str]]:
        """(name, value), for people."""
        return [("artifact", self.target), ("precision", self.precision), ("verdict", self.verdict)]


_IN_JSON = {"path": "artifact", "manifest_path": "manifest"}
_NOT_IN_JSON = {"float_twin", "search", "exit_code"}


def total_exit_code(results: Sequence[ExportResult | ExportFailure]) -> int:
    """The exit code of several results: a bug before all, else the gravest."""
    codes = {result.exit_code for result in results}
    return BUG if BUG in codes else max(codes, default=DONE)


def verdict_exit_code(verdicts: Sequence[str], search: BudgetSearch | None = None) -> int:
    """The exit code that the verdicts of artifacts mean."""
    if search and not search.budget.met:
        return OVER_BUDGET
    return DISAGREES if any(verdict.startswith("fail") for verdict in verdicts) else DONE


@dataclass(frozen=True, kw_only=True)
class ValidationResult(_Readable):
    """An artifact compared with its reference.

    Attributes:
        model, weights: of the reference.
        target, precision: of the artifact; whose limits judged.
        path: of the artifact.
        manifest_path: None where none lies beside it.
        agreement: with the reference.
        verdict: "ok", "warn: ..." or "fail: ...".
        emulated: the artifact was not run by what runs it on a device.
        device: where it ran, with what is known of it there; None for this process.
        accelerator: what ran it, with what that takes of it; None for the CPU's own runtime.
        task: how its answers agree with the reference's; None on an accelerator.
    """

    model: str
    weights: str | None
    target: str | None
    precision: str
    path: Path
    manifest_path: Path | None
    size_bytes: int
    agreement: Agreement
    emulated: bool
    seconds: dict[str, float] = field(repr=False)
    peak_rss_mb: float = field(repr=False)
    delegate_partitions: int | None
    verdict: str
    warnings: tuple[str, ...] = field(default=(), repr=False)
    device: "DeviceFacts | None" = None
    accelerator: "AcceleratorFacts | None" = None
    task: TaskAgreement | None = None

    @property
    def ok(self) -> bool:
        """Whether the artifact agrees with its reference."""
        return self.exit_code == DONE

    @property
    def exit_code(self) -> int:
        """What the command line ends with."""
        return verdict_exit_code([self.verdict])

    def to_json(self) -> dict[str, Any]:
        """The object that `edgeport validate --json` prints."""
        value = {
            "model": self.model,
            "weights": self.weights,
            "target": self.target,
            "precision": self.precision,
            "artifact": str(self.path),
            "manifest": None if self.manifest_path is None else str(self.manifest_path),
            "size_bytes": self.size_bytes,
            "agreement": agreement_figures(self.agreement),
            "outputs": output_figures(self.agreement),
            "emulated": self.emulated,
            "seconds": self.seconds,
            "peak_rss_mb": self.peak_rss_mb,
            "delegate_partitions": self.delegate_partitions,
            "task": self.task.to_json() if self.task else None,
            "verdict": self.verdict,
            "warnings": list(self.warnings),
        }
        value |= {"accelerator": self.accelerator.to_json()} if self.accelerator else {}
        return value | (self.device.to_json() if self.device else {})

    def to_rows(self) -> list[tuple[str, str]]:
        """(name, value) of all figures, for people."""
        figures = agreement_figures(self.agreement) or {}
        names = {"artifact": str(self.path), "model": self.model, "weights": self.weights, "precision": self.precision}
        rows = [(name, str(value)) for name, value in names.items() if value]
        rows += [(name, f"{figure:.6g}") for name, figure in figures.items() if format_number(figure, "g") != "-"]
        rows += self.accelerator.to_rows() if self.accelerator else []
        rows += _task_rows(self.task)
        return [*rows, *_output_rows(self.agreement), ("verdict", self.verdict)]


@dataclass(frozen=True, kw_only=True)
class AcceleratedRun:
    """An artifact as an accelerator computes it in one precision.

    Attributes:
        precision: of its arithmetic, "fp32" or "fp16".
        agreement: with the reference.
        cpu_snr_db: how far it is from what the CPU makes of the same artifact, 10 log10(sum cpu^2 / sum difference^2).
        verdict: "ok", "warn: ..." or "fail: ...".
    """

    precision: str
    agreement: Agreement
    cpu_snr_db: float
    verdict: str

    def to_json(self) -> dict[str, Any]:
        """An entry of "runs"."""
        return {
            "precision": self.precision,
            "agreement": agreement_figures(self.agreement),
            "outputs": output_figures(self.agreement),
            "cpu_snr_db": self.cpu_snr_db,
            "verdict": self.verdict,
        }


@dataclass(frozen=True, kw_only=True)
class AcceleratorFacts:
    """What an accelerator takes of an artifact, and what it makes of it.

    Attributes:
        name: "gpu", "npu" or "cpu".
        device: which it is, as its driver says.
        runtime: what ran the artifact on it.
        emulated: it is computed in software: its numbers and what it refuses are a GPU's, its times are not.
        operators: of the artifact.
        accelerated: how many of them the accelerator computes; the CPU computes the others.
        partitions: the pieces in which it computes them.
        refused: {"operator", "reason", "tensor", "module", "count"} of what it does not take; "module" is the path of
            the PyTorch module, "" where the accelerator does not say which operator it means.
        runs: in each precision of its arithmetic, float32 first.
    """

    name: str
    device: str
    runtime: str
    emulated: bool
    operators: int
    accelerated: int
    partitions: int
    refused: tuple[dict[str, Any], ...]
    runs: tuple[AcceleratedRun, ...]

    @property
    def whole(self) -> bool:
        """Whether it computes the whole artifact."""
        return self.accelerated == self.operators

    def to_json(self) -> dict[str, Any]:
        """The object "accelerator" of a validation."""
        own = {each.name: getattr(self, each.name) for each in dataclasses.fields(self) if each.name != "runs"}
        own |= {"refused": list(self.refused), "whole": self.whole}
        return own | {"runs": [run.to_json() for run in self.runs]}

    def record(self) -> Accelerator:
        """The same as a manifest keeps it."""
        return Accelerator(
            name=self.name,
            device=self.device,
            emulated=self.emulated,
            operators=self.operators,
            accelerated=self.accelerated,
            refused={f"{each['operator']}: {each['reason']}": each["count"] for each in summarize(self.refused)},
            runs=tuple(
                RecordedRun(
                    precision=run.precision,
                    snr_db=run.agreement.snr_db,
                    cpu_snr_db=run.cpu_snr_db,
                    verdict=run.verdict,
                )
                for run in self.runs
            ),
        )

    def to_rows(self) -> list[tuple[str, str]]:
        """(name, value), for people."""
        where = f"all {self.operators} operators" if self.whole else f"{self.accelerated} of {self.operators} operators"
        pieces = f" in {self.partitions} parts" if self.partitions > 1 else ""
        software = ", in software: no times" if self.emulated else ""
        rows = [(self.name, f"{self.device}{software}"), (f"on the {self.name.upper()}", f"{where}{pieces}")]
        for run in self.runs:
            figures = f"{run.agreement.snr_db:.1f} dB from the reference, {run.cpu_snr_db:.1f} dB from the CPU"
            top1 = format_number(run.agreement.top1, ".1%")
            rows.append((f"in {FLOAT_NAMES[run.precision]}", figures if top1 == "-" else f"{figures}, top-1 {top1}"))
        return rows + [("refused", describe_refusal(each)) for each in summarize(self.refused)]


FLOAT_NAMES = {"fp32": "float32", "fp16": "float16"}
FEW = 5  # reasons that people are shown


def describe_refusal(refusal: dict[str, Any]) -> str:
    """In words: TRANSPOSE, 9 times: a tensor has bad input dims size: 6 (first in stages.2.1)."""
    times = f", {refusal['count']} times" if refusal["count"] > 1 else ""
    where = f" ({'first ' if times else ''}in {refusal['module']})" if refusal["module"] else ""
    return f"{refusal['operator']}{times}: {refusal['reason']}{where}"


def summarize(refused: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Refusals of one operator for one reason together, the most frequent first; the last may tell what is left out."""
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    for each in refused:
        group = groups.setdefault((each["operator"], each["reason"]), {**each, "count": 0})
        group["count"] += each["count"]
    return sorted(groups.values(), key=lambda group: -group["count"])[:FEW]


@dataclass(frozen=True, kw_only=True)
class DeviceFacts:
    """What a device reports of an artifact that is validated on it.

    Attributes:
        name: of the device.
        facts: CPU, cores, and what else it says of itself.
        runtime: what ran the artifact there.
        emulated: whether the device is.
        here: {"runtime", "agreement"} of the same inputs on this machine.
        against_here: how far its outputs are from this machine's.
        kernels: the class of the kernels that ran, where an emulator reports it.
        instructions: of one inference, where an emulator counted them.
    """

    name: str
    facts: dict[str, Any]
    runtime: str
    emulated: bool
    here: dict[str, Any]
    against_here: dict[str, Any]
    kernels: str | None
    instructions: dict[str, Any] | None

    def to_json(self) -> dict[str, Any]:
        """What the object of a validation has more of, on a device."""
        own = dataclasses.asdict(self)
        return {"device": own.pop("name"), **own}


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The latency of one artifact among others.

    Attributes:
        path: of the artifact, as given.
        latency: None where it can only be emulated here.
        ratio: of the median to the first artifact's.
    """

    path: str
    latency: Latency | None
    ratio: float | None

    def to_json(self) -> dict[str, Any]:
        """An entry of "results"."""
        return {
            "artifact": self.path,
            "latency": dataclasses.asdict(self.latency) if self.latency else None,
            "ratio": self.ratio,
            "emulated": self.latency is None,
        }


@dataclass(frozen=True, kw_only=True)
class BenchmarkResult(_Readable):
    """Artifacts that were timed side by side, in the order in which they were given."""

    results: tuple[Timing, ...]
    peak_rss_mb: float = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """The object that `edgeport benchmark --json` prints."""
        return {"results": [each.to_json() for each in self.results], "peak_rss_mb": self.peak_rss_mb}

    def to_rows(self) -> list[tuple[str, str]]:
        """(artifact, its median and ratio), for people."""
        return [
            (each.path, f"{each.latency.median_ms:.3f} ms, {each.ratio:.2f}" if each.latency else "emulated")
            for each in self.results
        ]


@dataclass(frozen=True, kw_only=True)
class DeviceBenchmark:
    """Artifacts that were timed on one device, or whose instructions were counted where it is emulated.

    Attributes:
        device: its name.
        facts: what it says of itself.
        results: a dict for each artifact: "artifact", "runtime", "emulated", "latency", "instructions", "ratio".
    """

    device: str
    facts: dict[str, Any]
    results: tuple[dict[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        """The object that `edgeport benchmark --device ... --json` prints."""
        return {"device": self.device, "facts": self.facts, "results": list(self.results)}
