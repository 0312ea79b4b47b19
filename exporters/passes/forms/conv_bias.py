"""Conv(x, W) -> Conv(x, W, zeros)

Leaves a Conv alone that has a bias.
"""

import numpy as np
import onnx_ir as ir

from ....graph.edit import constant, given, shape


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    for node in graph:
        if node.op_type != "Conv" or (len(node.inputs) > 2 and node.inputs[2] is not None):
            continue
        name = (given(node.inputs[1]).name or "").removesuffix(".weight") + ".bias"
        node.resize_inputs(3)
        node.replace_input_with(2, constant(graph, np.zeros(shape(node.inputs[1])[0], np.float32), name))
        count += 1
    return count
