"""Conv | ConvTranspose | MaxPool | AveragePool | LpPool(n, c, w) -> Reshape(the same of (n, c, 1, w))

Leaves a node alone that has another number of spatial axes, or computed weights.
"""

import onnx_ir as ir

from ....graph.edit import array, attribute, const_value, constant, emit, name_of, replace, reshape, shape

PER_AXIS = {  # attribute -> what it is for the new axis
    "kernel_shape": 1,
    "strides": 1,
    "dilations": 1,
    "output_shape": 1,
    "output_padding": 0,
}
OPS = {"Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool"}


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    for node in graph:
        if node.op_type not in OPS or len(shape(node.inputs[0])) != 3 or any(out.uses() for out in node.outputs[1:]):
            continue
        x, *weights = node.inputs
        arrays = [const_value(value) for value in weights]
        if any(a is None and value is not None for a, value in zip(arrays, weights, strict=True)):
            continue
        attributes = {name: attribute(node, name) for name in node.attributes}
        for name in PER_AXIS.keys() & attributes.keys():
            attributes[name] = (PER_AXIS[name], *attributes[name])
        if "pads" in attributes:
            before, after = attributes["pads"]
            attributes["pads"] = (0, before, 0, after)
        if weights:  # (o, i, k) -> (o, i, 1, k)
            weights[0] = constant(graph, array(weights[0])[:, :, None], name_of(weights[0]))
        n, c, w = shape(node.outputs[0])
        x = reshape(x, (*shape(x)[:2], 1, shape(x)[2]), node)
        out = emit(node, node.op_type, [x, *weights], (n, c, 1, w), attributes)
        replace(node.outputs[0], reshape(out, (n, c, w), node))
        graph.remove(node, safe=True)
        count += 1
    return count
