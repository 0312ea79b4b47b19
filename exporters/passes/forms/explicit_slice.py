"""Slice(x, with negative, open or missing starts, ends, axes, steps) -> Slice(x, starts, ends, axes, steps)

All four are given, axes ascend, 0 <= start < end <= size, steps are positive, axes that are kept whole are left out.
Leaves a Slice alone whose operands are not constant, that steps backwards, or that is written so already.
"""

import numpy as np
import onnx_ir as ir

from ....graph.edit import Operand, const_value, constant, emit, given, replace, shape

Ranges = dict[int, tuple[int, int, int]]  # axis -> start, end, step


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    for node in graph:
        if node.op_type != "Slice":
            continue
        ranges = ranges_of(node)
        if ranges is None or not ranges or operands_of(ranges) == [as_list(value) for value in node.inputs[1:]]:
            continue
        replace(node.outputs[0], emit_slice(node.inputs[0], ranges, node))
        graph.remove(node, safe=True)
        count += 1
    return count


def as_list(value: ir.Value | None) -> list[int] | None:
    array = const_value(value)
    return None if array is None else array.tolist()


def operands_of(ranges: Ranges) -> list[list[int]]:
    """starts, ends, axes, steps: the operands of a Slice, in its order."""
    axes = sorted(ranges)
    starts, ends, steps = ([ranges[axis][i] for axis in axes] for i in range(3))
    return [starts, ends, axes, steps]


def ranges_of(node: ir.Node) -> Ranges | None:
    """What a Slice takes of each axis that it does not keep whole; None where it is computed or steps backwards."""
    dims = shape(node.inputs[0])
    operands = [as_list(value) for value in node.inputs[1:]]
    if any(value is not None and numbers is None for value, numbers in zip(node.inputs[1:], operands, strict=True)):
        return None
    starts, ends, axes, steps = [*operands, None, None][:4]
    axes = [axis % len(dims) for axis in axes] if axes is not None else list(range(len(starts)))
    ranges = {}
    for axis, start, end, step in zip(axes, starts, ends, steps or [1] * len(starts), strict=True):
        if step < 1:
            return None
        start, end, step = slice(start, end, step).indices(dims[axis])
        if (start, end, step) != (0, dims[axis], 1):
            ranges[axis] = (start, end, step)
    return ranges


def emit_slice(x: Operand, ranges: Ranges, before: ir.Node, *, like: ir.Node | None = None) -> ir.Value:
    """x[..., start:end:step, ...] as a canonical Slice in front of `before`."""
    to = list(shape(x))
    for axis, bounds in ranges.items():
        to[axis] = len(range(*bounds))
    constants = [
        constant(before.graph, np.array(numbers, np.int64), name)
        for numbers, name in zip(operands_of(ranges), ("starts", "ends", "axes", "steps"), strict=True)
    ]
    return emit(before, "Slice", [x, *constants], to, like=like, dtype=given(x).dtype)
