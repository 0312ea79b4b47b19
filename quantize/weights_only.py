"""Store the weights of layers in 8 bits and leave everything else in float: w8a32, w8a16 and dynamic."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..graph.edit import array, const_value, constant, given, name_of, remove_dead, shape
from ..graph.layers import CONVOLUTIONS, is_matmul
from ..graph.qparams import per_channel

LEAST = 1024  # elements; smaller weights are no part of the size worth an error


def quantize_weights(model: ir.Model) -> ir.Model:
    """A copy in which large weights are int8 initializers, symmetric per output channel, behind DequantizeLinear.

    No input is looked at, and nothing that is computed is rounded. A weight that two layers read is stored once.
    """
    model = model.clone()
    graph = model.graph
    stored: dict[str, ir.Value] = {}
    for node in list(graph):
        if node.op_type in CONVOLUTIONS:
            axis = 0 if node.op_type == "Conv" else 1
        elif is_matmul(node):
            axis = 1
        else:
            continue
        weight = given(node.inputs[1])
        numbers = const_value(weight)
        if numbers is None or numbers.size < LEAST:
            continue
        name = name_of(weight)
        if name not in stored:
            params = per_channel(array(weight), axis)
            operands = [
                constant(graph, params.quantize(numbers), f"{name}_q"),
                constant(graph, np.array(params.scales, np.float32), f"{name}_scale"),
                constant(graph, np.zeros(len(params.scales), np.int8), f"{name}_zero_point"),
            ]
            dequantize = ir.node("DequantizeLinear", operands, {"axis": axis}, name=f"{name}_dq")
            dequantize.outputs[0].name = f"{name}_dq"
            dequantize.outputs[0].shape, dequantize.outputs[0].dtype = ir.Shape(shape(weight)), ir.DataType.FLOAT
            graph.insert_before(node, dequantize)
            stored[name] = dequantize.outputs[0]
        node.replace_input_with(1, stored[name])
    remove_dead(graph)
    return model
