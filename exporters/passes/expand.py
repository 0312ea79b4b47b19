"""Expand(x) read by Add, Sub, Mul, Div only -> x; Expand(x) -> Concat(x, x, ...) along each axis that grows

The first form holds where the readers' results keep their shapes without it. Leaves nothing alone.
"""

import onnx_ir as ir

from ..graph import Operand, consumers, emit, replace, reshape, shape

BROADCAST = {"Add", "Sub", "Mul", "Div"}


def rewrite(graph: ir.Graph) -> int:
    count = 0
    for node in graph:
        if node.op_type != "Expand":
            continue
        x, (out,) = node.inputs[0], node.outputs
        if out.is_graph_output() or not all(broadcasts(reader, out, x) for reader in consumers(out)):
            to = shape(out)
            x = reshape(x, (1,) * (len(to) - len(shape(x))) + shape(x), node)
            for axis, size in enumerate(to):
                if shape(x)[axis] != size:
                    grown = (*shape(x)[:axis], size, *shape(x)[axis + 1 :])
                    x = emit(node, "Concat", [x] * size, grown, {"axis": axis}, dtype=x.dtype)
        replace(out, x)
        graph.remove(node, safe=True)
        count += 1
    return count


def broadcasts(reader: ir.Node, out: ir.Value, x: Operand) -> bool:
    """Whether the reader computes the same from `x` as from the `out` that x is expanded to."""
    if reader.op_type not in BROADCAST:
        return False
    sizes = [shape(x) if value is out else shape(value) for value in reader.inputs]
    rank = max(map(len, sizes))
    padded = [(1,) * (rank - len(dims)) + dims for dims in sizes]
    return tuple(max(pair) for pair in zip(*padded, strict=True)) == shape(reader.outputs[0])
