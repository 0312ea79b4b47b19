"""`edgeport.profile`: where the time and the memory of an artifact go, by its runtime's own profiler."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..artifacts.errors import ArtifactError, UsageError
from ..artifacts.manifest import finite
from ..artifacts.staging import Staging
from ..reporting.profile_page import page
from ..runtime.benchmark import latency
from ..runtime.child_session import ChildSession
from ..runtime.cpu import cpu_name
from ..runtime.profilers.kernel import INT8, INT16, Kernel
from ..runtime.profilers.memory import largest_moment, weights_bytes
from ..runtime.profilers.peaks import Peaks
from ..targets import registry
from ..targets.registry import artifact_path, check_artifact, targets
from ..targets.target import Target
from .accelerated import module_of
from .checks import check_count
from .data.dataset import random_array
from .isolation import isolated
from .peak_probe import probe_peaks
from .profile_result import (
    BESIDE,
    TOLERANCE,
    MemoryUse,
    ProfiledKernel,
    ProfileResult,
    add_up,
    is_overhead,
    reached,
)
from .progress import Progress, ProgressCallback

FILES = ("profile.json", "profile.html")
ROUNDS = 8  # in which two artifacts take turns
BUSY = 1.15  # latency over the processor's time, from which on the machine had other things to do
LEAST_DISTURBED = 10  # there, the percentile of the processor's time: each interruption leaves cold caches behind
WAIT_US = 300  # beyond half as much again as a fast run takes: the kernel has waited for the processor


@dataclass(frozen=True)
class _Facts:
    """What a session in another process says of itself."""

    load_ms: float
    runtime: str
    ports: frozenset[str]


@isolated
def profile(
    artifact: str | Path,
    *,
    against: str | Path | None = None,
    num_runs: int = 50,
    threads: int = 1,
    seed: int = 0,
    probe: bool = True,
    output_dir: str | Path | None = None,
    progress: ProgressCallback | None = None,
) -> ProfileResult:
    """Tells what each operator of an artifact takes, and what the whole needs of memory.

    The runtime's own profiler gives the times: LiteRT's with XNNPACK's for a .tflite, the CPU plugin's counters for an
    OpenVINO IR, ONNX Runtime's for an .onnx. They are the medians of warm runs, which take turns with plain ones: the
    kernels' sum is compared with what a run takes without a profiler. It runs in a process of its own, on random
    inputs.

    Args:
        artifact: a .tflite, an OpenVINO IR or an .onnx, of edgeport or of anyone.
        against: another one, whose modules are compared with this one's; the two take turns.
        num_runs: profiled runs of each; as many plain ones.
        threads: CPU threads.
        seed: of the inputs.
        probe: also measure what this core reaches in the same runtime (some seconds), for the shares of the peak.
        output_dir: where profile.json and profile.html go; None for ARTIFACT.profile, beside it.
        progress: called with an `Event` for each stage, note and warning.

    Returns:
        The kernels with module, kind, times, MACs, bytes and what they reach, in groups, too; the memory; the files.

    Raises:
        UsageError: a number below 1, or a format whose runtime has no profiler.
        ArtifactError: no such file, a damaged one, or not what its ending or its manifest says.
        RuntimeUnavailable: what runs it is not installed, or has no profiler in this version.
        WriteError: the files cannot be written.

    Example:
        >>> found = edgeport.profile("artifacts/mobilevit_s/mobilevit_s_int8.tflite")
        >>> found.modules[0].name, found.modules[0].share
    """
    for name, count in (("num_runs", num_runs), ("threads", threads)):
        check_count(name, count)
    told = Progress(progress)
    paths = [artifact_path(path) for path in ([artifact] if against is None else [artifact, against])]
    results = _profile_all(paths, num_runs, threads, seed, probe, told)
    result = replace(results[0], against=results[1] if against is not None else None, warnings=tuple(told.warnings))
    folder = Path(output_dir) if output_dir else paths[0].with_name(f"{paths[0].name}.profile")
    with Staging(folder) as staging:
        facts = result.to_json()
        content = (json.dumps(finite(facts), indent=1, allow_nan=False) + "\n").encode()
        for name, written in zip(FILES, (content, page(facts)), strict=True):
            staging.write(name, written)
        staging.publish(FILES)
    return replace(result, files=tuple(folder / name for name in FILES))


def _profile_all(
    paths: list[Path], num_runs: int, threads: int, seed: int, probe: bool, told: Progress
) -> list[ProfileResult]:
    """Profiles artifacts in turns, each in a process of its own."""
    found = [check_profiled(path) for path in paths]
    seconds: dict[str, float] = {}
    children: list[ChildSession] = []
    try:
        begun = []
        for path in paths:
            with told.stage(f"load {path.name}", seconds, "load"):
                child = open_child(path, threads)
                children.append(child)
                rng = np.random.default_rng(seed)
                begun.append(child.call("start", {spec.name: random_array(spec, rng) for spec in child.inputs}))
                child.call("prepare", {})
        rounds = ROUNDS if len(paths) > 1 else 1
        with told.stage(f"profile, {num_runs} runs", seconds, "profile", rounds) as advance:
            for done in range(rounds):
                for child in children:
                    child.call("measure", {"runs": np.array(-(-num_runs // rounds))})
                advance(done + 1)
        answers = [child.call("finish", {}) for child in children]
        facts = [
            _Facts(child.load_ms, child.runtime, frozenset(spec.name for spec in (*child.inputs, *child.outputs)))
            for child in children
        ]
    finally:
        for child in children:
            child.close()
    peaks: dict[str, Peaks] = {}
    for target in found if probe else []:
        if target.name not in peaks:
            with told.stage(f"probe what this core reaches in {target.name}", seconds, "probe"):
                peaks[target.name] = probe_peaks(target, threads)
    return [
        _summarise(path, target, threads, facts[i], begun[i], answers[i], peaks.get(target.name), told)
        for i, (path, target) in enumerate(zip(paths, found, strict=True))
    ]


def check_profiled(path: Path) -> Target:
    """The target of an artifact whose runtime has a profiler. Raises ArtifactError and UsageError."""
    target = check_artifact(path)
    if target.open_profiler is None:
        known = ", ".join(each.ending for each in targets().values() if each.open_profiler)
        raise UsageError(f"{path}: {target.no_profiler or f'has no profiler; formats that have one: {known}'}")
    return target


def open_child(path: Path, threads: int) -> ChildSession:
    """The artifact with its profiler, in a process of its own."""
    opener = f"{registry.__name__}:open_profiler"
    return ChildSession(opener, {"path": str(path), "threads": threads}, where=str(path))


def _summarise(
    path: Path,
    target: Target,
    threads: int,
    facts: _Facts,
    begun: Mapping[str, np.ndarray],
    answer: Mapping[str, np.ndarray],
    peaks: Peaks | None,
    told: Progress,
) -> ProfileResult:
    """What the other process has told, added up."""
    kernels, us = _kernels_of(answer, path)
    wall_us, cpu_us = answer["wall_us"], answer["cpu_us"]
    first_ms = float(begun["first_ms"])
    times = [first_ms, *(wall_us / 1e3).tolist()]
    timed = latency(times, 1, load_ms=facts.load_ms, threads=threads, runtime=facts.runtime, cpu=cpu_name())
    busy = threads == 1 and timed.median_ms > BUSY * float(np.median(cpu_us)) / 1e3
    cpu_ms = float(np.percentile(cpu_us, LEAST_DISTURBED if busy else 50)) / 1e3
    profiled = describe(kernels, us, peaks, facts.ports)
    total = sum(kernel.us for kernel in profiled)
    run_ms = cpu_ms if threads == 1 else timed.median_ms
    accounted = total / 1e3 / run_ms if run_ms else 0.0
    if busy:
        told.warn(
            f"{path.name}: the machine was busy: a run took {timed.median_ms:.2f} ms, in which it computed for "
            f"{cpu_ms:.2f} ms; kernels of several ms may have waits in their times"
        )
    missing = explain(total / 1e3, run_ms, len(profiled), busy)
    if missing:
        told.warn(f"{path.name}: {missing}")
    partitions = {kernel.partition for kernel in profiled} - {None}
    return ProfileResult(
        artifact=str(path),
        target=target.name,
        runtime=facts.runtime,
        cpu=cpu_name(),
        threads=threads,
        latency=timed,
        cpu_ms=cpu_ms,
        kernels_ms=total / 1e3,
        accounted=accounted,
        missing=missing,
        partitions=len(partitions) if partitions else None,
        kernels=profiled,
        modules=add_up(profiled, lambda kernel: kernel.module or BESIDE, total),
        kinds=add_up(profiled, lambda kernel: kernel.kind, total),
        operators=add_up(profiled, operators_of, total),
        peaks=peaks,
        memory=_memory(path, target, begun),
    )


def _kernels_of(answer: Mapping[str, np.ndarray], path: Path) -> tuple[list[Kernel], np.ndarray]:
    """The kernels and their times: data, whatever a stranger's file has made of that process. Raises ArtifactError."""
    try:
        told: list[dict[str, Any]] = json.loads(answer["kernels"].tobytes())
        kernels = [
            Kernel(**{**each, "operators": tuple(each["operators"]), "shape": tuple(each["shape"])}) for each in told
        ]
    except (ValueError, TypeError, KeyError) as e:
        raise ArtifactError(f"{path}: what profiles it gave no kernels") from e
    us = answer["us"]
    if us.ndim != 2 or len(us) != len(kernels) or not us.size:
        raise ArtifactError(f"{path}: what profiles it gave no times")
    return kernels, us


def describe(
    kernels: list[Kernel], us: np.ndarray, peaks: Peaks | None, ports: frozenset[str]
) -> tuple[ProfiledKernel, ...]:
    """The kernels with their modules and figures.

    Args:
        us: microseconds, float64 of (kernels, runs).
        ports: the names of the artifact's inputs and outputs.
    """
    times = undisturbed(us)
    total, int8 = float(times.sum()), any(kernel.kind in (INT8, INT16) and kernel.macs for kernel in kernels)
    modules = modules_of(kernels, ports)
    found = []
    for i, kernel in enumerate(kernels):
        taken = float(times[i])
        gmacs, gbytes, of_peak = reached(kernel, taken, peaks)
        found.append(
            ProfiledKernel(
                **asdict(kernel),
                module=modules[i],
                overhead=is_overhead(kernel, int8),
                us=taken,
                p90_us=float(np.percentile(us[i], 90)),
                share=taken / total if total else 0.0,
                gmacs_per_s=gmacs,
                gbytes_per_s=gbytes,
                of_peak=of_peak,
            )
        )
    return tuple(found)


def undisturbed(us: np.ndarray) -> np.ndarray:
    """The median of each kernel's runs but for those in which it waited: float64 of (kernels, runs) -> of (kernels,).

    A run's time is the kernel's or, where another process took the processor, some ms more. On a busy machine that is
    so in most runs of a long kernel, and a median of all of them has the wait in it.
    """
    fast = np.percentile(us, 10, axis=1, keepdims=True)
    kept = np.where(us <= 1.5 * np.maximum(fast, 0.0) + WAIT_US, us, np.nan)
    return np.maximum(np.nanmedian(kept, axis=1), 0.0)


def modules_of(kernels: list[Kernel], ports: frozenset[str]) -> list[str]:
    """The module of each kernel; what a runtime has put in itself belongs to what comes after it.

    Args:
        ports: the artifact's inputs and outputs, whose names are no module's: there the weight's name tells it.
    """
    found, following = [""] * len(kernels), ""
    for i in reversed(range(len(kernels))):
        name, weight = kernels[i].name, kernels[i].weight
        for ending in ("_q", "_dq", "_float"):
            name = name.removesuffix(ending)
        if name in ports:  # of an output's layer some formats have kept the path
            following = module_of(weight.rpartition("/")[0])
        elif name:
            following = module_of(name)
        if following.removesuffix("_float") in ports:  # what an int8 layer gives before it is the output
            following = following.removesuffix("_float")
        found[i] = following
    return found


def operators_of(kernel: ProfiledKernel) -> str:
    """What it computes in the file's words, else what the runtime calls it."""
    return " + ".join(dict.fromkeys(kernel.operators)) or kernel.implementation


def explain(kernels_ms: float, run_ms: float, count: int, busy: bool) -> str:
    """What the sum of the kernels lacks, or has too much, as a sentence; "" within the tolerance.

    Args:
        kernels_ms, run_ms: the sum, and what it is compared with.
        count: of kernels.
        busy: whether the machine had other things to do.
    """
    off = kernels_ms - run_ms
    if abs(off) <= TOLERANCE * run_ms:
        return ""
    said = f"the kernels' {kernels_ms:.3f} ms are {abs(off):.3f} ms ({abs(off) / run_ms:.0%})"
    if busy and off < 0:
        why = "after each interruption a run on a busy machine finds its caches cold, which no median of a kernel has"
    elif busy:
        why = "they have waits in them, because the machine was busy"
    elif off < 0:
        why = "the rest is what the runtime does around its kernels: calls, copies of inputs and outputs"
    else:
        why = f"the profiler takes its own time at each of the {count} kernels"
    return f"{said} {'less' if off < 0 else 'more'} than a run's {run_ms:.3f} ms: {why}"


def _memory(path: Path, target: Target, begun: Mapping[str, np.ndarray]) -> MemoryUse:
    assert target.read_contents is not None
    contents = target.read_contents(path)
    planned = target.plan_activations(path) if target.plan_activations else None
    largest, at = (None, "") if planned is None else largest_moment(contents)
    before = float(begun["before_mb"])
    return MemoryUse(
        weights_bytes=weights_bytes(contents),
        activations_bytes=planned,
        largest_bytes=largest,
        largest_at=at,
        loaded_mb=float(begun["loaded_mb"]) - before,
        peak_mb=float(begun["peak_mb"]) - before,
    )
