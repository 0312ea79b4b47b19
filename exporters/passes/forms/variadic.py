"""Max | Min | Sum(a, b, c, ...) -> Max | Min | Add of two at a time; Mean(a, b, ...) -> Mul(Sum, 1/n);
Concat(a, empty) -> Concat(a)

Leaves Max and Min of two alone, and a Concat of nothing but empty values.
"""

from functools import reduce

import numpy as np
import onnx_ir as ir

from ....graph.edit import attribute, constant, emit, given, shape
from ....graph.replacing import replace_each

PAIRS = {"Max": "Max", "Min": "Min", "Sum": "Add", "Mean": "Add"}


def rewrite(model: ir.Model) -> int:
    return replace_each(model.graph, {**dict.fromkeys(PAIRS, in_pairs), "Concat": without_empty})


def without_empty(node: ir.Node) -> ir.Value | None:
    if None in node.inputs:
        return None
    kept = [value for value in node.inputs if 0 not in shape(value)]
    if not kept or len(kept) == len(node.inputs):
        return None
    out = node.outputs[0]
    return emit(node, "Concat", kept, shape(out), {"axis": attribute(node, "axis")}, dtype=out.dtype)


def in_pairs(node: ir.Node) -> ir.Value | None:
    if None in node.inputs or (node.op_type in ("Max", "Min") and len(node.inputs) == 2):
        return None

    def pair(a: ir.Value, b: ir.Value) -> ir.Value:
        to = np.broadcast_shapes(shape(a), shape(b))
        return emit(node, PAIRS[node.op_type], [a, b], to, dtype=a.dtype)

    result = reduce(pair, map(given, node.inputs))
    if node.op_type != "Mean" or len(node.inputs) == 1:
        return result
    part = constant(node.graph, np.array(1 / len(node.inputs), np.float32), "part")
    return emit(node, "Mul", [result, part], shape(result))
