"""Write operators as others whose steps a GPU computes well, where what they take asks for it.

ReduceMean(x, axes) -> ReduceMean(ReduceMean(x, last axis), the others); ReduceSum the same
exp(x) / sum(exp(x)) -> Softmax(x), which has the largest x subtracted; y / (exp(x) + 1) -> y * Sigmoid(-x)
(exp(x) - 1) / (exp(x) + 1) -> Tanh(x / 2)
Mish(x) -> x * n / (n + 2), n = e * (e + 2), e = exp(min(x, 8.9)), from where on it is x
LayerNormalization(x) -> LayerNormalization(x - mean(x)), where the mean is far from zero: LiteRT's GPU accelerator has
mean(x^2) - mean(x)^2 for the variance, of which nothing is left then, in float32 either
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ...graph.edit import (
    array,
    const_value,
    constant,
    emit,
    given,
    name_of,
    producer,
    remove_dead,
    replace,
    scalar,
    shape,
)
from ...graph.products import product
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
        elif node.op_type == "Div" and (value := _of_exponents(node, measured)) is not None:
            _put(node, value)
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


def _of_exponents(node: ir.Node, measured: Measured) -> ir.Value | None:
    """A quotient of exps beyond the range as the one operator that it is."""
    below = product(node.inputs[1])
    total = below.factors[0].producer() if len(below.factors) == 1 else None
    exp = producer(total.inputs[0], "Exp") if total is not None else None
    if total is None or exp is None or measured.extents[name_of(exp.outputs[0])].largest <= LARGEST:
        return None
    x, dims = given(exp.inputs[0]), shape(node.outputs[0])
    if total.op_type == "Add" and (scalar(total.inputs[1]), below.number) == (1.0, 1.0):
        return _of_exp_and_one(node, exp, measured)
    if total.op_type in REDUCED and node.inputs[0] is exp.outputs[0] and array(total.inputs[1]).size == 1:
        axis = int(array(total.inputs[1]).item())
        if below.number == (dims[axis] if total.op_type == "ReduceMean" else 1):
            return emit(node, "Softmax", [x], dims, {"axis": axis})
    return None


def _of_exp_and_one(node: ir.Node, exp: ir.Node, measured: Measured) -> ir.Value | None:
    """What the node divides by exp(x) + 1."""
    above, x, dims = given(node.inputs[0]), given(exp.inputs[0]), shape(exp.outputs[0])
    less = producer(above)
    if less is not None and less.op_type in ("Add", "Sub") and less.inputs[0] is exp.outputs[0]:
        if scalar(less.inputs[1]) != {"Add": -1.0, "Sub": 1.0}[less.op_type]:
            return None
        half = constant(node.graph, np.array(0.5, np.float32), "half")
        return emit(node, "Tanh", [emit(node, "Mul", [x, half], dims)], dims)
    numbers = const_value(above)
    largest = np.abs(numbers).max(initial=0) if numbers is not None else measured.extents[name_of(above)].largest
    if largest > LARGEST:
        return None
    negative = producer(x, "Neg")
    opposite = negative.inputs[0] if negative is not None else emit(node, "Neg", [x], dims)
    gate = emit(node, "Sigmoid", [opposite], dims)
    operands = [above, gate] if numbers is None else [gate, above]
    return emit(node, "Mul", operands, shape(node.outputs[0]))


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
