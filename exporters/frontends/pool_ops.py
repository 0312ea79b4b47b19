"""Translate avg_pool2d with a divisor of its own for torch.onnx, whose translation leaves the divisor out."""

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
    return {torch.ops.aten.avg_pool2d.default: average}


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
