"""Lower Conv and ConvTranspose: pads and biases are operations of their own."""

from __future__ import annotations

import numpy as np

from ...graph.qdq import Constant
from .builder import Builder, Operand, Var
from .lowering_table import lower


def pad_window(mb: Builder, x: Operand, pads: tuple[int, int, int, int], value: float) -> Operand:
    """(n, c, h, w) -> (n, c, top + h + bottom, left + w + right)"""
    if not any(pads):
        return x
    top, left, bottom, right = pads
    return mb.run("pad", x, np.array([0, 0, 0, 0, top, bottom, left, right], np.uint32), mb.real(value))


def add_bias(mb: Builder, x: Var, bias: Constant) -> Var:
    """(n, o, h, w) + (o,)"""
    numbers = bias.float()
    return mb.run("broadcasting_add", x, Constant(numbers.reshape(1, -1, 1, 1))) if np.any(numbers) else x


@lower("Conv")
def conv(
    mb: Builder,
    x: Operand,
    weight: Constant,
    bias: Constant,
    *,
    kernel_shape: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    dilations: tuple[int, int],
    group: int,
) -> Var:
    """(n, c, h, w), OIHW -> (n, o, h', w')"""
    padded = pad_window(mb, x, pads, 0)
    strided, dilated = np.array(strides, np.uint32), np.array(dilations, np.uint32)
    return add_bias(mb, mb.run("conv2d", padded, mb.weight(weight, 0), strided, dilated, np.uint32(group)), bias)


@lower("ConvTranspose")
def conv_transpose(
    mb: Builder,
    x: Operand,
    weight: Constant,
    bias: Constant,
    *,
    kernel_shape: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    output_padding: tuple[int, int],
) -> Var:
    """(n, c, h, w), (c, o, kh, kw) -> (n, o, h', w'): the whole of it, of which pads cut the edges."""
    zeros, ones = np.zeros(2, np.uint32), np.ones(2, np.uint32)
    y = mb.run(
        "conv_transpose2d", x, mb.weight(weight, 1), np.array(strides, np.uint32), zeros, ones, zeros, np.uint32(1)
    )
    top, left, bottom, right = pads
    cut = [output_padding[0] - bottom, output_padding[1] - right]
    n, o, height, width = y.shape
    y = mb.run("pad", y, _after([max(0, each) for each in cut]), mb.real(0)) if max(cut) > 0 else y
    ends = [n, o, height + cut[0], width + cut[1]]
    if (top, left, *ends[2:]) != (0, 0, *y.shape[2:]):
        y = mb.run("slice_", y, np.array([0, 0, top, left], np.int32), np.array(ends, np.int32), np.ones(4, np.int32))
    return add_bias(mb, y, bias)


def _after(amounts: list[int]) -> np.ndarray:
    return np.array([0, 0, 0, 0, 0, amounts[0], 0, amounts[1]], np.uint32)
