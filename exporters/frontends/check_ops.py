"""Translate what a PyTorch program checks of its tensors for torch.onnx, which has no form for it.

Nothing reads the result in a file: a check raises in Python alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx_ir as ir
import torch
from onnxscript import opset20

op: Any = opset20


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """{operator: its translation}, as torch.onnx.export takes them."""
    return {torch.ops.aten._is_all_true.default: all_true}


def all_true(x: Any) -> Any:
    """Truth values of any shape -> whether all are true, a scalar; what torch._check_tensor_all asks."""
    return op.Cast(op.ReduceMin(op.Cast(x, to=ir.DataType.INT32), keepdims=0), to=ir.DataType.BOOL)
