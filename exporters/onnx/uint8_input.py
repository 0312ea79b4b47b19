"""Let an ONNX graph that takes pixels take them as bytes: image (1, h, w, c) uint8 -> Transpose -> Cast."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx

from .proto import constants_of

LAYOUT = "nhwc"


def take_bytes(graph: onnx.GraphProto) -> None:
    """The one input, float32 (1, c, h, w), becomes uint8 (1, h, w, c), under the same name.

    A QuantizeLinear at scale 1 and zero point 0 has nothing to do then, and goes.
    """
    (image,) = graph.input
    planes, inside = f"{image.name}_planes", f"{image.name}_pixels"
    constants = constants_of(graph)
    kept = [node for node in graph.node if not _keeps_bytes(node, image.name, constants)]
    same = {node.output[0]: planes for node in graph.node if node not in kept} | {image.name: inside}
    for node in kept:
        node.input[:] = [same.get(name, name) for name in node.input]
    dims = image.type.tensor_type.shape.dim
    n, c, h, w = (dim.dim_value for dim in dims)
    image.type.tensor_type.elem_type = onnx.TensorProto.UINT8
    for dim, size in zip(dims, (n, h, w, c), strict=True):
        dim.dim_value = size
    before = [
        onnx.helper.make_node("Transpose", [image.name], [planes], perm=(0, 3, 1, 2)),
        onnx.helper.make_node("Cast", [planes], [inside], to=onnx.TensorProto.FLOAT),
    ]
    read = any(inside in node.input for node in kept)
    del graph.node[:]
    graph.node.extend([*before[: 1 + read], *kept])


def _keeps_bytes(node: onnx.NodeProto, image: str, constants: Mapping[str, onnx.TensorProto]) -> bool:
    if node.op_type != "QuantizeLinear" or node.input[0] != image:
        return False
    scale, zero_point = (onnx.numpy_helper.to_array(constants[name]) for name in node.input[1:3])
    return (scale, zero_point, zero_point.dtype) == (1, 0, np.uint8)
