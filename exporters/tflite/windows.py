"""Pad and lay out what a kernel slides its window over: NHWC, padded by SAME, VALID or a PAD."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...graph.qdq import Constant
from ...graph.same_padding import same_pads
from .builder import Builder, Operand, Value
from .view import View

_NHWC = (0, 2, 3, 1)


def spatial(mb: Builder, x: Operand) -> int:
    """The tensor (n, h, w, c) of a logical (n, c, h, w)."""
    x = mb.value(x)
    return mb.laid_out(x, [x.view.of_dim(d) for d in _NHWC])


def from_spatial(tensor: int, shape: tuple[int, ...]) -> Value:
    """The logical (n, c, h, w) value in an NHWC tensor of `shape` (n, h, w, c)."""
    n, h, w, c = shape
    return Value(tensor, View.of((n, c, h, w), _NHWC))


@dataclass(frozen=True)
class Convolution:
    """A convolution of an NHWC tensor.

    x: the tensor.
    weight: OIHW.
    bias: (o,).
    strides, dilations: down and across.
    pads: ONNX's (top, left, bottom, right).
    """

    x: int
    weight: Constant
    bias: Constant
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilations: tuple[int, int]


def pad_spatial(
    mb: Builder, x: int, kernel: tuple[int, int], strides: tuple[int, int], pads: tuple[int, int, int, int]
) -> tuple[int, int, tuple[int, int]]:
    """(tensor, Padding, height and width of the result): `kernel` is the dilated size, `pads` ONNX's (t, l, b, r).

    What the last window does not reach is not padded; only what is then neither SAME nor VALID costs a PAD.
    """
    sizes, ends, outs, same = mb.shape(x)[1:3], [], [], True
    for i in (0, 1):
        before, after, k, s = pads[i], pads[i + 2], kernel[i], strides[i]
        out = (sizes[i] + before + after - k) // s + 1
        after = (out - 1) * s + k - sizes[i] - before  # what is used; negative: the rest of the image is not read
        ends.append((before, max(after, 0)))
        outs.append(out)
        same &= same_pads(sizes[i], k, s) == ends[-1] and out == -(-sizes[i] // s)
    size = (outs[0], outs[1])
    if ends == [(0, 0), (0, 0)]:
        return x, 1, size  # VALID
    if same:
        return x, 0, size  # SAME
    (top, bottom), (left, right) = ends
    return framed(mb, x, (top, left, bottom, right)), 1, size


def framed(mb: Builder, x: int, pads: tuple[int, int, int, int], fill: np.ndarray | None = None) -> int:
    """The NHWC tensor with `pads` (top, left, bottom, right) around it: zeros, or the stored value `fill` (1,)."""
    n, h, w, c = mb.shape(x)
    top, left, bottom, right = pads
    amounts = mb.const(np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32))
    shape = (n, h + top + bottom, w + left + right, c)
    if fill is None:
        return mb.cached("PAD", [x, amounts], shape, mb.quant(x))
    return mb.cached("PADV2", [x, amounts, mb.const(fill, mb.quant(x))], shape, mb.quant(x))
