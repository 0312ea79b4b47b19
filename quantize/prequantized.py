"""Fit the quantisation that a model brings along to a target, without changing a value of it.

What is allowed: uint8 for int8 and back, both 128 apart, for kernels that want the other one; a float bias as the
int32 numbers that the target's kernel adds (a rounding far below the layer's own); a constant whose slices have scales
that no integer kernel takes as the float numbers that it stands for; and a layer that the target's kernel cannot
compute in integers left in float, on the very weights that its integers stand for, which is notes.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..graph.dialect import stored
from ..graph.edit import array, attribute, const_value, constant, given, name_of, producer, shape
from ..graph.kernels import KernelSet
from ..graph.layers import bias_add
from ..graph.qdq import dequantized, stored_qparams
from ..graph.qparams import INT8

_OTHER = {ir.DataType.UINT8: (np.int8, INT8[0]), ir.DataType.INT8: (np.uint8, -INT8[0])}
_LAYERS = {"Conv": 0, "MatMul": 1, "ConvTranspose": 1}  # op type -> the axis of the weight that may have several scales


def fit_prequantized(model: ir.Model, kernels: KernelSet) -> tuple[ir.Model, tuple[str, ...]]:
    """(a copy of the canonical quantised graph as the kernels' target takes it, what has to be notes about it)."""
    model = model.clone()
    graph = model.graph
    notes = asymmetric_weights(graph, kernels) if kernels.symmetric_weights else ()
    float_slices(graph)
    if kernels.integer_biases:
        integer_biases(graph)
    for node in list(graph):
        if node.op_type == "QuantizeLinear":
            retype(node, kernels.activations)
        elif node.op_type == "DequantizeLinear":
            is_constant = const_value(node.inputs[0]) is not None
            retype(node, "int8" if is_constant else kernels.activations)
    for name, value in list(graph.initializers.items()):
        if not value.uses() and not value.is_graph_output():
            del graph.initializers[name]
    return model, notes


def retype(node: ir.Node, wanted: str) -> None:
    """Let a node of the pair work on the other 8-bit type: integers and zero point 128 apart."""
    graph = node.graph
    kind = given(node.inputs[2]).dtype
    if kind is None or kind not in _OTHER or kind == ir.DataType.from_numpy(np.dtype(wanted)):
        return
    to, shift = _OTHER[kind]
    for i in (0, 2):
        numbers = const_value(node.inputs[i])
        if numbers is not None and not (i == 0 and node.op_type == "QuantizeLinear"):
            moved = (numbers.astype(np.int16) + shift).astype(to)
            node.replace_input_with(i, constant(graph, moved, name_of(node.inputs[i])))
    if node.op_type == "QuantizeLinear":
        node.outputs[0].type = ir.TensorType(ir.DataType.from_numpy(np.dtype(to)))  # a clone shares the old object


def asymmetric_weights(graph: ir.Graph, kernels: KernelSet) -> tuple[str, ...]:
    """Layers whose weights have other zero points than 0 (int8) or 128 (uint8) get them as float numbers.

    The kernels multiply by weights around 0 only (TFLite's int8 specification). Another zero point would need other
    integers, so other weights than those that were trained or calibrated: computed in float they stay the same.
    """
    layers = []
    for node in list(graph):
        dequantize = producer(node.inputs[1], "DequantizeLinear") if node.op_type in _LAYERS else None
        if dequantize is None or const_value(dequantize.inputs[0]) is None:
            continue
        zero = array(dequantize.inputs[2])
        if (zero != (128 if zero.dtype == np.uint8 else 0)).any():
            node.replace_input_with(1, constant(graph, dequantized(dequantize), name_of(dequantize.inputs[0])))
            layers.append(name_of(node.outputs[0]))
    if not layers:
        return ()
    return (
        f"{kernels.name}: {len(layers)} layers run in float, among them {layers[0]!r}: their weights are asymmetric, "
        "which its int8 kernels cannot multiply by; quantise the weights symmetrically",
    )


def float_slices(graph: ir.Graph) -> None:
    """Constants whose slices have scales or zero points of their own become float where no integer kernel takes them.

    Different zero points only ONNX itself can say. Different scales are for the output channels of a layer's weight,
    and its bias: elsewhere (a batch of matrices, rows, an operand of Add) TFLite and ONNX Runtime fail, or go wrong.
    """
    for node in list(graph):
        if node.op_type == "DequantizeLinear" and const_value(node.inputs[0]) is not None:
            scale, zero = array(node.inputs[1]), array(node.inputs[2])
            if (zero != zero.flat[0]).any() or (scale.size > 1 and not all(takes_scales(*use) for use in uses(node))):
                real = constant(graph, dequantized(node), name_of(node.inputs[0]))
                node.outputs[0].replace_all_uses_with(real)
                graph.remove(node, safe=True)


def uses(dequantize: ir.Node) -> list[tuple[ir.Node, int, ir.Node]]:
    """(who reads the constant, as which operand, the constant's node)"""
    return [(use.node, use.idx, dequantize) for use in dequantize.outputs[0].uses()]


def takes_scales(reader: ir.Node, operand: int, dequantize: ir.Node) -> bool:
    """Whether a constant with several scales is read as a layer's weight, one for each output channel, or its bias."""
    if given(dequantize.inputs[0]).dtype == ir.DataType.INT32:
        return True
    channels = _LAYERS.get(reader.op_type) if operand == 1 else None
    is_matrices = reader.op_type == "MatMul" and len(shape(dequantize.outputs[0])) > 2
    return channels == attribute(dequantize, "axis") and not is_matrices


def integer_biases(graph: ir.Graph) -> None:
    """Float biases of int8 layers -> int32 at s_input * s_weight; where that overflows, the weights as float."""
    for node in list(graph):
        if node.op_type not in _LAYERS or stored(node.inputs[1]) is None:
            continue
        weight, x = producer(node.inputs[1], "DequantizeLinear"), stored_qparams(node.inputs[0])
        holder, index = (bias_add(node), 1) if node.op_type == "MatMul" else (node, 2)
        if weight is None or x is None or holder is None or len(holder.inputs) <= index:
            continue
        bias, channels = const_value(holder.inputs[index]), array(weight.inputs[1])
        if bias is None or bias.ndim != 1:
            continue  # integers already, or no bias at all
        scale = np.float32(x.scale) * channels.astype(np.float32).reshape(-1)
        steps = np.rint(bias.astype(np.float64) / scale)
        if np.abs(steps).max() > np.iinfo(np.int32).max:
            node.replace_input_with(1, constant(graph, dequantized(weight), name_of(weight.inputs[0])))
            continue
        name = name_of(holder.inputs[index])
        is_one = scale.size == 1
        operands = [
            constant(graph, steps.astype(np.int32), f"{name}_q"),
            constant(graph, scale.reshape(()) if is_one else scale, f"{name}_scale"),
            constant(graph, np.zeros(() if is_one else scale.shape, np.int32), f"{name}_zero_point"),
        ]
        dequantize = ir.node("DequantizeLinear", operands, {} if is_one else {"axis": 0})
        dequantize.outputs[0].shape, dequantize.outputs[0].dtype = ir.Shape(bias.shape), ir.DataType.FLOAT
        graph.insert_before(holder, dequantize)
        holder.replace_input_with(index, dequantize.outputs[0])
