"""Boxes in an image: their forms, how much two overlap, and which of many stand for one object."""

from dataclasses import dataclass

import numpy as np

MOST_BOXES = 300  # of an image, as COCO's evaluators and detectors' own decoders keep at most
MOST_CANDIDATES = 1000  # that go into non-maximum suppression, the highest scores first


@dataclass(frozen=True)
class Boxes:
    """The objects that a detector finds in an image, the highest score first.

    Attributes:
        corners: (n, 4) left, top, right, bottom, in pixels of the model's input.
        scores: (n,) from 0 to 1.
        classes: (n,) whole numbers.
    """

    corners: np.ndarray
    scores: np.ndarray
    classes: np.ndarray

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, chosen: np.ndarray) -> "Boxes":
        """Some of them, by index or by a mask."""
        return Boxes(self.corners[chosen], self.scores[chosen], self.classes[chosen])


def to_corners(boxes: np.ndarray, form: str) -> np.ndarray:
    """(n, 4) of a form ("xyxy", "cxcywh", "xywh") -> left, top, right, bottom."""
    if form == "xyxy":
        return boxes
    at, size = boxes[:, :2], boxes[:, 2:]
    low = at - size / 2 if form == "cxcywh" else at
    return np.concatenate([low, low + size], 1)


def overlaps(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(n, 4) and (m, 4) corners -> (n, m) intersection over union."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), 2)
    areas = [np.prod(np.maximum(each[:, 2:] - each[:, :2], 0), 1) for each in (one, other)]
    union = areas[0][:, None] + areas[1][None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def suppress(boxes: Boxes, threshold: float) -> Boxes:
    """Non-maximum suppression within each class: of boxes that overlap by more than the threshold the highest stays."""
    return boxes.take(select(boxes, threshold))


def select(boxes: Boxes, threshold: float) -> np.ndarray:
    """The places of the boxes that `suppress` keeps, the highest score first."""
    order = np.argsort(-boxes.scores, kind="stable")[:MOST_CANDIDATES]
    boxes = boxes.take(order)
    same = boxes.classes[:, None] == boxes.classes[None, :]
    covers = (overlaps(boxes.corners, boxes.corners) > threshold) & same
    alive = np.ones(len(boxes), bool)
    for i in range(len(boxes)):
        if alive[i]:
            alive[i + 1 :] &= ~covers[i, i + 1 :]
    return order[alive]
