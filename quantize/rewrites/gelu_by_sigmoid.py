"""Gelu(x) -> Mul(x, Sigmoid(Mul(x, Add(Mul(Mul(x, x), b), a))))

The formula with the third power (arXiv:1606.08415, section 2), of which tanh(z) = 2 sigmoid(2 z) - 1: off by at most
0.0005, for kernels of int16 that have no GELU. int8 has no bits for it and takes `expand_gelu`.
"""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from ...graph.edit import constant, emit, given, name_of, remove_dead, replace, shape

SLOPE = 2 * math.sqrt(2 / math.pi)
CUBIC = 0.044715 * SLOPE


def rewrite(model: ir.Model) -> ir.Model:
    """A copy of `model`; what a Gelu computes keeps its name."""
    model = model.clone()
    graph = model.graph
    for node in graph:
        if node.op_type != "Gelu":
            continue
        x, name = given(node.inputs[0]), name_of(node.outputs[0])
        slope, cubic = (
            constant(graph, np.array(number, np.float32), part) for part, number in (("slope", SLOPE), ("cubic", CUBIC))
        )
        square = emit(node, "Mul", [x, x], shape(x))
        scaled = emit(node, "Mul", [square, cubic], shape(x))
        factor = emit(node, "Add", [scaled, slope], shape(x))
        steeper = emit(node, "Mul", [x, factor], shape(x))
        gate = emit(node, "Sigmoid", [steeper], shape(x))
        value = emit(node, "Mul", [x, gate], shape(x))
        parts = {"square": square, "scaled": scaled, "factor": factor, "steeper": steeper, "gate": gate}
        for part, made in parts.items():
            made.name = f"{name}_{part}"  # as statistics know them, whatever graph this is in
        replace(node.outputs[0], value)
        node.outputs[0].name, value.name = f"{name}_whole", name
    remove_dead(graph)
    return model
