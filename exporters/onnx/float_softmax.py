"""Keep ONNX Runtime from computing a Softmax between two pairs in integers, where it is wrong for fine scales."""

from __future__ import annotations

import onnx

from ...graph.fusion import VIEWS
from .proto import makers_of


def keep_float_softmax(graph: onnx.GraphProto) -> None:
    """DequantizeLinear -> Softmax -> QuantizeLinear: the Softmax becomes Exp(LogSoftmax(x)), which has no such kernel.

    The same numbers, in float32. Of the three ONNX Runtime (1.31 and before) makes a QLinearSoftmax, whose table
    overflows where the input's scale is about 0.0025 or less: probabilities come out wrong by most of their range. Its
    optimiser moves pairs over views, so those count as nothing between.
    """
    made_by = makers_of(graph)
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    nodes = []
    for node in graph.node:
        if node.op_type == "Softmax" and _is_dequantized(node.input[0], made_by) and _is_quantized(node, readers):
            logarithm = onnx.helper.make_node("LogSoftmax", [node.input[0]], [f"{node.output[0]}_log"], node.name)
            logarithm.attribute.extend(node.attribute)
            exponential = onnx.helper.make_node("Exp", [logarithm.output[0]], [node.output[0]], f"{node.name}_exp")
            for each in (logarithm, exponential):
                each.metadata_props.extend(node.metadata_props)
            nodes += [logarithm, exponential]
        else:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)


def _is_dequantized(name: str, made_by: dict[str, onnx.NodeProto]) -> bool:
    maker = made_by.get(name)
    while maker is not None and maker.op_type in VIEWS:
        maker = made_by.get(maker.input[0])
    return maker is not None and maker.op_type == "DequantizeLinear"


def _is_quantized(node: onnx.NodeProto, readers: dict[str, list[onnx.NodeProto]]) -> bool:
    return any(
        reader.op_type == "QuantizeLinear" or (reader.op_type in VIEWS and _is_quantized(reader, readers))
        for reader in readers.get(node.output[0], ())
    )
