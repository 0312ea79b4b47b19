"""GlobalAveragePool(x) -> ReduceMean(x, (2, 3)); ReduceMean(x, keepdims=0) -> Reshape(ReduceMean(x, keepdims=1));
ReduceSum(x) -> Mul(ReduceMean(x), n) of real numbers; ReduceL1, ReduceL2, ReduceSumSquare, ReduceLogSum and
ReduceLogSumExp -> ReduceSum between their functions; ReduceMax(truth values) -> Cast(ReduceMax(Cast))

Axes become ascending, non-negative and an operand. Leaves a reduction alone whose axes are computed, or that is written
so already.
"""

import math

import numpy as np
import onnx_ir as ir

from ....artifacts.errors import NotCanonical
from ....graph.edit import attribute, const_value, constant, emit, given, reshape, shape, where
from ....graph.replacing import replace_each
from .clip import HIGHEST, LOWEST

PLAIN = ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd")
COMPOSED = {  # op -> what happens to the elements before they are added up, and to the sum
    "ReduceSum": ((), ()),
    "ReduceL1": (("Abs",), ()),
    "ReduceL2": (("Square",), ("Sqrt",)),
    "ReduceSumSquare": (("Square",), ()),
    "ReduceLogSum": ((), ("Log",)),
    "ReduceLogSumExp": (("Exp",), ("Log",)),
}


def rewrite(model: ir.Model) -> int:
    return replace_each(model.graph, dict.fromkeys((*PLAIN, *COMPOSED, "GlobalAveragePool"), canonical))


def canonical(node: ir.Node) -> ir.Value | None:
    axes = axes_of(node)
    if axes is None or is_canonical(node, axes):
        return None
    x, kind = given(node.inputs[0]), given(node.inputs[0]).dtype
    if kind == ir.DataType.BOOL:
        number = emit(node, "Cast", [x], shape(x), {"to": ir.DataType.INT32}, dtype=ir.DataType.INT32)
        y = reduced(number, node.op_type, axes, node)
        y = emit(node, "Cast", [y], shape(y), {"to": kind}, dtype=kind)
    elif node.op_type in COMPOSED:
        y = composed(x, node, axes)
    else:
        y = reduced(x, "ReduceMean" if node.op_type == "GlobalAveragePool" else node.op_type, axes, node)
    return reshape(y, shape(node.outputs[0]), node)


def composed(x: ir.Value, node: ir.Node, axes: list[int]) -> ir.Value:
    """Logarithms of sums of exponentials are taken of the distances from the largest, which do not overflow."""
    before, after = COMPOSED[node.op_type]
    peak = None
    if node.op_type == "ReduceLogSumExp" and axes:
        peak = reduced(x, "ReduceMax", axes, node)
        bounds = [constant(node.graph, np.array(bound, np.float32), "bound") for bound in (LOWEST, HIGHEST)]
        peak = emit(node, "Clip", [peak, *bounds], shape(peak))  # infinity less infinity is no number
        x = emit(node, "Sub", [x, peak], shape(x))
    for step in before:
        operands = [x, x] if step == "Square" else [x]
        x = emit(node, "Mul" if step == "Square" else step, operands, shape(x), dtype=x.dtype)
    if axes:
        x = total(x, axes, node)
    for step in after:
        x = emit(node, step, [x], shape(x), dtype=x.dtype)
    return x if peak is None else emit(node, "Add", [x, peak], shape(x))


def total(x: ir.Value, axes: list[int], node: ir.Node) -> ir.Value:
    """The sum; of real numbers as a mean, which every target has, and in int8."""
    if x.dtype != ir.DataType.FLOAT:
        return reduced(x, "ReduceSum", axes, node)
    mean = reduced(x, "ReduceMean", axes, node)
    number = constant(node.graph, np.array(math.prod(shape(x)[i] for i in axes), np.float32), "count")
    return emit(node, "Mul", [mean, number], shape(mean))


def reduced(x: ir.Value, op_type: str, axes: list[int], node: ir.Node) -> ir.Value:
    """A canonical reduction in front of `node`; x itself where there is nothing to reduce."""
    if not axes:
        return x
    kept = [1 if i in axes else size for i, size in enumerate(shape(x))]
    operand = constant(node.graph, np.array(axes, np.int64), "axes")
    return emit(node, op_type, [x, operand], kept, {"keepdims": 1}, dtype=x.dtype)


def axes_of(node: ir.Node) -> list[int] | None:
    """The reduced axes, ascending; None where they are computed."""
    rank = len(shape(node.inputs[0]))
    if node.op_type == "GlobalAveragePool":
        return list(range(2, rank))
    if len(node.inputs) > 1 and node.inputs[1] is not None:
        operand = const_value(node.inputs[1])
        if operand is None:
            return None
        if operand.ndim > 1:
            raise NotCanonical(f"{where(node)}: its axes are of shape {operand.shape}; give them as a list.")
        axes = operand.reshape(-1).tolist()
    else:
        axes = attribute(node, "axes", ())
    if not len(axes):
        return [] if attribute(node, "noop_with_empty_axes", 0) else list(range(rank))
    return sorted(axis % rank for axis in axes)


def is_canonical(node: ir.Node, axes: list[int]) -> bool:
    operand = const_value(node.inputs[1]) if len(node.inputs) > 1 else None
    number = given(node.inputs[0]).dtype
    if node.op_type not in PLAIN and (node.op_type != "ReduceSum" or number == ir.DataType.FLOAT):
        return False
    written = operand is not None and operand.tolist() == axes and bool(axes)
    return attribute(node, "keepdims", 1) == 1 and written and number != ir.DataType.BOOL
