"""`edgeport.validate_on_device` and `edgeport.benchmark_on_device`: artifacts run on devices, as jobs of their own."""

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..artifacts.counts import check_count
from ..artifacts.errors import DeviceError, UsageError
from ..devices.folder import devices_folder
from ..models.foreign_preprocess import read_preprocess
from ..models.stated_preprocess import PreprocessLike
from ..runtime.agreement import Agreement
from ..runtime.benchmark import Latency, latency
from ..runtime.compare import compare
from ..runtime.session import Portable
from ..runtime.session_wrappers import Arrays, RecordingSession, ReplayedSession
from ..targets.foreign import open_session
from ..targets.registry import artifact_path, endings
from ..targets.target import Target
from ..tasks.find import unknown_meaning
from .answers import compare_answers
from .data.collection import DataLike
from .data.dataset import random_array
from .input_spec import ShapesLike, read_shapes
from .isolation import isolated
from .options import NUM_VALIDATION
from .pair import Pair
from .progress import Progress, ProgressCallback
from .results import DeviceBenchmark, DeviceFacts, ValidationResult, agreement_figures
from .sources.source import ModelLike
from .validate import Comparison, make_result, open_pair

if TYPE_CHECKING:
    from ..devices.address import Access
    from ..devices.board import Board
    from ..devices.job import Answer, Job, Task

NUM_FEEDS = 4  # different inputs, taken in turn
COUNTED = 5  # inferences whose instructions are counted, of a benchmark


@dataclass(frozen=True, kw_only=True)
class DeviceAccess:
    """How a device is used.

    Attributes:
        python: its Python; None for python3, or for this one where the device is this machine.
        folder: where edgeport keeps its files there; None for the kind's own.
        timeout_s: for a job, and for a file on its way; None for what suits the kind.
        ssh_config: a file, instead of the user's own.
    """

    python: str | None = None
    folder: str | None = None
    timeout_s: float | None = None
    ssh_config: str | None = None


def full_access(access: DeviceAccess) -> "Access":
    """The same, with where the emulated environment is."""
    from ..devices.address import Access

    return Access(qemu=devices_folder() / "qemu", **dataclasses.asdict(access))


def check_device(device: str) -> str:
    """The name of a device as it is. Raises UsageError where it names none."""
    from ..devices.address import check

    try:
        return check(device)
    except ValueError as e:
        raise UsageError(f"{e}, not {device!r}") from e


@isolated
def validate_on_device(
    device: str,
    artifact: str | Path,
    *,
    access: DeviceAccess | None = None,
    reference: ModelLike | None = None,
    data: DataLike | None = None,
    num_validation_samples: int = NUM_VALIDATION,
    precision: str | None = None,
    weights: str | None = None,
    weights_key: str | None = None,
    seed: int = 0,
    num_classes: int | None = None,
    input_shape: ShapesLike | None = None,
    preprocess: PreprocessLike | None = None,
    threads: int = 1,
    task: str | None = None,
    progress: ProgressCallback | None = None,
) -> list[ValidationResult]:
    """Compares what devices make of an artifact with the reference, and with what this machine makes of it.

    Args:
        device: "local", "ssh:[user@]host[:port]", "adb[:serial]" or "qemu:CPU[,CPU...]", which stands for several.
        artifact: what `edgeport.export` made, or a foreign file.
        access: how the device is used.
        reference, data, num_validation_samples, precision, weights, weights_key, seed: as `edgeport.validate`.
        num_classes, input_shape, preprocess, threads, task, progress: as `edgeport.validate`.

    Returns:
        A result for each device; its `device` says where it ran and how far it is from this machine.

    Raises:
        DeviceError: the device cannot be reached, went away, or failed at its job.
        UsageError: no such kind of device, and as `edgeport.validate`.
        ArtifactError, ManifestError, RuntimeUnavailable, ImageError: as `edgeport.validate`.

    Example:
        >>> edgeport.validate_on_device("ssh:pi@board", "resnet18_int8.tflite")[0].verdict
    """
    from ..devices.address import open_boards
    from ..devices.job import Job

    told = Progress(progress)
    comparison = Comparison(
        artifact=artifact,
        reference=reference,
        data=data,
        num_validation_samples=num_validation_samples,
        weights=weights,
        weights_key=weights_key,
        seed=seed,
        num_classes=num_classes,
        shapes=read_shapes(input_shape),
        preprocess=read_preprocess(preprocess),
        precision=precision,
        threads=threads,
        task=task,
    )
    check_device(device)
    path = artifact_path(artifact)
    target = target_on_device(path)
    with open_boards(device, full_access(access or DeviceAccess())) as boards:  # first of all: it may not be there
        pair, seconds = open_pair(comparison, told), {}
        assert isinstance(pair.session, Portable)  # what runs on a device is
        here = RecordingSession(pair.session)
        inputs = pair.inputs
        with told.stage(f"validate here on {len(inputs)} inputs", seconds, "validate", len(inputs)) as advance:
            agreement = compare(pair.reference, pair.feed(here), inputs.feeds(advance), pair.kinds)
        job = Job([make_task(path, here.given)], threads=threads, keep=True, counted=target.counted)
        return [validate_on_board(board, job, pair, here, agreement, told) for board in boards]


def validate_on_board(
    board: "Board", job: "Job", pair: Pair, here: RecordingSession, at_home: Agreement, progress: Progress
) -> ValidationResult:
    """What `validate` tells of one device, and how it differs from this machine."""
    from ..devices.difference import difference
    from ..devices.qemu import instructions, kernel_classes

    seconds: dict[str, float] = {}
    with stage_on_board(f"validate on {board.name}", board, seconds, "validate", progress):
        done = board.run(job)
    answer = done.answers[0]
    assert isinstance(pair.session, Portable)
    there = ReplayedSession(
        pair.session, answer.outputs, runtime=answer.runtime, load_ms=answer.load_ms, emulated=board.emulated
    )
    try:
        meaning = pair.meaning or unknown_meaning()
        agreement, tally = compare_answers(pair.reference, pair.feed(there), pair.inputs, pair.kinds, meaning)
        apart = difference(here.gave, answer.outputs)
    except ValueError as e:
        raise DeviceError(f"{board.name}: gave outputs of another kind than this machine ({e})") from e
    counted = instructions(answer.counts)
    device = DeviceFacts(
        name=board.name,
        facts=done.facts,
        runtime=answer.runtime,
        emulated=board.emulated,
        here={"runtime": pair.session.runtime, "agreement": agreement_figures(at_home)},
        against_here=dataclasses.asdict(apart),
        kernels=kernel_classes(done, 0) or None,
        instructions=dataclasses.asdict(counted) if counted else None,
    )
    return make_result(pair, agreement, seconds, progress, device, answers=tally.agreement())


@isolated
def benchmark_on_device(
    device: str,
    *artifacts: str | Path,
    access: DeviceAccess | None = None,
    benchmark_model: str | Path | None = None,
    num_runs: int = 50,
    warmup_runs: int = 5,
    threads: int = 1,
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> list[DeviceBenchmark]:
    """Times artifacts in one job on each device, or counts their instructions where it is emulated.

    Args:
        device: as `validate_on_device`.
        *artifacts: of formats that run on devices; ratios are to the first.
        access: how the device is used.
        benchmark_model: the LiteRT project's program of that name, for a device without Python; only .tflite files.
        num_runs, warmup_runs, threads, seed, progress: as `edgeport.benchmark`.

    Returns:
        For each device its facts and a result for each artifact. What is emulated has instructions and no latency.

    Raises:
        DeviceError: the device cannot be reached, went away, or failed at its job.
        UsageError: no such kind of device, no artifact, or a number below 1.
        ArtifactError, RuntimeUnavailable: as `edgeport.benchmark`.

    Example:
        >>> edgeport.benchmark_on_device("adb", "a_fp32.tflite", "a_int8.tflite")[0].results[1]["ratio"]
    """
    from ..devices.address import open_boards
    from ..devices.job import Job

    told = Progress(progress)
    if not artifacts:
        raise UsageError("benchmark: give at least one artifact")
    for name, count in (("num_runs", num_runs), ("warmup_runs", warmup_runs), ("threads", threads)):
        check_count(name, count)
    check_device(device)
    tool = check_tool(benchmark_model)
    measured = []
    with open_boards(device, full_access(access or DeviceAccess())) as boards:
        tasks = make_tasks(artifacts, seed)
        for board in boards:
            if board.emulated:
                job = Job(tasks, threads=threads, counted=COUNTED)
            else:
                job = Job(tasks, threads=threads, warmup=warmup_runs, runs=num_runs)
            measured.append(benchmark_on_board(board, job, artifacts, tool, told))
    return measured


def check_tool(given: str | Path | None) -> Path | None:
    """The program that times on a device, if one was named. Raises UsageError where there is no such file."""
    if not given:
        return None
    if not os.path.isfile(given):
        raise UsageError(f"{given}: no such file")
    return Path(given)


def benchmark_on_board(
    board: "Board", job: "Job", artifacts: Sequence[str | Path], tool: Path | None, progress: Progress
) -> DeviceBenchmark:
    """The figures of one device."""
    from ..devices.benchmark_model import time_by
    from ..devices.qemu import instructions, kernel_classes

    with stage_on_board(f"benchmark on {board.name}", board, {}, "benchmark", progress):
        done = time_by(tool, board, job) if tool else board.run(job)
    results: list[dict[str, Any]] = []
    for i, (path, answer) in enumerate(zip(artifacts, done.answers, strict=True)):
        if board.emulated:
            counted = instructions(answer.counts)
            figure = {
                "latency": None,
                "kernels": kernel_classes(done, i) or None,
                "instructions": dataclasses.asdict(counted) if counted else None,
            }
        else:
            figure = {
                "latency": dataclasses.asdict(latency_of(answer, job.warmup, job.threads, done.facts.get("cpu", "")))
            }
        results.append({"artifact": str(path), "runtime": answer.runtime, "emulated": board.emulated} | figure)
    for each in results:
        each["ratio"] = ratio(each, results[0])
    return DeviceBenchmark(device=board.name, facts=done.facts, results=tuple(results))


def target_on_device(path: Path) -> Target:
    """The target of an artifact that runs on devices. Raises DeviceError."""
    known = endings()
    target = next((known[ending] for ending in known if path.name.endswith(ending)), None)
    if target is None or target.device_runtime is None:
        takes = ", ".join(ending for ending, each in known.items() if each.device_runtime)
        raise DeviceError(f"{path}: runs on no device of this kind; those take {takes}")
    return target


def make_task(path: Path, samples: Sequence[Arrays]) -> "Task":
    """An artifact and what it is given, for a device. Raises DeviceError for what runs on none."""
    from ..devices.job import Task

    target = target_on_device(path)
    assert target.device_runtime is not None
    return Task(path, samples, target.device_runtime, target.device_files(path), target.device_tool)


def make_tasks(artifacts: Sequence[str | Path], seed: int) -> "list[Task]":
    """The artifacts with random inputs, as each takes them."""
    import numpy as np

    rng, tasks = np.random.default_rng(seed), []
    for path in map(artifact_path, artifacts):
        target_on_device(path)  # what runs on no device says so, before it is opened
        session = open_session(path)
        assert isinstance(session, Portable)
        drawn = ({spec.name: random_array(spec, rng) for spec in session.inputs} for _ in range(NUM_FEEDS))
        tasks.append(make_task(path, [session.inward(feeds) for feeds in drawn]))
        session.close()
    return tasks


def latency_of(answer: "Answer", warmup: int, threads: int, cpu: str = "") -> Latency:
    """The figures that a device's single runs come to, or those that its tool tells."""
    known: dict[str, Any] = {"load_ms": answer.load_ms, "threads": threads, "runtime": answer.runtime, "cpu": cpu}
    if answer.summary is None:
        return latency(answer.times_ms, warmup, **known)
    runs = int(answer.summary["runs"])
    figures = {name: value for name, value in answer.summary.items() if name != "runs"}
    return Latency(**figures, **known, runs=runs, warmup=warmup)


def ratio(result: dict[str, Any], first: dict[str, Any]) -> float | None:
    """Of the medians, of the means where the device's tool tells no medians, of the instructions if emulated."""
    if result["latency"] is None:
        return (
            result["instructions"] and result["instructions"]["per_inference"] / first["instructions"]["per_inference"]
        )
    name = "median_ms" if result["latency"]["median_ms"] == result["latency"]["median_ms"] else "mean_ms"
    return result["latency"][name] / first["latency"][name]


@contextlib.contextmanager
def stage_on_board(
    text: str, board: "Board", seconds: dict[str, float], key: str, progress: Progress
) -> Iterator[None]:
    """A stage on a device; how long an emulated one takes is told nobody."""
    if board.emulated:
        progress.note(text)
        yield
    else:
        with progress.stage(text, seconds, key):
            yield


def name_cpu(facts: dict[str, Any]) -> str:
    """The name of its CPU, as far as it tells it: the model, its cores, or the architecture alone."""
    return facts.get("cpu", "") or _cores(facts) or str(facts.get("machine", ""))


def _cores(facts: dict[str, Any]) -> str:
    """The kinds of Arm's cores that it has."""
    from ..devices.cpus import PARTS

    return " + ".join(PARTS.get(part, f"CPU part {part}") for part in facts.get("cpu_parts", ()))


def describe_device(facts: dict[str, Any]) -> str:
    """What a device says of itself, in a line."""
    words = [facts.get("board", ""), facts.get("cpu", ""), _cores(facts)]
    if "cores" in facts:
        words.append(f"{facts['cores']} core{'s' * (facts['cores'] != 1)}")
    if facts.get("max_mhz"):
        words.append(f"up to {max(facts['max_mhz'])} MHz")
    if facts.get("governor"):
        words.append(f"governor {'/'.join(facts['governor'])}")
    degrees = facts.get("temperature_c", (None, None))
    if None not in degrees:
        words.append(f"{degrees[0]:.1f} to {degrees[1]:.1f} °C")
    return ", ".join(each for each in (*words, facts.get("system", "")) if each)
