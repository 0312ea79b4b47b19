"""Lower MaxPool and AveragePool: pads are operations of their own, and a mean is a sum."""

from __future__ import annotations

import numpy as np

from ...graph.qdq import Constant
from .builder import Builder, Operand, Var
from .conv import pad_window
from .lowering_table import lower
from .toolkit import authoring


@lower("MaxPool")
def max_pool(
    mb: Builder,
    x: Operand,
    *,
    kernel_shape: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    dilations: tuple[int, int],
) -> Var:
    padded = pad_window(mb, x, pads, -np.inf)
    sizes = _windows(padded.shape[2:], kernel_shape, strides, dilations)
    kind = authoring().TensorType((*x.shape[:2], *sizes), mb.float_type)
    told = (np.array(each, np.uint32) for each in (kernel_shape, strides, dilations))
    return mb.run("maxpool2d", kind, padded, *told, np.bool_(False))


@lower("AveragePool")
def average_pool(
    mb: Builder,
    x: Operand,
    *,
    kernel_shape: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    count_include_pad: int,
) -> Var:
    """The sum of a window by the number of its elements, which is smaller at an edge where pads are not counted."""
    padded = pad_window(mb, x, pads, 0)
    told = (np.array(each, np.uint32) for each in (kernel_shape, strides, (1, 1)))
    share = 1 / _counts(x.shape[2:], kernel_shape, strides, pads, bool(count_include_pad))
    share = share[:1, :1] if np.all(share == share[0, 0]) else share
    total = mb.run("sumpool2d", padded, *told)
    return mb.run("broadcasting_mul", total, Constant(share[None, None].astype(np.float32)))


def _windows(sizes, kernel, strides, dilations=(1, 1)) -> list[int]:
    """How many windows lie in each padded dimension."""
    return [
        (size - dilation * (window - 1) - 1) // stride + 1
        for size, window, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True)
    ]


def _counts(sizes, kernel, strides, pads, whole: bool) -> np.ndarray:
    """(h', w'): how many elements each window's mean is of."""
    along = []
    for size, window, stride, before, after in zip(sizes, kernel, strides, pads[:2], pads[2:], strict=True):
        inside = np.pad(np.ones(size), (before, after), constant_values=float(whole))
        count = (len(inside) - window) // stride + 1
        along.append([inside[i * stride : i * stride + window].sum() for i in range(count)])
    return np.outer(*along)
