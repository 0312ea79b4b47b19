"""MatMul(W, x) -> Transpose(MatMul(Transpose(x), W')); MatMul(a, b) of unequal ranks -> Reshape of the lower one

The first is for a constant W of two axes. A vector becomes a matrix of one row or column, whose axis the result
loses again; a constant W of one matrix in more axes loses them. Leaves MatMul(x, W), of quantised W, too, and products
of equal rank alone.
"""

import onnx_ir as ir

from ....graph.dialect import stored
from ....graph.edit import const_value, emit, given, replace, reshape, shape, transpose
from ....graph.layers import emit_linear


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    for node in graph:
        if node.op_type != "MatMul":
            continue
        new = canonical(node)
        if new is not None:
            replace(node.outputs[0], new)
            graph.remove(node, safe=True)
            count += 1
    return count


def canonical(node: ir.Node) -> ir.Value | None:
    a, b = node.inputs
    rank_a, rank_b = len(shape(a)), len(shape(b))
    if min(rank_a, rank_b) < 2:
        dims_a, dims_b = shape(a), shape(b)
        a = reshape(a, (1, *dims_a), node) if rank_a == 1 else given(a)
        b = reshape(b, (*dims_b, 1), node) if rank_b == 1 else given(b)
        outer = shape(a)[:-2] if rank_a >= rank_b else shape(b)[:-2]
        product = emit(node, "MatMul", [a, b], (*outer, shape(a)[-2], shape(b)[-1]))
        return reshape(product, shape(node.outputs[0]), node)
    weight = const_value(a)
    if weight is not None and weight.ndim == 2:  # W x = (x' W')'
        swap = [*range(rank_b - 2), rank_b - 1, rank_b - 2]
        product = emit_linear(transpose(b, swap, node), weight.T, None, node, names=(given(a).name, None))
        return transpose(product, swap, node)
    if stored(b) is not None and 2 < rank_b <= rank_a and set(shape(b)[:-2]) == {1}:
        return emit(node, "MatMul", [a, reshape(b, shape(b)[-2:], node)], shape(node.outputs[0]))
    if rank_a == rank_b or (stored(b) is not None and rank_b == 2):
        return None
    rank = max(rank_a, rank_b)
    a, b = (reshape(value, (1,) * (rank - len(shape(value))) + shape(value), node) for value in (a, b))
    return emit(node, "MatMul", [a, b], shape(node.outputs[0]))
