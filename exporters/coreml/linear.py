"""Lower MatMul: linear where one side is a constant matrix, else matmul."""

from __future__ import annotations

from ...graph.qdq import Constant
from .builder import Builder, Operand, Var
from .lowering_table import lower

_MAX_LINEAR_RANK = 3  # the specification of MIL's linear


@lower("MatMul")
def matmul(mb: Builder, a: Operand, b: Operand) -> Var:
    """(..., m, k) @ (k, n) or (..., k, n)"""
    if isinstance(b, Constant) and len(b.shape) == 2:
        return _linear(mb, a, b)
    return mb.run("matmul", x=a, y=b)


def _linear(mb: Builder, x: Operand, weight: Constant) -> Var:
    """(..., k) @ (k, n) + (n,)"""
    if len(x.shape) <= _MAX_LINEAR_RANK:
        quant = weight.quant and weight.quant.along(1 - (weight.quant.axis or 0))
        return mb.run("linear", x=x, weight=mb.weight(Constant(weight.array.T, quant)), bias=mb.target.bias)
    y = mb.run("matmul", x=x, y=mb.weight(weight))
    return y if mb.target.bias is None else mb.run("add", x=y, y=mb.target.bias)
