"""Activation functions that are one operator and have no integer kernel everywhere: their results are float first."""

import onnx_ir as ir

from .edit import const_value, producer

ACTIVATIONS = frozenset({"HardSwish", "Gelu"})  # they let no factor through


def is_activated(node: ir.Node | None) -> bool:
    """Whether the node is one of them, or puts a constant on the result of one."""
    if node is None or node.op_type in ACTIVATIONS:
        return node is not None
    return by_constant(node) and is_activated(producer(node.inputs[0]))


def by_constant(node: ir.Node) -> bool:
    """Whether the node multiplies by a constant or adds one."""
    return node.op_type in ("Add", "Mul") and const_value(node.inputs[1]) is not None
