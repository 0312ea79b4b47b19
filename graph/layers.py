"""Read and edit the layers with weights: Conv | ConvTranspose(x, W, B), MatMul(x, W) and its bias's Add."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from .dialect import stored
from .edit import (
    Operand,
    array,
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

CONVOLUTIONS = frozenset({"Conv", "ConvTranspose"})  # their channels are axis 1 of the result


@dataclass(frozen=True)
class Weighted:
    """A convolution or linear as it stands in the graph. `add`: the linear's Add of a bias, None where it has none."""

    node: ir.Node  # the Conv, the ConvTranspose or the MatMul
    add: ir.Node | None = None

    @property
    def is_conv(self) -> bool:
        return self.node.op_type in CONVOLUTIONS

    @property
    def output(self) -> ir.Value:
        return (self.add or self.node).outputs[0]

    @property
    def weight(self) -> np.ndarray:
        """(out, in / group, kh, kw) of a Conv, (in, out, kh, kw) of a ConvTranspose, (in, out) of a linear."""
        return array(self.node.inputs[1])

    @property
    def bias(self) -> np.ndarray:
        """(out,); zeros where the layer has none."""
        holder, index = (self.node, 2) if self.is_conv else (self.add, 1)
        if holder is None or len(holder.inputs) <= index or holder.inputs[index] is None:
            return np.zeros(self.channels, np.float32)
        return array(holder.inputs[index])

    @property
    def channels(self) -> int:
        return self.weight.shape[self.weight_axis]

    @property
    def weight_axis(self) -> int:
        """The axis of the weight along which the output's channels lie."""
        return 0 if self.node.op_type == "Conv" else 1

    @property
    def channel_axis(self) -> int:
        """The axis of the output along which the bias lies."""
        return 1 if self.is_conv else len(shape(self.output)) - 1


def weighted(value: Operand) -> Weighted | None:
    """The layer with constant weights whose result is `value`, or None."""
    node = producer(value)
    if node is None:
        return None
    if node.op_type in CONVOLUTIONS and not any(is_computed(operand) for operand in node.inputs[1:]):
        whole = node.op_type == "Conv" or attribute(node, "group", 1) == 1  # conv_transpose takes groups apart
        return Weighted(node) if whole else None
    if is_matmul(node):
        return Weighted(node)
    if node.op_type == "Add":
        matmul = producer(node.inputs[0], "MatMul")
        if matmul is not None and is_matmul(matmul) and bias_add(matmul) is node and not is_computed(node.inputs[1]):
            return Weighted(matmul, node)
    return None


def bias_add(matmul: ir.Node) -> ir.Node | None:
    """The Add of its bias (out,) behind a MatMul with a constant matrix (in, out), float or stored in integers."""
    add = sole_consumer(matmul.outputs[0], "Add")
    weight, bias = stored(matmul.inputs[1]), stored(add.inputs[1]) if add is not None else None
    if weight is None or weight.ndim != 2 or bias is None:
        return None
    return add if bias.shape == weight.shape[1:] else None


def is_computed(operand: Operand) -> bool:
    return operand is not None and const_value(operand) is None


def is_matmul(node: ir.Node) -> bool:
    """Whether the node is a MatMul(x, W) with a constant W of shape (in, out)."""
    if node.op_type != "MatMul":
        return False
    weight = const_value(node.inputs[1])
    return weight is not None and weight.ndim == 2 and const_value(node.inputs[0]) is None


def linears(graph: ir.Graph) -> list[Weighted]:
    """The linears of the graph, each with its bias where it has one."""
    found = []
    for node in graph:
        if is_matmul(node):
            add = bias_add(node)
            found.append(Weighted(node, None if add is None or is_computed(add.inputs[1]) else add))
    return found


def emit_linear(
    x: Operand,
    weight: np.ndarray,
    bias: np.ndarray | None,
    before: ir.Node,
    *,
    like: ir.Node | None = None,
    names: tuple[str | None, str | None] = ("weight", "bias"),
) -> ir.Value:
    """x @ weight + bias in front of `before`; weight (in, out), bias (out,) or None."""
    to = (*shape(x)[:-1], weight.shape[1])
    out = emit(before, "MatMul", [x, constant(before.graph, weight, names[0])], to, like=like)
    if bias is None:
        return out
    return emit(before, "Add", [out, constant(before.graph, bias, names[1])], to, like=like)


def set_weights(layer: Weighted, weight: np.ndarray, bias: np.ndarray) -> None:
    """Give the layer new constants (the old ones may be shared, so they stay). A linear gets its Add where it had none.

    weight: shaped as the layer's own; bias: (out,). Both are rounded to float32 here, once.
    """
    graph = layer.node.graph
    weight, bias = weight.astype(np.float32, copy=False), bias.astype(np.float32)
    layer.node.replace_input_with(1, constant(graph, weight, given(layer.node.inputs[1]).name))
    if layer.is_conv:
        old = layer.node.inputs[2] if len(layer.node.inputs) > 2 else None
        layer.node.resize_inputs(3)
        layer.node.replace_input_with(2, constant(graph, bias, old.name if old is not None else "bias"))
    elif layer.add is not None:
        layer.add.replace_input_with(1, constant(graph, bias, given(layer.add.inputs[1]).name))
    elif bias.any():
        append_bias(layer.node, bias)


def append_bias(matmul: ir.Node, bias: np.ndarray) -> None:
    """MatMul -> Add(MatMul, bias); every reader of the product reads the sum."""
    graph, product = owner(matmul), matmul.outputs[0]
    node = ir.node("Add", [product, constant(graph, bias, "bias")], metadata_props=dict(matmul.metadata_props))
    total = node.outputs[0]
    total.shape, total.type = product.shape, product.type
    graph.insert_after(matmul, node)
    if product.is_graph_output():
        total.name, product.name = product.name, f"{product.name}_product"
        for i, output in enumerate(graph.outputs):
            if output is product:
                graph.outputs[i] = total
    for reader in consumers(product):
        for i, operand in enumerate(reader.inputs):
            if operand is product and reader is not node:
                reader.replace_input_with(i, total)


def rescale(layer: Weighted, scale: np.ndarray | float, shift: np.ndarray | float = 0.0) -> None:
    """layer(x) -> layer(x) * scale + shift, with scale and shift (out,) or numbers, folded into the weights."""
    per_channel = np.broadcast_to(np.asarray(scale, np.float64), (layer.channels,))
    along = [-1 if axis == layer.weight_axis else 1 for axis in range(layer.weight.ndim)]
    scaled = layer.weight
    if np.any(per_channel != 1):
        scaled = np.empty(layer.weight.shape, np.float32)
        np.multiply(layer.weight, per_channel.reshape(along), out=scaled, casting="same_kind")  # without one in float64
    set_weights(layer, scaled, layer.bias * per_channel + shift)
