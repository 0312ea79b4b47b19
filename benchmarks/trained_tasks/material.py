"""Pictures of the composed scenes as files, and the figure of a session on what was drawn in them."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from edgeport import Session
from edgeport.tasks.boxes import Boxes
from edgeport.tasks.find import apply_statement, read_task
from edgeport.tasks.label_precision import evaluate
from edgeport.tasks.tally import TaskTally
from edgeport.tasks.task import Port
from PIL import Image

from benchmarks.trained_tasks import scenes
from benchmarks.trained_tasks.networks import MEAN, STD

HEADS = {"detect": "detect:yolo", "segment": "segment:logits", "keypoints": "keypoints:heatmaps"}
CALIBRATION, TEST = ("calibration", 300), ("test", 400)
PCK = 0.05  # of the picture's side


def write_pictures(task: str, folder: Path, split: str, count: int) -> Path:
    """The folder with the pictures of a split."""
    if not folder.exists():
        staged = folder.with_suffix(".tmp")
        staged.mkdir(parents=True, exist_ok=True)
        for i, pixels in enumerate(pictures(task, split, count)):
            Image.fromarray(pixels).save(staged / f"{i:04}.png")
        staged.rename(folder)
    return folder


def pictures(task: str, split: str, count: int) -> Iterator[np.ndarray]:
    """uint8 (h, w, 3) each."""
    if task == "keypoints":
        yield from (pixels for pixels, _ in scenes.figures(split, count))
    else:
        yield from (scene.pixels for scene in scenes.scenes(split, count))


def figure(task: str, session: Session) -> float:
    """AP@[.5:.95], mIoU or PCK on the test pictures, with what was drawn for the truth; 0 to 1."""
    (port,), (taken,) = session.outputs, session.inputs
    meaning = apply_statement(read_task(HEADS[task]), [Port(port.name, port.shape)], taken.shape[2:], task)
    tally = TaskTally(meaning)

    def answer(pixels: np.ndarray) -> Any:
        x = np.ascontiguousarray((pixels.astype(np.float32).transpose(2, 0, 1)[None] - MEAN) / STD, np.float32)
        (found,) = tally.answers(session.run({taken.name: x}))
        return found

    _, count = TEST
    if task == "keypoints":
        return _pck((answer(pixels), joints) for pixels, joints in scenes.figures("test", count))
    found = [(answer(scene.pixels), scene) for scene in scenes.scenes("test", count)]
    return _average_precision(found) if task == "detect" else _miou(found)


def _average_precision(found: Sequence[tuple[Boxes, scenes.Scene]]) -> float:
    truths = [Boxes(scene.boxes.astype(np.float64), np.ones(len(scene.boxes)), scene.classes) for _, scene in found]
    return evaluate(truths, [boxes for boxes, _ in found])


def _miou(found: Sequence[tuple[np.ndarray, scenes.Scene]]) -> float:
    classes = len(scenes.SHAPES) + 1
    counts = np.zeros((classes, classes))
    for given, scene in found:
        np.add.at(counts, (scene.labels.astype(np.int64).ravel(), given.ravel()), 1)
    both = np.diag(counts)
    return float((both / (counts.sum(0) + counts.sum(1) - both)).mean())


def _pck(found: Iterable[tuple[np.ndarray, np.ndarray]]) -> float:
    apart = np.concatenate([np.hypot(*(given[:, :2] - joints).T) for given, joints in found])
    return float((apart <= PCK * scenes.FIGURE_SIDE).mean())
