"""What a model's outputs mean, and how an artifact's answers agree with its reference's."""

import dataclasses
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ..artifacts.errors import UsageError
from ..artifacts.manifest import Manifest, Suppressed, TaskFigure
from ..artifacts.manifest import Task as TaskRecord
from ..models import PreprocessSpec
from ..runtime.agreement import Agreement
from ..runtime.compare import compare, pair_names
from ..runtime.noise_gain import NOISE_DB, NONE_CAN, NoisySession
from ..runtime.pixels import to_pixels
from ..runtime.session import Session
from ..tasks.agreement import TaskAgreement
from ..tasks.boxes import Boxes
from ..tasks.find import apply_statement, find_meaning, possible_tasks, read_task, recall, unknown_meaning
from ..tasks.label_precision import check_evaluator
from ..tasks.registry import CLASSIFY, DETECT, GENERIC
from ..tasks.suppression import SuppressedSession, Suppression
from ..tasks.tally import TaskTally
from ..tasks.task import ROUNDED, Meaning, Port, Size
from ..tasks.verdict import find_misses, judge_task
from .data.annotations import read_annotations, true_boxes
from .data.dataset import GENERATED, Dataset
from .input_spec import InputSpec
from .output_kinds import Kinds
from .progress import Progress

NUM_NOISY = 16  # inputs that tell what noise does to the float model's answers


def list_ports(reference: Session, kinds: Kinds, inputs: Dataset) -> list[Port]:
    """The reference's outputs, each with what it gives for the first input, which tells the lengths that a file with
    open axes does not."""
    given = reference.run(next(iter(inputs.take(1))))
    return [
        Port(
            spec.name,
            np.shape(given[spec.name]) if None in spec.shape[1:] and spec.name in given else spec.shape,
            kinds[spec.name].name if spec.name in kinds else "",
            given.get(spec.name),
        )
        for spec in reference.outputs
    ]


def shapes_of(reference: Session) -> list[Port]:
    """The reference's outputs, as far as their names and shapes tell."""
    return [Port(spec.name, spec.shape, recorded=True) for spec in reference.outputs]


def size_of(spec: InputSpec) -> Size:
    """(height, width) of the image that a model takes, None where it takes none."""
    return spec.image_size[1:] if spec.image_size and spec.takes_pictures else None


def choose_meaning(
    asked: str | None, said: str, ports: list[Port], size: Size, model: str, progress: Progress | None = None
) -> Meaning:
    """What the outputs mean: as the caller says it, as the model does, or as they are plain.

    Args:
        asked: what --task says.
        said: what the model or its package says, in the same words; "" for nothing.
        ports: the outputs.
        size: of the image that the model takes.
        model: its name, for messages.
        progress: hears what may be asked for, where nobody says it.

    Raises:
        UsageError: the outputs are not of the shapes that `asked` needs.
    """
    if asked:
        return apply_statement(read_task(asked), ports, size, model)
    if said:
        try:
            return apply_statement(read_task(said, "the model's package"), ports, size, model)
        except UsageError:
            pass  # another head than usual, or none
    found = find_meaning(ports, size)
    if found is None and progress and size and (possible := possible_tasks(ports, size)):
        progress.note(
            f"{model}: what its outputs mean is not plain, so they are compared number by number; --task says it: "
            f"{', '.join(possible)}"
        )
    return found or unknown_meaning()


def recorded_meaning(manifest: Manifest | None, reference: Session, artifact: Session, size: Size) -> Meaning | None:
    """What a manifest says of the artifact's outputs, by the reference's names; None where it does not."""
    if manifest is None or manifest.task is None:
        return None
    known, to_reference = manifest.task, {own: ref for ref, own in pair_names("outputs", reference, artifact).items()}
    if not set(known.outputs.values()) <= to_reference.keys():
        return None
    outputs = {role: to_reference[name] for role, name in known.outputs.items()}
    return recall(known.name, known.head, outputs, known.settings, shapes_of(reference), size, known.labels)


def compare_answers(
    reference: Session,
    session: Session,
    inputs: Dataset,
    kinds: Kinds,
    meaning: Meaning,
    advance: Callable[[int], None] = lambda done: None,
    *,
    draws: bool = False,
    truths: Sequence[Boxes] | None = None,
) -> tuple[Agreement, TaskTally]:
    """How the numbers agree, and the answers of both.

    `draws`: pictures of the first ones, where inputs are images; `truths`: what is there in each, for a detector.
    """
    spec = inputs.preprocess if inputs.source != GENERATED else None
    tally = TaskTally(meaning, _to_pixels(spec) if draws and spec else None, truths)
    agreement = compare(reference, session, inputs.feeds(advance), kinds, tally.add)
    tally.problem = agreement.problem
    return agreement, tally


def judge_answers(
    numbers: str,
    reference: Session,
    inputs: Dataset,
    kinds: Kinds,
    meaning: Meaning,
    agreement: TaskAgreement,
    precision: str,
) -> str:
    """Join the verdict on the numbers with that on the answers, and where the model itself is why these fail in 8 bits,
    say so.

    Args:
        numbers: the verdict on the numbers.
        reference: the float model. It runs the first inputs again, with noise, where the answers fail.
        inputs: of the comparison.
        kinds, meaning: of the outputs.
        agreement: of the answers.
        precision: of the artifact.

    Returns:
        As `tasks.verdict.judge_task`. Behind a failure stands how far the float model's own answers are from those that
        it gives with a little noise on its inputs, where these fail by the same limit.
    """
    verdict, limits = judge_task(numbers, meaning, agreement, precision), meaning.task.must.get(precision, {})
    if precision not in ROUNDED or not find_misses(agreement.figures, limits) or NONE_CAN in verdict:
        return verdict
    noisy = compare_answers(reference, NoisySession(reference), inputs.take(NUM_NOISY), kinds, meaning)[1].agreement()
    missed = find_misses(noisy.figures, limits)
    if not missed:
        return verdict
    told = f"the float model itself has {missed[0]} with noise {NOISE_DB:.0f} dB below its inputs"
    return f"{verdict}; {told}, {NONE_CAN}"


def _to_pixels(spec: PreprocessSpec) -> Callable[[Mapping[str, np.ndarray]], np.ndarray]:
    """A feed -> (h, w, c) pixels of its first image."""
    return lambda feed: to_pixels(next(iter(feed.values())), spec)[0].transpose(1, 2, 0)


def make_record(
    meaning: Meaning,
    agreement: TaskAgreement | None,
    reference: Session,
    artifact: Session,
    pictures: str | None,
    suppression: Suppression | None = None,
) -> TaskRecord:
    """What a manifest says of it all, by the artifact's names of the outputs."""
    to_artifact = pair_names("outputs", reference, artifact)
    return TaskRecord(
        name=meaning.task.name,
        head=meaning.head.name,
        outputs={role: to_artifact[name] for role, name in meaning.outputs.items()},
        settings=dict(meaning.settings),
        labels=meaning.labels,
        told_by=meaning.told_by,
        figures={
            each.name: TaskFigure(value=each.value, standard_error=each.standard_error) for each in agreement.figures
        }
        if agreement
        else {},
        samples=agreement.samples if agreement else 0,
        problem=agreement.problem if agreement else "",
        pictures=pictures,
        suppressed=suppression
        and Suppressed(
            head=suppression.meaning.head.name,
            outputs=dict(suppression.meaning.outputs),
            settings=dict(suppression.meaning.settings),
            max_detections=suppression.max_detections,
        ),
    )


def suppress_reference(manifest: Manifest | None, reference: Session, size: Size) -> Session:
    """The reference with the suppression behind it that a manifest says of its artifact; as it is without."""
    known = manifest.task if manifest else None
    names = {spec.name for spec in reference.outputs}
    if known is None or known.suppressed is None or not set(known.suppressed.outputs.values()) <= names:
        return reference
    told = known.suppressed
    meaning = recall(known.name, told.head, told.outputs, told.settings, shapes_of(reference), size, known.labels)
    return SuppressedSession(reference, Suppression(meaning=meaning, max_detections=told.max_detections))


def embedded_task(meaning: Meaning) -> dict[str, object] | None:
    """What goes into the artifact itself; None where its outputs are class scores, or nobody knows what they are."""
    if meaning.task.name in (GENERIC, CLASSIFY):
        return None
    facts = {"name": meaning.task.name, "head": meaning.head.name, "outputs": dict(meaning.outputs)}
    return facts | {"settings": dict(meaning.settings), "labels": meaning.labels}


def to_png(tally: TaskTally, what: str) -> bytes | None:
    """The pictures of a comparison as one file; None where none were drawn."""
    picture = tally.picture(("image", "float model", what))
    if picture is None:
        return None
    content = io.BytesIO()
    picture.save(content, "PNG", optimize=True)
    return content.getvalue()


def find_truths(annotations: str | Path | None, meaning: Meaning, inputs: Dataset) -> list[Boxes] | None:
    """What is there in each image, where labels say it. Raises UsageError, RuntimeUnavailable."""
    if annotations is None:
        return None
    if meaning.task.name != DETECT:
        raise UsageError(f"{annotations}: annotations are for detect; these outputs are for {meaning.task.name}")
    check_evaluator()
    return true_boxes(read_annotations(annotations, meaning.labels), inputs, annotations)


def with_labels(meaning: Meaning, labels: tuple[str, ...] | None) -> Meaning:
    """The meaning with the names of its classes or characters, where there are any."""
    return dataclasses.replace(meaning, labels=labels) if labels else meaning
