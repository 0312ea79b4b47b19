"""Adds up what a profiler has told of an artifact, on this machine or on a device."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..runtime.benchmark import Latency
from ..runtime.profilers.kernel import INT8, INT16, Kernel
from ..runtime.profilers.memory import largest_moment, weights_bytes
from ..runtime.profilers.peaks import Peaks
from ..targets.target import Target
from .accelerated import module_of
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
from .progress import Progress

BUSY = 1.15  # latency over the processor's time, from which on the machine had other things to do
LEAST_DISTURBED = 10  # there, the percentile of the processor's time: each interruption leaves cold caches behind
WAIT_US = 300  # beyond half as much again as a fast run takes: the kernel has waited for the processor


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was measured of one artifact.

    Attributes:
        latency: of plain runs.
        cpu_us: microseconds of the processor in each of these; empty where that is not told.
        kernels, us: as Describe gives them.
        ports: the names of the artifact's inputs and outputs.
        loaded_mb, peak_mb: what the process has grown by; None where that is not told.
        device, facts: where it ran, and what that says of itself; "" and nothing for this machine.
    """

    latency: Latency
    cpu_us: np.ndarray
    kernels: list[Kernel]
    us: np.ndarray
    ports: frozenset[str]
    loaded_mb: float | None
    peak_mb: float | None
    device: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def summarise(path: Path, target: Target, found: Measured, peaks: Peaks | None, told: Progress) -> ProfileResult:
    """The profile of an artifact; what is to be known of it is told as warnings, too."""
    timed, threads = found.latency, found.latency.threads
    median_ms = timed.median_ms if timed.median_ms == timed.median_ms else timed.mean_ms
    cpu_ms, busy = _of_the_processor(found.cpu_us, median_ms, threads)
    profiled = describe(found.kernels, found.us, peaks, found.ports)
    total = sum(kernel.us for kernel in profiled)
    # where a device's tool tells of kernels the means alone, they are compared with the mean
    run_ms = timed.mean_ms if cpu_ms is None else cpu_ms if threads == 1 else median_ms
    accounted = total / 1e3 / run_ms if run_ms else 0.0
    if busy:
        told.warn(
            f"{path.name}: the machine was busy: a run took {median_ms:.2f} ms, in which it computed for "
            f"{cpu_ms:.2f} ms; kernels of several ms may have waits in their times"
        )
    missing = explain(total / 1e3, run_ms, len(profiled), busy)
    if missing:
        told.warn(f"{path.name}: {missing}")
    partitions = {kernel.partition for kernel in profiled} - {None}
    return ProfileResult(
        artifact=str(path),
        target=target.name,
        device=found.device,
        facts=dict(found.facts),
        runtime=timed.runtime,
        cpu=timed.cpu,
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
        memory=_memory(path, target, found),
    )


def _of_the_processor(cpu_us: np.ndarray, median_ms: float, threads: int) -> tuple[float | None, bool]:
    """(the processor's ms in a run, whether the machine had other things to do); (None, False) where it is not told."""
    if not len(cpu_us):
        return None, False
    busy = threads == 1 and median_ms > BUSY * float(np.median(cpu_us)) / 1e3
    return float(np.percentile(cpu_us, LEAST_DISTURBED if busy else 50)) / 1e3, busy


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


def _memory(path: Path, target: Target, found: Measured) -> MemoryUse:
    assert target.read_contents is not None
    contents = target.read_contents(path)
    planned = target.plan_activations(path) if target.plan_activations else None
    largest, at = (None, "") if planned is None else largest_moment(contents)
    return MemoryUse(
        weights_bytes=weights_bytes(contents),
        activations_bytes=planned,
        largest_bytes=largest,
        largest_at=at,
        loaded_mb=found.loaded_mb,
        peak_mb=found.peak_mb,
    )
