"""This file is the first half of `export`, which all targets share: model, inputs, float graph, calibration."""

import copy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ..exporters.manifest import Calibration
from ..runtime.session import Session
from .console import Console
from .exit_codes import UsageError
from .inputs import GENERATED, NOT_REAL, NUM_CALIBRATION, Inputs, apart, to_calibrate, to_validate
from .job import Job
from .labels import check_labels, read_labels
from .reference import INPUT, reference
from .subject import Subject, is_factory

if TYPE_CHECKING:
    import onnx_ir as ir
    from torch import nn

    from ..quantize import Statistics

OBSERVER = "mse"  # on photographs, MobileViT-S: 21.0 dB, 17.4 with min-max; with corrected biases 24.6 and 21.4
NUM_CORRECTING = 64  # calibration inputs that correct biases: all of them are in memory at once


@dataclass(frozen=True)
class Prepared:
    """What every target starts from.

    Attributes:
        graph: canonical, float.
        reference: what artifacts are compared with.
        labels: of the classes, or None.
        calibration: the inputs that calibrate, None for float.
        effort: how much is done for int8 beyond them.
        statistics: what they gave.
        validation: the inputs that validate and are timed.
        seconds: what the stages so far took; a target goes on from a copy.
    """

    subject: Subject
    graph: "ir.Model"
    reference: Session
    labels: tuple[str, ...] | None
    calibration: Inputs | None
    effort: str
    statistics: "Statistics | None"
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
            effort=self.effort,
            correcting=0 if self.effort == "fast" else min(len(self.calibration), NUM_CORRECTING),
            warning=NOT_REAL if self.calibration.source == GENERATED else None,
        )


def prepare(job: Job, subject: Subject, console: Console) -> Prepared:
    """The stages that come before any target's own."""
    labels = read_labels(job.labels) if job.labels else None
    calibration, validation = choose_inputs(job, subject, console)
    seconds: dict[str, float] = {}
    graph = to_graph(subject, console, seconds)
    if labels and job.labels:
        check_labels(labels, job.labels, graph)
    statistics = calibrated(graph, calibration, console, seconds) if calibration else None
    return Prepared(
        subject, graph, reference(subject), labels, calibration, job.effort, statistics, validation, seconds
    )


def choose_inputs(job: Job, subject: Subject, console: Console) -> tuple[Inputs | None, Inputs]:
    """(the inputs that calibrate, None for float; the inputs that validate and are timed)."""
    data = job.validation_data or job.calibration_data
    if subject.assumed and data and not data.endswith(".npz"):
        console.note("images are normalised with ImageNet's mean and std; give an .npz for anything else")
    count, spec = job.num_validation_samples, subject.preprocess
    if job.image_input and spec.input_size[0] not in (1, 3):
        raise UsageError(f"--image-input: an image has 1 or 3 channels, the model takes {spec.input_size[0]}")
    validation = to_validate(spec, console, data=data, count=count, seed=job.seed)
    if job.image_input:
        validation = validation.in_pixels(spec)
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
        graph = from_torch(fused(subject), example, input_names=(INPUT,), output_names=subject.output_names)
    with console.stage("canonicalize", seconds, "canonicalize"):
        return canonicalize(graph)


def fused(subject: Subject) -> "nn.Module":
    """A copy of a zoo model whose training branches are fused; the reference keeps them.

    A module of the user's own comes back itself: what a method `fuse` of it does is not known.
    """
    from ..models import fuse

    if is_factory(subject.model):
        return subject.module
    module = copy.deepcopy(subject.module)
    fuse(module)
    return module


def calibrated(graph: "ir.Model", calibration: Inputs, console: Console, seconds: dict[str, float]) -> "Statistics":
    """The statistics of every value: the one pass that all targets are quantised from."""
    from .. import quantize

    count = len(calibration)
    with console.stage(f"calibrate on {count} inputs", seconds, "calibrate", count) as advance:
        return quantize.collect(graph, calibration.feeds(INPUT), progress=advance)
