"""`edgeport.sweep`: models times targets times precisions times devices, resumable."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...artifacts.counts import check_count
from ...artifacts.errors import UsageError
from ...artifacts.exit_codes import BUG, DONE
from ...reporting.folder import findings
from ...reporting.html_table import html_table
from ...reporting.report import make_table
from ..doctor import describe_cpu
from ..progress import Progress, ProgressCallback
from .jobs import Job
from .journal import Journal
from .plan import make_jobs, make_sweep, read_file
from .schedule import Executor, Schedule

OUTPUT = "sweep"


@dataclass(frozen=True)
class SweepResult:
    """What came of a sweep.

    Attributes:
        folder: with the artifacts, and results.jsonl.
        jobs: a dict for each job that ran, in this call or before: "job", "code", "problem", "result", "seconds".
        done_before: how many of them were done before.
    """

    folder: Path
    jobs: list[dict[str, Any]] = field(repr=False)
    done_before: int

    @property
    def exit_code(self) -> int:
        """What the command line ends with: a bug before all, else the gravest."""
        codes = {line["code"] for line in self.jobs}
        return BUG if BUG in codes else max(codes, default=DONE)

    def to_json(self) -> dict[str, Any]:
        """The object that `edgeport sweep --json` prints."""
        return {"folder": str(self.folder), "jobs": self.jobs, "done_before": self.done_before}

    def table(self) -> tuple[list[str], list[list[str]]]:
        """(the heads of the columns, the cells of each row) of all artifacts in the folder."""
        return make_table(findings(self.folder).rows)

    def failed(self) -> list[str]:
        """A sentence for each job that failed."""
        return [
            f"{each['job']['kind']} {each['job']['model']}: {each['problem']}" for each in self.jobs if each["problem"]
        ]

    def _repr_html_(self) -> str:
        rows = [(" ".join(filter(None, map(str, each["job"].values()))), describe_outcome(each)) for each in self.jobs]
        return html_table(rows)


def sweep(
    file: str | Path | None = None,
    *,
    models: Sequence[str | Mapping[str, Any]] | None = None,
    targets: Sequence[str] | None = None,
    precisions: Sequence[str] | None = None,
    devices: Sequence[str] | None = None,
    output: str | Path | None = None,
    jobs: int | None = None,
    executor: str | None = None,
    timeout: int | None = None,
    progress: ProgressCallback | None = None,
    **options: Any,
) -> SweepResult:
    """Exports, validates and times many models, each job in a process of its own, and goes on where it was interrupted.

    Args:
        file: a YAML file with any of the other arguments; what is given here goes before it.
        models: names, files, or dicts with "model" and options of its own.
        targets: None for the first.
        precisions: None for fp32 and int8.
        devices: where to validate and time, as `validate_on_device`; None for this machine.
        output: the folder for artifacts and results; None for "sweep".
        jobs: processes at a time; None for 1.
        executor: "local", or "ray[:ADDRESS]" for the workers of a cluster.
        timeout: of one job, in seconds; None for an hour.
        progress: called with an `Event` for each job that ends.
        **options: of the jobs, by the names of the command line's: `calibration_data`, `effort`, `num_runs`, ...

    Returns:
        What became of each job.

    Raises:
        UsageError: nothing to sweep over, an unknown or wrong option, or another sweep at work in the folder.
        RuntimeUnavailable: ray is asked for, and not installed.
        WriteError: the results cannot be written.

    Example:
        >>> edgeport.sweep(models=["lenet5", "resnet18"], targets=["tflite", "onnx"], calibration_data="photos/")
    """
    own = {"models": models, "targets": targets, "precisions": precisions, "devices": devices, "output": output}
    own |= {"jobs": jobs, "executor": executor, "timeout": timeout}
    given = (read_file(Path(file)) if file else {}) | {name: value for name, value in own.items() if value is not None}
    plan = make_sweep(given | options)
    todo, folder = make_jobs(plan), Path(given.get("output") or OUTPUT)
    room, timeout_s = _count(given, "jobs", 1), _count(given, "timeout", 3600)
    machine = {name: value for name, value in describe_cpu().items() if name in ("cores", "features")}
    machine = {"cpu": describe_cpu()["model"], **machine}
    told = Progress(progress)
    with Journal(folder) as journal:
        runner = open_executor(str(given.get("executor") or "local"), folder, room)
        lines = _Lines(len(todo), told)
        schedule = Schedule(journal, runner, machine, plan.threads, timeout_s, lines.add)
        try:
            schedule.run(todo)
        except KeyboardInterrupt:
            told.note(f"{lines.count} of {len(todo)} jobs are done; the same command goes on from there")
            raise
        runner.stop()
    done = [line for line in schedule.lines.values() if line is not None]
    return SweepResult(folder, done, lines.before)


def _count(given: Mapping[str, Any], name: str, default: int) -> int:
    """A whole number of at least 1, which a file may also give."""
    value = given.get(name, default)
    number = int(value) if str(value).isdecimal() else value
    check_count(name, number)
    return int(number)


def open_executor(text: str, folder: Path, room: int) -> Executor:
    """What runs the jobs. Raises UsageError, RuntimeUnavailable."""
    kind, _, address = text.partition(":")
    if kind == "ray":
        from .ray_cluster import RayCluster

        return RayCluster(folder, address)
    if text != "local":
        raise UsageError(f"--executor: must be local or ray[:ADDRESS], not {text!r}")
    from .local import Local

    return Local(folder, room)


class _Lines:
    """A note for each job that ends."""

    def __init__(self, total: int, progress: Progress):
        self.total, self.progress = total, progress
        self.count = self.before = 0

    def add(self, job: Job, line: dict[str, Any] | None, before: bool) -> None:
        self.count += 1
        self.before += before
        if not before:
            ended = f"{describe_outcome(line)}, {line['seconds']:.1f} s" if line else "left out: there is no artifact"
            self.progress.note(f"[{self.count}/{self.total}] {job.name}: {ended}")


def describe_outcome(line: dict[str, Any]) -> str:
    """What became of a job, in a sentence."""
    results = line["result"] if isinstance(line["result"], list) else [line["result"] or {}]
    verdicts = [result.get("verdict", "ok") for result in results]
    return line["problem"] or next((each for each in verdicts if each != "ok"), "ok")
