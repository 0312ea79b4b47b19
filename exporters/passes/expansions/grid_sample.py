"""GridSample(x, grid) -> the sum of Gather(pixels of x, taps) times their weights

The taps are the pixels around each place: one (nearest), four (linear) or sixteen (cubic). `zeros` is a border of
zeros, one pixel wide, to which taps outside are moved. In PyTorch's order of rounding, so that what lies between two
pixels goes where PyTorch has it. Of a constant grid, taps and weights are constants.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ....graph.edit import EXACT, FLOATING, attribute, given, shape
from .steps import INT32, Steps

PLACES = "fewer bits have too few places in an image"
A = -0.75  # the cubic kernel's coefficient, in PyTorch and in ONNX
TAPS = {"nearest": (0,), "linear": (0, 1), "cubic": (-1, 0, 1, 2)}  # along an axis, beside the place's own pixel
REACH = {"nearest": 1, "linear": 1, "cubic": 2}  # so far outside of the image nothing of it is left


@dataclass(frozen=True)
class Sampling:
    """What a node does; arrays are of (x, y)."""

    mode: str
    padding: str
    aligned: bool
    size: np.ndarray  # pixels

    @property
    def low(self) -> np.ndarray:
        """The first pixel that there is, the border of zeros included."""
        return np.zeros(2) - (self.padding == "zeros")

    @property
    def high(self) -> np.ndarray:
        return self.size - 1 + (self.padding == "zeros")


def expand(node: ir.Node) -> tuple[ir.Value, ...]:
    """The node's output: (n, c, h, w) at (n, h', w', 2) -> (n, c, h', w')"""
    x, grid = map(given, node.inputs)
    n, c, height, width = shape(x)
    _, rows, columns, _ = shape(grid)
    does = Sampling(
        mode=attribute(node, "mode"),
        padding=attribute(node, "padding_mode"),
        aligned=bool(attribute(node, "align_corners")),
        size=np.array([width, height], np.float64),
    )
    at = Steps(node, {EXACT: PLACES, FLOATING: PLACES})
    if does.padding == "zeros":
        height, width = height + 2, width + 2
        x = at.run("Pad", x, at.sizes(0, 0, 1, 1, 0, 0, 1, 1), 0.0, to=(n, c, height, width), mode="constant")
    pixels = at.reshape(at.transpose(x, 0, 2, 3, 1), n * height * width, c)
    places = _places(at, at.reshape(grid, n * rows * columns, 2), does)
    first = np.arange(n).repeat(rows * columns).reshape(-1, 1) * height * width - int(does.low @ [1, width])
    whole = places if does.mode != "nearest" else at.run("Round", places)
    whole = at.run("Floor", whole) if does.mode != "nearest" else whole
    taps = [_tap(at, whole, tap, does, width) for tap in TAPS[does.mode]]
    starts = first.astype(np.int32) if n > 1 else int(first[0, 0])
    along_x = [at.add(at.part(tap, 1, 0, 1), starts) for tap in taps]
    along_y = [at.part(tap, 1, 1, 2) for tap in taps]
    weights = _weights(at, at.sub(places, whole), does.mode) if does.mode != "nearest" else []
    total = None
    for j, row in enumerate(along_y):
        values = [_taken(at, pixels, at.add(column, row)) for column in along_x]
        if weights:
            values = [at.mul(value, at.part(weight, 1, 0, 1)) for value, weight in zip(values, weights, strict=True)]
        line = values[0]
        for value in values[1:]:
            line = at.add(line, value)
        line = at.mul(line, at.part(weights[j], 1, 1, 2)) if weights else line
        total = line if total is None else at.add(total, line)
    assert total is not None
    return (at.transpose(at.reshape(total, n, rows, columns, c), 0, 3, 1, 2),)


def _taken(at: Steps, pixels: ir.Value, indices: ir.Value) -> ir.Value:
    return at.gather(pixels, at.reshape(indices, shape(indices)[0]), 0)


def _places(at: Steps, points: ir.Value, does: Sampling) -> ir.Value:
    """(x, y) from -1 to 1 -> in pixels; where pixels outside count for others, as near as those."""
    points = at.add(points, 1.0)
    if does.aligned:
        places = at.mul(at.mul(points, 0.5), does.size - 1)
    else:
        places = at.mul(at.add(at.mul(points, does.size), -1.0), 0.5)
    if does.padding == "zeros":
        reach = REACH[does.mode]
        return at.limited(places, np.full(2, -reach), does.size - 1 + reach)
    if does.mode == "cubic":  # its taps are brought back, each on its own
        return places
    return _inside(at, places, does)


def _inside(at: Steps, places: ir.Value, does: Sampling) -> ir.Value:
    """Places, or whole pixels, brought back into the image."""
    if does.padding == "reflection":
        start = 0.0 if does.aligned else -0.5
        span = np.maximum(does.size - does.aligned, 1)
        way = at.run("Abs", at.add(places, -start))
        turns = at.run("Floor", at.mul(way, 1 / (2 * span)))
        rest = at.sub(way, at.mul(turns, 2 * span))  # of there and back
        back = at.run("Abs", at.add(rest, -span))
        places = at.add(at.sub(span, back), start)
    return at.limited(places, does.low, does.high)


def _tap(at: Steps, whole: ir.Value, tap: int, does: Sampling, width: int) -> ir.Value:
    """The pixel beside each place along x and along y, as the steps to it through the rows of pixels."""
    pixel = at.add(whole, float(tap)) if tap else whole
    pixel = _inside(at, pixel, does) if does.mode == "cubic" else at.limited(pixel, does.low, does.high)
    return at.mul(at.cast(pixel, INT32), np.array([1, width], np.int32))


def _weights(at: Steps, rest: ir.Value, mode: str) -> list[ir.Value]:
    """What each tap counts, along x and along y."""
    other = at.sub(1.0, rest)
    if mode == "linear":
        return [other, rest]
    return [_far(at, at.add(rest, 1.0)), _near(at, rest), _near(at, other), _far(at, at.add(other, 1.0))]


def _near(at: Steps, t: ir.Value) -> ir.Value:
    """The cubic kernel up to one pixel away."""
    inner = at.add(at.mul(t, A + 2), -(A + 3))
    return at.add(at.mul(at.mul(inner, t), t), 1.0)


def _far(at: Steps, t: ir.Value) -> ir.Value:
    """The cubic kernel from one to two pixels away."""
    inner = at.add(at.mul(at.add(at.mul(t, A), -5 * A), t), 8 * A)
    return at.add(at.mul(inner, t), -4 * A)
