"""Turn a detector's outputs into boxes in the image's pixels, exactly as the model was checked. Needs numpy alone."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from preprocess import Placement

MOST_CANDIDATES, MOST_BOXES = 1000, 300  # of an image: into non-maximum suppression, and out of it


def decode(outputs: Mapping[str, np.ndarray], how: Mapping[str, Any], size: tuple[int, int]) -> np.ndarray:
    """(n, 6): left, top, right, bottom in pixels of the model's input of `size` (height, width), score, class; the
    highest score first. `outputs` are rows of numbers by their roles, `how` is `decoding` of bundle.json."""
    boxes, scores, classes = candidates(outputs, how)
    chosen = np.flatnonzero(scores >= np.float32(how["lowest_score"]))
    corners = to_corners(boxes[chosen].astype(np.float64), how["box"])
    if how["share"]:
        corners = corners * np.tile(np.array(size[::-1]), 2)
    rows = np.column_stack([corners, scores[chosen].astype(np.float64), classes[chosen].astype(np.float64)])
    rows = rows[(corners[:, 2:] > corners[:, :2]).all(1)]  # a box without an area overlaps nothing, not even itself
    rows = rows[np.argsort(-rows[:, 4], kind="stable")]
    if how["suppresses"]:
        rows = suppressed(rows[:MOST_CANDIDATES], how["iou_threshold"])
    return rows[:MOST_BOXES]


def candidates(outputs: Mapping[str, np.ndarray], how: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n, 4) boxes as the model gives them, (n,) scores, (n,) classes."""
    width = how["width"]
    if how["joined"]:
        given = outputs["detections"]
        rows = given.reshape(width, -1).T if how["columns"] else given.reshape(-1, width)
        boxes, values = rows[:, :4], rows[:, 4 : width - how["ignored"]]
    else:
        boxes, values = outputs["boxes"].reshape(-1, 4), outputs["scores"].reshape(-1, width)
    if how["values"] == "separate":
        return boxes, values[:, 0], outputs["classes"]
    if how["values"] == "score_class":
        return boxes, values[:, 0], values[:, 1]
    values = ACTIVATIONS[how["activation"]](values)
    if how["values"] == "objectness":
        values = values[:, :1] * values[:, 1:]
    values = values[:, {"none": slice(None), "first": slice(1, None), "last": slice(None, -1)}[how["background"]]]
    best = values.argmax(1)
    return boxes, np.take_along_axis(values, best[:, None], 1)[:, 0], best


def softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values - values.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "none": lambda values: values,
    "sigmoid": lambda values: 1 / (1 + np.exp(-np.clip(values, -80, 80))),
    "softmax": softmax,
}


def to_corners(boxes: np.ndarray, form: str) -> np.ndarray:
    """(n, 4) of the form "xyxy", "cxcywh" or "xywh" -> left, top, right, bottom."""
    if form == "xyxy":
        return boxes
    at, size = boxes[:, :2], boxes[:, 2:]
    low = at - size / 2 if form == "cxcywh" else at
    return np.concatenate([low, low + size], 1)


def suppressed(rows: np.ndarray, threshold: float) -> np.ndarray:
    """Of rows in the order of their scores those that no higher one of their class overlaps by more."""
    low, high = rows[:, :2], rows[:, 2:4]
    areas, alive = np.prod(high - low, 1), np.ones(len(rows), bool)
    for i in range(len(rows)):
        if alive[i]:
            sides = np.minimum(high[i], high[i + 1 :]) - np.maximum(low[i], low[i + 1 :])
            shared = np.prod(np.maximum(sides, 0), 1)
            covers = shared / (areas[i] + areas[i + 1 :] - shared) > threshold
            alive[i + 1 :] &= ~(covers & (rows[i + 1 :, 5] == rows[i, 5]))
    return rows[alive]


def to_image(rows: np.ndarray, at: Placement) -> np.ndarray:
    """Rows in pixels of the model's input -> in pixels of the image, within its borders; what is outside of it as a
    whole is left out."""
    corners = at.to_image(rows[:, :4].reshape(-1, 2, 2)).reshape(-1, 4)
    rows = np.column_stack([np.clip(corners, 0, [at.image_width, at.image_height] * 2), rows[:, 4:]])
    return rows[(rows[:, 2:4] > rows[:, :2]).all(1)]
