"""Div(x, Sqrt(v)) -> Mul(x, Pow(v, -1/2))

The end of a norm that stands as its parts: int8 kernels have the inverse root, and neither a root nor a division.
Leaves alone a root that something else reads too.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ...graph.edit import constant, emit, given, name_of, producer, remove_dead, replace, shape, sole_consumer


def rewrite(model: ir.Model) -> ir.Model:
    """A copy of `model`; what a division computes keeps its name."""
    model = model.clone()
    graph = model.graph
    for node in graph:
        root = producer(node.inputs[1], "Sqrt") if node.op_type == "Div" else None
        if root is None or sole_consumer(root.outputs[0]) is not node:
            continue
        power = constant(graph, np.array(-0.5, np.float32), "power")
        inverse = emit(node, "Pow", [given(root.inputs[0]), power], shape(root.outputs[0]))
        value, name = emit(node, "Mul", [node.inputs[0], inverse], shape(node.outputs[0])), name_of(node.outputs[0])
        replace(node.outputs[0], value)
        node.outputs[0].name, value.name = f"{name}_whole", name
        inverse.name = f"{name}_inverse"  # as statistics know it, whatever graph this is in
    remove_dead(graph)
    return model
