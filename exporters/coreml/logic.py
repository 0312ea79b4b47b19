"""Lower comparisons, the operators of truth values, and Cast."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ...graph.dtypes import held
from ...graph.qdq import Constant
from .builder import Builder, Operand, Var
from .lowering_table import lower

COMPARISONS = {
    "Equal": "equal",
    "Greater": "greater",
    "GreaterOrEqual": "greater_equal",
    "Less": "less",
    "LessOrEqual": "less_equal",
}
LOGIC = {"And": "logical_and", "Or": "logical_or", "Xor": "logical_xor"}
TYPES = {np.float32: "fp32", np.int32: "int32", np.bool_: "bool"}


def _comparison(op: str):
    def lowering(mb: Builder, a: Operand, b: Operand) -> Var:
        """MIL compares numbers only."""
        return mb.run(op, x=numbers(mb, a), y=numbers(mb, b))

    return lowering


def _logic(op: str):
    def lowering(mb: Builder, a: Operand, b: Operand) -> Var:
        return mb.run(op, x=a, y=b)

    return lowering


for _onnx, _mil in COMPARISONS.items():
    lower(_onnx)(_comparison(_mil))
for _onnx, _mil in LOGIC.items():
    lower(_onnx)(_logic(_mil))


def is_bool(mb: Builder, x: Operand) -> bool:
    return x.array.dtype == np.bool_ if isinstance(x, Constant) else mb.type_of(x) == "bool"


def numbers(mb: Builder, x: Operand) -> Operand:
    """Truth values as int32; others as they are."""
    if not is_bool(mb, x):
        return x
    return Constant(x.array.astype(np.int32)) if isinstance(x, Constant) else mb.run("cast", x=x, dtype="int32")


@lower("Not")
def not_(mb: Builder, x: Operand) -> Var:
    return mb.run("logical_not", x=x)


@lower("IsNaN")
def is_nan(mb: Builder, x: Operand) -> Var:
    """Nothing else differs from itself."""
    return mb.run("not_equal", x=x, y=x)


@lower("Where")
def where(mb: Builder, condition: Operand, a: Operand, b: Operand) -> Var:
    """select broadcasts nothing."""
    to = np.broadcast_shapes(*(tuple(x.shape) for x in (condition, a, b)))
    if not isinstance(condition, Constant) and tuple(condition.shape) != to:
        whole = broadcast(mb, numbers(mb, condition), to)
        condition = mb.run("cast", x=whole, dtype="bool")
    return mb.run("select", cond=broadcast(mb, condition, to), a=broadcast(mb, a, to), b=broadcast(mb, b, to))


def broadcast(mb: Builder, x: Operand, to: tuple[int, ...]) -> Operand:
    """The operand with all the elements that broadcasting gives it."""
    if tuple(x.shape) == to:
        return x
    if isinstance(x, Constant):
        return Constant(np.broadcast_to(x.array, to))
    dims = (1,) * (len(to) - len(x.shape)) + tuple(x.shape)
    if dims != tuple(x.shape):
        x = mb.run("reshape", x=x, shape=list(dims))
    return mb.run("tile", x=x, reps=[size // have for size, have in zip(to, dims, strict=True)])


@lower("Cast")
def cast(mb: Builder, x: Operand, *, to: int) -> Var:
    """From float to integer it truncates towards zero."""
    return mb.run("cast", x=x, dtype=TYPES[held(ir.DataType(to))])
