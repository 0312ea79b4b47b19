"""InstanceNormalization | GroupNormalization | RMSNormalization | MeanVarianceNormalization | LpNormalization | LRN |
LayerNormalization over several axes -> what they are made of: ReduceMean, Sub, Mul, Sqrt, Div; then Mul and Add. That
of several groups -> LayerNormalization(Reshape(x))

LayerNormalization over the last axis gets a bias of zeros where it has none, and a Mul and an Add behind it where its
scale or bias is computed; over a single number it is its bias. A GroupNorm that comes as an InstanceNormalization of
Reshape(y) to (n, 1, all) takes the means over the axes of y. Leaves nothing else alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir

from ....artifacts.errors import NotCanonical
from ....graph.edit import (
    Operand,
    array,
    attribute,
    const_value,
    constant,
    emit,
    given,
    producer,
    replace,
    reshape,
    shape,
    where,
)
from ....graph.replacing import replace_each
from .clip import HIGHEST

TINY = 1e-12  # below every norm but zero's, as in PyTorch's normalize


def rewrite(model: ir.Model) -> int:
    return replace_each(model.graph, REWRITES)


def mean(x: Operand, axes: Sequence[int], before: ir.Node) -> ir.Value:
    """The mean over the axes, which stay as 1."""
    kept = [1 if i in axes else size for i, size in enumerate(shape(x))]
    operand = constant(before.graph, np.array(sorted(axes), np.int64), "axes")
    return emit(before, "ReduceMean", [x, operand], kept, {"keepdims": 1})


def number(value: float, before: ir.Node, name: str) -> ir.Value:
    return constant(before.graph, np.array(value, np.float32), name)


def root(x: ir.Value, epsilon: float, before: ir.Node) -> ir.Value:
    """sqrt(x + epsilon)"""
    to = shape(x)
    return emit(before, "Sqrt", [emit(before, "Add", [x, number(epsilon, before, "epsilon")], to)], to)


def centred(x: Operand, axes: Sequence[int], before: ir.Node) -> tuple[ir.Value, ir.Value, ir.Value]:
    """(x - mean, the mean, the variance)"""
    average = mean(x, axes, before)
    difference = emit(before, "Sub", [x, average], shape(x))
    return difference, average, mean(emit(before, "Mul", [difference, difference], shape(x)), axes, before)


def normalised(x: Operand, axes: Sequence[int], epsilon: float, before: ir.Node) -> ir.Value:
    """(x - mean) / sqrt(variance + epsilon) over the axes."""
    difference, _, variance = centred(x, axes, before)
    return emit(before, "Div", [difference, root(variance, epsilon, before)], shape(x))


def affine(x: ir.Value, gamma: Operand, beta: Operand, to: Sequence[int], node: ir.Node) -> ir.Value:
    """x * gamma + beta, each in the shape `to`; what changes nothing, or is left out, costs nothing."""
    for op_type, operand, name, neutral in (("Mul", gamma, "weight", 1), ("Add", beta, "bias", 0)):
        numbers = const_value(operand)
        if operand is None or (numbers is not None and (numbers == neutral).all()):
            continue
        if numbers is None:
            x = emit(node, op_type, [x, reshape(operand, to, node)], shape(x))
        else:
            x = emit(node, op_type, [x, constant(node.graph, numbers.reshape(to), f"norm.{name}")], shape(x))
    return x


def _per_channel(x: Operand) -> tuple[int, ...]:
    """The shape in which one number per channel broadcasts: (c, 1, 1) for (n, c, h, w)."""
    dims = shape(x)
    return (dims[1],) + (1,) * (len(dims) - 2)


def _instance(node: ir.Node) -> ir.Value:
    x, gamma, beta = node.inputs
    to = shape(x)
    before = producer(x, "Reshape")
    if before is not None and to[1] == 1 and shape(before.inputs[0])[0] == to[0]:
        x = before.inputs[0]
    first = 1 if to[1] == 1 else 2  # channels are normalised together where there is one
    value = normalised(x, range(first, len(shape(x))), attribute(node, "epsilon", 1e-5), node)
    along = _per_channel(node.inputs[0]) if x is node.inputs[0] else (1,) * len(shape(x))
    return reshape(affine(value, gamma, beta, along, node), to, node)


def _group(node: ir.Node) -> ir.Value:
    """Groups lie apart in memory where channels do not, so that one axis for all of a group is worth two transposes."""
    x, gamma, beta = node.inputs
    groups, dims, epsilon = attribute(node, "num_groups"), shape(x), attribute(node, "epsilon", 1e-5)
    parts = (dims[0], groups, math.prod(dims[1:]) // groups)
    if groups in (1, dims[1]):
        value = normalised(x, range(1 if groups == 1 else 2, len(dims)), epsilon, node)
    else:
        operands = [constant(node.graph, fill(parts[2:], np.float32), "group_norm") for fill in (np.ones, np.zeros)]
        attributes = {"axis": 2, "epsilon": epsilon}
        value = emit(node, "LayerNormalization", [reshape(x, parts, node), *operands], parts, attributes)
    if shape(gamma) == (groups,) != dims[1:2]:  # opset 18 to 20: one number per group
        return reshape(affine(reshape(value, parts, node), gamma, beta, (groups, 1), node), dims, node)
    return affine(reshape(value, dims, node), gamma, beta, _per_channel(x), node)


def _layer(node: ir.Node) -> ir.Value | None:
    x, gamma, *rest = node.inputs
    beta, dims = (rest[0] if rest else None), shape(x)
    axis, epsilon = attribute(node, "axis", -1) % len(dims), attribute(node, "epsilon", 1e-5)
    more = any(out.uses() or out.is_graph_output() for out in node.outputs[1:])
    if math.prod(dims[axis:]) == 1 and not more:  # a single number is its own mean
        return affine(emit(node, "Mul", [given(x), number(0.0, node, "zero")], dims), None, beta, (1,), node)
    if axis == len(dims) - 1 and not more:
        computed = not all(_is_row(value, dims) for value in (gamma, *rest) if value is not None)
        if not computed and beta is not None and shape(gamma) == shape(beta) == dims[-1:]:
            return None
        size, attributes = dims[-1:], {"axis": axis, "epsilon": epsilon}
        scale = np.ones(size) if computed else np.broadcast_to(array(gamma), size)
        shift = np.zeros(size) if computed or beta is None else np.broadcast_to(array(beta), size)
        operands = [
            constant(node.graph, numbers.astype(np.float32), n) for numbers, n in ((scale, "weight"), (shift, "bias"))
        ]
        value = emit(node, "LayerNormalization", [x, *operands], dims, attributes)
        return _scaled(value, gamma, beta, node) if computed else value
    difference, average, variance = centred(x, range(axis, len(dims)), node)
    spread = root(variance, epsilon, node)
    for out, value in zip(node.outputs[1:], (average, None), strict=False):
        if out.uses() or out.is_graph_output():
            value = value or emit(node, "Div", [number(1, node, "one"), spread], shape(spread))
            replace(out, value)
    return _scaled(emit(node, "Div", [difference, spread], dims), gamma, beta, node)


def _is_row(value: ir.Value, dims: Sequence[int]) -> bool:
    """Whether a value is a constant with one number for each place along the last axis, or one for all."""
    return const_value(value) is not None and shape(value) in ((), (1,), tuple(dims[-1:]))


def _scaled(value: ir.Value, gamma: Operand, beta: Operand, node: ir.Node) -> ir.Value:
    """value * gamma + beta, each of any shape that broadcasts to the value's."""
    dims = shape(value)
    for operand in filter(None, (gamma, beta)):
        own = (1,) * (len(dims) - len(shape(operand))) + shape(operand)
        if len(own) != len(dims) or any(size not in (1, whole) for size, whole in zip(own, dims, strict=True)):
            raise NotCanonical(f"{where(node)}: {operand.name!r} of shape {shape(operand)} does not fit {dims}.")
    value = affine(value, gamma, None, shape(gamma), node)
    return value if beta is None else affine(value, None, beta, shape(beta), node)


def _rms(node: ir.Node) -> ir.Value:
    x, gamma = node.inputs
    dims = shape(x)
    axes = range(attribute(node, "axis", -1) % len(dims), len(dims))
    squares = mean(emit(node, "Mul", [x, x], dims), axes, node)
    value = emit(node, "Div", [x, root(squares, attribute(node, "epsilon", 1e-5), node)], dims)
    return affine(value, gamma, None, shape(gamma), node)


def _mean_variance(node: ir.Node) -> ir.Value:
    """(x - mean) / (sqrt(variance) + 1e-9), as ONNX defines it"""
    x = node.inputs[0]
    difference, _, variance = centred(x, attribute(node, "axes", (0, 2, 3)), node)
    to = shape(variance)
    spread = emit(node, "Add", [emit(node, "Sqrt", [variance], to), number(1e-9, node, "epsilon")], to)
    return emit(node, "Div", [difference, spread], shape(x))


def _lp(node: ir.Node) -> ir.Value:
    """x over its norm; zeros stay zeros"""
    x, dims = given(node.inputs[0]), shape(node.inputs[0])
    axis, squared = attribute(node, "axis", -1) % len(dims), attribute(node, "p", 2) == 2
    sizes = emit(node, "Mul", [x, x], dims) if squared else emit(node, "Abs", [x], dims)
    total = mean(sizes, [axis], node)
    total = emit(node, "Mul", [total, number(dims[axis], node, "count")], shape(total))
    norm = emit(node, "Sqrt", [total], shape(total)) if squared else total
    bounds = [number(TINY, node, "min"), number(HIGHEST, node, "max")]
    return emit(node, "Div", [x, emit(node, "Clip", [norm, *bounds], shape(norm))], dims)


def _local_response(node: ir.Node) -> ir.Value:
    """x / (bias + alpha / size * the sum of the squares of `size` neighbouring channels)^beta; the sum is a 1x1 Conv"""
    x, dims = given(node.inputs[0]), shape(node.inputs[0])
    size, channels = attribute(node, "size"), np.arange(dims[1])
    offset = channels - channels[:, None]  # of the input channel from the output's
    band = (offset >= -math.floor((size - 1) / 2)) & (offset <= math.ceil((size - 1) / 2))
    weight = (band * attribute(node, "alpha", 1e-4) / size).astype(np.float32)
    bias = np.full(dims[1], attribute(node, "bias", 1.0), np.float32)
    flat = (dims[0], dims[1], 1, math.prod(dims[2:])) if len(dims) != 4 else dims
    squares = reshape(emit(node, "Mul", [x, x], dims), flat, node)
    operands = [constant(node.graph, weight[:, :, None, None], "lrn.weight"), constant(node.graph, bias, "lrn.bias")]
    window = {"kernel_shape": (1, 1), "strides": (1, 1), "pads": (0, 0, 0, 0), "dilations": (1, 1), "group": 1}
    total = reshape(emit(node, "Conv", [squares, *operands], flat, window), dims, node)
    power = emit(node, "Pow", [total, number(attribute(node, "beta", 0.75), node, "beta")], dims)
    return emit(node, "Div", [x, power], dims)


REWRITES: dict[str, Callable[[ir.Node], ir.Value | None]] = {
    "InstanceNormalization": _instance,
    "GroupNormalization": _group,
    "LayerNormalization": _layer,
    "RMSNormalization": _rms,
    "MeanVarianceNormalization": _mean_variance,
    "LpNormalization": _lp,
    "LRN": _local_response,
}
