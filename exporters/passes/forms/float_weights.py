"""DequantizeLinear(c) -> the float constant, of a graph in which only weights are quantised

Leaves a graph alone in which what is computed is quantised, too.
"""

import onnx_ir as ir

from ....graph.edit import const_value, constant, given, replace
from .quantized_constants import dequantized, is_quantized


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    if is_quantized(model):
        return 0
    for node in graph:
        if node.op_type == "DequantizeLinear" and all(const_value(value) is not None for value in node.inputs):
            replace(node.outputs[0], constant(graph, dequantized(node), given(node.inputs[0]).name))
            graph.remove(node, safe=True)
            count += 1
    return count
