"""Abs(x of one axis) -> Max(x, Neg(x))

Of a Concat, Abs writes over what others still read.
"""

import onnx_ir as ir

from ....graph.edit import maker, shape
from .named_nodes import put, stand_in


def rewrite(model: ir.Model) -> int:
    count = 0
    for node in model.graph:
        (x, *_), out = node.inputs or (None,), node.outputs[0]
        if node.op_type != "Abs" or x is None or len(shape(out)) != 1:
            continue
        name = node.name
        negative = put(node, f"{out.name}_negative", "Neg", [x], shape(x), dtype=x.dtype)
        largest = put(node, "", "Max", [x, negative], shape(x), dtype=x.dtype)
        stand_in(largest, node)
        maker(largest).name = name
        count += 1
    return count
