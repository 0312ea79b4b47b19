"""Clip(x, min=0) -> Relu(x); Clip(x, a) | Min(x, a) | Max(x, a) -> Clip(x, min, max) with both bounds, 0-d;
Clip(Relu(x), a, b) -> Clip(x, max(a, 0), b); Clip(x, computed bounds) -> Min(Max(x, min), max)

Leaves a Min or Max alone whose bound is computed or no scalar, and one of more than two.
"""

import numpy as np
import onnx_ir as ir

from ....graph.edit import const_value, constant, emit, given, owner, producer, replace, scalar, shape

LOWEST, HIGHEST = float(np.finfo(np.float32).min), float(np.finfo(np.float32).max)


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    for node in graph:
        if node.op_type not in ("Clip", "Min", "Max") or node.outputs[0].dtype != ir.DataType.FLOAT:
            continue
        found = clip_of(node)
        if found is None:
            count += node.op_type == "Clip" and by_comparison(node)
            continue
        x, low, high = found
        rectified = producer(x, "Relu")
        if rectified is not None and high > 0:
            x, low = given(rectified.inputs[0]), max(low, 0.0)
        bounds = [const_value(value) for value in node.inputs[1:]]
        if (
            (low, high) != (0, HIGHEST)
            and rectified is None
            and node.op_type == "Clip"
            and [None if bound is None else bound.ndim for bound in bounds] == [0, 0]
        ):
            continue
        if (low, high) == (0, HIGHEST):
            new = emit(node, "Relu", [x], shape(x))
        else:
            operands = [
                constant(graph, np.array(b, np.float32), n) for b, n in zip((low, high), ("min", "max"), strict=True)
            ]
            new = emit(node, "Clip", [x, *operands], shape(x))
        replace(node.outputs[0], new)
        graph.remove(node, safe=True)
        count += 1
    return count


def by_comparison(node: ir.Node) -> bool:
    """Replace a Clip whose bounds are computed."""
    x = given(node.inputs[0])
    for op_type, bound in zip(("Max", "Min"), node.inputs[1:], strict=False):
        if bound is not None:
            x = emit(node, op_type, [x, bound], shape(x))
    replace(node.outputs[0], x)
    owner(node).remove(node, safe=True)
    return True


def clip_of(node: ir.Node) -> tuple[ir.Value, float, float] | None:
    """x, min and max of a node that clips x by numbers; a missing bound is float32's own."""
    if node.op_type != "Clip":
        if len(node.inputs) != 2:
            return None
        a, b = node.inputs
        x, bound = (b, scalar(a)) if const_value(a) is not None else (a, scalar(b))
        if bound is None or const_value(x) is not None or shape(x) != shape(node.outputs[0]):
            return None
        return (given(x), LOWEST, bound) if node.op_type == "Min" else (given(x), bound, HIGHEST)
    bounds = [*node.inputs[1:], None, None][:2]
    if any(value is not None and scalar(value) is None for value in bounds):
        return None
    low, high = (scalar(value) for value in bounds)
    if low is not None and high is not None:
        low = min(low, high)  # beyond the upper bound the lower one has no say
    low = LOWEST if low is None else max(low, LOWEST)
    return given(node.inputs[0]), low, HIGHEST if high is None else min(high, HIGHEST)
