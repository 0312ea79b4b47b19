"""Op(x of more than 5 axes) -> Reshape(Op(Reshape(x))) with neighbouring axes that the operator treats alike as one

Core ML's tensors have at most 5 axes, and fast kernels of the other runtimes not many more. Leaves a node alone where
its axes cannot be merged so far. A Reshape of a Reshape to many axes skips the latter.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from itertools import pairwise
from math import prod

import numpy as np
import onnx_ir as ir

from ....graph.edit import array, attribute, constant, emit, given, producer, reshape, shape
from ....graph.replacing import replace_each

MOST = 5
UNARY = (
    *("Clip", "HardSigmoid", "Gelu", "LeakyRelu", "Elu", "Relu", "Sigmoid", "HardSwish", "Tanh", "Erf", "Exp", "Sqrt"),
    *("Softplus", "Mish", "Log", "Sin", "Cos", "Atan", "Floor", "Ceil", "Round", "Neg", "Abs", "Sign"),
    *("Not", "IsNaN", "Cast"),
)
BROADCAST = (
    *("Add", "Mul", "Sub", "Div", "Max", "Min", "Mod", "Pow", "Where", "And", "Or", "Xor"),
    *("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"),
)
REDUCTIONS = ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd")

Groups = list[list[int]]


def rewrite(model: ir.Model) -> int:
    return replace_each(model.graph, {op_type: _if_many(step) for op_type, step in REWRITES.items()})


def _if_many(step: Callable[[ir.Node], ir.Value | None]) -> Callable[[ir.Node], ir.Value | None]:
    def rewritten(node: ir.Node) -> ir.Value | None:
        values = [value for value in (*node.inputs, *node.outputs) if value is not None]
        return step(node) if max(len(shape(value)) for value in values) > MOST else None

    return rewritten


def alike(sizes: Sequence[int], treatments: Sequence[Hashable]) -> Groups:
    """Runs of neighbouring axes that are treated alike; an axis of one element goes with any."""
    groups: Groups = []
    last: Hashable = None
    for axis, (size, treatment) in enumerate(zip(sizes, treatments, strict=True)):
        if groups and (size == 1 or treatment == last or last is None):
            groups[-1].append(axis)
        else:
            groups.append([axis])
        last = treatment if size != 1 else last
    return groups


def broadcast_alike(sizes: Sequence[int], shapes: Sequence[Sequence[int]]) -> Groups:
    """Runs of the axes of `sizes` along which each of the padded `shapes` is whole, or is repeated."""
    return alike(sizes, [tuple(dims[axis] == size for dims in shapes) for axis, size in enumerate(sizes)])


def merged(sizes: Sequence[int], groups: Groups) -> tuple[int, ...]:
    return tuple(prod(sizes[axis] for axis in group) for group in groups)


def padded(value: ir.Value, rank: int) -> tuple[int, ...]:
    """The shape as it is broadcast to `rank` axes."""
    return (1,) * (rank - len(shape(value))) + shape(value)


def _again(
    node: ir.Node, inputs: Sequence[ir.Value], to: tuple[int, ...], attributes: dict[str, object] | None = None
) -> ir.Value:
    """The node's operator with other operands, in the shape of the node's output."""
    attributes = {**{name: attr.value for name, attr in node.attributes.items()}, **(attributes or {})}
    out = node.outputs[0]
    return reshape(emit(node, node.op_type, inputs, to, attributes, dtype=out.dtype), shape(out), node)


def _unary(node: ir.Node) -> ir.Value:
    x, *rest = map(given, node.inputs)
    flat = (prod(shape(x)),)
    return _again(node, [reshape(x, flat, node), *rest], flat)


def _broadcast(node: ir.Node) -> ir.Value | None:
    operands = [given(value) for value in node.inputs]
    sizes = shape(node.outputs[0])
    shapes = [padded(value, len(sizes)) for value in operands]
    groups = broadcast_alike(sizes, shapes)
    if len(groups) > MOST:
        return None
    inputs = [
        reshape(value, merged(dims, groups), node) if shape(value) else value
        for value, dims in zip(operands, shapes, strict=True)
    ]
    return _again(node, inputs, merged(sizes, groups))


def _matmul(node: ir.Node) -> ir.Value | None:
    a, b = map(given, node.inputs)
    sizes = shape(node.outputs[0])
    if len(shape(b)) == 2:  # a linear
        x = reshape(a, (prod(shape(a)[:-1]), shape(a)[-1]), node)
        return _again(node, [x, b], (prod(sizes[:-1]), sizes[-1]))
    rank = len(sizes)
    shapes = [padded(value, rank) for value in (a, b)]
    groups = [*broadcast_alike(sizes[:-2], shapes), [rank - 2], [rank - 1]]
    if len(groups) > MOST:
        return None
    inputs = [reshape(value, merged(dims, groups), node) for value, dims in zip((a, b), shapes, strict=True)]
    return _again(node, inputs, merged(sizes, groups))


def _reduction(node: ir.Node) -> ir.Value | None:
    x, axes = given(node.inputs[0]), array(node.inputs[1]).tolist()
    groups = alike(shape(x), [axis in axes for axis in range(len(shape(x)))])
    reduced = [i for i, group in enumerate(groups) if any(axis in axes and shape(x)[axis] != 1 for axis in group)]
    if len(groups) > MOST:
        return None
    if not reduced:
        return reshape(x, shape(node.outputs[0]), node)
    to = [1 if i in reduced else size for i, size in enumerate(merged(shape(x), groups))]
    operand = constant(node.graph, np.array(reduced, np.int64), "axes")
    return _again(node, [reshape(x, merged(shape(x), groups), node), operand], tuple(to))


def _along_axis(node: ir.Node) -> ir.Value | None:
    """Softmax, LayerNormalization, Concat ...: one axis stands out, the others are carried along."""
    axis, rank = attribute(node, "axis"), len(shape(node.outputs[0]))
    groups = around([axis], rank)
    count = len(node.inputs) if node.op_type == "Concat" else 1
    data, rest = map(given, node.inputs[:count]), list(map(given, node.inputs[count:]))
    inputs = [reshape(value, merged(shape(value), groups), node) for value in data]
    return _again(node, [*inputs, *rest], merged(shape(node.outputs[0]), groups), {"axis": groups.index([axis])})


def around(own: Sequence[int], rank: int) -> Groups:
    """Each of the axes `own` alone, and all between two of them together."""
    ends = [-1, *own, rank]
    groups: Groups = []
    for before, after in pairwise(ends):
        if before >= 0:
            groups.append([before])
        if after - before > 1:
            groups.append(list(range(before + 1, after)))
    return groups


def _slice(node: ir.Node) -> ir.Value | None:
    x, *bounds = map(given, node.inputs)
    axes = array(bounds[2]).tolist()
    groups = around(axes, len(shape(x)))
    if len(groups) > MOST:
        return None
    bounds[2] = constant(node.graph, np.array([groups.index([axis]) for axis in axes], np.int64), "axes")
    return _again(node, [reshape(x, merged(shape(x), groups), node), *bounds], merged(shape(node.outputs[0]), groups))


def _pad(node: ir.Node) -> ir.Value | None:
    x, pads, fill = map(given, node.inputs)
    amounts = array(pads).reshape(2, -1)
    axes = np.flatnonzero(amounts.any(axis=0)).tolist()
    groups = around(axes, len(shape(x)))
    if len(groups) > MOST:
        return None
    fewer = np.stack([amounts[:, group[0]] for group in groups], axis=1).reshape(-1)
    operands = [reshape(x, merged(shape(x), groups), node), constant(node.graph, fewer, "pads"), fill]
    return _again(node, operands, merged(shape(node.outputs[0]), groups))


def _gather(node: ir.Node) -> ir.Value | None:
    x, indices = map(given, node.inputs)
    axis, dims = attribute(node, "axis"), shape(x)
    if not shape(indices):
        return None
    before, after = prod(dims[:axis]), prod(dims[axis + 1 :])
    count = prod(shape(indices))
    rows = reshape(x, (before, dims[axis], after), node)
    return _again(node, [rows, reshape(indices, (count,), node)], (before, count, after), {"axis": 1})


def _skip(node: ir.Node) -> ir.Value | None:
    before = producer(node.inputs[0], "Reshape")
    return reshape(before.inputs[0], shape(node.outputs[0]), node) if before is not None else None


REWRITES = {
    **dict.fromkeys(UNARY, _unary),
    **dict.fromkeys(BROADCAST, _broadcast),
    **dict.fromkeys(REDUCTIONS, _reduction),
    **dict.fromkeys(("Softmax", "LogSoftmax", "LayerNormalization", "Concat", "ArgMax", "ArgMin"), _along_axis),
    "MatMul": _matmul,
    "Slice": _slice,
    "Pad": _pad,
    "Gather": _gather,
    "Reshape": _skip,
}
