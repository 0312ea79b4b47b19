"""Compute an operator by a formula, whose steps statistics know by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from ...graph.edit import constant, emit, given, name_of, remove_dead, replace, shape

Step = Callable[..., ir.Value]
"""step(part, op_type, *operands): a value of the operator's shape; operands are values and numbers."""


def rewrite_each(model: ir.Model, op_type: str, formula: Callable[[Step, ir.Value], ir.Value]) -> ir.Model:
    """A copy of `model` with `formula` in place of each such operator of one operand; its result keeps its name.

    A step's value is named after the result and the part, as statistics know it, whatever graph this is in.
    """
    model = model.clone()
    graph = model.graph
    for node in graph:
        if node.op_type != op_type:
            continue
        x, name = given(node.inputs[0]), name_of(node.outputs[0])

        def step(part: str, op: str, *operands: ir.Value | float, node: ir.Node = node, name: str = name) -> ir.Value:
            values = [
                each if isinstance(each, ir.Value) else constant(graph, np.array(each, np.float32), f"{part}_{i}")
                for i, each in enumerate(operands)
            ]
            made = emit(node, op, values, shape(node.inputs[0]))
            made.name = f"{name}_{part}"
            return made

        value = formula(step, x)
        replace(node.outputs[0], value)
        node.outputs[0].name, value.name = f"{name}_whole", name
    remove_dead(graph)
    return model
