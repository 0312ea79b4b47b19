"""layer(Mul | Add(x, c)) -> layer'(x), for the Convs and linears that read it and one number a channel, or one for all
Add(Mul(x, s), t) -> Mul(Add(x, t / s), s), where the layers take the product alone

A Conv that pads takes no Add: a border of zeros is not x's. Leaves a node alone where anything but layers reads it, the
graph returns it, or c varies along another axis.
"""

import numpy as np
import onnx_ir as ir

from ....graph.edit import (
    attribute,
    const_value,
    constant,
    consumers,
    emit,
    given,
    owner,
    producer,
    shape,
    sole_consumer,
)
from ....graph.layers import Weighted, bias_add, set_weights, weighted
from ....graph.replacing import replace_output


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    for node in reversed(graph):  # of two in a row the one that a layer reads comes first
        if node.op_type not in ("Mul", "Add") or (numbers := numbers_of(node)) is None:
            continue
        layers = readers(node.outputs[0])
        per_channel = [along_channels(layer, numbers, shape(node.outputs[0])) for layer in layers]
        if not layers or any(each is None for each in per_channel):
            continue
        if node.op_type == "Add" and any(pads(layer) for layer in layers):
            count += swap(node, numbers)
            continue
        for layer, each in zip(layers, per_channel, strict=True):
            assert each is not None
            take_in(layer, node.op_type, each)
        replace_output(node, given(node.inputs[0]))
        graph.remove(node, safe=True)
        count += 1
    return count


def numbers_of(node: ir.Node) -> np.ndarray | None:
    """The constant of a Mul or Add that leaves the shape of its other operand."""
    numbers = const_value(node.inputs[1])
    if numbers is None or numbers.dtype != np.float32 or const_value(node.inputs[0]) is not None:
        return None
    return numbers if shape(node.inputs[0]) == shape(node.outputs[0]) else None


def readers(value: ir.Value) -> list[Weighted]:
    """The layers that read the value; none where anything else does."""
    found = []
    for node in consumers(value) if not value.is_graph_output() else ():
        add = bias_add(node) if node.op_type == "MatMul" else None
        layer = weighted(add.outputs[0] if add is not None else node.outputs[0])
        if layer is None or layer.node is not node or node.op_type == "ConvTranspose" or node.inputs[0] is not value:
            return []
        found.append(layer)
    return found


def along_channels(layer: Weighted, numbers: np.ndarray, dims: tuple[int, ...]) -> np.ndarray | None:
    """The constant as one number per channel that the layer reads; None where it varies along another axis."""
    axis = 1 if layer.is_conv else len(dims) - 1
    aligned = numbers.reshape((1,) * (len(dims) - numbers.ndim) + numbers.shape)
    if aligned.size != aligned.shape[axis]:
        return None
    return np.broadcast_to(aligned.reshape(-1), (dims[axis],)).astype(np.float64)


def pads(layer: Weighted) -> bool:
    return layer.is_conv and any(attribute(layer.node, "pads", ()))


def take_in(layer: Weighted, op_type: str, numbers: np.ndarray) -> None:
    """Scale the weights by one number per channel that they multiply, or add to the bias what they make of it."""
    weight = layer.weight.astype(np.float64)
    if layer.is_conv:
        outputs, inputs = weight.shape[:2]
        groups = np.repeat(numbers.reshape(-1, inputs), outputs * inputs // len(numbers), axis=0)  # (out, in / group)
        product = weight * groups.reshape(outputs, inputs, *(1,) * (weight.ndim - 2))
    else:
        product = weight * numbers[:, None]
    if op_type == "Mul":
        set_weights(layer, product, layer.bias)
    else:
        axes = tuple(axis for axis in range(product.ndim) if axis != layer.weight_axis)
        set_weights(layer, layer.weight, layer.bias + product.sum(axes))


def swap(add: ir.Node, shift: np.ndarray) -> int:
    """Let the Mul in front of an Add come behind it; 1 where it does."""
    mul = producer(add.inputs[0], "Mul")
    scale = numbers_of(mul) if mul is not None and sole_consumer(mul.outputs[0]) is add else None
    if mul is None or scale is None or not scale.all():
        return 0
    with np.errstate(over="ignore"):
        moved = (shift.astype(np.float64) / scale).astype(np.float32)
    if moved.size > max(shift.size, scale.size) or not np.isfinite(moved).all():
        return 0
    x, dims = given(mul.inputs[0]), shape(add.outputs[0])
    total = emit(add, "Add", [x, constant(add.graph, moved, given(add.inputs[1]).name)], dims)
    replace_output(add, emit(add, "Mul", [total, mul.inputs[1]], dims, like=mul))
    owner(add).remove(add, safe=True)
    return 1
