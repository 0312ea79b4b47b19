"""Describes what a device is asked to do, and what it answers: the same for every kind of device."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..runtime.session_wrappers import Arrays

SCHEMA = 2  # raised with runner.py's when one side would misread the other


@dataclass(frozen=True)
class Task:
    """An artifact, and what it is given.

    Attributes:
        artifact: a file, or a folder.
        samples: one or more times its inputs, in its own order, layout and types.
        runtime: what runs it: a file of backends/.
        files: what has to be on the device; the first is what the runtime opens.
        tool: the program that times it on a device without Python; None where there is none.
        inputs: their names, in the order of a sample's arrays; for the profiler.
        beside: {name: content} of what the profiler of the runtime needs beside the artifact.
    """

    artifact: Path
    samples: Sequence[Arrays]
    runtime: str
    files: Sequence[Path]
    tool: str | None = None
    inputs: Sequence[str] = ()
    beside: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Turns:
    """How artifacts are profiled: `rounds` times each in turn, `blocks` times so many plain runs and profiled ones."""

    rounds: int
    blocks: int
    block: int

    @property
    def runs(self) -> int:
        """Of each artifact and kind."""
        return self.rounds * self.blocks * self.block


@dataclass(frozen=True)
class Job:
    """What a device does: run every sample of every task once, then time the tasks interleaved, count, profile.

    Attributes:
        keep: whether the outputs come back.
        runs, warmup: timed rounds, and rounds before them; no runs: nothing is timed.
        counted: inferences whose instructions are counted, where the device can.
        profiled: how the artifacts are profiled; None where they are not.
        copied: bytes of plain copies that are timed at the end.
    """

    tasks: Sequence[Task]
    threads: int = 1
    keep: bool = False
    warmup: int = 1
    runs: int = 0
    counted: int = 0
    profiled: Turns | None = None
    copied: Sequence[int] = ()

    def described(self, *, emulated: bool, counts: bool) -> dict[str, Any]:
        """As JSON, for runner.py."""
        return {
            "schema": SCHEMA,
            "threads": self.threads,
            "warmup": self.warmup,
            "runs": self.runs,
            "counted": self.counted if counts else 0,
            "emulated": emulated,
            "profiled": asdict(self.profiled) if self.profiled else None,
            "copied": list(self.copied),
            "models": [
                {
                    "runtime": task.runtime,
                    "file": f"{i}/{task.files[0].name}",
                    "inputs": f"inputs_{i}.npz",
                    "named": list(task.inputs),
                    "outputs": f"outputs_{i}.npz" if self.keep else None,
                }
                for i, task in enumerate(self.tasks)
            ],
        }


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What a device tells of an artifact that it has profiled.

    Attributes:
        first_ms: of its first run.
        loaded_mb, peak_mb: by how much, in MB (10^6 bytes), its process has grown when it was loaded, the runtime's own
            code included, and the most until the end of its first runs; None where that is not told.
        wall_us, cpu_us: of each plain run, and what it took of the processor; none where the device's tool tells no
            single runs.
        events: as finish() of the runtime's *_events.py gives them.
    """

    first_ms: float
    loaded_mb: float | None
    peak_mb: float | None
    wall_us: list[float]
    cpu_us: list[float]
    events: dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What one task came to.

    Attributes:
        runtime: name and version of what ran it there.
        load_ms: from the file to ready to run.
        times_ms: of the warm-up and the timed runs, in order; from the artifact's own arrays to its own arrays.
        outputs: for each sample the artifact's outputs; empty where they were not asked for.
        counts: {class of instructions: how many} for each counted inference.
        summary: where the device's tool times on its own and tells no single runs: its figures, by field of Latency.
        profile: where it was asked for.
        cpu_ms: what each of the runs took of the processor; empty where that is not told.
    """

    runtime: str
    load_ms: float
    times_ms: list[float]
    outputs: list[Arrays] = field(default_factory=list)
    counts: list[dict[str, int]] = field(default_factory=list)
    summary: dict[str, float] | None = None
    profile: Profile | None = None
    cpu_ms: Sequence[float] = ()


@dataclass(frozen=True)
class Result:
    """What a device answered.

    Attributes:
        device: as it was named.
        facts: of the device: CPU, cores, governor, temperature in degrees Celsius before and after, and more.
        copied_us: what each of the copies took of the processor.
        flags: what its CPU can do, as its /proc/cpuinfo names it; where copies were asked for.
        kernels: where instructions cannot be counted, how often each of interest stands in the code that ran.
    """

    device: str
    facts: dict[str, Any]
    answers: list[Answer]
    kernels: dict[str, int] = field(default_factory=dict)
    copied_us: Sequence[float] = ()
    flags: Sequence[str] = ()


def save(samples: Sequence[Arrays], path: Path) -> None:
    """The arrays as runner.py reads them."""
    arrays = {f"{i}_{j}": array for i, sample in enumerate(samples) for j, array in enumerate(sample)}
    np.savez(path, **arrays)  # pyright: ignore[reportArgumentType]  # no array is called allow_pickle


def load(path: Path) -> list[Arrays]:
    """The arrays as runner.py writes them."""
    with np.load(path) as file:
        count = 1 + max(int(name.split("_")[0]) for name in file.files)
        width = len(file.files) // count
        return [[file[f"{i}_{j}"] for j in range(width)] for i in range(count)]
