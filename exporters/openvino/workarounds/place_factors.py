"""Conv(Mul(x, a constant as high and wide as the kernel)) -> the same with the product in five axes

The plugin takes the constant into the weight, as if it were not one for each place.
"""

import onnx_ir as ir

from ....graph.edit import array, attribute, const_value, constant, maker, name_of, producer, shape
from .named_nodes import put, put_reshape, stand_in


def rewrite(model: ir.Model) -> int:
    count = 0
    for conv in [node for node in model.graph if node.op_type == "Conv"]:
        product = producer(conv.inputs[0], "Mul")
        if product is None or (factor := const_value(product.inputs[1])) is None:
            continue
        places = factor.shape[-2:]
        if places != tuple(attribute(conv, "kernel_shape")) or max(places) == 1:
            continue
        if shape(product.inputs[0]) == shape(product.outputs[0]):
            multiply_in_five_axes(model.graph, product)
            count += 1
    return count


def multiply_in_five_axes(graph: ir.Graph, product: ir.Node) -> None:
    out, (x, factor), name = product.outputs[0], product.inputs, product.name
    dims = shape(out)
    deep = put_reshape(product, f"{out.name}_deep", x, [*dims, 1])
    factors = constant(graph, array(factor)[..., None], f"{out.name}_factor")
    multiplied = put(product, f"{out.name}_product", "Mul", [deep, factors], [*dims, 1])
    maker(multiplied).name = name
    stand_in(put_reshape(product, name_of(out), multiplied, dims), product)
