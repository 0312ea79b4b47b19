"""ArgMax | ArgMin(x, keepdims=0) -> Reshape(ArgMax(x, keepdims=1)); ArgMax(x, the last of equals) -> n-1 -
ArgMax(backwards x); TopK(x, any axis, the smallest) -> TopK(x, last axis, the largest) between Transposes and Negs;
Slice(x, backwards) -> Gather(x, descending); Trilu(x) -> Where(mask, x, 0);
OneHot(i, n, (off, on)) -> Where(Equal(i, 0..n-1), on, off); Hardmax(x) -> Cast(Equal(0..n-1, ArgMax(x)))

Leaves a node alone whose k, depth or bounds are computed, or that is written so already.
"""

import numpy as np
import onnx_ir as ir

from ....graph.edit import attribute, const_value, constant, emit, given, owner, reshape, scalar, shape, transpose
from ....graph.replacing import replace_each, replace_output
from .number_forms import cast

INT64, BOOL = ir.DataType.INT64, ir.DataType.BOOL


def rewrite(model: ir.Model) -> int:
    graph = model.graph
    return replace_each(graph, REWRITES) + sum(top_k(node) for node in graph if node.op_type == "TopK")


def gathered(x: ir.Value, indices: np.ndarray, axis: int, before: ir.Node) -> ir.Value:
    """x at constant 1-D indices along an axis."""
    operand = constant(before.graph, indices.astype(np.int64), "indices")
    to = (*shape(x)[:axis], len(indices), *shape(x)[axis + 1 :])
    return emit(before, "Gather", [x, operand], to, {"axis": axis}, dtype=x.dtype)


def _arg(node: ir.Node) -> ir.Value | None:
    x = given(node.inputs[0])
    dims = shape(x)
    axis, last = attribute(node, "axis", 0) % max(len(dims), 1), attribute(node, "select_last_index", 0)
    if not dims or (attribute(node, "keepdims", 1) == 1 and not last):
        return None
    if last:
        x = gathered(x, np.arange(dims[axis])[::-1], axis, node)
    kept = (*dims[:axis], 1, *dims[axis + 1 :])
    attributes = {"axis": axis, "keepdims": 1, "select_last_index": 0}
    y = emit(node, node.op_type, [x], kept, attributes, dtype=INT64)
    if last:
        y = emit(node, "Sub", [constant(node.graph, np.array(dims[axis] - 1), "last"), y], kept, dtype=INT64)
    return reshape(y, shape(node.outputs[0]), node)


def top_k(node: ir.Node) -> int:
    x, count = given(node.inputs[0]), scalar(node.inputs[1])
    dims = shape(x)
    axis, largest = attribute(node, "axis", -1) % len(dims), attribute(node, "largest", 1)
    if count is None or (largest and axis == len(dims) - 1 and attribute(node, "sorted", 1)):
        return 0
    swap = [*range(len(dims))]
    swap[axis], swap[-1] = swap[-1], swap[axis]
    x = transpose(x, swap, node)
    if not largest:
        x = emit(node, "Neg", [x], shape(x), dtype=x.dtype)
    new = ir.node("TopK", [x, node.inputs[1]], num_outputs=2, metadata_props=dict(node.metadata_props))
    owner(node).insert_before(node, new)
    to = (*shape(x)[:-1], int(count))
    for index, (made, dtype) in enumerate(zip(new.outputs, (x.dtype, INT64), strict=True)):
        made.shape, made.dtype = ir.Shape(to), dtype or ir.DataType.FLOAT
        if index == 0 and not largest:
            made = emit(node, "Neg", [made], to, dtype=dtype)
        if node.outputs[index].uses() or node.outputs[index].is_graph_output():
            replace_output(node, transpose(made, swap, node), index)
    owner(node).remove(node, safe=True)
    return 1


def _slice(node: ir.Node) -> ir.Value | None:
    x = given(node.inputs[0])
    dims = shape(x)
    operands = [const_value(value) for value in (*node.inputs[1:], None, None, None, None)[:4]]
    starts, ends, axes, steps = operands
    if starts is None or ends is None or steps is None or not (steps < 0).any():
        return None
    if axes is None:
        if node.inputs[3] is not None:
            return None
        axes = np.arange(len(starts))
    for start, end, axis, step in zip(*(a.tolist() for a in (starts, ends, axes, steps)), strict=True):
        places = np.arange(dims[axis])[slice(start, end, step)]
        if len(places) != dims[axis] or step != 1:
            x = gathered(x, places, axis % len(dims), node)
    return x


def _trilu(node: ir.Node) -> ir.Value | None:
    x = given(node.inputs[0])
    k = scalar(node.inputs[1]) if len(node.inputs) > 1 and node.inputs[1] is not None else 0
    dtype = x.dtype
    if k is None or dtype is None or dtype not in _ZERO:
        return None
    rows, columns = shape(x)[-2:]
    mask = np.tri(rows, columns, int(k), bool)  # on and below the k-th diagonal
    if attribute(node, "upper", 1):
        mask = ~np.tri(rows, columns, int(k) - 1, bool)
    operands = [
        constant(node.graph, mask, "mask"),
        x,
        constant(node.graph, np.zeros((), _ZERO[dtype]), "zero"),
    ]
    return emit(node, "Where", operands, shape(x), dtype=x.dtype)


_ZERO = {ir.DataType.FLOAT: np.float32, ir.DataType.INT32: np.int32, INT64: np.int64, BOOL: np.bool_}


def _one_hot(node: ir.Node) -> ir.Value | None:
    indices, values = given(node.inputs[0]), given(node.inputs[2])
    depth = scalar(node.inputs[1])
    if depth is None:
        return None
    to, graph, size = shape(node.outputs[0]), node.graph, int(depth)
    axis = attribute(node, "axis", -1) % len(to)
    dims = (*shape(indices)[:axis], 1, *shape(indices)[axis:])
    indices = reshape(cast(indices, INT64, node), dims, node)
    negative = emit(node, "Less", [indices, constant(graph, np.array(0), "zero")], dims, dtype=BOOL)
    wrapped = emit(node, "Add", [indices, constant(graph, np.array(size), "depth")], dims, dtype=INT64)
    indices = emit(node, "Where", [negative, wrapped, indices], dims, dtype=INT64)
    hot = emit(node, "Equal", [indices, _along(np.arange(size), axis, len(to), node)], to, dtype=BOOL)
    off, on = (reshape(gathered(values, np.array([i]), 0, node), (), node) for i in (0, 1))
    return emit(node, "Where", [hot, on, off], to, dtype=values.dtype)


def _hardmax(node: ir.Node) -> ir.Value:
    x = given(node.inputs[0])
    dims = shape(x)
    axis = attribute(node, "axis", -1) % len(dims)
    kept = (*dims[:axis], 1, *dims[axis + 1 :])
    attributes = {"axis": axis, "keepdims": 1, "select_last_index": 0}
    best = emit(node, "ArgMax", [x], kept, attributes, dtype=INT64)
    hot = emit(node, "Equal", [best, _along(np.arange(dims[axis]), axis, len(dims), node)], dims, dtype=BOOL)
    return cast(hot, x.dtype, node)


def _along(numbers: np.ndarray, axis: int, rank: int, node: ir.Node) -> ir.Value:
    dims = [1] * rank
    dims[axis] = -1
    return constant(node.graph, numbers.astype(np.int64).reshape(dims), "places")


REWRITES = {
    "ArgMax": _arg,
    "ArgMin": _arg,
    "Slice": _slice,
    "Trilu": _trilu,
    "OneHot": _one_hot,
    "Hardmax": _hardmax,
}
