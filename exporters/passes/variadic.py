"""Max | Min | Sum(a, b, c, ...) -> Max | Min | Add of two at a time; Mean(a, b, ...) -> Mul(Sum, 1/n)

Leaves Max and Min of two alone.
"""

from functools import reduce

import numpy as np
import onnx_ir as ir

from ..graph import constant, emit, given, shape
from .replacing import replace_each

PAIRS = {"Max": "Max", "Min": "Min", "Sum": "Add", "Mean": "Add"}


def rewrite(graph: ir.Graph) -> int:
    return replace_each(graph, dict.fromkeys(PAIRS, in_pairs))


def in_pairs(node: ir.Node) -> ir.Value | None:
    if node.op_type in ("Max", "Min") and len(node.inputs) == 2:
        return None

    def pair(a: ir.Value, b: ir.Value) -> ir.Value:
        to = np.broadcast_shapes(shape(a), shape(b))
        return emit(node, PAIRS[node.op_type], [a, b], to, dtype=a.dtype)

    result = reduce(pair, map(given, node.inputs))
    if node.op_type != "Mean" or len(node.inputs) == 1:
        return result
    part = constant(node.graph, np.array(1 / len(node.inputs), np.float32), "part")
    return emit(node, "Mul", [result, part], shape(result))
