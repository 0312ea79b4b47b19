"""The first half of `export`, which all targets share: graph, inputs, reference, calibration."""

import contextlib
import dataclasses
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ..artifacts.errors import EdgeportError, NotCanonical, UsageError, first_line
from ..artifacts.manifest import Calibration, QuantizedBy
from ..artifacts.sizes import Sizes
from ..runtime.session import Session
from ..runtime.session_wrappers import CachedSession, SoftmaxSession
from ..targets.registry import get_target
from ..tasks.boxes import Boxes
from ..tasks.find import read_task
from ..tasks.registry import CLASSIFY, GENERIC, TEXT, budgets
from ..tasks.suppression import Suppression, check_suppression
from ..tasks.task import Meaning
from .accuracy_judge import Judge
from .answers import choose_meaning, find_truths, list_ports, size_of, with_labels
from .data.choose import OpenedData, choose_calibration, choose_validation, separate
from .data.dataset import GENERATED, NOT_REAL, NUM_CALIBRATION, Dataset
from .data.labels import check_labels, fit_labels, read_characters, read_labels
from .open_sizes import SizedReference, asked_sizes, open_graph, open_references
from .options import STATIC, Job
from .output_kinds import Kinds, find_kinds, is_told_classifier
from .preprocess_question import Question, data_options, describe_preprocessing, shape_option
from .progress import LOG, Progress
from .sources.source import ModelSource

if TYPE_CHECKING:
    import onnx_ir as ir

    from ..quantize import Statistics
    from ..quantize.tuning.equalization import Steps

NUM_SHARDS = 4  # of the calibration inputs; two of them are a half
FEWEST_IN_SHARD = 4  # inputs
NUM_CORRECTING = 64  # calibration inputs that correct biases: all of them are in memory at once


@dataclass(frozen=True)
class Prepared:
    """What every target starts from.

    Attributes:
        job: what was asked for; int8 where the model is prequantized.
        source: the model.
        graph: canonical; float, unless `prequantized`.
        prequantized: the graph has its own quantisation, which goes to every target as it is.
        reference: what artifacts are compared with.
        kinds: what its outputs are, where their types alone do not say it.
        labels: of the classes of a classifier, or None.
        meaning: of its outputs.
        truths: what is there in each input that validates, where labels say it.
        calibration: the inputs that calibrate, None for float.
        effort: how much is done for int8 beyond them.
        equalization: {value: factors} of the channels whose scale has moved into weights for int8's sake.
        equalized: `graph` with them in it, which int8 starts from.
        gates: more of these factors, behind gates, which each target takes if it gains by them.
        statistics: of its values.
        shards: of `statistics`, those of each fourth input; none where nobody wants the halves of them.
        validation: the inputs that validate and are timed.
        judge: of the accuracy budget, None where there is none.
        seconds: what the stages so far took; a target goes on from a copy.
        suppression: what artifacts are asked to do behind a detector, by the reference's names; None for nothing.
        sizes: the heights and widths that artifacts are to take; None for the model's own.
    """

    job: Job
    source: ModelSource
    graph: "ir.Model"
    prequantized: bool
    reference: Session
    kinds: Kinds
    labels: tuple[str, ...] | None
    meaning: Meaning
    truths: Sequence[Boxes] | None
    calibration: Dataset | None
    effort: str
    equalization: "Steps"
    equalized: "ir.Model"
    gates: "Steps"
    statistics: "Statistics | None"
    shards: "Sequence[Statistics]"
    validation: Dataset
    judge: Judge | None
    seconds: dict[str, float]
    suppression: Suppression | None = None
    sizes: Sizes | None = None

    @cached_property
    def sized(self) -> tuple[SizedReference, ...]:
        """What artifacts are compared with at other sizes."""
        if self.sizes is None:
            return ()
        return open_references(self.source, self.validation, self.sizes, softmax=self.job.model.softmax)

    @cached_property
    def weights_only(self) -> "ir.Model":
        """The graph with its weights in 8 bits."""
        from .. import quantize

        return quantize.quantize_weights(self.graph)

    @property
    def quantized_by(self) -> QuantizedBy:
        """Where the scales of int8 come from."""
        if self.source.trained_for:
            return "training"
        return "model" if self.prequantized else "calibration"

    @cached_property
    def calibration_record(self) -> Calibration | None:
        """For the manifest; the loud warning goes in where the inputs are no images."""
        if self.calibration is None:
            return None
        return Calibration(
            source=self.calibration.source,
            count=len(self.calibration),
            inputs=tuple(self.calibration.digests()),
            observer=self.job.quantization.ranges,
            effort=self.effort,
            correcting=min(len(self.calibration), NUM_CORRECTING),
            equalization={value: " ".join(map(str, steps)) for value, steps in self.equalization.items()},
            warning=NOT_REAL if self.calibration.source == GENERATED else None,
        )


def prepare(job: Job, source: ModelSource, progress: Progress) -> Prepared:
    """The stages that come before any target's own. Raises UsageError, ExportError, ImageError, QuantizeError."""
    from .. import quantize
    from ..exporters.canonicalize import is_quantized
    from .import_check import check_calibrated

    check_head(job, source)
    is_text = bool(job.model.task) and read_task(job.model.task or "").task == TEXT  # a space is a name there
    labels = read_labels(job.model.labels) if job.model.labels and not is_text else None
    question = Question(source.model, example_command(job, source))
    data = OpenedData(source.input_spec, NUM_CALIBRATION + job.num_validating, question)
    check_data(job, source, data, question, progress)
    sizes = asked_sizes(job, source)
    seconds: dict[str, float] = {}
    imported, graph = to_graph(source, progress, seconds)
    if sizes:
        open_graph(source, graph, sizes, progress, seconds)
    prequantized = is_quantized(graph)
    check_classifier_options(job, source, graph)
    if prequantized:
        job = resolve_prequantized(job, source, progress)
    calibration, validation = choose_inputs(job, source, data, prequantized, progress)
    session = prove(source, imported, graph, validation, progress, seconds)
    reference = SoftmaxSession(session) if job.model.softmax else session
    kinds = find_kinds(graph.graph, reference, classifies=is_told_classifier(job, source))
    meaning, labels = find_answers(job, source, graph, reference, kinds, validation, labels, progress)
    suppression = check_suppression(meaning, job.model.nms, source.model) if job.model.nms else None
    judge = None
    if job.quantization.budget:
        given = (job.quantization.budget, source.model, graph, labels, reference, validation, kinds, meaning, progress)
        judge = Judge(*given)
    steps: Steps = {}
    gates: Steps = {}
    equalized, statistics, shards = graph, None, []
    if calibration:
        if job.quantization.effort != "fast":
            equalized, steps, gates = equalize(graph, job, calibration, progress, seconds)
        calibrated = apply_all_forms(equalized, job)
        check_calibrated(source, calibrated, session, list(validation.take(1)))
        count = NUM_SHARDS if job.quantization.calibration_halves else 1
        calibrated = quantize.observe_gates(calibrated, gates)
        statistics, shards = collect_statistics(calibrated, calibration, count, progress, seconds)
    return Prepared(
        job=job,
        source=source,
        graph=graph,
        prequantized=prequantized,
        reference=reference,
        kinds=kinds,
        labels=labels,
        meaning=meaning,
        truths=find_truths(job.validation.annotations, meaning, validation),
        calibration=calibration,
        effort=job.quantization.effort,
        equalization=steps,
        equalized=equalized,
        gates=gates,
        statistics=statistics,
        shards=shards,
        validation=validation,
        judge=judge,
        seconds=seconds,
        suppression=suppression,
        sizes=sizes,
    )


def find_answers(
    job: Job,
    source: ModelSource,
    graph: "ir.Model",
    reference: Session,
    kinds: Kinds,
    inputs: Dataset,
    labels: tuple[str, ...] | None,
    progress: Progress,
) -> tuple[Meaning, tuple[str, ...] | None]:
    """(what the outputs mean, the names of a classifier's classes). Raises UsageError for what does not fit them."""
    ports = list_ports(reference, kinds, inputs)
    of_task = budgets().get(next(iter(job.quantization.budgets), ""))  # who gives a task's budget says the task
    asked = job.model.task or (of_task and of_task[0].name)
    meaning = choose_meaning(asked, source.task, ports, size_of(source.input_spec), source.model, progress)
    if meaning.task.name in (CLASSIFY, GENERIC):
        if labels and job.model.labels:
            labels, notes = fit_labels(labels, job.model.labels, graph)
            for sentence in notes:
                progress.note(sentence)
        return meaning, labels
    if not asked:
        roles = ", ".join(f"{role} {name!r}" for role, name in meaning.outputs.items())
        progress.note(f"task {meaning.task.name}:{meaning.head.name}, {roles} (said by {meaning.told_by})")
    counts = meaning.task.count_labels(meaning, ports)
    if job.model.labels:
        names = read_characters(job.model.labels) if meaning.task.name == TEXT else labels or ()
        check_labels(names, job.model.labels, counts)
    else:
        names = source.labels if source.labels and (not counts or len(source.labels) in counts) else ()
    return with_labels(meaning, tuple(names)), None


def open_reference(source: ModelSource) -> Session:
    """The model as it came, run by what it came for; it runs each input once."""
    return CachedSession(source.session())


def prove(
    source: ModelSource,
    imported: "ir.Model",
    graph: "ir.Model",
    inputs: Dataset,
    progress: Progress,
    seconds: dict[str, float],
) -> Session:
    """The reference, which the canonical graph was compared with. Raises ImportFault."""
    from .import_check import check_import

    with progress.stage("compare the graph with the model", seconds, "check_import"):
        return check_import(source, imported, graph, open_reference(source), list(inputs.take(1)), progress)


def takes_pixels(job: Job, target: str) -> bool:
    """Whether the target's artifacts take an image and normalise it themselves."""
    known = get_target(target)
    return job.model.input == "uint8" or known.wants_image(known.own_options(job.model.target_options))


def resolve_prequantized(job: Job, source: ModelSource, progress: Progress) -> Job:
    """The job for a model that is quantised already. Raises UsageError where something else was asked for."""
    model, asked = source.model, job.quantization
    if job.precision not in ("fp32", "int8"):
        raise UsageError(f"{model}: is prequantized to int8; it cannot become {job.precision}")
    if asked.budget or asked.keep_float or asked.keep_int16:
        raise UsageError(
            f"{model}: brings its own quantisation; there is nothing to search, or to keep in float or in int16"
        )
    if asked.calibration is not None and asked.calibration != job.validation.validation:
        raise UsageError(f"{model}: brings its own quantisation, so --calibration-data has nothing to set")
    profile = asked.profile
    if source.trained_for:
        profile = check_trained_for(job, source, source.trained_for)
    progress.note(f"{model}: is prequantized; its quantisation is kept as it is (precision int8)")
    return dataclasses.replace(
        job,
        quantization=dataclasses.replace(asked, precision="int8", profile=profile),
        timing=dataclasses.replace(job.timing, float_twin=False),
    )


def check_trained_for(job: Job, source: ModelSource, wanted: tuple[str, str]) -> str:
    """The profile that a model with trained quantisation is for. Raises UsageError for another target or profile."""
    target, profile = wanted
    for asked in job.targets:
        if asked != target or job.quantization.profile not in (None, profile):
            other = f"{asked}, profile {job.quantization.profile or get_target(asked).profile(None).name}"
            raise UsageError(
                f"{source.model}: its quantisation was trained for {target}, profile {profile}, not for {other}; "
                "prepare the model for that one, and train it"
            )
        if takes_pixels(job, target) and get_target(target).profile(profile).integer_only:
            raise UsageError(
                f"{source.model}: pixels would be normalised in float, which {target}, profile {profile}, has not; "
                "leave out --input uint8, and let the application quantise its input as the file says"
            )
    return profile


def example_command(job: Job, source: ModelSource) -> str:
    """The command that was given, as far as images are concerned."""
    target = job.targets[0] if len(job.targets) == 1 else "all"
    words = ["edgeport", "export", source.model, "--target", target, *shape_option(source.model, source.input_spec)]
    data = (("--calibration-data", job.quantization.calibration), ("--validation-data", job.validation.validation))
    words += data_options(*data)
    words += [f"--{job.precision}"] if job.precision in STATIC else []
    words += ["--input", job.model.input] if job.model.input == "uint8" else []
    options = (option for name in job.targets for option in get_target(name).options)
    words += [option.flag for option in options if job.model.target_options.get(option.name) is True]
    return shlex.join(words)


def check_data(job: Job, source: ModelSource, data: OpenedData, question: Question, progress: Progress) -> None:
    """Raises UsageError, before the model is exported, for data that the model does not take, and where nobody says how
    an image becomes its input though that matters; says it where it does."""
    spec = source.input_spec
    option = "--input uint8" if job.model.input == "uint8" else "--image-input"
    pixels = any(takes_pixels(job, target) for target in job.targets)
    if pixels and not spec.takes_pictures:
        raise UsageError(f"{option}: an image has 1 or 3 channels, the model takes {spec}")
    if pixels and spec.preprocess is None:
        raise question.ask(option, spec)
    opened = [
        data.open(given) for given in (job.validation.validation, job.quantization.calibration) if given is not None
    ]
    if spec.preprocess and (pixels or any(each.preprocess for each in opened)):
        progress.note(describe_preprocessing(spec))


def check_head(job: Job, source: ModelSource) -> None:
    """Raises UsageError for what is asked of the classifier of a model that was asked for without one."""
    asked = (("--softmax", job.model.softmax), ("--top-k", job.model.top_k), ("--labels", job.model.labels is not None))
    for option, given in asked:
        if given and source.num_classes == 0:
            raise UsageError(f"{option} is for a classifier; --num-classes 0 leaves it away")


def check_classifier_options(job: Job, source: ModelSource, graph: "ir.Model") -> None:
    """Raises UsageError for a model that is no classifier, and one that has a softmax already."""
    from ..graph.classifier import count_classes, gives_probabilities
    from ..graph.edit import shape

    shapes = [shape(value) for value in graph.graph.outputs]
    classes = count_classes(shapes)
    softmax, top_k = job.model.softmax, job.model.top_k
    for option, given in (("--softmax", softmax), ("--top-k", top_k)):
        if given and classes is None:
            raise UsageError(f"{option} is for one output of shape (1, classes); {source.model} has {shapes}")
    if classes is not None and top_k > classes:
        raise UsageError(f"--top-k {top_k}: {source.model} has {classes} classes")
    if softmax and gives_probabilities(graph.graph.outputs[0]):
        raise UsageError(f"--softmax: {source.model} gives probabilities already")


def choose_inputs(
    job: Job, source: ModelSource, opened: OpenedData, prequantized: bool, progress: Progress
) -> tuple[Dataset | None, Dataset]:
    """(the inputs that calibrate, None where nothing is; the inputs that validate and are timed)."""
    asked, seed, spec = job.quantization, job.model.seed, source.input_spec
    data = job.validation.validation if job.validation.validation is not None else asked.calibration
    count = job.num_validating
    validation = choose_validation(spec, progress, opened.open, data=data, count=count, seed=seed)

    pixels = spec.preprocess if any(takes_pixels(job, target) for target in job.targets) else None

    def as_taken(inputs: Dataset) -> Dataset:
        return inputs.round_to_pixels(pixels) if pixels else inputs

    if job.precision not in STATIC or prequantized:
        return None, as_taken(validation.take(count))
    wanted = asked.num_calibration_samples
    calibration = choose_calibration(spec, progress, opened.open, data=asked.calibration, count=wanted, seed=seed)
    wanted = wanted or NUM_CALIBRATION
    if job.validation.validate:
        calibration, validation = separate(calibration, validation, (wanted, count), progress)
    return calibration.take(wanted), as_taken(validation.take(count))


def to_graph(source: ModelSource, progress: Progress, seconds: dict[str, float]) -> "tuple[ir.Model, ir.Model]":
    """(the graph as it is imported, the canonical float graph). Raises ExportError."""
    from ..exporters.canonicalize import canonicalize
    from ..graph.dialect import check

    with progress.stage("to ONNX", seconds, "torch_export"):
        imported = source.graph()
    if source.trained_for:
        check(imported, quantized=True)
        return imported, imported
    with progress.stage("canonicalize", seconds, "canonicalize"), _one_sentence(source):
        return imported, canonicalize(imported)


@contextlib.contextmanager
def _one_sentence(source: ModelSource) -> Iterator[None]:
    """Within it what goes wrong with the graph of a file is one sentence; of any other graph it is a bug."""
    try:
        yield
    except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError) as e:
        if not source.is_file or isinstance(e, EdgeportError):
            raise
        LOG.debug("%s: its graph cannot be made canonical", source.model, exc_info=True)
        words = f"its graph contradicts itself, or needs what edgeport lacks ({type(e).__name__}: {first_line(e)})"
        raise NotCanonical(f"{source.model}: {words}") from e


def equalize(
    graph: "ir.Model", job: Job, calibration: Dataset, progress: Progress, seconds: dict[str, float]
) -> "tuple[ir.Model, Steps, Steps]":
    """The graph with equalised channels, the factors that made them so, and others that gates would take."""
    from .. import quantize

    inputs, _ = calibration.take(NUM_CORRECTING).hold_back()  # those that correct
    floats = all(get_target(name).kernels(job.quantization.profile, job.precision).has_float for name in job.targets)
    with progress.stage("equalise the channels", seconds, "calibrate", len(inputs)) as advance:
        steps = quantize.find_equalization(graph, inputs.feeds(), in_float=floats, progress=advance)
        gated = quantize.find_gated(graph.graph)
        gates = {value: steps.pop(value) for value in list(steps) if value in gated}
        return (quantize.apply_equalization(graph, steps) if steps else graph), steps, gates


def apply_all_forms(graph: "ir.Model", job: Job) -> "ir.Model":
    """The graph with the values of every target's form of it; where one splits an op, the op's result is there too."""
    for name in job.targets:
        graph = get_target(name).kernels(job.quantization.profile, job.precision).apply_forms(graph)
    return graph


def collect_statistics(
    graph: "ir.Model", calibration: Dataset, shards: int, progress: Progress, seconds: dict[str, float]
) -> "tuple[Statistics, list[Statistics]]":
    """(the statistics of every value: the one pass that all targets are quantised from, those of each shard of the
    inputs if there are several). Raises UsageError for too few inputs."""
    from .. import quantize
    from .calibration_cache import CalibrationCache

    if len(calibration) < (shards > 1) * FEWEST_IN_SHARD * shards:
        raise UsageError(
            f"--calibration-halves wants {FEWEST_IN_SHARD * shards} calibration inputs or more, there are "
            f"{len(calibration)}"
        )
    parts, done, count = [], 0, len(calibration)
    with progress.stage(f"calibrate on {count} inputs", seconds, "calibrate", count) as advance:
        for index in range(shards):
            inputs = calibration.shards((index,), shards)
            cache = CalibrationCache(graph, inputs)
            known = cache.load()
            if known is not None:
                progress.note(
                    f"calibration goes on behind {known.samples} of {len(inputs)} inputs that were run before"
                )
            parts.append(
                quantize.collect(
                    graph,
                    inputs.feeds(),
                    progress=lambda number, before=done: advance(before + number),
                    known=known,
                    keep=cache.save,
                    turn=lambda number, first=index + 1: first + (number - 1) * shards,
                )
            )
            done += len(inputs)
    return (parts[0], []) if shards == 1 else (quantize.Statistics.merged(parts), parts)
