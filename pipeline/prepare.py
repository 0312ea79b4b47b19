"""This file is the first half of `export`, which all targets share: model, inputs, float graph, calibration."""

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ..artifacts.errors import UsageError
from ..artifacts.manifest import Calibration
from ..cli.console import Console
from ..runtime.session import Session
from .accuracy_judge import Judge
from .data.dataset import GENERATED, NOT_REAL, NUM_CALIBRATION, Inputs, apart, open_inputs, to_calibrate, to_validate
from .data.labels import check_labels, read_labels
from .options import Job
from .reference import Probable, reference
from .sources.source import Subject

if TYPE_CHECKING:
    import onnx_ir as ir

    from ..quantize import Statistics
    from ..quantize.tuning.equalization import Steps

NUM_CORRECTING = 64  # calibration inputs that correct biases: all of them are in memory at once


@dataclass(frozen=True)
class Prepared:
    """What every target starts from.

    Attributes:
        job: what was asked for; int8 where the model brings its quantisation along.
        graph: canonical; float, unless `carries`.
        carries: the graph has its own quantisation, which goes to every target as it is.
        reference: what artifacts are compared with.
        labels: of the classes, or None.
        calibration: the inputs that calibrate, None for float.
        effort: how much is done for int8 beyond them.
        equalization: {value: factors} of the channels whose scale has moved into weights for int8's sake.
        even: `graph` with them in it, which int8 starts from.
        statistics: of its values.
        validation: the inputs that validate and are timed.
        judge: of the accuracy budget, None where there is none.
        seconds: what the stages so far took; a target goes on from a copy.
    """

    job: Job
    subject: Subject
    graph: "ir.Model"
    carries: bool
    reference: Session
    labels: tuple[str, ...] | None
    calibration: Inputs | None
    effort: str
    equalization: "Steps"
    even: "ir.Model"
    statistics: "Statistics | None"
    validation: Inputs
    judge: Judge | None
    seconds: dict[str, float]

    @cached_property
    def in_weights_only(self) -> "ir.Model":
        """The graph with its weights in 8 bits."""
        from .. import quantize

        return quantize.quantize_weights(self.graph)

    @cached_property
    def described_calibration(self) -> Calibration | None:
        """For the manifest; the loud warning goes in where the inputs are no images."""
        if self.calibration is None:
            return None
        return Calibration(
            source=self.calibration.source,
            count=len(self.calibration),
            inputs=tuple(self.calibration.digests()),
            observer=self.job.ranges,
            effort=self.effort,
            correcting=min(len(self.calibration), NUM_CORRECTING),
            equalization={value: " ".join(map(str, steps)) for value, steps in self.equalization.items()},
            warning=NOT_REAL if self.calibration.source == GENERATED else None,
        )


def prepare(job: Job, subject: Subject, console: Console) -> Prepared:
    """The stages that come before any target's own."""
    from ..exporters.canonicalize import is_quantized

    labels = read_labels(job.labels) if job.labels else None
    job = with_feeds(job)
    check_data(job, subject)
    seconds: dict[str, float] = {}
    graph = to_graph(subject, console, seconds)
    if labels and job.labels:
        check_labels(labels, job.labels, graph)
    carries = is_quantized(graph)
    check_head(job, graph)
    if carries:
        job = carrying(job, console)
    calibration, validation = choose_inputs(job, subject, carries, console)
    original = Probable(reference(subject)) if job.softmax else reference(subject)
    judge = Judge(job, graph, labels, original, validation, console) if job.budget else None
    steps: Steps = {}
    even, statistics = graph, None
    if calibration:
        if job.effort != "fast":
            even, steps = equalized(graph, calibration, console, seconds)
        statistics = calibrated(formed(even, job), calibration, console, seconds)
    made = (labels, calibration, job.effort, steps, even, statistics, validation, judge, seconds)
    return Prepared(job, subject, graph, carries, original, *made)


def with_feeds(job: Job) -> Job:
    """--feeds is data for both. Raises UsageError where other data is given, too."""
    if job.feeds is None:
        return job
    if job.calibration_data or job.validation_data:
        raise UsageError("--feeds stands for --calibration-data and --validation-data; give one or the other")
    if not job.feeds.endswith(".npz"):
        raise UsageError(f"{job.feeds}: --feeds takes an .npz with an array for each input")
    return dataclasses.replace(job, calibration_data=job.feeds, validation_data=job.feeds)


def carrying(job: Job, console: Console) -> Job:
    """The job for a model that is quantised already. Raises UsageError where something else was asked for."""
    if job.precision not in ("fp32", "int8"):
        raise UsageError(f"{job.model}: is quantised to int8 already; it cannot be made {job.precision}")
    if job.budget or job.keep_float:
        raise UsageError(f"{job.model}: brings its own quantisation; there is nothing to search or to keep in float")
    if job.calibration_data and not job.feeds:
        raise UsageError(f"{job.model}: brings its own quantisation, so --calibration-data has nothing to set")
    console.note(f"{job.model}: brings its own quantisation, which is carried through as it is (precision int8)")
    return dataclasses.replace(job, precision="int8", float_twin=False)


def check_data(job: Job, subject: Subject) -> None:
    """Raises UsageError, before the model is exported, for data that the model does not take."""
    spec = subject.takes.preprocess
    option = "--input uint8" if job.input == "uint8" else "--image-input"
    pixels = any(map(job.takes_pixels, job.targets))
    if pixels and (spec is None or spec.input_size[0] not in (1, 3)):
        raise UsageError(f"{option}: an image has 1 or 3 channels, the model takes {subject.takes}")
    for data in {job.validation_data, job.calibration_data} - {None}:
        open_inputs(str(data), subject.takes)


def check_head(job: Job, graph: "ir.Model") -> None:
    """Raises UsageError for a model that is no classifier, and one that has a softmax already."""
    from ..graph.edit import producer, shape

    shapes = [shape(value) for value in graph.graph.outputs]
    classifies = len(shapes) == 1 and len(shapes[0]) == 2 and shapes[0][0] == 1 < shapes[0][1]
    for option, given in (("--softmax", job.softmax), ("--top-k", job.top_k)):
        if given and not classifies:
            raise UsageError(f"{option} is for one output of shape (1, classes); {job.model} has {shapes}")
    if job.top_k and job.top_k > shapes[0][1]:
        raise UsageError(f"--top-k {job.top_k}: {job.model} has {shapes[0][1]} classes")
    if job.softmax and producer(graph.graph.outputs[0], "Softmax"):
        raise UsageError(f"--softmax: {job.model} gives probabilities already")


def choose_inputs(job: Job, subject: Subject, carries: bool, console: Console) -> tuple[Inputs | None, Inputs]:
    """(the inputs that calibrate, None where nothing is; the inputs that validate and are timed)."""
    data = job.validation_data or job.calibration_data
    if subject.assumed and data and not data.endswith(".npz"):
        console.note("images are normalised with ImageNet's mean and std; give an .npz for anything else")
    count, takes = job.samples, subject.takes
    validation = to_validate(takes, console, data=data, count=count, seed=job.seed)
    if any(map(job.takes_pixels, job.targets)) and takes.preprocess:
        validation = validation.in_pixels(takes.preprocess)
    if job.precision != "int8" or carries:
        return None, validation.take(count)
    wanted = job.num_calibration_samples
    calibration = to_calibrate(takes, console, data=job.calibration_data, count=wanted, seed=job.seed)
    wanted = wanted or NUM_CALIBRATION
    if job.validate:
        return apart(calibration, validation, (wanted, count), console)
    return calibration.take(wanted), validation.take(count)


def to_graph(subject: Subject, console: Console, seconds: dict[str, float]) -> "ir.Model":
    """The canonical float graph."""
    from ..exporters.canonicalize import canonicalize

    with console.stage("to ONNX", seconds, "torch_export"):
        graph = subject.graph()
    with console.stage("canonicalize", seconds, "canonicalize"):
        return canonicalize(graph)


def equalized(
    graph: "ir.Model", calibration: Inputs, console: Console, seconds: dict[str, float]
) -> "tuple[ir.Model, Steps]":
    """The graph with even channels, and the factors that made them so."""
    from .. import quantize

    inputs = calibration.take(NUM_CORRECTING)
    with console.stage("even out the channels", seconds, "calibrate", len(inputs)) as advance:
        steps = quantize.find_equalization(graph, inputs.feeds(), progress=advance)
        return (quantize.apply_equalization(graph, steps) if steps else graph), steps


def formed(graph: "ir.Model", job: Job) -> "ir.Model":
    """The graph with the values of every target's form of it; where one splits an op, the op's result is there too."""
    from ..targets.registry import TARGETS

    for name in job.targets:
        graph = TARGETS[name].scheme(job.profile).apply_forms(graph)
    return graph


def calibrated(graph: "ir.Model", calibration: Inputs, console: Console, seconds: dict[str, float]) -> "Statistics":
    """The statistics of every value: the one pass that all targets are quantised from."""
    from .. import quantize
    from .calibration_cache import CalibrationCache

    count, cache = len(calibration), CalibrationCache(graph, calibration)
    known = cache.load()
    if known is not None:
        console.note(f"calibration goes on behind {known.samples} of {count} inputs that were run before")
    with console.stage(f"calibrate on {count} inputs", seconds, "calibrate", count) as advance:
        feeds = calibration.feeds()
        return quantize.collect(graph, feeds, progress=advance, known=known, keep=cache.save)
