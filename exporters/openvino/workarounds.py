"""This file writes a graph around what OpenVINO's CPU plugin (2026.4) gets wrong.

Reshape(x, no axes) -> Squeeze(x): behind a MatMul such a Reshape ends the process.
Equal(ReduceMax(x), -inf) -> Equal(ReduceMin(Cast(Equal(x, -inf))), 1): it reduces what is all -inf to the lowest number
of float32, so that a row of attention that is masked as a whole is NaN instead of 0.
Mul | Add | Sub | Div(Reduce...(x) of three axes, c of (n, 1)) -> the same with c repeated to the result's shape: fused
into the reduction, it takes the numbers of c along another axis.
QuantizeLinear(Concat(...) of three axes) -> the same in four axes: moved in front of the Concat, its zero point becomes
one for each token, which no MatMul behind it takes.
Abs(x of one axis) -> Max(x, Neg(x)): of a Concat, Abs writes over what others still read.
int8 Conv that the kernels for AMX take in blocks of 64 numbers and get wrong -> the same with a column of zeros more in
its weight: of fewer than 64 channels, where those of a row of the kernel are a larger multiple of 64; of 1 x 1 in
groups of more than 64 channels, where those are no multiple of 64.
Conv(Mul(x, a constant as high and wide as the kernel)) -> the same with the product in five axes: the constant is taken
into the weight, as if it were not one for each place.
Conv of one channel with a result one number wide -> the same with stride 1, which is then the same: with stride 2 it
reads other rows.
Conv(1 x 1, with strides and pads) -> the same with a column of zeros more: its strides move before its pads.
Attention over as many heads as tokens, of which the queries or the result are swapped (n, t, h, d) <-> (n, h, t, d)
but not both -> the same swapped in five axes: with the attention in one kernel, heads and tokens are taken for each
other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ..onnx.proto import constants_of, makers_of

WINDOW = {"kernel_shape", "strides", "pads", "dilations"}  # of a canonical Conv


def write_around(graph: onnx.GraphProto) -> None:
    squeeze_scalars(graph)
    find_masked(graph)
    repeat_constants(graph)
    absolute_of_one_axis(graph)
    quantize_in_four_axes(graph)
    swap_in_five_axes(graph)
    multiply_in_five_axes(graph)
    stride_by_one(graph)
    widen_kernels(graph)


def squeeze_scalars(graph: onnx.GraphProto) -> None:
    scalars = {tensor.name for tensor in graph.initializer if list(tensor.dims) == [0]}
    for node in graph.node:
        if node.op_type == "Reshape" and node.input[1] in scalars:
            node.op_type = "Squeeze"
            del node.input[1:]
            del node.attribute[:]


def find_masked(graph: onnx.GraphProto) -> None:
    makers = makers_of(graph)
    lowest = {tensor.name for tensor in graph.initializer if is_minus_infinity(tensor)}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        reduced = next((makers[name] for name in node.input if name in makers), None)
        bound = next((name for name in node.input if name in lowest), None)
        if node.op_type == "Equal" and reduced is not None and reduced.op_type == "ReduceMax" and bound is not None:
            out = node.output[0]
            one = numpy_helper.from_array(np.ones((), np.float32), f"{out}_one")
            graph.initializer.append(one)
            nodes += [
                helper.make_node("Equal", [reduced.input[0], bound], [f"{out}_masked"]),
                helper.make_node("Cast", [f"{out}_masked"], [f"{out}_number"], to=onnx.TensorProto.FLOAT),
                helper.make_node("ReduceMin", [f"{out}_number", reduced.input[1]], [f"{out}_all"]),
                helper.make_node("Equal", [f"{out}_all", one.name], [out], name=node.name),
            ]
        else:
            nodes.append(node)
    put(graph, nodes)


def repeat_constants(graph: onnx.GraphProto) -> None:
    shapes = shapes_of(graph)
    constants = constants_of(graph)
    makers = makers_of(graph)
    for node in graph.node:
        shape = shapes.get(node.output[0], [])
        if node.op_type not in ("Add", "Mul", "Sub", "Div") or len(shape) != 3:
            continue
        for index, name in enumerate(node.input):
            if name in constants and is_reduced(node.input[1 - index], shape, shapes, makers):
                array = numpy_helper.to_array(constants[name])
                if 1 < array.size < np.prod(shape):
                    whole = f"{node.output[0]}_repeated"
                    repeated = np.broadcast_to(array, shape).copy()
                    graph.initializer.append(numpy_helper.from_array(repeated, whole))
                    node.input[index] = whole


def absolute_of_one_axis(graph: onnx.GraphProto) -> None:
    shapes = shapes_of(graph)
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        x, out = node.input[0] if node.input else "", node.output[0]
        if node.op_type == "Abs" and len(shapes.get(out, [])) == 1:
            nodes.append(helper.make_node("Neg", [x], [f"{out}_negative"]))
            nodes.append(helper.make_node("Max", [x, f"{out}_negative"], [out], name=node.name))
        else:
            nodes.append(node)
    put(graph, nodes)


def quantize_in_four_axes(graph: onnx.GraphProto) -> None:
    shapes, makers = shapes_of(graph), makers_of(graph)
    nodes: list[onnx.NodeProto] = []
    stored: dict[str, list[int]] = {}  # quantised value -> its three axes
    for node in graph.node:
        x, out = node.input[0] if node.input else "", node.output[0]
        concat = makers.get(x) if node.op_type == "QuantizeLinear" else None
        if concat is not None and concat.op_type == "Concat" and len(shapes.get(x, [])) == 3:
            stored[out] = shapes[x]
            node.input[0], node.output[0] = f"{out}_whole", f"{out}_four"
            nodes += [reshape(graph, x, f"{out}_whole", [1, *shapes[x]]), node]
        elif node.op_type == "DequantizeLinear" and x in stored:
            node.input[0], node.output[0] = f"{x}_four", f"{out}_four"
            nodes += [node, reshape(graph, f"{out}_four", out, stored[x])]
        else:
            nodes.append(node)
    put(graph, nodes)


def swap_in_five_axes(graph: onnx.GraphProto) -> None:
    shapes = shapes_of(graph)
    makers = makers_of(graph)
    readers = {name: node for node in graph.node for name in node.input}
    nodes = list(graph.node)
    for node in graph.node:
        scores = behind(makers, node.input[0], "Softmax") if node.op_type == "MatMul" else None
        product = behind(makers, scores.input[0], "MatMul") if scores is not None else None
        shape = shapes.get(node.output[0], [])
        if product is None or len(shape) != 4 or shape[1] != shape[2]:
            continue
        query = behind(makers, product.input[0], "Transpose")
        result = readers.get(node.output[0])
        swaps = [step for step in (query, result) if step is not None and swaps_heads(step)]
        if len(swaps) == 1:
            at = nodes.index(swaps[0])
            nodes[at : at + 1] = five_axes(graph, swaps[0], shapes[swaps[0].output[0]])
    put(graph, nodes)


def multiply_in_five_axes(graph: onnx.GraphProto) -> None:
    constants = constants_of(graph)
    shapes, makers = shapes_of(graph), makers_of(graph)
    nodes = list(graph.node)
    for conv in [node for node in graph.node if node.op_type == "Conv"]:
        product = makers.get(conv.input[0])
        factor = constants.get(product.input[1]) if product is not None and product.op_type == "Mul" else None
        if product is None or factor is None or product not in nodes:
            continue
        (x, _), out = product.input, product.output[0]
        shape, places = shapes.get(out, []), list(factor.dims[-2:])
        if places == window_of(conv).get("kernel_shape") and max(places) > 1 and shapes.get(x) == shape:
            deep = numpy_helper.from_array(numpy_helper.to_array(factor)[..., None], f"{out}_factor")
            graph.initializer.append(deep)
            at = nodes.index(product)
            nodes[at : at + 1] = [
                reshape(graph, x, f"{out}_deep", [*shape, 1]),
                helper.make_node("Mul", [f"{out}_deep", deep.name], [f"{out}_product"], name=product.name),
                reshape(graph, f"{out}_product", out, shape),
            ]
    put(graph, nodes)


def stride_by_one(graph: onnx.GraphProto) -> None:
    shapes = shapes_of(graph)
    for node in graph.node:
        window = window_of(node) if node.op_type == "Conv" else {}
        x, y = shapes.get(node.input[0]) if node.input else None, shapes.get(node.output[0])
        if not x or not y or y[-1] != 1 or not window.keys() >= WINDOW:
            continue
        pads, reach = window["pads"], window["dilations"][-1] * (window["kernel_shape"][-1] - 1) + 1
        unread = x[-1] + pads[len(pads) // 2 - 1] + pads[-1] - reach
        if x[1] == 1 and window["strides"][-1] > 1 and unread <= pads[-1]:
            window["strides"][-1] = 1
            pads[-1] -= unread


def widen_kernels(graph: onnx.GraphProto) -> None:
    constants = constants_of(graph)
    makers = makers_of(graph)
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type != "Conv":
            nodes.append(node)
            continue
        dequantized = makers.get(node.input[1])
        weight = constants.get(node.input[1] if dequantized is None else dequantized.input[0])
        window = window_of(node)
        if (
            weight is not None
            and window.keys() >= WINDOW
            and is_miscounted(node, list(weight.dims), dequantized is not None)
        ):
            wide = f"{node.output[0]}_wide"
            padded = np.pad(numpy_helper.to_array(weight), [*[(0, 0)] * (len(weight.dims) - 1), (0, 1)])
            graph.initializer.append(numpy_helper.from_array(padded, wide))
            node.input[1] = wide
            if dequantized is not None:
                widened = onnx.NodeProto()
                widened.CopyFrom(dequantized)
                widened.input[0], widened.output[0] = wide, f"{wide}_dq"
                nodes.append(widened)
                node.input[1] = f"{wide}_dq"
            window["kernel_shape"][-1] += 1
            window["pads"][-1] += window["dilations"][-1]
        nodes.append(node)
    put(graph, nodes)


def is_miscounted(node: onnx.NodeProto, shape: list[int], quantized: bool) -> bool:
    """Whether a Conv with a weight of this shape is one that the plugin gets wrong."""
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    _, channels, *kernel = shape
    pointwise, strided = set(kernel) == {1}, set(attributes["strides"]) != {1}
    if pointwise and strided:
        return any(attributes["pads"])
    if not quantized:
        return False
    if channels < 64:
        return kernel[-1] * channels > 64 and kernel[-1] * channels % 64 == 0
    return pointwise and attributes.get("group", 1) > 1 and channels % 64 != 0


def behind(makers: dict[str, onnx.NodeProto], name: str, op_type: str) -> onnx.NodeProto | None:
    """The node of that type that makes the value, but for what is done to each element."""
    node = makers.get(name)
    while node is not None and node.op_type in ("Add", "Mul", "Where") and node.op_type != op_type:
        node = next((makers[name] for name in node.input if name in makers), None)
    return node if node is not None and node.op_type == op_type else None


def swaps_heads(node: onnx.NodeProto) -> bool:
    return node.op_type == "Transpose" and list(node.attribute[0].ints) == [0, 2, 1, 3]


def five_axes(graph: onnx.GraphProto, node: onnx.NodeProto, shape: list[int]) -> list[onnx.NodeProto]:
    """Transpose(0, 2, 1, 3) with an axis of size 1 behind."""
    out = node.output[0]
    return [
        reshape(graph, node.input[0], f"{out}_five", [shape[0], shape[2], shape[1], shape[3], 1]),
        helper.make_node("Transpose", [f"{out}_five"], [f"{out}_swapped"], perm=[0, 2, 1, 3, 4]),
        reshape(graph, f"{out}_swapped", out, shape),
    ]


def reshape(graph: onnx.GraphProto, x: str, out: str, shape: list[int]) -> onnx.NodeProto:
    graph.initializer.append(numpy_helper.from_array(np.array(shape), f"{out}_shape"))
    return helper.make_node("Reshape", [x, f"{out}_shape"], [out])


def put(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    """Let these be the graph's nodes, where any were put in."""
    if len(nodes) > len(graph.node):
        del graph.node[:]
        graph.node.extend(nodes)


def window_of(node: onnx.NodeProto) -> dict[str, Any]:
    """{name: the node's list of numbers}; what is written into a list is written into the node."""
    return {a.name: a.ints for a in node.attribute if a.name in WINDOW}


def shapes_of(graph: onnx.GraphProto) -> dict[str, list[int]]:
    infos = (*graph.input, *graph.value_info, *graph.output)
    return {info.name: [dim.dim_value for dim in info.type.tensor_type.shape.dim] for info in infos}


def is_reduced(name: str, shape: list[int], shapes: dict[str, list[int]], makers: dict[str, onnx.NodeProto]) -> bool:
    """Whether a value of the shape is that of a reduction, or of operators element by element behind one."""
    node = makers.get(name)
    while node is not None and shapes.get(node.output[0]) == shape:
        if node.op_type.startswith("Reduce"):
            return True
        node = next((makers[name] for name in node.input if name in makers), None)
    return False


def is_minus_infinity(tensor: onnx.TensorProto) -> bool:
    if tensor.data_type != onnx.TensorProto.FLOAT or any(size != 1 for size in tensor.dims):
        return False
    return bool(np.isneginf(numpy_helper.to_array(tensor)).all())
