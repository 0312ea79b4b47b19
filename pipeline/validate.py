"""`edgeport.validate`: an artifact is compared with its reference again."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..artifacts.check import manifest_path
from ..artifacts.counts import check_count
from ..artifacts.errors import UsageError
from ..artifacts.manifest import RANDOM, Artifact, Input, Manifest
from ..artifacts.sizes import Size, read_size
from ..models import PreprocessSpec
from ..models.foreign_preprocess import read_preprocess
from ..models.preprocess_facts import from_facts
from ..models.stated_preprocess import Preprocess, PreprocessLike
from ..runtime.agreement import Agreement
from ..runtime.benchmark import peak_rss_mb
from ..runtime.noise_gain import verdict_with_cause
from ..runtime.session import Session, TensorSpec, at_size
from ..runtime.session_wrappers import PROBABILITIES, SoftmaxSession, feed_normalized, takes_image
from ..targets.foreign import open_session
from ..targets.registry import artifact_path, is_artifact, target_of
from ..tasks.agreement import TaskAgreement
from ..tasks.find import read_task, unknown_meaning
from ..tasks.task import Meaning
from .accelerated import overall_verdict, run_accelerated
from .answers import (
    choose_meaning,
    compare_answers,
    find_truths,
    judge_answers,
    list_ports,
    recorded_meaning,
    size_of,
    suppress_reference,
    with_labels,
)
from .checks import check_choice
from .data.choose import OpenedData, choose_validation
from .data.collection import DataLike
from .data.dataset import Dataset
from .describe import delegate_partitions, read_manifest
from .input_spec import InputSpec, Shapes, ShapesLike, read_shapes
from .isolation import isolated
from .open_sizes import resize_source
from .options import NUM_ACCELERATED, NUM_VALIDATION, PRECISIONS
from .output_kinds import Kinds, recorded_kinds
from .pair import Pair
from .prepare import open_reference
from .preprocess_question import Question, data_options, describe_preprocessing
from .progress import Progress, ProgressCallback
from .results import ValidationResult
from .sources.loading import GIVEN, load_source
from .sources.source import OWN_CODE, ModelLike, ModelSource
from .sources.user_code import is_factory

if TYPE_CHECKING:
    from .results import DeviceFacts


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What an artifact is compared with: the arguments of `validate` and `debug`.

    Attributes:
        reference: in place of the model of the manifest; None for that.
        data: what to compare on; None for generated inputs.
        weights, weights_key: in place of the manifest's.
        preprocess: in place of what the manifest, or else the reference says.
        task: what the outputs mean, in place of what the manifest says, or they themselves do.
        annotations: the true boxes of the images.
        size: of the images, of an artifact that takes several; None for its default.
    """

    artifact: str | Path
    reference: ModelLike | None = None
    data: DataLike | None = None
    num_validation_samples: int = NUM_VALIDATION
    weights: str | None = None
    weights_key: str | None = None
    seed: int = 0
    num_classes: int | None = None
    shapes: Shapes
    preprocess: Preprocess | None = None
    precision: str | None = None
    threads: int = 1
    task: str | None = None
    annotations: str | Path | None = None
    size: Size | None = None

    def __post_init__(self) -> None:
        check_count("num_validation_samples", self.num_validation_samples)
        check_count("threads", self.threads)
        if self.precision is not None:
            check_choice("precision", self.precision, PRECISIONS)
        if self.task is not None:
            read_task(self.task)


@dataclass(frozen=True)
class Reference:
    """What an artifact is compared with.

    Attributes:
        spec: what it takes.
        classifies: it is known to be a classifier by where it comes from.
        task, labels: as of a ModelSource.
    """

    session: Session
    model: str
    weights: str | None
    spec: InputSpec
    classifies: bool = False
    task: str = ""
    labels: tuple[str, ...] | None = None


@isolated
def validate(
    artifact: str | Path,
    *,
    reference: ModelLike | None = None,
    data: DataLike | None = None,
    num_validation_samples: int | None = None,
    precision: str | None = None,
    weights: str | None = None,
    weights_key: str | None = None,
    seed: int = 0,
    num_classes: int | None = None,
    input_shape: ShapesLike | None = None,
    preprocess: PreprocessLike | None = None,
    threads: int = 1,
    accelerator: str | None = None,
    task: str | None = None,
    annotations: str | Path | None = None,
    size: str | tuple[int, int] | None = None,
    progress: ProgressCallback | None = None,
) -> ValidationResult:
    """Compares an artifact with its reference.

    Args:
        artifact: what `edgeport.export` made, or a foreign file.
        reference: a model as `edgeport.load` takes it, or another artifact; None for the model in the manifest.
        data: to compare on, as `edgeport.export` takes it; None for generated inputs. What calibrated is left out.
        num_validation_samples: at most so many; where none is given 50, or 2 on an accelerator.
        precision: whose limits judge; None for the manifest's, or fp32.
        weights, weights_key, seed, num_classes, input_shape: of the reference, as `edgeport.load`.
        preprocess: how an image becomes the input, as `edgeport.load`; None for what the manifest says, or else the
            reference.
        threads: CPU threads of the artifact.
        accelerator: "gpu", "npu" or "cpu": LiteRT's CompiledModel runs a .tflite there, a GPU in float32 and in
            float16; the result's `accelerator` says what it takes, and how far it is from the CPU. None for the CPU's
            own runtime.
        task: what the outputs mean, as `edgeport.export` takes it; None for what the manifest says, or the reference.
        annotations: the true boxes of the images, as `edgeport.export` takes them.
        size: of the images, (height, width) or "320x480", of an artifact that takes several; None for its default.
        progress: called with an `Event` for each stage, note and warning.

    Returns:
        How they agree, and the verdict.

    Raises:
        ArtifactError: no such file, or not what its ending or its manifest says.
        ManifestError: the file beside the artifact is no manifest of a known schema.
        RuntimeUnavailable: what runs the artifact is not installed.
        UsageError: the reference cannot be made again, the data do not fit it, or the accelerator takes no such file.
        ImageError: a folder without images, or a damaged one.
        UnknownModel, UnknownCheckpoint, DownloadError, WeightsError, ModelFileError, InputShapeError, ExportError: as
            `edgeport.load`.

    Example:
        >>> edgeport.validate("artifacts/resnet18/resnet18_int8.tflite", data="photos/").verdict
        'ok'
    """
    told, usual = Progress(progress), NUM_ACCELERATED if accelerator else NUM_VALIDATION
    most = usual if num_validation_samples is None else num_validation_samples
    comparison = Comparison(
        artifact=artifact,
        reference=reference,
        data=data,
        num_validation_samples=most,
        weights=weights,
        weights_key=weights_key,
        seed=seed,
        num_classes=num_classes,
        shapes=read_shapes(input_shape),
        preprocess=read_preprocess(preprocess),
        precision=precision,
        threads=threads,
        task=task,
        annotations=annotations,
        size=read_size(size),
    )
    if accelerator and size:
        raise UsageError("--size is for the CPU's own runtime: leave out the accelerator")
    if accelerator and annotations:
        raise UsageError("annotations are for the CPU's own runtime: leave out the accelerator")
    if accelerator:
        return validate_accelerated(comparison, accelerator, told)
    pair, seconds = open_pair(comparison, told), {}
    inputs = pair.inputs
    with told.stage(f"validate on {len(inputs)} inputs", seconds, "validate", len(inputs)) as advance:
        session, meaning = pair.feed(pair.session), pair.meaning or unknown_meaning()
        given = pair.reference, session, inputs, pair.kinds, meaning, advance
        agreement, tally = compare_answers(*given, truths=find_truths(annotations, meaning, inputs))
    result = make_result(pair, agreement, seconds, told, answers=tally.agreement())
    pair.session.close()
    return result


def validate_accelerated(comparison: Comparison, accelerator: str, progress: Progress) -> ValidationResult:
    """The same on an accelerator; the agreement is that of its last precision: float16, as a phone's GPU computes."""
    pair, seconds = open_pair(comparison, progress), {}
    facts = run_accelerated(pair, accelerator, comparison.threads, progress, seconds)
    made = make_result(pair, facts.runs[-1].agreement, seconds, progress, judged=overall_verdict(facts.runs))
    pair.session.close()
    return replace(made, accelerator=facts, emulated=facts.emulated)


def open_pair(comparison: Comparison, progress: Progress) -> Pair:
    """What is compared. Raises UsageError, ArtifactError, ManifestError and what loading a model does."""
    path = artifact_path(comparison.artifact)
    session = open_session(path, threads=comparison.threads)
    manifest = read_manifest(path, session)
    at_size(session.inputs, comparison.size, path)
    found = find_reference(comparison, manifest, progress)
    pixels = takes_image(session.inputs)
    question = Question(found.model, example_command(comparison))
    if pixels and found.spec.preprocess is None and found.spec.takes_pictures:
        raise question.ask(f"{path}, which takes pixels,", found.spec)
    reference = SoftmaxSession(found.session) if wants_probabilities(session, found.session) else found.session
    reference = suppress_reference(manifest, reference, size_of(found.spec))
    try:
        kinds = recorded_kinds(manifest, reference, session, classifies=found.classifies)
    except ValueError as e:
        raise UsageError(f"{path}: cannot be compared with {found.model}: {e}") from e
    inputs = choose_inputs(comparison, manifest, found.spec, question, progress)
    precision = comparison.precision or (manifest.precision if manifest else "fp32")
    check_choice("precision", precision, PRECISIONS)
    meaning = find_answers(comparison, manifest, found, reference, session, kinds, inputs)
    pair = Pair(
        *(path, manifest, session, lambda each: each, reference, kinds, found.model, found.weights, inputs, precision),
        meaning,
    )
    preprocess = found.spec.preprocess
    if not preprocess or not pixels:
        return pair
    return replace(pair, feed=lambda each: feed_normalized(each, preprocess), inputs=inputs.round_to_pixels(preprocess))


def find_answers(
    comparison: Comparison,
    manifest: Manifest | None,
    found: Reference,
    reference: Session,
    artifact: Session,
    kinds: Kinds,
    inputs: Dataset,
) -> Meaning:
    """What the outputs mean: as the caller, the manifest or the reference says, or as they are plain."""
    size = size_of(found.spec)
    recorded = recorded_meaning(manifest, reference, artifact, size)
    if recorded and not comparison.task:
        return recorded
    ports = list_ports(reference, kinds, inputs)
    meaning = choose_meaning(comparison.task, found.task, ports, size, found.model)
    return with_labels(meaning, recorded.labels if recorded else found.labels)


def wants_probabilities(candidate: Session, reference: Session) -> bool:
    """Whether the candidate gives probabilities, by the names of its outputs, and the reference other scores."""
    names = [spec.name for spec in candidate.outputs]
    return len(reference.outputs) == 1 and reference.outputs[0].name not in names and PROBABILITIES in names


def make_result(
    pair: Pair,
    agreement: Agreement,
    seconds: dict[str, float],
    progress: Progress,
    device: "DeviceFacts | None" = None,
    judged: str | None = None,
    answers: TaskAgreement | None = None,
) -> ValidationResult:
    """What is told of a comparison; `judged` where the verdict is known."""
    path, manifest = pair.path, pair.manifest
    target = target_of(path)
    if judged is None:
        limits = target.limits_of(pair.precision) if target else pair.precision
        judged = verdict_with_cause(agreement, limits, pair.reference, pair.inputs.feeds, pair.kinds)
        if pair.meaning and answers:
            given = pair.reference, pair.inputs, pair.kinds, pair.meaning
            judged = judge_answers(judged, *given, answers, pair.precision)
    return ValidationResult(
        model=pair.model,
        weights=pair.weights,
        target=manifest.target if manifest else target and target.name,
        precision=pair.precision,
        path=path,
        manifest_path=manifest_path(path) if manifest else None,
        size_bytes=Artifact.of(path).size_bytes,
        agreement=agreement,
        emulated=device.emulated if device else pair.session.emulated,
        seconds=seconds,
        peak_rss_mb=peak_rss_mb(),
        delegate_partitions=delegate_partitions(pair.session),
        verdict=judged,
        warnings=tuple(progress.warnings),
        device=device,
        task=answers,
    )


def example_command(comparison: Comparison, command: str = "validate") -> str:
    """The command that was given, as far as images are concerned."""
    given = (("--reference", comparison.reference), ("--validation-data", comparison.data))
    return shlex.join(["edgeport", command, str(comparison.artifact), *data_options(*given)])


def choose_inputs(
    comparison: Comparison, manifest: Manifest | None, spec: InputSpec, question: Question, progress: Progress
) -> Dataset:
    """What validates: not what has calibrated, and no more than was asked for."""
    count = comparison.num_validation_samples
    known = set(manifest.calibration.inputs) if manifest and manifest.calibration else set()
    opened = OpenedData(spec, count + len(known), question)
    inputs = choose_validation(spec, progress, opened.open, data=comparison.data, count=count, seed=comparison.seed)
    if inputs.preprocess and comparison.data is not None:
        progress.note(describe_preprocessing(spec))
    if known:
        inputs = inputs.take(count + len(known)).without(known)
    return inputs.take(count)


def find_reference(comparison: Comparison, manifest: Manifest | None, progress: Progress) -> Reference:
    """The session to compare with, and what it is."""
    reference = comparison.reference
    own = manifest is not None and isinstance(reference, str | Path) and str(reference) == manifest.model
    if isinstance(reference, str | Path) and is_artifact(reference) and not own:
        session, spec = open_artifact_as_reference(str(reference), comparison, manifest)
        if comparison.size:
            at_size(session.inputs, comparison.size, reference)
            spec = spec.resized(comparison.size)
        return Reference(session, str(reference), None, spec)
    source = find_source(comparison, manifest, progress)
    if comparison.size:
        source = resize_source(source, comparison.size)
    weights = str(source.weights)
    told = source.classifies, source.task, source.labels
    return Reference(open_reference(source), source.model, weights, source.input_spec, *told)


def prepared_as(spec: InputSpec, comparison: Comparison, manifest: Manifest | None, model: str) -> InputSpec:
    """The inputs as the caller says, or as the artifact's manifest does."""
    spec = spec.recorded(recorded_preprocess(manifest), "the manifest")
    return spec.stated(comparison.preprocess, GIVEN, model) if comparison.preprocess else spec


def find_source(comparison: Comparison, manifest: Manifest | None, progress: Progress) -> ModelSource:
    """The model of the manifest, or the one given as the reference; its inputs as the manifest or the caller says."""
    source = load_reference(comparison, manifest, progress)
    return replace(source, input_spec=prepared_as(source.input_spec, comparison, manifest, source.model))


def load_reference(comparison: Comparison, manifest: Manifest | None, progress: Progress) -> ModelSource:
    """The model of the manifest, or the one given as the reference."""
    reference, artifact = comparison.reference, comparison.artifact
    if manifest and (reference is None or (isinstance(reference, str | Path) and str(reference) == manifest.model)):
        if reference is None and is_factory(manifest.model):
            raise UsageError(f"{artifact}: was made by your code; to run it, give --reference {manifest.model}")
        if reference is None and manifest.weights.source == OWN_CODE:
            raise UsageError(f"{artifact}: was made of a model in memory ({manifest.model}); give it as the reference")
        return load_recorded(comparison, manifest, progress)
    if reference is not None:
        return load_source(
            reference,
            progress,
            weights=comparison.weights or "auto",
            weights_key=comparison.weights_key,
            seed=comparison.seed,
            num_classes=comparison.num_classes,
            shapes=comparison.shapes or shapes_for(reference, manifest),
        )
    raise UsageError(f"{artifact}: has no manifest beside it; name what to compare with by --reference")


def shapes_for(reference: ModelLike, manifest: Manifest | None) -> Shapes:
    """The recorded shapes, for a module in memory, which does not know its inputs' own."""
    torch = sys.modules.get("torch")
    is_module = torch is not None and isinstance(reference, torch.nn.Module)
    return recorded_shapes(manifest.inputs) if manifest and is_module else {}


def load_recorded(comparison: Comparison, manifest: Manifest, progress: Progress) -> ModelSource:
    """The model of the manifest with the same weights, to the bit. Raises UsageError where they cannot be had."""
    recorded = manifest.weights
    own = {RANDOM: "random", OWN_CODE: "auto", manifest.model: "auto"}  # a file is its own weights
    weights = comparison.weights or own.get(recorded.source, recorded.source)
    source = load_source(
        manifest.model,
        progress,
        weights=weights,
        weights_key=comparison.weights_key if comparison.weights_key is not None else recorded.key or None,
        seed=recorded.seed or 0,
        num_classes=manifest.num_classes,
        shapes=comparison.shapes or recorded_shapes(manifest.inputs),
    )
    if source.weights.sha256 != recorded.sha256:
        again = "drawn again, they come out differently with this PyTorch on this machine"
        why = again if recorded.source == RANDOM else f"sha256 of {weights} is not the manifest's"
        raise UsageError(f"{comparison.artifact}: was not made from these weights ({why}); name them by --weights")
    return source


def recorded_shapes(inputs: Sequence[Input]) -> dict[str, tuple[int, ...]]:
    """The recorded shapes, as they would be given; the name of a single image is not told."""
    shapes = {spec.name: tuple(dim or 1 for dim in spec.shape) for spec in inputs}
    (first, *others) = shapes.values()
    return {"": first} if not others and len(first) == 4 else shapes


def recorded_preprocess(manifest: Manifest | None) -> PreprocessSpec | None:
    """How an image becomes the input, as a manifest says; None where it does not."""
    return from_facts(asdict(manifest.inputs[0])) if manifest and len(manifest.inputs) == 1 else None


def open_artifact_as_reference(
    path: str, comparison: Comparison, manifest: Manifest | None
) -> tuple[Session, InputSpec]:
    """(the session of a file, what it takes: images as the caller, the artifact's manifest or the file's own says).

    Raises UsageError for a file that takes pixels of which nobody says how they are normalised.
    """
    session = open_session(path)
    if any(None in spec.shape[1:] for spec in session.inputs):
        raise UsageError(f"{path}: must take inputs of fixed sizes, it takes {[spec.shape for spec in session.inputs]}")
    is_image = takes_image(session.inputs)
    spec = InputSpec(
        tuple(
            TensorSpec(each.name, tuple(dim or 1 for dim in each.shape), "float32" if is_image else each.dtype)
            for each in session.inputs
        )
    )
    beside = manifest_path(Path(path))
    own = recorded_preprocess(Manifest.read(beside)) if beside.exists() else None
    spec = prepared_as(spec.recorded(own, f"the manifest of {path}"), comparison, manifest, path)
    if is_image and spec.preprocess is None and spec.takes_pictures:
        raise Question(path, example_command(comparison)).ask("the reference, which takes pixels,", spec)
    return feed_normalized(session, own or spec.preprocess), spec
