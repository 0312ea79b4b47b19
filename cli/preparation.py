"""This file is the first half of `export`, which all targets share: model, inputs, float graph, calibration."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ..exporters.manifest import Calibration
from ..runtime.session import Session, TensorSpec
from .console import Console
from .inputs import GENERATED, NOT_REAL, NUM_CALIBRATION, Inputs, apart, to_calibrate, to_validate
from .job import Job
from .subject import Subject

if TYPE_CHECKING:
    import onnx_ir as ir

INPUT = "image"
OBSERVER = "mse"  # on photographs, MobileViT-S: 21.0 dB, 17.4 with min-max; with corrected biases 24.6 and 21.4
NUM_CORRECTING = 64  # calibration inputs that correct biases: all of them are in memory at once


@dataclass(frozen=True)
class Prepared:
    """What every target starts from.

    Attributes:
        graph: canonical, float.
        calibration: the inputs that calibrate, None for float.
        validation: the inputs that validate and are timed.
        seconds: what the stages so far took; a target goes on from a copy.
    """

    subject: Subject
    graph: "ir.Model"
    calibration: Inputs | None
    validation: Inputs
    seconds: dict[str, float]

    @cached_property
    def described_calibration(self) -> Calibration | None:
        """For the manifest; the loud warning goes in where the inputs are no images."""
        if self.calibration is None:
            return None
        return Calibration(
            source=self.calibration.source,
            count=len(self.calibration),
            inputs=tuple(self.calibration.digests()),
            observer=OBSERVER,
            correcting=min(len(self.calibration), NUM_CORRECTING),
            warning=NOT_REAL if self.calibration.source == GENERATED else None,
        )


def prepare(job: Job, subject: Subject, console: Console) -> Prepared:
    """The stages that come before any target's own."""
    calibration, validation = choose_inputs(job, subject, console)
    seconds: dict[str, float] = {}
    return Prepared(subject, to_graph(subject, console, seconds), calibration, validation, seconds)


def choose_inputs(job: Job, subject: Subject, console: Console) -> tuple[Inputs | None, Inputs]:
    """(the inputs that calibrate, None for float; the inputs that validate and are timed)."""
    data = job.validation_data or job.calibration_data
    if subject.assumed and data and not data.endswith(".npz"):
        console.note("images are normalised with ImageNet's mean and std; give an .npz for anything else")
    count, spec = job.num_validation_samples, subject.preprocess
    validation = to_validate(spec, console, data=data, count=count, seed=job.seed)
    if job.precision != "int8":
        return None, validation.take(count)
    wanted = job.num_calibration_samples
    calibration = to_calibrate(spec, console, data=job.calibration_data, count=wanted, seed=job.seed)
    wanted = wanted or NUM_CALIBRATION
    if job.validate:
        return apart(calibration, validation, (wanted, count), console)
    return calibration.take(wanted), validation.take(count)


def to_graph(subject: Subject, console: Console, seconds: dict[str, float]) -> "ir.Model":
    """The canonical float graph."""
    import torch

    from ..exporters.canonicalize import canonicalize
    from ..exporters.from_torch import from_torch

    with console.stage("export from PyTorch", seconds, "torch_export"):
        example = (torch.zeros(subject.input_shape),)
        graph = from_torch(subject.module, example, input_names=(INPUT,), output_names=subject.output_names)
    with console.stage("canonicalize", seconds, "canonicalize"):
        return canonicalize(graph)


def quantized(
    graph: "ir.Model", scheme: str, calibration: Inputs, console: Console, seconds: dict[str, float]
) -> "ir.Model":
    """The graph with int8 written into it."""
    from .. import quantize

    count = len(calibration)
    with console.stage(f"calibrate on {count} inputs", seconds, "calibrate", count) as advance:
        statistics = quantize.collect(graph, calibration.feeds(INPUT), progress=advance)
        plan = quantize.plan(graph, statistics, getattr(quantize, scheme), observer=OBSERVER)
    with console.stage("correct the biases", seconds, "calibrate"):
        corrected = quantize.correct_biases(graph, plan, calibration.take(NUM_CORRECTING).feeds(INPUT))
        return quantize.apply(corrected, plan)


def reference(subject: Subject) -> Session:
    """The PyTorch module itself, on one thread like all of this: its figures shall not depend on the core count."""
    from ..runtime.torch_session import TorchSession

    inputs = [TensorSpec(INPUT, subject.input_shape, "float32")]
    return TorchSession(subject.module, inputs, subject.output_names, threads=1)
