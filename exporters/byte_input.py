"""This file lets an ONNX graph that takes pixels take them as bytes: image (1, h, w, c) uint8 -> Transpose -> Cast."""

from __future__ import annotations

import onnx

LAYOUT = "nhwc"


def take_bytes(graph: onnx.GraphProto) -> None:
    """The one input, float32 (1, c, h, w), becomes uint8 (1, h, w, c), under the same name."""
    (image,) = graph.input
    inside = f"{image.name}_pixels"
    for node in graph.node:
        node.input[:] = [inside if name == image.name else name for name in node.input]
    dims = image.type.tensor_type.shape.dim
    n, c, h, w = (dim.dim_value for dim in dims)
    image.type.tensor_type.elem_type = onnx.TensorProto.UINT8
    for dim, size in zip(dims, (n, h, w, c), strict=True):
        dim.dim_value = size
    before = [
        onnx.helper.make_node("Transpose", [image.name], [f"{image.name}_planes"], perm=(0, 3, 1, 2)),
        onnx.helper.make_node("Cast", [f"{image.name}_planes"], [inside], to=onnx.TensorProto.FLOAT),
    ]
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*before, *nodes])
