"""Translate PyTorch's quantisation operators to QuantizeLinear and DequantizeLinear, for torch.onnx.

They are `aten.fake_quantize_per_tensor_affine` and `..._per_channel_affine`, as fake-quantise modules call them, and
`quantized_decomposed.(de)quantize_per_tensor` and `..._per_channel`, which PT2E writes. A range that is narrower than
its 8 bits ([-127, 127], or [0, 127] with `reduce_range`) becomes a Clip in front, to the real numbers at its ends,
except where the type saturates by itself. So [0, 127] is int8: behind a ReLU, with a zero point of 0, nothing is left
to be clipped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
import torch.ao.quantization.fx._decomposed  # declares quantized_decomposed
from onnxscript import opset20

op: Any = opset20  # its types speak of each ONNX type apart

Number = Any  # a Python number, or a value of the graph that holds one (per tensor) or one per channel


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """{operator: its translation}, as torch.onnx.export takes them."""
    aten, decomposed = torch.ops.aten, torch.ops.quantized_decomposed
    table: dict[Any, Callable[..., Any]] = {
        aten.fake_quantize_per_tensor_affine.default: fake_per_tensor,
        aten.fake_quantize_per_tensor_affine.tensor_qparams: fake_per_tensor,
        aten.fake_quantize_per_channel_affine.default: fake_per_channel,
        decomposed.quantize_per_channel.default: quantize_per_channel,
        decomposed.dequantize_per_channel.default: dequantize_per_channel,
    }
    for overload in ("default", "tensor", "tensor2"):
        table[getattr(decomposed.quantize_per_tensor, overload)] = quantize_per_tensor
        table[getattr(decomposed.dequantize_per_tensor, overload)] = dequantize_per_tensor
    return table


def fake_per_tensor(x: Any, scale: Number, zero_point: Number, quant_min: int, quant_max: int) -> Any:
    """dequantize(quantize(x))"""
    dtype = eight_bits(quant_min, quant_max)
    integers = quantize_per_tensor(x, scale, zero_point, quant_min, quant_max, dtype)
    return op.DequantizeLinear(integers, scalar(scale), scalar(zero_point, dtype))


def fake_per_channel(x: Any, scale: Any, zero_point: Any, axis: int, quant_min: int, quant_max: int) -> Any:
    """dequantize(quantize(x)) with a scale for each slice along `axis`"""
    dtype = eight_bits(quant_min, quant_max)
    integers = quantize_per_channel(x, scale, zero_point, axis, quant_min, quant_max, dtype)
    return op.DequantizeLinear(integers, float32(scale), op.Cast(zero_point, to=dtype), axis=axis)


def quantize_per_tensor(
    x: Any, scale: Number, zero_point: Number, quant_min: int, quant_max: int, dtype: int, **_: Any
) -> Any:
    """clamp(round(x / scale) + zero_point, quant_min, quant_max)"""
    scale, zero = scalar(scale), scalar(zero_point, ir.DataType.FLOAT)
    low, high = (
        op.Mul(scale, op.Sub(number(end), zero)) if end is not None else None
        for end in clipped_ends(quant_min, quant_max, dtype)
    )
    if low is not None or high is not None:
        x = op.Clip(x, low, high)
    return op.QuantizeLinear(x, scale, scalar(zero_point, dtype))


def dequantize_per_tensor(
    x: Any, scale: Number, zero_point: Number, quant_min: int, quant_max: int, dtype: int, **_: Any
) -> Any:
    """(x - zero_point) * scale"""
    return op.DequantizeLinear(x, scalar(scale), scalar(zero_point, dtype))


def quantize_per_channel(
    x: Any, scale: Any, zero_point: Any, axis: int, quant_min: int, quant_max: int, dtype: int, **_: Any
) -> Any:
    """quantize_per_tensor with a scale for each slice along `axis`"""
    scale = float32(scale)
    for end, clip in zip(clipped_ends(quant_min, quant_max, dtype), (op.Max, op.Min), strict=True):
        if end is not None:
            others = op.Constant(value_ints=[i for i in range(len(x.shape)) if i != axis % len(x.shape)])
            real = op.Mul(scale, op.Sub(number(end), op.Cast(zero_point, to=ir.DataType.FLOAT)))  # (c,)
            x = clip(x, op.Unsqueeze(real, others))
    return op.QuantizeLinear(x, scale, op.Cast(zero_point, to=dtype), axis=axis)


def dequantize_per_channel(
    x: Any, scale: Any, zero_point: Any, axis: int, quant_min: int, quant_max: int, dtype: int, **_: Any
) -> Any:
    """(x - zero_point) * scale with a scale for each slice along `axis`"""
    zero = () if zero_point is None else (op.Cast(zero_point, to=dtype),)
    return op.DequantizeLinear(x, float32(scale), *zero, axis=axis)


def eight_bits(quant_min: int, quant_max: int) -> ir.DataType:
    """The type that holds the range, and saturates at its end. Raises NotImplementedError where none of 8 bits does."""
    for dtype, (low, high) in _RANGES.items():
        if low <= quant_min < quant_max <= high:
            return dtype
    raise NotImplementedError(f"fake-quantise to [{quant_min}, {quant_max}] is not of 8 bits; use 8 bits")


_RANGES = {ir.DataType.INT8: (-128, 127), ir.DataType.UINT8: (0, 255)}


def clipped_ends(quant_min: int, quant_max: int, dtype: int) -> tuple[int | None, int | None]:
    """The ends of the range at which the type does not saturate by itself. Raises NotImplementedError."""
    if ir.DataType(dtype) not in _RANGES:
        raise NotImplementedError(f"quantise to {ir.DataType(dtype)}; only 8 bits are supported")
    low, high = _RANGES[ir.DataType(dtype)]
    return (quant_min if quant_min > low else None, quant_max if quant_max < high else None)


def scalar(value: Number, dtype: int = ir.DataType.FLOAT) -> Any:
    """The number as a 0-d value of that type."""
    if isinstance(value, int | float):
        return op.Constant(value=ir.tensor(np.array(value, ir.DataType(dtype).numpy())))
    return op.Squeeze(op.Cast(value, to=dtype))


def number(value: int) -> Any:
    return scalar(value, ir.DataType.FLOAT)


def float32(value: Any) -> Any:
    return op.Cast(value, to=ir.DataType.FLOAT)
