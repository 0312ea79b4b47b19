"""Translate PyTorch's scaled_dot_product_attention for torch.onnx, whose own translation wants four axes.

Axes in front of the last three become one: no product looks across them.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import onnx_ir as ir
import torch
from onnxscript import opset20
from onnxscript.function_libs.torch_lib.ops.nn import aten_scaled_dot_product_attention

op: Any = opset20


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """{operator: its translation}, as torch.onnx.export takes them."""
    return {torch.ops.aten.scaled_dot_product_attention.default: attention}


def attention(query: Any, key: Any, value: Any, attn_mask: Any = None, *args: Any, **options: Any) -> Any:
    """query (..., n, d), key (..., m, d), value (..., m, e), attn_mask broadcast to (..., n, m) -> (..., n, e)

    Raises NotImplementedError where the operands have different axes in front.
    """
    rank = len(query.shape)
    if rank == 4:
        return aten_scaled_dot_product_attention(query, key, value, attn_mask, *args, **options)
    batch, shape = tuple(query.shape[:-2]), (*query.shape[:-1], value.shape[-1])
    if not batch == tuple(key.shape[:-2]) == tuple(value.shape[:-2]):
        raise NotImplementedError(f"attention of {rank} axes over operands that differ in the first {rank - 2}")
    if attn_mask is not None and len(attn_mask.shape) > 3:
        whole = (*batch, query.shape[-2], key.shape[-2])
        attn_mask = four_axes(op.Expand(attn_mask, op.Constant(value_ints=whole)), whole)
    query, key, value = (four_axes(x, tuple(x.shape)) for x in (query, key, value))
    out = aten_scaled_dot_product_attention(query, key, value, attn_mask, *args, **options)
    return op.Reshape(out, op.Constant(value_ints=shape))


def four_axes(x: Any, shape: tuple[int, ...]) -> Any:
    """(..., h, n, d) -> (b, h, n, d), and (n, d) -> (1, 1, n, d)"""
    last = (1, 1, *shape)[-3:]
    four = (prod(shape) // prod(last), *last)
    out = op.Reshape(x, op.Constant(value_ints=four))
    out.shape, out.dtype = ir.Shape(four), x.dtype  # the translation reads both
    return out
