"""This file writes float convolutions that have no fast kernel as several that have one."""

from __future__ import annotations

import numpy as np

from ..quantization import Constant
from .builder import Builder, Value
from .windows import from_spatial, pad_spatial

# A depthwise convolution of more than 25 elements has no fast kernel: 7x7 takes 5 to 20 times as long as its rows taken
# two at a time, dilated, and their sum (ai-edge-litert 2.3.0, x86).
_FAST = 25  # elements of a window
_ROWS, _COLUMNS = (7, 9, 11), range(5, _FAST // 2 + 1)


def rows_are_faster(kernel: tuple[int, int], pads: tuple[int, ...], dilations: tuple[int, int]) -> bool:
    """Whether `of_rows` takes such a depthwise Conv."""
    centred = pads[::2] == (dilations[0] * (kernel[0] // 2),) * 2
    return centred and kernel[0] in _ROWS and kernel[1] in _COLUMNS


def of_rows(
    mb: Builder,
    x: int,
    weight: Constant,
    bias: Constant | None,
    pads: tuple[int, ...],
    strides: tuple[int, int],
    dilations: tuple[int, int],
) -> Value:
    """A depthwise Conv of an odd number of rows, padded by half of them, in float: the sum of parts that have two rows
    each, as far above the middle as below. The middle itself goes with the first two where that is fast."""
    out_channels, _, height, width = weight.shape
    middle = height // 2
    parts = [(step, 2 * step) for step in range(1, middle + 1)]  # the rows that far from the middle; from row to row
    parts[:1] = [(1, 1)] if 3 * width <= _FAST else [(0, 1), parts[0]]
    total = None
    for away, apart in parts:
        rows = weight.float()[:, :, middle - away : middle + away + 1 : apart]
        window = (dilations[0] * 2 * away + 1, dilations[1] * (width - 1) + 1)
        around = dilations[0] * away
        padded, padding, size = pad_spatial(mb, x, window, strides, (around, pads[1], around, pads[3]))
        shape = (mb.shape(x)[0], *size, out_channels)
        bias_array = np.zeros(out_channels, np.float32) if bias is None or total is not None else bias.float()
        part = mb.emit(
            "DEPTHWISE_CONV_2D",
            [padded, mb.weight(Constant(rows.transpose(1, 2, 3, 0))), mb.const(bias_array.astype(np.float32))],
            shape,
            padding=padding,
            strideH=strides[0],
            strideW=strides[1],
            dilationHFactor=dilations[0] * apart,
            dilationWFactor=dilations[1],
            fusedActivationFunction=0,
            depthMultiplier=out_channels // mb.shape(x)[-1],
        )
        if total is None:
            total = part
        elif away < middle:
            total = mb.emit("ADD", [total, part], shape, fusedActivationFunction=0)
        else:
            total = mb.run("ADD", [total, part], shape, fusedActivationFunction=mb.activation())
    assert total is not None
    return from_spatial(total, mb.shape(total))
