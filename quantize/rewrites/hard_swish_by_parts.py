"""HardSwish(x) -> Mul(x, Mul(Clip(Add(x, 3), 0, 6), 1/6))

For kernels of int16, which have no HARD_SWISH (arXiv:1905.02244, section 5.2), and bits enough for one product more.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ...graph.edit import constant, emit, given, name_of, remove_dead, replace, shape


def rewrite(model: ir.Model) -> ir.Model:
    """A copy of `model`; what a HardSwish computes keeps its name."""
    model = model.clone()
    graph = model.graph
    for node in graph:
        if node.op_type != "HardSwish":
            continue
        x, name = given(node.inputs[0]), name_of(node.outputs[0])
        three, low, high, sixth = (
            constant(graph, np.array(number, np.float32), part)
            for part, number in (("three", 3), ("low", 0), ("high", 6), ("sixth", 1 / 6))
        )
        total = emit(node, "Add", [x, three], shape(x))
        clipped = emit(node, "Clip", [total, low, high], shape(x))
        gate = emit(node, "Mul", [clipped, sixth], shape(x))
        value = emit(node, "Mul", [x, gate], shape(x))
        for part, made in (("total", total), ("clipped", clipped), ("gate", gate)):
            made.name = f"{name}_{part}"  # as statistics know them, whatever graph this is in
        replace(node.outputs[0], value)
        node.outputs[0].name, value.name = f"{name}_whole", name
    remove_dead(graph)
    return model
