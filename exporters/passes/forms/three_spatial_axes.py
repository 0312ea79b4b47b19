"""Conv | AveragePool | MaxPool(n, c, d, h, w) whose kernel is one wide along an axis -> the same of two axes, that axis
as a part of the batch

Leaves a node alone with a wider kernel, a stride or pads along every axis, computed weights, or places as an output.
"""

import onnx_ir as ir

from ....graph.edit import array, attribute, const_value, constant, emit, name_of, replace, reshape, shape, transpose

WINDOWS = {"Conv", "AveragePool", "MaxPool"}


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    for node in graph:
        if node.op_type not in WINDOWS or len(shape(node.inputs[0])) != 5 or any(o.uses() for o in node.outputs[1:]):
            continue
        if node.op_type == "Conv":
            drop_empty_bias(node)
            if const_value(node.inputs[1]) is None:
                continue
        free = [axis for axis in (0, 1, 2) if is_free(node, axis)]
        if not free:
            continue
        replace(node.outputs[0], without_axis(node, free[-1]))
        graph.remove(node, safe=True)
        count += 1
    return count


def is_free(node: ir.Node, axis: int) -> bool:
    """Whether each place along a spatial axis is computed for itself."""
    size, out = (shape(value)[2 + axis] for value in (node.inputs[0], node.outputs[0]))
    window = (shape(node.inputs[1])[2:] if node.op_type == "Conv" else attribute(node, "kernel_shape"))[axis]
    return window == 1 and out == size and attribute(node, "strides", (1, 1, 1))[axis] == 1


def drop_empty_bias(conv: ir.Node) -> None:
    """PyTorch 2.13 gives a volume without a bias zeros of a wrong shape."""
    if len(conv.inputs) > 2 and (numbers := const_value(conv.inputs[2])) is not None and numbers.ndim != 1:
        conv.resize_inputs(2)


def without_axis(node: ir.Node, axis: int) -> ir.Value:
    x, *weights = node.inputs
    kept = [other for other in (0, 1, 2) if other != axis]
    attributes = {name: attribute(node, name) for name in node.attributes}
    for name in ("kernel_shape", "strides", "dilations", "pads"):
        if name in attributes:
            values = attributes[name]
            attributes[name] = [values[start + other] for start in range(0, len(values), 3) for other in kept]
    to = shape(node.outputs[0])
    order = (0, 2 + axis, 1, *(2 + other for other in kept))
    moved = transpose(x, order, node)
    n, places, *image = shape(moved)
    if weights:
        weights[0] = constant(node.graph, array(weights[0]).squeeze(2 + axis), name_of(weights[0]))
    sizes = (n, places, *(to[other] for other in order[2:]))
    images = reshape(moved, (n * places, *image), node)
    out = emit(node, node.op_type, [images, *weights], (n * places, *sizes[2:]), attributes)
    back = [order.index(i) for i in range(5)]
    return transpose(reshape(out, sizes, node), back, node)
