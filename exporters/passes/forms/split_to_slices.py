"""Split(x) -> Slice(x), Slice(x), ...

Leaves nothing alone: the sizes are those of the outputs, so it needs static shapes.
"""

import onnx_ir as ir

from ....graph.edit import attribute, replace, shape
from .explicit_slice import emit_slice


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    for node in graph:
        if node.op_type != "Split":
            continue
        axis = attribute(node, "axis", 0) % len(shape(node.inputs[0]))
        start = 0
        for out in node.outputs:
            end = start + shape(out)[axis]
            if out.uses() or out.is_graph_output():
                replace(out, emit_slice(node.inputs[0], {axis: (start, end, 1)}, node))
            start = end
        graph.remove(node, safe=True)
        count += 1
    return count
