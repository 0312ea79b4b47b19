"""Translate pools for torch.onnx: avg_pool2d with a divisor of its own, adaptive_max_pool2d to any size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from onnxscript import opset20
from onnxscript.function_libs.torch_lib.ops.nn import aten_avg_pool2d

op: Any = opset20


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """{operator: its translation}, as torch.onnx.export takes them."""
    aten = torch.ops.aten
    return {aten.avg_pool2d.default: average, aten.adaptive_max_pool2d.default: adaptive_max}


def adaptive_max(x: Any, output_size: Sequence[int]) -> tuple[Any, Any]:
    """(n, c, h, w) -> (n, c, *output_size): the largest of as many windows as that, which may overlap.

    Windows along one axis and then along the other give the same as both at once. Where they lie is a MaxPool's second
    output, which is refused where it is read.
    """
    sizes, outputs = tuple(map(int, x.shape[-2:])), both(output_size)
    if (
        len(x.shape) == 4
        and outputs != [1, 1]
        and not any(size % new for size, new in zip(sizes, outputs, strict=True))
    ):
        kernel = [size // new for size, new in zip(sizes, outputs, strict=True)]
        return op.MaxPool(x, kernel_shape=kernel, strides=kernel)
    _, places = op.MaxPool(x, kernel_shape=[1, 1])
    if outputs == [1, 1] and len(x.shape) == 4:
        return op.GlobalMaxPool(x), places
    for axis, (size, new) in enumerate(zip(sizes, outputs, strict=True), len(x.shape) - 2):
        x = largest_along(x, axis, size, new)
    return x, places


def largest_along(x: Any, axis: int, size: int, outputs: int) -> Any:
    """x with the largest of each window along an axis; in PyTorch they go from i * size / outputs, rounded down, to
    (i + 1) * size / outputs, rounded up."""
    if outputs == size:
        return x
    axes, parts = op.Constant(value_ints=[axis]), []
    for i in range(outputs):
        bounds = (op.Constant(value_ints=[at]) for at in (i * size // outputs, -(-(i + 1) * size // outputs)))
        parts.append(op.ReduceMax(op.Slice(x, *bounds, axes), axes, keepdims=1))
    joined = parts[0] if outputs == 1 else op.Concat(*parts, axis=axis)
    joined.shape = ir.Shape([outputs if i == axis else n for i, n in enumerate(x.shape)])
    return joined


def average(
    x: Any,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0, 0),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """(n, c, h, w) -> (n, c, h', w'): the sum of each window over `divisor_override`."""
    if divisor_override is None:
        return aten_avg_pool2d(x, kernel_size, stride, padding, ceil_mode, count_include_pad)
    kernel, strides, pads = both(kernel_size), both(stride or kernel_size), both(padding)
    with torch.no_grad():  # PyTorch's rule for windows that begin behind the end
        zeros = torch.zeros(1, 1, *map(int, x.shape[2:]))
        sizes = torch.nn.functional.avg_pool2d(zeros, kernel, strides, pads, ceil_mode).shape[2:]
    ends = [
        max((new - 1) * step + window - size - pad, 0)
        for new, step, window, size, pad in zip(sizes, strides, kernel, map(int, x.shape[2:]), pads, strict=True)
    ]
    if any((*pads, *ends)):
        x = op.Pad(x, op.Constant(value_ints=[0, 0, *pads, 0, 0, *ends]))
    mean = op.AveragePool(x, kernel_shape=kernel, strides=strides)
    factor = np.array(prod(kernel) / divisor_override, np.float32)
    return op.Mul(mean, op.Constant(value=ir.tensor(factor)))


def both(value: Any) -> list[int]:
    """Two numbers of one or two."""
    numbers = [value] if isinstance(value, int) else list(value)
    return numbers * 2 if len(numbers) == 1 else numbers
