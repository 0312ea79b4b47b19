"""Sub(x, c) -> Add(x, -c); Div(x, c) -> Mul(x, 1/c); Reciprocal(x) -> Div(1, x); Pow(x, 1/2) -> Sqrt(x)

Leaves Sub(c, x) and Div(c, x) alone, and a division by a constant that holds a zero.
"""

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from ....graph.edit import const_value, constant, emit, given, scalar, shape
from ....graph.replacing import replace_each


def _negated(node: ir.Node) -> ir.Value | None:
    array = const_value(node.inputs[1])
    return None if array is None else _with(node, "Add", -array)


def _inverted(node: ir.Node) -> ir.Value | None:
    array = const_value(node.inputs[1])
    return None if array is None or not array.all() else _with(node, "Mul", 1 / array.astype(np.float64))


def _divided(node: ir.Node) -> ir.Value:
    one = constant(node.graph, np.array(1, np.float32), "one")
    return emit(node, "Div", [one, node.inputs[0]], shape(node.outputs[0]))


def _root(node: ir.Node) -> ir.Value | None:
    return emit(node, "Sqrt", node.inputs[:1], shape(node.outputs[0])) if scalar(node.inputs[1]) == 0.5 else None


REWRITES: dict[str, Callable[[ir.Node], ir.Value | None]] = {
    "Sub": _negated,
    "Div": _inverted,
    "Reciprocal": _divided,
    "Pow": _root,
}


def rewrite(model: ir.Model) -> int:
    return replace_each(model.graph, REWRITES, dtype=ir.DataType.FLOAT)


def _with(node: ir.Node, op_type: str, array: np.ndarray) -> ir.Value:
    value = constant(node.graph, array.astype(np.float32), given(node.inputs[1]).name)
    return emit(node, op_type, [node.inputs[0], value], shape(node.outputs[0]))
