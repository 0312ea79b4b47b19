"""Turn a segmenter's outputs into the class of each pixel of the image, exactly as the model was checked. Needs numpy
alone."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from preprocess import Placement

UNSEEN = -1  # the class of a pixel that the model did not see: the crop left it out


def decode(outputs: Mapping[str, np.ndarray], how: Mapping[str, Any]) -> np.ndarray:
    """(height, width) of the map that the model gives; `how` is `decoding` of bundle.json."""
    (given,) = outputs.values()
    maps = given.reshape(-1, how["height"], how["width"])
    if how["form"] == "scores":
        return maps.argmax(0)
    return maps[0].astype(np.int64) if how["form"] == "ids" else (maps[0] > np.float32(how["threshold"])).astype(int)


def to_image(classes: np.ndarray, at: Placement, input_height: int, input_width: int) -> np.ndarray:
    """(h, w) of the map -> of the image: for each pixel the cell that its middle lies in."""
    rows = cells(at.image_height, at.height, at.top, input_height, classes.shape[0])
    columns = cells(at.image_width, at.width, at.left, input_width, classes.shape[1])
    shown = classes[np.ix_(rows, columns)]
    shown[rows < 0], shown[:, columns < 0] = UNSEEN, UNSEEN
    return shown


def cells(size: int, resized: int, start: int, side: int, count: int) -> np.ndarray:
    """For each of the image's pixels along an axis the cell, of `count` along the input's side; -1 outside of them."""
    middles = (2 * np.arange(size, dtype=np.int64) + 1) * resized - 2 * start * size
    found = middles * count // (2 * size * side)
    return np.where(found < count, np.maximum(found, -1), -1)
