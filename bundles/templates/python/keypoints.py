"""Turn a model's outputs into keypoints in the image's pixels, exactly as the model was checked. Needs numpy alone."""

from collections.abc import Mapping
from typing import Any

import numpy as np

Outputs = Mapping[str, np.ndarray]
How = Mapping[str, Any]


def decode(outputs: Outputs, how: How, height: int, width: int) -> np.ndarray:
    """(k, 3): x and y in pixels of the model's input of that size, score; `how` is `decoding` of bundle.json."""
    return READERS[how["form"]](outputs, how, height, width)


def of_heatmaps(outputs: Outputs, how: How, height: int, width: int) -> np.ndarray:
    """The middle of the highest cell, a quarter of one towards its higher neighbour."""
    maps, k = outputs["heatmaps"].reshape(how["count"], how["rows"], how["columns"]), np.arange(how["count"])
    best = maps.reshape(how["count"], -1).argmax(1)
    y, x = np.divmod(best, how["columns"])
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)), mode="edge")
    right = np.sign(padded[k, y + 1, x + 2] - padded[k, y + 1, x])
    below = np.sign(padded[k, y + 2, x + 1] - padded[k, y, x + 1])
    at = (x + 0.5 + right / 4) * width / how["columns"], (y + 0.5 + below / 4) * height / how["rows"]
    return np.stack([*at, maps.reshape(how["count"], -1).max(1)], 1)


def of_bins(outputs: Outputs, how: How, height: int, width: int) -> np.ndarray:
    """The highest bin along x, and along y."""
    x, y = (outputs[axis].reshape(how["count"], -1) for axis in ("x", "y"))
    at = x.argmax(1) * width / how["columns"], y.argmax(1) * height / how["rows"]
    return np.stack([*at, np.minimum(x.max(1), y.max(1))], 1)


def of_boxes(outputs: Outputs, how: How, height: int, width: int) -> np.ndarray:
    """Those of the box with the highest score."""
    values = outputs["detections"].reshape(how["rows"], how["columns"])
    return values[5:, values[4].argmax()].reshape(-1, 3)


def of_points(outputs: Outputs, how: How, height: int, width: int) -> np.ndarray:
    """The coordinates as they are; of score 1 where no scores are given."""
    points = outputs["points"].reshape(how["count"], how["columns"])
    scores = points[:, 2] if how["columns"] == 3 else np.ones(len(points))
    unit = (width, height) if how["share"] else (1, 1)
    return np.concatenate([points[:, :2] * np.array(unit, np.float64), scores[:, None]], 1)


READERS = {"heatmaps": of_heatmaps, "bins": of_bins, "boxes": of_boxes, "points": of_points}
