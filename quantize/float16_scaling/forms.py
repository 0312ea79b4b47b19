"""Write operators as others whose steps float16 can hold, where what they take asks for it.

ReduceMean(x, axes) -> ReduceMean(ReduceMean(x, last axis), the others); ReduceSum the same
Mish(x) -> x * n / (n + 2), n = e * (e + 2), e = exp(min(x, 8.9)), from where on it is x
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np
import onnx_ir as ir

from ...graph.edit import array, constant, emit, given, name_of, remove_dead, replace, shape
from ..float16_range import LARGEST, Extent
from .sums import REDUCED

MISH_IS_X = 8.9  # 1 - 2 / (n + 2) is 1 in float32 from here on
_MISH_SQUARES = 5.0  # n is within float16 up to there, with the margin


def apply_forms(model: ir.Model, extents: Mapping[str, Extent], sums: Mapping[str, float]) -> int:
    """Rewrite what the ranges ask for; how many nodes were."""
    count = 0
    for node in list(model.graph):
        name = name_of(node.outputs[0])
        if node.op_type in REDUCED and array(node.inputs[1]).size > 1 and sums.get(name, 0.0) > LARGEST:
            value = _in_steps(node)
        elif node.op_type == "Mish" and extents[name_of(node.inputs[0])].largest > _MISH_SQUARES:
            value = _mish(node)
        else:
            continue
        replace(node.outputs[0], value)
        node.outputs[0].name, value.name = f"{name}_whole", name
        count += 1
    remove_dead(model.graph)
    return count


def _in_steps(node: ir.Node) -> ir.Value:
    value, dims = given(node.inputs[0]), [*shape(node.inputs[0])]
    for axis in reversed(array(node.inputs[1]).tolist()):
        dims[axis] = 1
        value = emit(node, node.op_type, [value, constant(node.graph, np.array([axis]), "axes")], dims, {"keepdims": 1})
    assert prod(dims) == prod(shape(node.outputs[0]))
    return value


def _mish(node: ir.Node) -> ir.Value:
    x, dims = given(node.inputs[0]), shape(node.inputs[0])
    low, high, two = (constant(node.graph, np.array(n, np.float32), "mish") for n in (-np.inf, MISH_IS_X, 2))
    e = emit(node, "Exp", [emit(node, "Clip", [x, low, high], dims)], dims)
    n = emit(node, "Mul", [e, emit(node, "Add", [e, two], dims)], dims)
    gate = emit(node, "Div", [n, emit(node, "Add", [n, two], dims)], dims)
    return emit(node, "Mul", [x, gate], dims)
