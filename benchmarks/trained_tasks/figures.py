"""The figure of each task on what was drawn: AP of boxes, mIoU of classes, PCK of joints; and what int8 loses of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from edgeport import Session
from edgeport.tasks import embed
from edgeport.tasks.agreement import jackknife
from edgeport.tasks.boxes import Boxes
from edgeport.tasks.find import apply_statement, read_task
from edgeport.tasks.label_precision import label_figures
from edgeport.tasks.tally import TaskTally
from edgeport.tasks.task import Port

from benchmarks.trained_tasks import scenes
from benchmarks.trained_tasks.material import COUNTS, to_input

RIGHT = 0.05  # of the picture's side: how far from the joint a keypoint may be

Facts = dict[str, float]


def answers(statement: str, session: Session, inputs: Sequence[np.ndarray]) -> Iterator[Any]:
    """What the outputs of a session mean, as `--task STATEMENT` reads them."""
    (port,), (taken,) = session.outputs, session.inputs
    meaning = apply_statement(read_task(statement), [Port(port.name, port.shape)], taken.shape[2:], "the network")
    tally = TaskTally(meaning)
    for x in inputs:
        yield from tally.answers(session.run({taken.name: x}))


def lost_precision(truths: Sequence[scenes.Scene], exact: Sequence[Boxes], given: Sequence[Boxes]) -> Facts:
    """AP@[.5:.95], by COCO's evaluator."""
    drawn = [Boxes(each.boxes.astype(np.float64), np.ones(len(each.boxes)), each.classes) for each in truths]
    found = {each.name: each for each in label_figures(list(zip(drawn, exact, given, strict=True)))}
    return {
        "float": found["ap_labels_float"].value,
        "int8": found["ap_labels"].value,
        "lost_error": found["ap_loss"].standard_error,
    }


def lost_overlap(truths: Sequence[scenes.Scene], exact: Sequence[np.ndarray], given: Sequence[np.ndarray]) -> Facts:
    """The mean IoU of the classes, the background among them."""
    pairs = zip(truths, exact, given, strict=True)
    return _compared([(_counts(t.labels, f), _counts(t.labels, g)) for t, f, g in pairs], _miou)


def lost_joints(truths: Sequence[np.ndarray], exact: Sequence[np.ndarray], given: Sequence[np.ndarray]) -> Facts:
    """The share of joints that are found within RIGHT of the picture's side."""
    pairs = zip(truths, exact, given, strict=True)
    return _compared([(_right(t, f), _right(t, g)) for t, f, g in pairs], lambda each: float(np.mean(each)))


def lost_neighbours(truths: Sequence[None], exact: Sequence[np.ndarray], given: Sequence[np.ndarray]) -> Facts:
    """The share of each picture's five nearest ones that are the float network's; of the cosines the mean, too."""
    records = [(f, g) for f, g in zip(exact, given, strict=True)]
    found, errors = embed.reduce(records), jackknife(embed.reduce, records)
    told = {"float": 1.0, "int8": found["neighbours"], "lost_error": errors["neighbours"]}
    return told | {"cosine": found["cosine"]}


def _compared(records: Sequence[tuple[Any, Any]], reduce: Callable[[Sequence[Any]], float]) -> Facts:
    """The figure of both, and the standard error of their difference; a record is a picture's."""

    def figures(some: Sequence[tuple[Any, Any]]) -> dict[str, float]:
        exact, given = (reduce(side) for side in zip(*some, strict=True))
        return {"float": exact, "int8": given, "lost": exact - given}

    found = figures(records)
    return {"float": found["float"], "int8": found["int8"], "lost_error": jackknife(figures, records)["lost"]}


def _counts(true: np.ndarray, given: np.ndarray) -> np.ndarray:
    """(classes, classes) how many pixels of each class are given as each."""
    classes = len(scenes.SHAPES) + 1
    flat = true.astype(np.int64).ravel() * classes + given.astype(np.int64).ravel()
    return np.bincount(flat, minlength=classes**2).reshape(classes, classes)


def _miou(counts: Sequence[np.ndarray]) -> float:
    total = np.sum(counts, 0).astype(np.float64)
    both = np.diag(total)
    return float((both / (total.sum(0) + total.sum(1) - both)).mean())


def _right(joints: np.ndarray, given: np.ndarray) -> np.ndarray:
    return np.hypot(*(given[:, :2] - joints).T) <= RIGHT * scenes.FIGURE_SIDE


@dataclass(frozen=True)
class Judged:
    """How the network of a task is judged.

    Attributes:
        statement: what `--task` is given.
        figure: its name.
        most_lost: of the figure, by int8.
        lost: (what was drawn, answers of float, answers of int8) -> "float" and "int8", the figure of each, and
            "lost_error", the standard error of the difference.
    """

    statement: str
    figure: str
    most_lost: float
    lost: Callable[[Any, Any, Any], Facts]


JUDGED: Mapping[str, Judged] = {
    "detect": Judged("detect:yolo", "AP@[.5:.95]", 0.010, lost_precision),
    "segment": Judged("segment:logits", "mIoU", 0.005, lost_overlap),
    "keypoints": Judged("keypoints:heatmaps", "PCK", 0.020, lost_joints),
    "embed": Judged("embed:vector", "same neighbours", 0.100, lost_neighbours),
}


def compare(task: str, exact: Session, given: Session) -> Facts:
    """What is lost on the test pictures."""
    pairs, judged = list(scenes.pictures(task, "test", COUNTS["test"])), JUDGED[task]
    inputs = [to_input(pixels) for pixels, _ in pairs]
    found = [list(answers(judged.statement, session, inputs)) for session in (exact, given)]
    return judged.lost([truth for _, truth in pairs], *found)
