"""Reshape(x, no axes) -> Squeeze(x)

Behind a MatMul such a Reshape ends the process.
"""

import onnx_ir as ir

from ....graph.edit import array


def rewrite(model: ir.Model) -> int:
    count = 0
    for node in model.graph:
        if node.op_type == "Reshape" and array(node.inputs[1]).size == 0:
            node.op_type = "Squeeze"
            node.resize_inputs(1)
            node.attributes.clear()
            count += 1
    return count
