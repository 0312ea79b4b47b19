"""NonMaxSuppression(boxes by their centres) -> NonMaxSuppression(corners); of some limits -> of all three;
NonMaxSuppression(of one image and class, more boxes than rows) -> NonMaxSuppression(as many boxes as rows)

Leaves a node alone whose limits are computed.
"""

from __future__ import annotations

from math import prod

import numpy as np
import onnx_ir as ir

from ....graph.edit import attribute, constant, emit, given, owner, scalar, shape
from ....graph.fixed_selection import SUPPRESSION
from ..expansions.steps import Steps
from ..stages import leave_alone

LIMITS = (np.dtype(np.int64), np.dtype(np.float32), np.dtype(np.float32))
LOWEST = float(np.finfo(np.float32).min)  # without a threshold every box is selected from


def rewrite(model: ir.Model) -> int:
    return sum(_rewrite(node) for node in list(model.graph) if node.op_type == SUPPRESSION)


def _rewrite(node: ir.Node) -> int:
    limits = [node.inputs[i] if i < len(node.inputs) else None for i in (2, 3, 4)]
    if any(limit is not None and scalar(limit) is None for limit in limits):
        leave_alone(node, "its limits are computed")
        return 0
    centred = bool(attribute(node, "center_point_box", 0))
    rows, of_one = shape(node.outputs[0])[0], prod(shape(node.inputs[1])[:2]) == 1
    cut = of_one and limits[0] is not None and (scalar(limits[0]) or 0) > rows > 0
    if not centred and not cut and None not in limits:
        return 0
    usual = (0, 0.0, LOWEST)
    numbers = [scalar(limit) if limit is not None else each for limit, each in zip(limits, usual, strict=True)]
    numbers[0] = rows if cut else numbers[0]
    boxes = given(node.inputs[0])
    if centred:
        boxes = corners(Steps(node, named=False), boxes)
    graph = owner(node)
    operands = [
        constant(graph, np.array([number], dtype), "limit") for number, dtype in zip(numbers, LIMITS, strict=True)
    ]
    out = node.outputs[0]
    new = emit(
        node, SUPPRESSION, [boxes, node.inputs[1], *operands], shape(out), {"center_point_box": 0}, dtype=out.dtype
    )
    name = out.name
    out.replace_all_uses_with(new, replace_graph_outputs=True)
    graph.remove(node, safe=True)
    new.name = name
    return 1


def corners(at: Steps, boxes: ir.Value) -> ir.Value:
    """(n, b, 4) x, y, width, height, by the centre -> y1, x1, y2, x2."""
    x, y, width, height = (at.part(boxes, 2, i, i + 1) for i in range(4))
    half = [at.mul(side, 0.5) for side in (height, width)]
    low, high = ([made(middle, each) for middle, each in zip((y, x), half, strict=True)] for made in (at.sub, at.add))
    return at.concat([*low, *high], 2)
