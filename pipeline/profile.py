"""`edgeport.profile`: where the time and the memory of an artifact go, by its runtime's own profiler."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..artifacts.counts import check_count
from ..artifacts.errors import ArtifactError, UsageError
from ..artifacts.manifest import finite
from ..artifacts.staging import Staging
from ..reporting.profile_page import page
from ..runtime.benchmark import latency
from ..runtime.child_session import ChildSession
from ..runtime.cpu import cpu_name
from ..runtime.profilers.kernel import Kernel
from ..runtime.profilers.peaks import Peaks
from ..targets import registry
from ..targets.registry import artifact_path, check_artifact, targets
from ..targets.target import Target
from .data.dataset import random_array
from .device_runs import DeviceAccess
from .isolation import isolated
from .peak_probe import probe_peaks
from .profile_on_device import check_request, profile_on_board
from .profile_result import ProfileResult
from .profile_summary import Measured, summarise
from .progress import Progress, ProgressCallback

FILES = ("profile.json", "profile.html")
ROUNDS = 8  # in which two artifacts take turns


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
    device: str | None = None,
    access: DeviceAccess | None = None,
    benchmark_model: str | Path | None = None,
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
        probe: also measure what the core reaches in the same runtime (some seconds), for the shares of the peak.
        device: "local", "ssh:[user@]host[:port]" or "adb[:serial]": where it runs, as `benchmark_on_device`; None for
            this machine, in a process of its own.
        access: how the device is used.
        benchmark_model: the LiteRT project's program of that name, for a device without Python: only .tflite files,
            means instead of medians, and no probe.
        output_dir: where profile.json and profile.html go; None for ARTIFACT.profile, beside it.
        progress: called with an `Event` for each stage, note and warning.

    Returns:
        The kernels with module, kind, times, MACs, bytes and what they reach, in groups, too; the memory; the files.

    Raises:
        UsageError: a number below 1, a format whose runtime has no profiler, or no such kind of device.
        DeviceError: the device cannot be reached, went away, has no such runtime or profiler, or failed at its job.
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
    if device is None and (access is not None or benchmark_model is not None):
        raise UsageError("access and benchmark_model are of a device: name it by device")
    if device is None:
        results = _profile_all(paths, num_runs, threads, seed, probe, told)
    else:
        tool = check_request(device, benchmark_model, len(paths) > 1)
        kinds = [check_profiled(path) for path in paths]
        measured, peaks = profile_on_board(
            *(device, paths, kinds),
            access=access or DeviceAccess(),
            tool=tool,
            num_runs=num_runs,
            rounds=_rounds(paths),
            threads=threads,
            seed=seed,
            probe=probe,
            told=told,
        )
        results = [
            summarise(path, target, found, peaks.get(target.name), told)
            for path, target, found in zip(paths, kinds, measured, strict=True)
        ]
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
        rounds = _rounds(paths)
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
        summarise(
            *(path, found[i], _measured(path, threads, facts[i], begun[i], answers[i])),
            *(peaks.get(found[i].name), told),
        )
        for i, path in enumerate(paths)
    ]


def _rounds(paths: list[Path]) -> int:
    """In which artifacts take turns."""
    return ROUNDS if len(paths) > 1 else 1


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


def _measured(
    path: Path, threads: int, facts: _Facts, begun: Mapping[str, np.ndarray], answer: Mapping[str, np.ndarray]
) -> Measured:
    """What the other process has told."""
    kernels, us = _kernels_of(answer, path)
    times_ms = [float(begun["first_ms"]), *(answer["wall_us"] / 1e3).tolist()]
    return Measured(
        latency=latency(times_ms, 1, load_ms=facts.load_ms, threads=threads, runtime=facts.runtime, cpu=cpu_name()),
        cpu_us=answer["cpu_us"],
        kernels=kernels,
        us=us,
        ports=facts.ports,
        loaded_mb=float(begun["loaded_mb"]) - float(begun["before_mb"]),
        peak_mb=float(begun["peak_mb"]) - float(begun["before_mb"]),
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
