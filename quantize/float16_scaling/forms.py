"""Write operators as others whose steps a GPU computes well, where what they take asks for it.

ReduceMean(x, axes) -> ReduceMean(ReduceMean(x, last axis), the others); ReduceSum the same
Mish(x) -> x * n / (n + 2), n = e * (e + 2), e = exp(min(x, 8.9)), from where on it is x
LayerNormalization(x) -> LayerNormalization(x - mean(x)), where the mean is far from zero: LiteRT's GPU accelerator has
mean(x^2) - mean(x)^2 for the variance, of which nothing is left then, in float32 either
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ...graph.edit import array, constant, emit, given, name_of, remove_dead, replace, shape
from ..float16_range import LARGEST
from .measure import REDUCED, Measured

MISH_IS_X = 8.9  # 1 - 2 / (n + 2) is 1 in float32 from here on
_MISH_SQUARES = 5.0  # n is within float16 up to there, with the margin
FAR = 32.0  # times their spread: the accelerator's variance has half of float32's bits left


def apply_forms(model: ir.Model, measured: Measured) -> int:
    """Rewrite what the ranges ask for; how many nodes were."""
    count = 0
    for node in list(model.graph):
        name = name_of(node.outputs[0])
        if node.op_type == "LayerNormalization" and measured.offsets[name] > FAR:
            _centre(node)
        elif node.op_type in REDUCED and array(node.inputs[1]).size > 1 and measured.sums.get(name, 0.0) > LARGEST:
            _put(node, _in_steps(node))
        elif node.op_type == "Mish" and measured.extents[name_of(node.inputs[0])].largest > _MISH_SQUARES:
            _put(node, _mish(node))
        else:
            continue
        count += 1
    remove_dead(model.graph)
    return count


def _put(node: ir.Node, value: ir.Value) -> None:
    """Put a value in the place of the node's, under its name."""
    name = name_of(node.outputs[0])
    replace(node.outputs[0], value)
    node.outputs[0].name, value.name = f"{name}_whole", name


def _in_steps(node: ir.Node) -> ir.Value:
    value, dims = given(node.inputs[0]), [*shape(node.inputs[0])]
    for axis in reversed(array(node.inputs[1]).tolist()):
        dims[axis] = 1
        value = emit(node, node.op_type, [value, constant(node.graph, np.array([axis]), "axes")], dims, {"keepdims": 1})
    return value


def _mish(node: ir.Node) -> ir.Value:
    x, dims = given(node.inputs[0]), shape(node.inputs[0])
    low, high, two = (constant(node.graph, np.array(n, np.float32), "mish") for n in (-np.inf, MISH_IS_X, 2))
    e = emit(node, "Exp", [emit(node, "Clip", [x, low, high], dims)], dims)
    n = emit(node, "Mul", [e, emit(node, "Add", [e, two], dims)], dims)
    gate = emit(node, "Div", [n, emit(node, "Add", [n, two], dims)], dims)
    return emit(node, "Mul", [x, gate], dims)


def _centre(node: ir.Node) -> None:
    x, dims = given(node.inputs[0]), shape(node.inputs[0])
    last = constant(node.graph, np.array([len(dims) - 1]), "last")
    mean = emit(node, "ReduceMean", [x, last], (*dims[:-1], 1), {"keepdims": 1})
    node.replace_input_with(0, emit(node, "Sub", [x, mean], dims))
