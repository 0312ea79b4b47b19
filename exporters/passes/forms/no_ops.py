"""Identity | Dropout | Cast | Reshape | Transpose | Slice | Pad | Expand | Concat | Tile(x), where it changes nothing
-> x; Mul | Div | Pow(x, 1) | Add | Sub(x, 0) -> x; Relu(Relu(x)) -> Relu(x); Max | Min(x, x) -> x

A graph output that x cannot become, because it is an input, a constant or an output itself, is Identity(x). The mask
of a Dropout is all true. Leaves alone a Dropout that is trained.
"""

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from ....graph.edit import attribute, can_replace, const_value, constant, given, producer, scalar, shape
from ....graph.replacing import replace_output


def _same_shape(node: ir.Node) -> bool:
    return shape(node.inputs[0]) == shape(node.outputs[0])


def _same_order(node: ir.Node) -> bool:
    """Whether a Transpose moves axes of size 1 only past one another: its data and its shape stay as they are."""
    dims = shape(node.inputs[0])
    perm = attribute(node, "perm", tuple(reversed(range(len(dims)))))
    moved = [p for p in perm if dims[p] != 1]
    return moved == sorted(moved) and _same_shape(node)


def _no_step_back(node: ir.Node) -> bool:
    steps = const_value(node.inputs[4]) if len(node.inputs) > 4 else None
    return _same_shape(node) and (steps is None or bool((steps > 0).all()))


def _adds_nothing(node: ir.Node) -> bool:
    """A negative pad cuts: as much at one end as is added at the other moves the data."""
    pads = const_value(node.inputs[1])
    return pads is not None and not pads.any()


def _neutral(number: float) -> Callable[[ir.Node], bool]:
    """Whether the second operand is that number all over, and the first one has the result's shape."""

    def is_neutral(node: ir.Node) -> bool:
        numbers = const_value(node.inputs[1])
        return numbers is not None and numbers.size > 0 and bool((numbers == number).all()) and _same_shape(node)

    return is_neutral


def _in_inference(node: ir.Node) -> bool:
    training = node.inputs[2] if len(node.inputs) > 2 else None
    return training is None or scalar(training) == 0


NO_OP: dict[str, Callable[[ir.Node], bool]] = {
    "Identity": lambda node: True,
    "Dropout": _in_inference,
    **dict.fromkeys(("Max", "Min"), lambda node: len(set(node.inputs)) == 1 and _same_shape(node)),
    "Relu": lambda node: producer(node.inputs[0], "Relu") is not None,
    "Cast": lambda node: given(node.inputs[0]).dtype == ir.DataType(attribute(node, "to")),
    "CastLike": lambda node: given(node.inputs[0]).dtype == given(node.inputs[1]).dtype,
    "Reshape": _same_shape,
    "Expand": _same_shape,
    "Transpose": _same_order,
    "Slice": _no_step_back,
    "Pad": _adds_nothing,
    "Tile": _same_shape,
    **dict.fromkeys(("Mul", "Div", "Pow"), _neutral(1)),
    **dict.fromkeys(("Add", "Sub"), _neutral(0)),
    "Concat": lambda node: len(node.inputs) == 1,
}


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    for node in graph:
        is_no_op = NO_OP.get(node.op_type)
        if is_no_op is None or not is_no_op(node):
            continue
        if node.op_type == "Identity" and not can_replace(node.outputs[0], node.inputs[0]):
            continue
        replace_output(node, given(node.inputs[0]))
        if len(node.outputs) > 1:
            replace_output(node, constant(graph, np.ones(shape(node.inputs[0]), np.bool_), "mask"), 1)
        graph.remove(node, safe=True)
        count += 1
    return count
