"""Find what a value of an ONNX file's graph is, for those who edit the file's own messages."""

from __future__ import annotations

import onnx


def constants_of(graph: onnx.GraphProto) -> dict[str, onnx.TensorProto]:
    """{name: initializer}"""
    return {tensor.name: tensor for tensor in graph.initializer}


def makers_of(graph: onnx.GraphProto) -> dict[str, onnx.NodeProto]:
    """{name of a computed value: the node that computes it}"""
    return {name: node for node in graph.node for name in node.output}
