"""Write float convolutions as several operators where XNNPACK computes those faster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import inf
from typing import Any

import numpy as np

from ...graph.qdq import Constant
from ...graph.same_padding import same_pads
from .builder import Builder, Run, Value
from .windows import Convolution, from_spatial, pad_spatial

# XNNPACK's depthwise kernels have windows of 3, 4, 9 or 25 elements; a smaller one is filled with zeros. A larger one
# has no fast kernel: 7x7 takes 5 to 20 times as long as parts of it and their sum (ai-edge-litert 2.3.0, x86).
_WINDOWS = (3, 4, 9, 25)  # elements
_FAST = _WINDOWS[-1]
_SUM = 5  # elements of a window: about what it takes to add one part's result to the others'
_ROWS, _COLUMNS = (7, 9, 11), range(5, _FAST // 2 + 1)


@dataclass(frozen=True)
class _Line:
    """Some rows, or columns, of a window: `count` of them, `step` apart, and the window's middle in their middle."""

    count: int
    step: int

    @property
    def reach(self) -> int:
        """How far the first and the last are from the middle."""
        return self.step * (self.count - 1) // 2

    @property
    def places(self) -> range:
        """From the middle."""
        return range(-self.reach, self.reach + 1, self.step)


def parts_are_faster(kernel: tuple[int, int], pads: tuple[int, ...], dilations: tuple[int, int]) -> bool:
    """Whether `of_parts` takes such a depthwise Conv."""
    return _is_centred(kernel[0], pads[::2], dilations[0]) and kernel[0] in _ROWS and kernel[1] in _COLUMNS


def _is_centred(size: int, pads: tuple[int, ...], dilation: int) -> bool:
    return size % 2 == 1 and pads == (dilation * (size // 2),) * 2


def of_parts(mb: Builder, whole: Convolution, run: Run) -> int:
    """A depthwise Conv in float as the sum of some with fewer elements: together they cover the window, and each has
    the window's middle in its middle. Columns that are not centred stay together."""
    out_channels, _, height, width = whole.weight.shape
    x, pads, dilations = whole.x, whole.pads, whole.dilations
    whole_rows = mb.plain or not _is_centred(width, pads[1::2], dilations[1])
    total, last = None, len(parts := _cover(height, width, whole_rows)) - 1
    for i, (rows, columns) in enumerate(parts):
        elements = whole.weight.float()[:, :, _indices(rows, height)]
        around, apart = [dilations[0] * rows.reach], [dilations[0] * rows.step]
        window = [2 * around[0] + 1]
        if columns is None:
            beside = (pads[1], pads[3])
            window, apart = [*window, dilations[1] * (width - 1) + 1], [*apart, dilations[1]]
        else:
            elements = elements[:, :, :, _indices(columns, width)]
            beside = (dilations[1] * columns.reach,) * 2
            window, apart = [*window, 2 * beside[0] + 1], [*apart, dilations[1] * columns.step]
        around = (around[0], beside[0], around[0], beside[1])
        padded, padding, size = pad_spatial(mb, x, (window[0], window[1]), whole.strides, around)
        shape = (mb.shape(x)[0], *size, out_channels)
        bias = whole.bias.float() if total is None else np.zeros(out_channels)
        part = _part(
            mb,
            "DEPTHWISE_CONV_2D",
            [padded, mb.weight(Constant(elements.transpose(1, 2, 3, 0))), mb.const(bias.astype(np.float32))],
            shape,
            padding,
            whole.strides,
            (apart[0], apart[1]),
            depthMultiplier=out_channels // mb.shape(x)[-1],
        )
        if total is None:
            total = part
        elif i < last:
            total = mb.emit("ADD", [total, part], shape, fusedActivationFunction=0)
        else:
            total = run("ADD", [total, part], shape, fusedActivationFunction=mb.activation())
    assert total is not None
    return total


def _indices(line: _Line, size: int) -> slice:
    middle = size // 2
    return slice(middle - line.reach, middle + line.reach + 1, line.step)


@cache
def _cover(height: int, width: int, whole_rows: bool) -> tuple[tuple[_Line, _Line | None], ...]:
    """The parts of a window that take the least time, each so many rows and columns; None: all columns."""

    def cost(elements: int) -> float:
        return next((size + _SUM for size in _WINDOWS if elements <= size), inf)

    def of_rows(rows: _Line) -> tuple[float, list[tuple[_Line, _Line | None]]]:
        if whole_rows:
            return cost(rows.count * width), [(rows, None)]
        choices = _partitions(frozenset(range(-(width // 2), width // 2 + 1)))
        costs = [sum(cost(rows.count * columns.count) for columns in choice) for choice in choices]
        least = min(costs)
        return least, [(rows, columns) for columns in choices[costs.index(least)]]

    choices = []
    for choice in _partitions(frozenset(range(-(height // 2), height // 2 + 1))):
        found = [of_rows(rows) for rows in choice]
        choices.append((sum(price for price, _ in found), [part for _, parts in found for part in parts]))
    return tuple(min(choices, key=lambda choice: choice[0])[1])


@cache
def _partitions(places: frozenset[int]) -> list[list[_Line]]:
    """Every way to take places apart that are the same on both sides of the middle."""
    if not places:
        return [[]]
    reach, found = max(places), []
    gaps = [count for count in range(1, 2 * reach + 1) if 2 * reach % count == 0]
    lines = [_Line(count + 1, 2 * reach // count) for count in gaps]
    for line in lines if reach else [_Line(1, 1)]:
        if places.issuperset(line.places):
            found += [[line, *rest] for rest in _partitions(places - set(line.places))]
    return found


def _part(
    mb: Builder,
    op: str,
    inputs: Sequence[int],
    shape: Sequence[int],
    padding: int,
    strides: tuple[int, int] = (1, 1),
    dilations: tuple[int, int] = (1, 1),
    **options: Any,
) -> int:
    """One of the convolutions that a Conv becomes; the activation is behind their sum."""
    return mb.emit(
        op,
        inputs,
        shape,
        padding=padding,
        strideH=strides[0],
        strideW=strides[1],
        dilationHFactor=dilations[0],
        dilationWFactor=dilations[1],
        fusedActivationFunction=0,
        **options,
    )


# Winograd's minimal filtering F(4, 3), along the rows of an image: four neighbours of an output row take six products
# of what is a sum of inputs and a sum of weights, instead of twelve. S. Winograd, Arithmetic Complexity of
# Computations, 1980; A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks", 2016, arXiv 1509.09308.
_TILE, _TAPS = 4, 3
_NEAR, _FAR = 0.75, 1.5  # the places where polynomials are evaluated: 0, these and their negatives, infinity. Of the
# pairs tried, a convolution of 256 channels loses least with these: 2.6 times the rounding error of the plain one.
# Where it takes less time than CONV_2D (ai-edge-litert 2.3.0, x86), 0.6 to 0.7 of it from 64 channels on:
_LEAST_WORK = 72  # products for each number that is read or written
_LEAST_PLACES = 64  # in an output channel; below, the time goes into reading the weights, which are twice as many
_MOST_WIDTH = 8 / 7  # of all tiles over that of the image


def tiles_are_faster(image: Sequence[int], weight: Sequence[int], pads: tuple[int, ...]) -> bool:
    """Whether `of_tiles` takes a Conv of stride 1 and one group: of an NHWC image, an OIHW weight."""
    o, c, kh, kw = weight
    if kw != _TAPS or pads not in ((kh // 2, 1, kh // 2, 1), (0, 0, 0, 0)):
        return False
    height, width = _places(image, weight, pads)
    fits = -(-width // _TILE) * _TILE <= _MOST_WIDTH * width
    return fits and height * width >= _LEAST_PLACES and kh * c * o >= _LEAST_WORK * (c + o)


def _places(image: Sequence[int], weight: Sequence[int], pads: tuple[int, ...]) -> tuple[int, int]:
    """Height and width of what such a Conv gives."""
    return image[1] + 2 * pads[0] - weight[2] + 1, image[2] + 2 * pads[1] - weight[3] + 1


def of_tiles(mb: Builder, whole: Convolution) -> Value:
    """A Conv as F(4, 3): depthwise windows over six columns each make one of the six sums of inputs; a convolution of
    one column takes its products; sums of these are the four columns of a tile, that lie side by side at the end."""
    x, weight, pads = whole.x, whole.weight, whole.pads
    (n, h, _, c), o = mb.shape(x), weight.shape[0]
    height, width = _places(mb.shape(x), weight.shape, pads)
    tiles = -(-width // _TILE)
    outputs, kernels, inputs = _transforms()
    of_kernel = np.einsum("ik,ochk->iohc", kernels, weight.float().astype(np.float64)).astype(np.float32)
    bias = whole.bias.float().astype(np.float64)
    of_bias = np.linalg.lstsq(outputs, np.ones(_TILE), rcond=None)[0]  # such that each column gets the bias once
    lead, padded, padding = _tiled(mb, x, tiles, pads[1])
    shape, zeros = (n, height, tiles, o), mb.const(np.zeros(c, np.float32))
    products = []
    for window, kernel, share in zip(inputs, of_kernel, of_bias, strict=True):
        taps = np.zeros((1, 1, lead + len(window), c), np.float32)
        taps[0, 0, lead:] = window[:, None]
        windows = [padded, mb.const(taps), zeros]
        of_input = _part(
            mb, "DEPTHWISE_CONV_2D", windows, (n, h, tiles, c), padding, strides=(1, _TILE), depthMultiplier=1
        )
        weights = [mb.const(kernel[:, :, None]), mb.const((share * bias).astype(np.float32))]
        products.append(_part(mb, "CONV_2D", [of_input, *weights], shape, padding=0 if pads[0] else 1))
    columns = _columns(mb, products, shape)
    beside = mb.emit("CONCATENATION", columns, (*shape[:3], _TILE * o), axis=3, fusedActivationFunction=0)
    tiled, wanted = (n, height, tiles * _TILE, o), (n, height, width, o)
    result = [mb.const(np.array(tiled, np.int32))]
    if tiled == wanted:
        return from_spatial(mb.move("RESHAPE", [beside, *result], tiled, newShape=tiled), tiled)
    rows = mb.move("RESHAPE", [beside, *result], tiled, named=False, newShape=tiled)
    extent = [mb.const(np.zeros(4, np.int32)), mb.const(np.array(wanted, np.int32))]
    return from_spatial(mb.move("SLICE", [rows, *extent], wanted), wanted)


def _transforms() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The matrices (4, 6), (6, 3) and (6, 6) of outputs, kernel and inputs: y = outputs @ (kernel @ w * (inputs @ x)).

    The Toom-Cook product of polynomials, transposed: evaluated at six places, multiplied, interpolated.
    """
    places = (0.0, _NEAR, -_NEAR, _FAR, -_FAR)

    def evaluated(count: int) -> np.ndarray:
        infinity = [0.0] * (count - 1) + [1.0]
        return np.array([[place**power for power in range(count)] for place in places] + [infinity])

    return evaluated(_TILE).T, evaluated(_TAPS), np.linalg.inv(evaluated(_TILE + _TAPS - 1)).T


def _tiled(mb: Builder, x: int, tiles: int, before: int) -> tuple[int, int, int]:
    """(how many zeros lead the window, the tensor, Padding) for windows over six columns, from `before` columns left of
    the image on, every four columns. Zeros in front let SAME do what else takes a PAD."""
    width = mb.shape(x)[2]

    def window(lead: int) -> tuple[int, int, int]:
        """Its columns; how many are left of the image, and right of it."""
        columns = lead + _TILE + _TAPS - 1
        return columns, before + lead, (tiles - 1) * _TILE + columns - width - before - lead

    def is_same(lead: int) -> bool:
        columns, *ends = window(lead)
        return tiles == -(-width // _TILE) and same_pads(width, columns, _TILE) == tuple(ends)

    lead = next(filter(is_same, range(_TILE)), 0)
    columns, left, right = window(lead)
    padded, padding, _ = pad_spatial(mb, x, (1, columns), (1, _TILE), (0, left, 0, right))
    return lead, padded, padding


def _columns(mb: Builder, products: Sequence[int], shape: Sequence[int]) -> list[int]:
    """The four columns of each tile, as the transforms' `outputs` says; what two of them share is computed once."""

    def joined(op: str, a: int, b: int, activation: int = 0) -> int:
        return mb.emit(op, [a, b], shape, fusedActivationFunction=activation)

    def times(factor: float, a: int) -> int:
        return joined("MUL", a, mb.const(np.array([factor], np.float32)))

    first, near, near_negative, far, far_negative, last = products
    even = joined("ADD", near, near_negative), joined("ADD", far, far_negative)
    odd = joined("SUB", near, near_negative), joined("SUB", far, far_negative)
    activation = mb.activation()
    columns = [joined("ADD", joined("ADD", first, even[0]), even[1], activation)]
    for power in (1, 2):
        a, b = even if power % 2 == 0 else odd
        columns.append(joined("ADD", times(_NEAR**power, a), times(_FAR**power, b), activation))
    cubes = joined("ADD", times(_NEAR**3, odd[0]), times(_FAR**3, odd[1]))
    return [*columns, joined("ADD", cubes, last, activation)]
