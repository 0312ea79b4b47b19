"""Lower MatMul."""

from __future__ import annotations

from ...graph.qdq import Constant
from .builder import Builder, Operand, Var
from .lowering_table import lower


@lower("MatMul")
def matmul(mb: Builder, a: Operand, b: Operand) -> Var:
    """(..., m, k) @ (k, n) or (..., k, n), and the bias of a linear"""
    right = mb.weight(b, len(b.shape) - 1) if isinstance(b, Constant) else b
    y = mb.run("broadcasting_batch_matmul", a, right)
    return y if mb.target.bias is None else mb.run("broadcasting_add", y, mb.target.bias)
