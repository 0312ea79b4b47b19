"""Squeeze(x) | Unsqueeze(x) | Flatten(x) | Reshape(x, with 0 or -1) -> Reshape(x, shape)

Reads the shape that the node's output has. Leaves a Reshape alone whose target is written out already.
"""

import numpy as np
import onnx_ir as ir

from ....graph.edit import const_value, constant, emit, replace, shape

OPS = {"Squeeze", "Unsqueeze", "Flatten", "Reshape"}


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    for node in graph:
        if node.op_type not in OPS:
            continue
        (out,) = node.outputs
        to = shape(out)
        target = const_value(node.inputs[1]) if node.op_type == "Reshape" else None
        if target is not None and tuple(target.tolist()) == to and not node.attributes:
            continue
        new = constant(graph, np.array(to, np.int64), "shape")
        replace(out, emit(node, "Reshape", [node.inputs[0], new], to, dtype=out.dtype))
        graph.remove(node, safe=True)
        count += 1
    return count
