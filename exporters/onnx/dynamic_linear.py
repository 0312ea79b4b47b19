"""MatMul(x, DequantizeLinear(w)) -> MatMulInteger of x, rounded by its range at run time, and w; times their scales

Of a graph whose weights alone are int8. Convolutions stay as they are: ONNX Runtime's ConvInteger takes no int8
weights.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ...graph.edit import array, constant, emit, given, name_of, producer, remove_dead, shape


def quantize_dynamically(model: ir.Model) -> ir.Model:
    """A copy of `model`; a value that several layers read is rounded once."""
    model = model.clone()
    graph = model.graph
    rounded: dict[str, list[ir.Value]] = {}
    for node in graph:
        dequantize = producer(node.inputs[1], "DequantizeLinear") if node.op_type == "MatMul" else None
        if dequantize is None:
            continue
        x, (weight, scales, _) = given(node.inputs[0]), dequantize.inputs
        name = name_of(x)
        if name not in rounded:
            quantize = ir.node("DynamicQuantizeLinear", [x], num_outputs=3, name=f"{name}_dynamic")
            integers, scale, zero = quantize.outputs
            for output, dims, dtype in (
                (integers, shape(x), ir.DataType.UINT8),
                (scale, (), ir.DataType.FLOAT),
                (zero, (), ir.DataType.UINT8),
            ):
                output.shape, output.dtype = ir.Shape(dims), dtype
            graph.insert_before(node, quantize)
            rounded[name] = [integers, scale, zero]
        integers, scale, zero = rounded[name]
        dims = shape(node.outputs[0])
        zero_weight = constant(graph, np.zeros((), np.int8), "zero")
        total = emit(node, "MatMulInteger", [integers, weight, zero, zero_weight], dims, dtype=ir.DataType.INT32)
        real = emit(node, "Cast", [total], dims, {"to": ir.DataType.FLOAT})
        both = emit(node, "Mul", [constant(graph, array(scales), "scales"), scale], array(scales).shape)
        product = emit(node, "Mul", [real, both], dims)
        name = node.outputs[0].name
        node.outputs[0].replace_all_uses_with(product, replace_graph_outputs=True)
        node.outputs[0].name, product.name = f"{name}_float", name
    remove_dead(graph)
    return model
