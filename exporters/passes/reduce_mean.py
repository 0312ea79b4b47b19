"""GlobalAveragePool(x) -> ReduceMean(x, (2, 3)); ReduceMean(x, keepdims=0) -> Reshape(ReduceMean(x, keepdims=1));
ReduceSum(x) -> Mul(ReduceMean(x), n); ReduceL2(x) -> Sqrt(Mul(ReduceMean(Mul(x, x)), n))

Axes become ascending, non-negative and an operand. Leaves a reduction alone whose axes are computed, or that is written
so already.
"""

import math

import numpy as np
import onnx_ir as ir

from ..graph import attribute, const_value, constant, emit, replace, reshape, shape

OPS = {"GlobalAveragePool", "ReduceMean", "ReduceSum", "ReduceL2"}


def rewrite(graph: ir.Graph) -> int:
    count = 0
    for node in graph:
        if node.op_type not in OPS:
            continue
        axes = axes_of(node)
        if axes is None or (node.op_type == "ReduceMean" and is_canonical(node, axes)):
            continue
        x, (out,) = node.inputs[0], node.outputs
        dims = shape(x)
        if node.op_type == "ReduceL2":
            x = emit(node, "Mul", [x, x], dims)
        kept = [1 if i in axes else size for i, size in enumerate(dims)]
        operand = constant(graph, np.array(axes, np.int64), "axes")
        mean = emit(node, "ReduceMean", [x, operand], kept, {"keepdims": 1})
        if node.op_type in ("ReduceSum", "ReduceL2"):
            number = constant(graph, np.array(math.prod(dims[i] for i in axes), np.float32), "count")
            mean = emit(node, "Mul", [mean, number], kept)
        if node.op_type == "ReduceL2":
            mean = emit(node, "Sqrt", [mean], kept)
        replace(out, reshape(mean, shape(out), node))
        graph.remove(node, safe=True)
        count += 1
    return count


def axes_of(node: ir.Node) -> list[int] | None:
    """The reduced axes, ascending; None where they are computed, or where nothing is reduced by an empty list."""
    rank = len(shape(node.inputs[0]))
    if node.op_type == "GlobalAveragePool":
        return list(range(2, rank))
    if len(node.inputs) > 1 and node.inputs[1] is not None:
        given = const_value(node.inputs[1])
        if given is None:
            return None
        given = given.tolist()
    else:
        given = attribute(node, "axes", ())
    if not len(given):
        return None if attribute(node, "noop_with_empty_axes", 0) else list(range(rank))
    return sorted(axis % rank for axis in given)


def is_canonical(node: ir.Node, axes: list[int]) -> bool:
    given = const_value(node.inputs[1]) if len(node.inputs) > 1 else None
    return attribute(node, "keepdims", 1) == 1 and given is not None and given.tolist() == axes
