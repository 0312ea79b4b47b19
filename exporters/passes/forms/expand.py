"""Expand(x) read by Add, Sub, Mul, Div only -> x; Expand(x) -> Concat(x, x, ...) along each axis that grows, or Tile(x)

The first form holds where the readers' results keep their shapes without it. Leaves nothing alone.
"""

import math

import numpy as np
import onnx_ir as ir

from ....graph.edit import Operand, constant, consumers, emit, given, reshape, shape
from ....graph.replacing import replace_output

FEW = 5  # copies that are joined; so many inputs the fastest kernels of Concat take
BROADCAST = {"Add", "Sub", "Mul", "Div"}


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    for node in graph:
        if node.op_type != "Expand":
            continue
        x, (out,) = node.inputs[0], node.outputs
        if out.is_graph_output() or not all(broadcasts(reader, out, x) for reader in consumers(out)):
            to = shape(out)
            x = reshape(x, (1,) * (len(to) - len(shape(x))) + shape(x), node)
            repeats = [size if have != size else 1 for size, have in zip(to, shape(x), strict=True)]
            if math.prod(repeats) <= FEW:
                for axis, count in enumerate(repeats):
                    if count > 1:
                        grown = (*shape(x)[:axis], count, *shape(x)[axis + 1 :])
                        x = emit(node, "Concat", [x] * count, grown, {"axis": axis}, dtype=x.dtype)
            else:
                operand = constant(graph, np.array(repeats, np.int64), "repeats")
                x = emit(node, "Tile", [x, operand], to, dtype=x.dtype)
        replace_output(node, given(x))
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
