"""NonMaxSuppression of a number of rows that nobody knows -> of as many rows as it can give at most

Leaves a node alone whose boxes have no size yet, or whose limit is computed.
"""

from __future__ import annotations

import onnx_ir as ir

from ....graph.edit import given, scalar
from ....graph.fixed_selection import SUPPRESSION
from ..stages import leave_alone


def rewrite(model: ir.Model) -> int:
    """How many nodes got a number of rows."""
    return sum(_fix(node) for node in model.graph if node.op_type == SUPPRESSION)


def _fix(node: ir.Node) -> int:
    out, scores = node.outputs[0], given(node.inputs[1]).shape
    if out.shape is not None and out.shape.is_static():
        return 0
    limit = scalar(node.inputs[2]) if len(node.inputs) > 2 else None
    if limit is None or scores is None or not scores.is_static() or len(scores) != 3:
        leave_alone(node, "its boxes have no size yet, or its limit is computed")
        return 0
    images, classes, count = (int(size) for size in scores if isinstance(size, int))
    out.shape, out.dtype = ir.Shape((images * classes * min(max(int(limit), 0), count), 3)), ir.DataType.INT64
    return 1
