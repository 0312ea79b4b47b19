"""What a device is asked to do, and what it answers: the same for every kind of device."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..artifacts.errors import DeviceError

SCHEMA = 1  # raised with runner.py's when one side would misread the other
# how the name of an artifact ends -> its format, as runner.py calls it
FORMATS = {".tflite": "tflite", ".onnx": "onnx", ".xml": "openvino", "_openvino_model": "openvino"}

Arrays = list[np.ndarray]  # the inputs or outputs of one sample, as the artifact itself has them


@dataclass(frozen=True)
class Task:
    """An artifact, and what it is given.

    Attributes:
        artifact: a file, or the folder of an OpenVINO model.
        samples: one or more times its inputs, in its own order, layout and types.
    """

    artifact: Path
    samples: Sequence[Arrays]

    @property
    def format(self) -> str:
        """As runner.py calls it. Raises DeviceError for what runs on no device."""
        for ending, name in FORMATS.items():
            if self.artifact.name.endswith(ending):
                return name
        raise DeviceError(f"{self.artifact}: runs on no device of this kind; those take {', '.join(FORMATS)}")

    @property
    def files(self) -> list[Path]:
        """What has to be on the device; the first is what the runtime opens."""
        if self.format != "openvino":
            return [self.artifact]
        xml = sorted(self.artifact.glob("*.xml"))[0] if self.artifact.is_dir() else self.artifact
        return [xml, xml.with_suffix(".bin")]


@dataclass(frozen=True)
class Job:
    """What a device does: run every sample of every task once, then time the tasks interleaved, then count.

    Attributes:
        keep: whether the outputs come back.
        runs, warmup: timed rounds, and rounds before them; no runs: nothing is timed.
        counted: inferences whose instructions are counted, where the device can.
    """

    tasks: Sequence[Task]
    threads: int = 1
    keep: bool = False
    warmup: int = 1
    runs: int = 0
    counted: int = 0

    def described(self, *, emulated: bool, counts: bool) -> dict[str, Any]:
        """As JSON, for runner.py."""
        return {
            "schema": SCHEMA,
            "threads": self.threads,
            "warmup": self.warmup,
            "runs": self.runs,
            "counted": self.counted if counts else 0,
            "emulated": emulated,
            "models": [
                {
                    "format": task.format,
                    "file": f"{i}/{task.files[0].name}",
                    "inputs": f"inputs_{i}.npz",
                    "outputs": f"outputs_{i}.npz" if self.keep else None,
                }
                for i, task in enumerate(self.tasks)
            ],
        }


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
    """

    runtime: str
    load_ms: float
    times_ms: list[float]
    outputs: list[Arrays] = field(default_factory=list)
    counts: list[dict[str, int]] = field(default_factory=list)
    summary: dict[str, float] | None = None


@dataclass(frozen=True)
class Result:
    """What a device answered.

    Attributes:
        device: as it was named.
        facts: of the device: CPU, cores, governor, temperature in degrees Celsius before and after, and more.
        kernels: where instructions cannot be counted, how often each of interest stands in the code that ran.
    """

    device: str
    facts: dict[str, Any]
    answers: list[Answer]
    kernels: dict[str, int] = field(default_factory=dict)


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
