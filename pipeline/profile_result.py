"""What `edgeport.profile` returns: the kernels of an artifact with their times, and what they add up to."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..reporting.html_table import html_table
from ..runtime.benchmark import Latency
from ..runtime.profilers.kernel import CONVERSION, FLOAT, INT8, KINDS, LAYOUT, Kernel
from ..runtime.profilers.peaks import Peaks
from .text_table import format_facts

TOLERANCE = 0.05  # of the time that a run takes: so much may the kernels' sum differ from it
BESIDE = "(no module)"  # the module of what belongs to none


@dataclass(frozen=True, kw_only=True)
class ProfiledKernel(Kernel):
    """A kernel with its time.

    Attributes:
        module: the PyTorch module that it comes from; "" where it belongs to none.
        overhead: it computes nothing that the model asks for: it moves numbers, converts them, or is a float island in
            an int8 artifact.
        us: the median of the warm runs in which it did not have to wait for the processor.
        p90_us: the 90th percentile of the profiled runs.
        share: of all kernels' time.
        gmacs_per_s, gbytes_per_s: what it reaches; None where it has no such work.
        of_peak: gmacs_per_s in parts of what the probe reached in the same arithmetic; None without MACs or a probe.
    """

    module: str
    overhead: bool
    us: float
    p90_us: float
    share: float
    gmacs_per_s: float | None = None
    gbytes_per_s: float | None = None
    of_peak: float | None = None


@dataclass(frozen=True, kw_only=True)
class KernelGroup:
    """Kernels that have something in common.

    Attributes:
        name: the module, the kind or the operators.
        kernels: how many.
        us: the sum of theirs.
        overhead_us: of those that are overhead.
        kinds_us: {kind: the sum of theirs}, of those that it has.
        share: of all kernels' time.
    """

    name: str
    kernels: int
    us: float
    overhead_us: float
    kinds_us: dict[str, float]
    share: float
    macs: int
    bytes_moved: int
    gmacs_per_s: float | None


@dataclass(frozen=True, kw_only=True)
class MemoryUse:
    """What an artifact needs of memory, in bytes or MB (10^6 bytes).

    Attributes:
        weights_bytes: of the constants in the file.
        activations_bytes: of all activations, each placed where nothing else lives while it does, as LiteRT's greedy
            planner does it for a .tflite; None for other formats.
        largest_bytes: the most that must live at once while one operator runs, whoever places it; None where the file
            does not tell all shapes, or writes in float what runs in int8 (as OpenVINO's and ONNX's do).
        largest_at: the value that this operator computes.
        loaded_mb: what its process has grown by while it was loaded, the runtime's own libraries included.
        peak_mb: the most by which it has grown until the end of the first runs. Both are None where a device's tool
            does not tell them.
    """

    weights_bytes: int
    activations_bytes: int | None
    largest_bytes: int | None
    largest_at: str
    loaded_mb: float | None
    peak_mb: float | None


@dataclass(frozen=True, kw_only=True)
class ModuleChange:
    """A module in two artifacts.

    Attributes:
        module: its path.
        us, against_us: of its kernels, in the artifact and in the other one; 0 where it has none.
        gained_us: how much less the artifact takes; negative where it takes more.
    """

    module: str
    us: float
    against_us: float

    @property
    def gained_us(self) -> float:
        return self.against_us - self.us


@dataclass(frozen=True, kw_only=True)
class ProfileResult:
    """Where the time and the memory of an artifact go.

    Attributes:
        artifact: its path.
        target: its format.
        device: where it ran, as it was named; "" for this machine.
        facts: of the device, what it says of itself: CPU, cores, governor and more.
        runtime, cpu, threads: what ran it.
        latency: of plain runs, without a profiler, from the runtime's arrays to the runtime's arrays.
        cpu_ms: the median of the processor's time of the same runs. On a machine that had other things to do it is less
            than the latency, and the 10th percentile is taken: the runs that were disturbed least. None where the tool
            of a device does not tell it.
        kernels_ms: the sum of the kernels' times.
        accounted: kernels_ms in parts of the run: of cpu_ms with one thread, of the latency with several, of the mean
            latency without cpu_ms.
        missing: what that sum lacks or has too much, as a sentence; "" within 5 %.
        partitions: of the delegate; None where the runtime has none.
        kernels: in the order in which they ran.
        modules, kinds, operators: the same in groups, the one that takes the most time first.
        peaks: what the core reaches in a probe; None where none was made.
        memory: what it needs.
        against: the other artifact's profile; its modules are compared in `changes`.
        files: profile.json and profile.html.
    """

    artifact: str
    target: str
    device: str = ""
    facts: dict[str, Any] = field(default_factory=dict, repr=False)
    runtime: str
    cpu: str
    threads: int
    latency: Latency
    cpu_ms: float | None
    kernels_ms: float
    accounted: float
    missing: str
    partitions: int | None
    kernels: Sequence[ProfiledKernel] = field(repr=False)
    modules: Sequence[KernelGroup] = field(repr=False)
    kinds: Sequence[KernelGroup] = field(repr=False)
    operators: Sequence[KernelGroup] = field(repr=False)
    peaks: Peaks | None
    memory: MemoryUse
    against: "ProfileResult | None" = field(default=None, repr=False)
    warnings: tuple[str, ...] = field(default=(), repr=False)
    files: tuple[Path, ...] = ()

    @property
    def overhead_us(self) -> float:
        """The time of the kernels that are overhead."""
        return sum(kernel.us for kernel in self.kernels if kernel.overhead)

    @property
    def of_peak(self) -> float | None:
        """The time that all MACs would take at the probe's peaks in parts of the kernels'; None without a probe."""
        if self.peaks is None or not self.kernels_ms:
            return None
        ideal_us = sum(kernel.us * kernel.of_peak for kernel in self.kernels if kernel.of_peak is not None)
        return ideal_us / 1e3 / self.kernels_ms

    @property
    def changes(self) -> list[ModuleChange]:
        """The modules of both artifacts, the one that changed the most first; empty without another artifact."""
        if self.against is None:
            return []
        here = {group.name: group.us for group in self.modules}
        there = {group.name: group.us for group in self.against.modules}
        changes = [
            ModuleChange(module=name, us=here.get(name, 0.0), against_us=there.get(name, 0.0))
            for name in dict.fromkeys((*here, *there))
        ]
        return sorted(changes, key=lambda change: -abs(change.gained_us))

    def to_json(self) -> dict[str, Any]:
        """The object that `edgeport profile --json` prints."""
        value = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        for name in ("latency", "memory", "peaks"):
            value[name] = dataclasses.asdict(value[name]) if value[name] is not None else None
        for name in ("kernels", "modules", "kinds", "operators"):
            value[name] = [dataclasses.asdict(each) for each in value[name]]
        value["overhead_us"], value["of_peak"] = self.overhead_us, self.of_peak
        value["warnings"], value["files"] = list(self.warnings), [str(file) for file in self.files]
        value["against"] = self.against.to_json() if self.against else None
        value["changes"] = [{**dataclasses.asdict(each), "gained_us": each.gained_us} for each in self.changes]
        return value

    def to_rows(self) -> list[tuple[str, str]]:
        """(name, value) of what matters most, for people."""
        latency, cpu_ms = self.latency, self.cpu_ms
        run = f"{latency.median_ms if latency.median_ms == latency.median_ms else latency.mean_ms:.2f} ms"
        slowest = max(self.modules, key=lambda group: group.us)
        return [
            ("artifact", self.artifact),
            *([("device", self.device)] if self.device else []),
            ("latency", run if cpu_ms is None else f"{run}, of the processor {cpu_ms:.2f} ms"),
            ("kernels", f"{len(self.kernels)}, {self.kernels_ms:.2f} ms ({self.accounted:.0%} of a run)"),
            ("overhead", f"{self.overhead_us / 1e3:.2f} ms"),
            ("slowest module", f"{slowest.name} {slowest.us / 1e3:.2f} ms"),
        ]

    def _repr_html_(self) -> str:
        return html_table(self.to_rows())

    def __str__(self) -> str:
        return format_facts(self.to_rows(), 15)


def add_up(
    kernels: Iterable[ProfiledKernel], name_of: Callable[[ProfiledKernel], str], total_us: float
) -> tuple[KernelGroup, ...]:
    """The kernels in groups by name, the one that takes the most time first."""
    members: dict[str, list[ProfiledKernel]] = {}
    for kernel in kernels:
        members.setdefault(name_of(kernel), []).append(kernel)
    groups = []
    for name, group in members.items():
        us = sum(each.us for each in group)
        macs = sum(each.macs for each in group)
        computing_us = sum(each.us for each in group if each.macs)
        kinds = {kind: sum(each.us for each in group if each.kind == kind) for kind in KINDS}
        groups.append(
            KernelGroup(
                name=name,
                kernels=len(group),
                us=us,
                overhead_us=sum(each.us for each in group if each.overhead),
                kinds_us={kind: value for kind, value in kinds.items() if value},
                share=us / total_us if total_us else 0.0,
                macs=macs,
                bytes_moved=sum(each.bytes_moved for each in group),
                gmacs_per_s=macs / computing_us / 1e3 if macs and computing_us else None,
            )
        )
    return tuple(sorted(groups, key=lambda group: -group.us))


def is_overhead(kernel: Kernel, int8: bool) -> bool:
    """Whether it computes nothing that the model asks for; `int8`: the artifact has int8 kernels."""
    return kernel.kind in (LAYOUT, CONVERSION) or (int8 and kernel.kind == FLOAT and not kernel.macs)


def reached(kernel: Kernel, us: float, peaks: Peaks | None) -> tuple[float | None, float | None, float | None]:
    """(10^9 MACs in a second, 10^9 bytes in a second, the first in parts of the probe's)."""
    macs = kernel.macs / us / 1e3 if kernel.macs and us > 0 else None
    moved = kernel.bytes_moved / us / 1e3 if kernel.bytes_moved and us > 0 else None
    if macs is None or peaks is None:
        return macs, moved, None
    return macs, moved, macs / (peaks.int8_gmacs_per_s if kernel.kind == INT8 else peaks.float_gmacs_per_s)
