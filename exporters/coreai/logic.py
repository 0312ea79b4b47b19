"""Lower comparisons, the operators of truth values, and Cast."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ...graph.dtypes import held
from ...graph.qdq import Constant
from .builder import Builder, Operand, Var
from .lowering_table import lower

LOGIC = {"And": "broadcasting_and", "Or": "broadcasting_or", "Xor": "broadcasting_xor"}


def _logic(op: str):
    def lowering(mb: Builder, a: Operand, b: Operand) -> Var:
        return mb.run(op, a, b)

    return lowering


for _onnx, _coreai in LOGIC.items():
    lower(_onnx)(_logic(_coreai))


@lower("Equal")
def equal(mb: Builder, a: Operand, b: Operand) -> Var:
    return mb.run("broadcasting_equal", numbers(mb, a), numbers(mb, b))


@lower("Greater")
def greater(mb: Builder, a: Operand, b: Operand) -> Var:
    return mb.run("broadcasting_greater", a, b)


@lower("Less")
def less(mb: Builder, a: Operand, b: Operand) -> Var:
    return greater(mb, b, a)


@lower("GreaterOrEqual")
def greater_or_equal(mb: Builder, a: Operand, b: Operand) -> Var:
    """a > b or a == b: not (b > a) would be true of NaN"""
    return mb.run("broadcasting_or", greater(mb, a, b), equal(mb, a, b))


@lower("LessOrEqual")
def less_or_equal(mb: Builder, a: Operand, b: Operand) -> Var:
    return greater_or_equal(mb, b, a)


def is_bool(x: Operand) -> bool:
    return (x.array.dtype.type if isinstance(x, Constant) else x.dtype) is np.bool_


def numbers(mb: Builder, x: Operand) -> Operand:
    """Truth values as int32; others as they are."""
    return mb.cast(x, np.int32) if is_bool(x) else x


@lower("Not")
def not_(mb: Builder, x: Operand) -> Var:
    return mb.run("not_", x)


@lower("IsNaN")
def is_nan(mb: Builder, x: Operand) -> Var:
    """Nothing else differs from itself."""
    return mb.run("broadcasting_not_equal", x, x)


@lower("Where")
def where(mb: Builder, condition: Operand, a: Operand, b: Operand) -> Var:
    return mb.run("broadcasting_where", condition, a, b)


@lower("Cast")
def cast(mb: Builder, x: Operand, *, to: int) -> Operand:
    """From float to integer it truncates towards zero; whatever is not 0 is true."""
    kind = held(ir.DataType(to))
    if kind is np.bool_ and not is_bool(x):
        zero = np.int32(0) if not isinstance(x, Constant) and x.dtype is np.int32 else mb.real(0)
        return mb.run("broadcasting_not_equal", x, zero)
    return mb.cast(x, mb.float_type if kind is np.float32 else kind)
