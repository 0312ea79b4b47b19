"""LayerNormalization(x, g, b) -> d * mean(d^2)^(-1/2) [* g] [+ b] with d = x - mean(x)

Each of these has an int8 kernel. epsilon goes: where it mattered, the variance would be below one of its 256 steps.
Leaves a LayerNormalization alone whose epsilon is above 1e-3.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ...graph.edit import array, attribute, constant, emit, name_of, remove_dead, replace, shape

LARGEST_EPSILON = 1e-3


def rewrite(model: ir.Model) -> ir.Model:
    """A copy of `model`; what a LayerNormalization computes keeps its name."""
    model = model.clone()
    graph = model.graph
    for node in graph:
        if node.op_type != "LayerNormalization" or attribute(node, "epsilon", 1e-5) > LARGEST_EPSILON:
            continue
        x, gamma, beta = node.inputs
        dims = shape(x)
        row = (*dims[:-1], 1)
        last = constant(graph, np.array([len(dims) - 1]), "last")
        power = constant(graph, np.array(-0.5, np.float32), "power")
        mean = emit(node, "ReduceMean", [x, last], row, {"keepdims": 1})
        centred = emit(node, "Sub", [x, mean], dims)
        square = emit(node, "Mul", [centred, centred], dims)
        variance = emit(node, "ReduceMean", [square, last], row, {"keepdims": 1})
        inverse = emit(node, "Pow", [variance, power], row)
        value = normal = emit(node, "Mul", [centred, inverse], dims)
        if (array(gamma) != 1).any():
            value = scaled = emit(node, "Mul", [value, gamma], dims)
            scaled.name = f"{name_of(node.outputs[0])}_scaled"
        if (array(beta) != 0).any():
            value = emit(node, "Add", [value, beta], dims)
        name = name_of(node.outputs[0])
        parts = {"mean": mean, "centred": centred, "square": square, "variance": variance, "inverse": inverse}
        for part, made in (parts | {"normal": normal}).items():  # as statistics know them, whatever graph this is in
            made.name = f"{name}_{part}"
        replace(node.outputs[0], value)
        node.outputs[0].name, value.name = f"{name}_whole", name
    remove_dead(graph)
    return model
