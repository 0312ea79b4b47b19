"""HardSigmoid(layer(x)) -> Clip(layer'(x), 0, 1), with alpha and beta in the weights of the Conv or linear

In int8 the clip costs nothing. Leaves a HardSigmoid alone that no layer feeds, or whose layer something else reads.
"""

import numpy as np
import onnx_ir as ir

from ....graph.edit import attribute, constant, emit, replace, shape, sole_consumer
from ....graph.layers import rescale, weighted


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    for node in graph:
        if node.op_type != "HardSigmoid" or sole_consumer(node.inputs[0]) is None:
            continue
        layer = weighted(node.inputs[0])
        if layer is None:
            continue
        rescale(layer, attribute(node, "alpha", 0.2), attribute(node, "beta", 0.5))
        bounds = [constant(graph, np.array(i, np.float32), n) for i, n in enumerate(("min", "max"))]
        replace(node.outputs[0], emit(node, "Clip", [node.inputs[0], *bounds], shape(node.outputs[0])))
        graph.remove(node, safe=True)
        count += 1
    return count
