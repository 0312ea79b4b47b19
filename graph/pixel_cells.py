"""A convolution's weight over pixels of a row, and over cells: neighbouring pixels as one, with all their channels.

TFLite writes convolutions of few channels over cells; who reads such an artifact finds its weights in that form.
"""

import numpy as np


def count_cells(width: int, pad: int, size: int) -> tuple[int, int]:
    """How many cells of so many pixels lie in front of a row where so many pixels do, and how many a window is wide."""
    before = -(-pad // size)
    return before, -(-(before * size - pad + width) // size)


def to_cells(weight: np.ndarray, pad: int, size: int) -> np.ndarray:
    """OIHW, with so many pixels in front of a row -> (o, size * i, h, cells), zero where a window ends in a cell."""
    o, i, h, w = weight.shape
    before, count = count_cells(w, pad, size)
    first = before * size - pad
    array = np.zeros((o, i, h, count * size), weight.dtype)
    array[..., first : first + w] = weight
    return array.reshape(o, i, h, count, size).transpose(0, 4, 1, 2, 3).reshape(o, size * i, h, count)


def from_cells(weight: np.ndarray, wanted: tuple[int, ...], pad: int) -> np.ndarray:
    """What `to_cells` made of an OIHW weight of the `wanted` shape -> that weight."""
    o, i, h, w = wanted
    size = weight.shape[1] // i
    before, count = count_cells(w, pad, size)
    first = before * size - pad
    pixels = weight.reshape(o, size, i, h, count).transpose(0, 2, 3, 4, 1).reshape(o, i, h, count * size)
    return pixels[..., first : first + w]
