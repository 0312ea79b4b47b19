"""Add(x, c) -> x where the constant c is less than half a step of int8 over the sum's range

The epsilon of a norm, mostly: int8 has no bits for it, and the factor that takes its scale to the sum's is out of all
bounds. For devices that have no float in which to leave such a sum.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ...graph.edit import const_value, given, name_of, remove_dead, replace, shape
from ...graph.fusion import source
from ..calibration.statistics import Statistics

STEPS = 255


def rewrite(model: ir.Model, stats: Statistics) -> tuple[ir.Model, Statistics]:
    """A copy of `model`; the values that are left keep their names, so the statistics stay."""
    model = model.clone()
    graph = model.graph
    for node in graph:
        if node.op_type != "Add" or node.outputs[0].is_graph_output():
            continue
        x, constant = given(node.inputs[0]), const_value(node.inputs[1])
        known = stats.values.get(name_of(node.outputs[0]))
        if constant is None or known is None or shape(x) != shape(node.outputs[0]):
            continue
        span = max(known.max, 0.0) - min(known.min, 0.0)
        stands_alone = name_of(source(x)) in stats.values  # else the sum is part of what computes x: a layer's bias
        if stands_alone and np.abs(constant).max(initial=0) < span / STEPS / 2:
            replace(node.outputs[0], x)
    remove_dead(graph)
    return model, stats
