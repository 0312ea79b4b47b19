"""linear(LayerNormalization(x, g, b)) -> linear'(LayerNormalization(x, ones, zeros))

Leaves a LayerNormalization alone that anything but linears reads, or the graph returns, or that has no affine part.
"""

import numpy as np
import onnx_ir as ir

from ..graph import const_value, constant, consumers, given, sole_consumer
from .weighted import Weighted, is_matmul, set_weights, weighted


def rewrite(graph: ir.Graph) -> int:
    return sum(fold(node) for node in graph if node.op_type == "LayerNormalization")


def fold(node: ir.Node) -> int:
    (out, *_), (gamma, beta) = node.outputs, (const_value(value) for value in node.inputs[1:3])
    readers = consumers(out)
    if gamma is None or beta is None or gamma.ndim != 1 or out.is_graph_output() or not readers:
        return 0
    if not all(is_matmul(reader) and reader.inputs[0] is out for reader in readers):
        return 0
    if (gamma == 1).all() and (beta == 0).all():
        return 0
    gamma, beta = gamma.astype(np.float64), beta.astype(np.float64)
    for reader in readers:
        add = sole_consumer(reader.outputs[0], "Add")
        layer = weighted(add.outputs[0]) if add is not None else None
        layer = layer if layer is not None and layer.node is reader else Weighted(reader)
        set_weights(layer, gamma[:, None] * layer.weight, beta @ layer.weight + layer.bias)
    for index, array in ((1, np.ones(gamma.shape, np.float32)), (2, np.zeros(beta.shape, np.float32))):
        node.replace_input_with(index, constant(node.graph, array, given(node.inputs[index]).name))
    return 1
