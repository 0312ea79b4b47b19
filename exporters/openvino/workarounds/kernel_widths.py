"""Conv(x, w) -> the same with a column of zeros more in its weight

For an int8 Conv that the kernels for AMX take in blocks of 64 numbers and get wrong: of fewer than 64 channels, where
those of a row of the kernel are a larger multiple of 64; of 1 x 1 in groups of more than 64 channels, where those are
no multiple of 64. And for a Conv of 1 x 1 with strides and pads, of which the plugin moves the strides before the pads.
"""

import numpy as np
import onnx_ir as ir

from ....graph.edit import array, attribute, const_value, constant, producer, shape


def rewrite(model: ir.Model) -> int:
    count = 0
    for node in model.graph:
        if node.op_type != "Conv":
            continue
        dequantize = producer(node.inputs[1], "DequantizeLinear")
        stored = node.inputs[1] if dequantize is None else dequantize.inputs[0]
        if const_value(stored) is not None and is_miscounted(node, dequantize is not None):
            widen(model.graph, node, dequantize)
            count += 1
    return count


def is_miscounted(node: ir.Node, quantized: bool) -> bool:
    """Whether the plugin gets the Conv wrong."""
    _, channels, *kernel = shape(node.inputs[1])
    pointwise, strided = set(kernel) == {1}, set(attribute(node, "strides")) != {1}
    if pointwise and strided:
        return any(attribute(node, "pads"))
    if not quantized:
        return False
    if channels < 64:
        return kernel[-1] * channels > 64 and kernel[-1] * channels % 64 == 0
    return pointwise and attribute(node, "group", 1) > 1 and channels % 64 != 0


def widen(graph: ir.Graph, node: ir.Node, dequantize: ir.Node | None) -> None:
    narrow = array(node.inputs[1] if dequantize is None else dequantize.inputs[0])
    name = f"{node.outputs[0].name}_wide"
    wide = constant(graph, np.pad(narrow, [*[(0, 0)] * (narrow.ndim - 1), (0, 1)]), name)
    if dequantize is not None:
        attributes = list(dequantize.attributes.values())
        widened = ir.Node("", "DequantizeLinear", [wide, *dequantize.inputs[1:]], attributes, name=dequantize.name)
        graph.insert_before(node, widened)
        widened.outputs[0].name, widened.outputs[0].shape = f"{name}_dq", wide.shape
        widened.outputs[0].dtype = ir.DataType.FLOAT
        wide = widened.outputs[0]
    node.replace_input_with(1, wide)
    kernel, pads = list(attribute(node, "kernel_shape")), list(attribute(node, "pads"))
    kernel[-1] += 1
    pads[-1] += attribute(node, "dilations")[-1]
    node.attributes["kernel_shape"] = ir.AttrInt64s("kernel_shape", kernel)
    node.attributes["pads"] = ir.AttrInt64s("pads", pads)
