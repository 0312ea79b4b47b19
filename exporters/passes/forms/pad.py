"""Pad(x, with axes, without a value, or cutting off) -> Pad(x, pads of every axis, value)

A Slice stands in front where pads are negative. Leaves a Pad alone whose pads are computed, or that is written so
already. One that reflects, repeats or wraps keeps its mode, which the dialect does not have.
"""

import numpy as np
import onnx_ir as ir

from ....graph.edit import array, attribute, const_value, constant, emit, replace, scalar, shape
from .explicit_slice import emit_slice


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    for node in graph:
        if node.op_type != "Pad":
            continue
        pads, mode = full_pads(node), attribute(node, "mode", "constant")
        if pads is None or is_canonical(node, pads) or (mode != "constant" and min(pads) < 0):
            continue
        x, value = node.inputs[0], 0.0
        if len(node.inputs) > 2 and node.inputs[2] is not None:
            value = scalar(node.inputs[2])
            if value is None:
                continue
        dims = shape(x)
        rank = len(dims)
        cut = {
            i: (max(0, -pads[i]), dims[i] - max(0, -pads[i + rank]), 1)
            for i in range(rank)
            if pads[i] < 0 or pads[i + rank] < 0
        }
        if cut:
            x = emit_slice(x, cut, node)
        grow = np.maximum(pads, 0).astype(np.int64)
        if grow.any():
            operands = [constant(graph, grow, "pads"), constant(graph, np.array(value, np.float32), "value")]
            x = emit(node, "Pad", [x, *operands], shape(node.outputs[0]), {"mode": mode})
        if x is not node.inputs[0]:
            replace(node.outputs[0], x)
            graph.remove(node, safe=True)
            count += 1
    return count


def full_pads(node: ir.Node) -> list[int] | None:
    """Padding at the start of every axis, then at the end of every axis; None where it is computed."""
    given = const_value(node.inputs[1])
    rank = len(shape(node.inputs[0]))
    axes = range(rank)
    if len(node.inputs) > 3 and node.inputs[3] is not None:
        chosen = const_value(node.inputs[3])
        if chosen is None:
            return None
        axes = [axis % rank for axis in chosen.tolist()]
    if given is None:
        return None
    pads = [0] * 2 * rank
    for i, axis in enumerate(axes):
        pads[axis], pads[axis + rank] = given.tolist()[i], given.tolist()[i + len(axes)]
    return pads


def is_canonical(node: ir.Node, pads: list[int]) -> bool:
    return (
        len(node.inputs) == 3
        and node.inputs[2] is not None
        and array(node.inputs[2]).ndim == 0
        and "mode" in node.attributes
        and min(pads) >= 0
        and array(node.inputs[1]).tolist() == pads
    )
