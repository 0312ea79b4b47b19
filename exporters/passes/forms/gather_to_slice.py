"""Gather(x, i) -> Reshape(Slice(x, i:i+1)); Gather(x, [i, i+s, i+2s, ...]) -> Slice(x)

Leaves a Gather alone whose indices are not constant, or are no range with a positive step.
"""

import numpy as np
import onnx_ir as ir

from ....graph.edit import attribute, const_value, replace, reshape, shape
from .explicit_slice import emit_slice


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    for node in graph:
        if node.op_type != "Gather":
            continue
        x, (out,) = node.inputs[0], node.outputs
        axis = attribute(node, "axis", 0) % len(shape(x))
        indices = const_value(node.inputs[1])
        bounds = as_range(indices, shape(x)[axis]) if indices is not None else None
        if bounds is None:
            continue
        part = emit_slice(x, {axis: bounds}, node)
        replace(out, reshape(part, shape(out), node))
        graph.remove(node, safe=True)
        count += 1
    return count


def as_range(indices: np.ndarray, size: int) -> tuple[int, int, int] | None:
    """start, end, step of the indices into an axis of `size`, or None where they are no ascending range."""
    flat = np.where(indices < 0, indices + size, indices).reshape(-1)
    steps = np.unique(np.diff(flat))
    if flat.size == 0 or len(steps) > 1 or (len(steps) == 1 and steps[0] < 1):
        return None
    step = int(steps[0]) if len(steps) else 1
    return int(flat[0]), int(flat[-1]) + 1, step
