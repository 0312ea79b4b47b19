"""LSTM | GRU(x, W, R, B, lengths, h, c) -> the same with every operand but lengths, time first, all outputs;
RNN, an LSTM with peepholes, a GRU that resets in front of its product -> their steps

Missing biases and first states are zeros. Lengths go where they are all the whole one. Leaves a node alone whose
weights or lengths are computed, whose sequences are of several lengths, that clips, couples its gates or has other
activations, or that is written so already: the check names it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from ....graph.dialect import OPS, Op
from ....graph.edit import Operand, attribute, const_value, constant, given, name_of, owner, shape, transpose
from ....graph.replacing import replace_output
from ..expansions import recurrence
from ..stages import leave_alone

PLAIN = {"LSTM": ("sigmoid", "tanh", "tanh"), "GRU": ("sigmoid", "tanh"), "RNN": ("tanh",)}
STATES = {"LSTM": 2, "GRU": 1, "RNN": 1}


def rewrite(model: ir.Model) -> int:
    return sum(canonical(node) for node in list(model.graph) if node.op_type in PLAIN and node.domain == "")


def canonical(node: ir.Node) -> int:
    """Bring the node into its form, or replace it by its steps; 1 where that was to be done."""
    op = OPS.get(node.op_type)
    if op is not None and is_canonical(node, op):
        return 0
    why = refusal(node)
    if why is not None:
        leave_alone(node, why)
        return 0
    new = written(node)
    results: list[ir.Value] = list(new.outputs)
    peepholes = len(node.inputs) > 7 and node.inputs[7] is not None
    if node.op_type == "RNN" or peepholes or not attribute(new, "linear_before_reset", 1):
        results = list(recurrence.expand(new))
    for index, out in enumerate(node.outputs):
        if out.uses() or out.is_graph_output():
            replace_output(node, outside(node, results[index], index), index)
    owner(node).remove(node, safe=True)
    return 1


def is_canonical(node: ir.Node, op: Op) -> bool:
    left_out = {i for i, value in enumerate(node.inputs) if value is None}
    whole = (len(node.inputs), len(node.outputs)) == (op.inputs[0], op.outputs)
    return whole and left_out == op.absent and node.attributes.keys() == op.attributes and op.rule(node) is None


def refusal(node: ir.Node) -> str | None:
    """Why the node is none that the targets or its steps compute, or None."""
    if any(value is not None and const_value(value) is None for value in node.inputs[1:4]):
        return "its weights are computed"
    lengths = node.inputs[4] if len(node.inputs) > 4 else None
    steps = shape(node.inputs[0])[attribute(node, "layout", 0)]
    numbers = const_value(lengths)
    if lengths is not None and (numbers is None or (numbers != steps).any()):
        return "its sequences are of several lengths"
    if attribute(node, "clip", 0) or attribute(node, "input_forget", 0):
        return "it clips, or couples its gates"
    wanted = PLAIN[node.op_type]
    named = [name.lower() for name in attribute(node, "activations", wanted)]
    chunks = {tuple(named[i : i + len(wanted)]) for i in range(0, len(named), len(wanted))}
    if chunks != {wanted} and not (node.op_type == "RNN" and chunks == {("relu",)}):
        return f"its activations are {', '.join(named)}"
    return None


def written(node: ir.Node) -> ir.Node:
    """The node as the dialect has it, in front of it; with peepholes and activations where it has them."""
    graph = node.graph
    layout = attribute(node, "layout", 0)
    x = transpose(node.inputs[0], (1, 0, 2), node) if layout else given(node.inputs[0])
    steps, n, _ = shape(x)
    d, rows, hidden = shape(node.inputs[2])
    operands: list[Operand] = [*node.inputs, *[None] * 8][:8]
    bias = operands[3] or constant(graph, np.zeros((d, 2 * rows), np.float32), "bias")
    states: list[Operand] = []
    for value in operands[5 : 5 + STATES[node.op_type]]:
        if value is not None and layout:
            value = transpose(value, (1, 0, 2), node)
        states.append(value or constant(graph, np.zeros((d, n, hidden), np.float32), "state"))
    peepholes = [operands[7]] if operands[7] is not None else []
    attributes: dict[str, Any] = {"direction": attribute(node, "direction", "forward"), "hidden_size": hidden}
    if node.op_type == "GRU":
        attributes["linear_before_reset"] = attribute(node, "linear_before_reset", 0)
    if node.op_type == "RNN":
        attributes["activations"] = list(attribute(node, "activations", PLAIN["RNN"]))
    new = ir.node(
        node.op_type,
        [x, *operands[1:3], bias, None, *states, *peepholes],
        attributes,
        num_outputs=1 + len(states),
        metadata_props=dict(node.metadata_props),
    )
    owner(node).insert_before(node, new)
    for out, to in zip(new.outputs, [(steps, d, n, hidden), *[(d, n, hidden)] * len(states)], strict=True):
        out.shape, out.dtype = ir.Shape(to), ir.DataType.FLOAT
        name_of(out)
    return new


def outside(node: ir.Node, value: ir.Value, index: int) -> ir.Value:
    """An output as the node's own layout has it."""
    if not attribute(node, "layout", 0):
        return value
    return transpose(value, (2, 0, 1, 3) if index == 0 else (1, 0, 2), node)
