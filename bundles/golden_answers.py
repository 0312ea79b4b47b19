"""Makes the answers of golden files: what the decoder that validates makes of the outputs, in the image's pixels."""

from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image

from ..models import PreprocessSpec
from ..models.preprocess import resized_size
from ..tasks.registry import DETECT, TEXT
from ..tasks.task import Meaning
from .answers import EMBED, KEYPOINTS, SEGMENT, Answers

BEST = 5  # classes
UNSEEN = -1  # the class of a pixel that the crop left out
Run = Mapping[str, np.ndarray]  # {the output's name: array}


def golden_answer(answers: Answers, outputs: Run, image: Image.Image, spec: PreprocessSpec) -> np.ndarray:
    """(n,) float32, rows of as many numbers as `answers.columns`.

    Of classify the five best classes; of detect the boxes that count as answers, and are not in a letterbox's border as
    a whole; of segment the class of each pixel of the image; of keypoints all of them; of embed the vector; of text the
    classes of the characters.
    """
    if answers.meaning is None:
        scores = outputs[answers.outputs[0].name].ravel()
        best = np.argsort(-scores, kind="stable")[:BEST]
        return np.stack([best, scores[best]], 1).astype("<f4").ravel()
    batched = answers.meaning.head.batched
    arrays = {each.role: outputs[each.name][0] if batched else outputs[each.name] for each in answers.outputs}
    return MAKERS[answers.task](answers.meaning, arrays, Placement(image.size, spec)).astype("<f4").ravel()


class Placement:
    """Where the model's input lies in the image of that size (width, height)."""

    def __init__(self, size: tuple[int, int], spec: PreprocessSpec):
        self.size, self.spec = np.array(size), spec
        _, height, width = spec.input_size
        self.input = np.array([width, height])
        self.resized = np.array(resized_size(size, spec))
        if spec.resize == "letterbox":
            self.start = -((self.input - self.resized) // 2)
        else:
            self.start = np.array([round(each / 2) for each in (self.resized - self.input).tolist()])

    def to_image(self, points: np.ndarray) -> np.ndarray:
        """(..., 2) x and y in pixels of the input -> of the image."""
        return (points + self.start) * (self.size / self.resized)

    def cells(self, axis: int, count: int) -> np.ndarray:
        """For each pixel of the image along x (0) or y (1) the cell, of `count` along the input, that its middle lies
        in; UNSEEN outside of the input."""
        size, resized, side = (int(each[axis]) for each in (self.size, self.resized, self.input))
        middles = (2 * np.arange(size, dtype=np.int64) + 1) * resized - 2 * int(self.start[axis]) * size
        cells = middles * count // (2 * size * side)
        return np.where((cells >= 0) & (cells < count), cells, UNSEEN)


def _boxes(meaning: Meaning, arrays: Run, at: Placement) -> np.ndarray:
    found = meaning.task.decode(meaning, arrays)
    found = found.take(found.scores >= meaning.settings["score_threshold"])
    corners = at.to_image(found.corners.reshape(-1, 2, 2)).reshape(-1, 4)
    corners = np.clip(corners, 0, np.tile(at.size, 2))
    rows = np.column_stack([corners, found.scores, found.classes])
    return rows[(corners[:, 2:] > corners[:, :2]).all(1)]


def _class_map(meaning: Meaning, arrays: Run, at: Placement) -> np.ndarray:
    classes = meaning.task.decode(meaning, arrays)
    columns, rows = at.cells(0, classes.shape[1]), at.cells(1, classes.shape[0])
    shown = classes[np.ix_(rows, columns)]
    return np.where((rows[:, None] == UNSEEN) | (columns == UNSEEN), UNSEEN, shown)


def _points(meaning: Meaning, arrays: Run, at: Placement) -> np.ndarray:
    found = meaning.task.decode(meaning, arrays)
    return np.column_stack([at.to_image(found[:, :2].astype(np.float64)), found[:, 2]])


def _vector(meaning: Meaning, arrays: Run, at: Placement) -> np.ndarray:
    return meaning.task.decode(meaning, arrays)


def _characters(meaning: Meaning, arrays: Run, at: Placement) -> np.ndarray:
    """The decoder gives the labels; with their numbers in their place it gives the classes."""
    numbered = Meaning(
        task=meaning.task,
        head=meaning.head,
        outputs=meaning.outputs,
        settings=meaning.settings,
        labels=tuple(map(str, range(arrays["scores"].shape[-1]))),
    )
    return np.array([int(each) for each in meaning.task.decode(numbered, arrays)], np.int64)


MAKERS: Mapping[str, Callable[[Meaning, Run, Placement], np.ndarray]] = {
    DETECT: _boxes,
    SEGMENT: _class_map,
    KEYPOINTS: _points,
    EMBED: _vector,
    TEXT: _characters,
}
