"""Lower comparisons, the operators of truth values, and Cast; they run in the order their operands share."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from ...graph.dtypes import held
from .builder import Builder, Operand, Value
from .elementwise import aligned, apply_broadcast, apply_unary
from .lowering_table import lower
from .view import Shape

COMPARISONS = {
    "Equal": "EQUAL",
    "Greater": "GREATER",
    "GreaterOrEqual": "GREATER_EQUAL",
    "Less": "LESS",
    "LessOrEqual": "LESS_EQUAL",
    "And": "LOGICAL_AND",
    "Or": "LOGICAL_OR",
    "Xor": "NOT_EQUAL",
}


def _comparison(op: str):
    def lowering(mb: Builder, a: Operand, b: Operand) -> Value:
        return apply_broadcast(mb, op, a, b, dtype=np.bool_)

    return lowering


for _onnx, _tflite in COMPARISONS.items():
    lower(_onnx)(_comparison(_tflite))


@lower("Not")
def not_(mb: Builder, x: Operand) -> Value:
    return apply_unary(mb, "LOGICAL_NOT", mb.value(x))


@lower("IsNaN")
def is_nan(mb: Builder, x: Operand) -> Value:
    """Nothing else is not at most infinity; LiteRT's GPU delegate compares nothing with itself."""
    x = mb.value(x)
    tensor, infinity = mb.memory(x), mb.const(np.array(np.inf, np.float32))
    number = mb.emit("LESS_EQUAL", [tensor, infinity], mb.shape(tensor), dtype=np.bool_)
    return Value(mb.run("LOGICAL_NOT", [number], mb.shape(tensor), dtype=np.bool_), x.view)


@lower("Where")
def where(mb: Builder, condition: Operand, a: Operand, b: Operand) -> Value:
    """LiteRT's GPU delegate takes a constant that is a scalar, without an axis, or has all of the result's elements."""
    tensors, shape, view = aligned(mb, (condition, a, b))
    for i, tensor in enumerate(tensors[1:], 1):
        stored = mb.tensors[tensor]
        if stored.data is not None and stored.shape != shape:
            scalar = stored.data.size == 1
            tensors[i] = mb.const(stored.data.reshape(()) if scalar else _spread(stored.data, shape), stored.quant)
    return Value(mb.run("SELECT_V2", tensors, shape, dtype=mb.tensors[tensors[1]].dtype), view)


def _spread(array: np.ndarray, shape: Shape) -> np.ndarray:
    return np.ascontiguousarray(np.broadcast_to(array, shape))


@lower("Cast")
def cast(mb: Builder, x: Operand, *, to: int) -> Value:
    """From float to integer CAST truncates towards zero; between types that are held alike there is nothing to do."""
    x = mb.value(x)
    tensor = mb.memory(x)
    before, after = mb.tensors[tensor].dtype, held(ir.DataType(to))
    if before == after:
        return x
    return Value(mb.run("CAST", [tensor], mb.shape(tensor), dtype=after, **_options(before, after)), x.view)


def converted(mb: Builder, tensor: int, dtype: type) -> int:
    """The tensor in another type."""
    before = mb.tensors[tensor].dtype
    return mb.emit("CAST", [tensor], mb.shape(tensor), dtype=dtype, **_options(before, dtype))


def _options(before: type, after: type) -> dict[str, Any]:
    from ai_edge_litert import schema_py_generated as schema

    names = {np.float32: "FLOAT32", np.int32: "INT32", np.bool_: "BOOL"}
    return {
        "inDataType": getattr(schema.TensorType, names[before]),
        "outDataType": getattr(schema.TensorType, names[after]),
    }
