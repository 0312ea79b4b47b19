"""If(constant) -> the branch that is taken; Loop(constant count) | Scan -> its body, once for each turn

Leaves an If or Loop alone whose condition is computed, and what takes more than 256 turns or holds sequences.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ....graph.edit import array, attribute, constant, given, owner, replace, scalar, shape
from ..forms.constant_folding import number

MOST_TURNS = 256


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    for node in list(graph):
        inline = INLINE.get(node.op_type)
        results = inline(node) if inline is not None and node.graph is graph else None
        if results is None:
            continue
        for out, value in zip(node.outputs, results, strict=True):
            if out.is_graph_output():
                value = _node(node, "Identity", [value])
            replace(out, value)
        graph.remove(node, safe=True)
        count += 1
    return count


def _if(node: ir.Node) -> list[ir.Value] | None:
    condition = scalar(node.inputs[0])
    if condition is None:
        return None
    return _inlined(_body(node, "then_branch" if condition else "else_branch"), [], node)


def _loop(node: ir.Node) -> list[ir.Value] | None:
    body = _body(node, "body")
    turns, condition = (scalar(value) if value is not None else None for value in node.inputs[:2])
    if turns is None or turns > MOST_TURNS or (node.inputs[1] is not None and condition is None):
        return None
    if not _goes_on(body):
        return None
    states: list[ir.Value] = [given(value) for value in node.inputs[2:]]
    scanned: list[list[ir.Value]] = [[] for _ in range(len(body.outputs) - 1 - len(states))]
    count = int(turns) if condition in (None, 1) else 0
    if scanned and not count:
        return None  # nothing to join
    for turn in range(count):
        number, true = (constant(node.graph, np.array(v), "turn") for v in (np.int64(turn), np.True_))
        _, *results = _inlined(body, [number, true, *states], node)
        states, made = results[: len(states)], results[len(states) :]
        for rows, value in zip(scanned, made, strict=True):
            rows.append(_row(value, 0, node))
    return [*states, *(_joined(rows, 0, node) for rows in scanned)]


def _body(node: ir.Node, name: str) -> ir.Graph:
    return node.attributes[name].as_graph()


def _goes_on(body: ir.Graph) -> bool:
    """Whether the body's condition is always true: a constant, or the one that came in."""
    value = body.outputs[0]
    while (node := value.producer()) is not None and node.op_type in ("Identity", "Cast"):
        value = given(node.inputs[0])
    always = number(value)
    return value is body.inputs[1] or (always is not None and bool(np.all(always)))


def _scan(node: ir.Node) -> list[ir.Value] | None:
    body = _body(node, "body")
    count = attribute(node, "num_scan_inputs")
    inputs = [given(value) for value in node.inputs]
    states, sequences = inputs[: len(inputs) - count], inputs[len(inputs) - count :]
    if any(value.shape is None or not value.shape.is_static() for value in sequences):
        return None
    axes = attribute(node, "scan_input_axes", (0,) * count)
    axes = [axis % len(shape(value)) for axis, value in zip(axes, sequences, strict=True)]
    backwards = attribute(node, "scan_input_directions", (0,) * count)
    turns = shape(sequences[0])[axes[0]]
    made = len(body.outputs) - len(states)
    directions = attribute(node, "scan_output_directions", (0,) * made)
    places = attribute(node, "scan_output_axes", (0,) * made)
    if turns > MOST_TURNS:
        return None
    scanned: list[list[ir.Value]] = [[] for _ in range(made)]
    for turn in range(turns):
        slices = [
            _taken(value, turns - 1 - turn if back else turn, axis, node)
            for value, axis, back in zip(sequences, axes, backwards, strict=True)
        ]
        results = _inlined(body, [*states, *slices], node)
        states = results[: len(states)]
        for rows, value, axis, back in zip(scanned, results[len(states) :], places, directions, strict=True):
            rows.insert(0 if back else len(rows), _row(value, axis, node))
    return [*states, *(_joined(rows, axis, node) for rows, axis in zip(scanned, places, strict=True))]


INLINE = {"If": _if, "Loop": _loop, "Scan": _scan}


def _inlined(body: ir.Graph, arguments: list[ir.Value], before: ir.Node) -> list[ir.Value]:
    """The body's nodes in front of `before`, reading `arguments`; the body's results."""
    graph = owner(before)
    copy = body.clone(allow_outer_scope_values=True)
    for name, value in list(copy.initializers.items()):
        del copy.initializers[name]
        value.name = None
        replace_uses(value, constant(graph, array(value), name), copy)
    for value, argument in zip(copy.inputs, arguments, strict=True):
        replace_uses(value, argument, copy)
    results = list(copy.outputs)
    results = [arguments[copy.inputs.index(v)] if v in copy.inputs else v for v in results]
    nodes = list(copy)
    copy.outputs.clear()
    for node in nodes:
        copy.remove(node)
        node.name = None
        for out in node.outputs:
            out.name = None
        graph.insert_before(before, node)
    return results


def replace_uses(old: ir.Value, new: ir.Value, graph: ir.Graph) -> None:
    """Let every reader of `old`, and the outputs of `graph`, have `new`."""
    for node, index in list(old.uses()):
        node.replace_input_with(index, new)
    for index, value in enumerate(graph.outputs):
        if value is old and value not in graph.inputs:
            graph.outputs[index] = new


def _node(before: ir.Node, op_type: str, inputs: list[ir.Value], **attributes: int) -> ir.Value:
    """A node whose result's shape is still to be inferred."""
    node = ir.node(op_type, inputs, attributes or None, metadata_props=dict(before.metadata_props))
    owner(before).insert_before(before, node)
    return node.outputs[0]


def _axes(axis: int, before: ir.Node) -> ir.Value:
    return constant(before.graph, np.array([axis], np.int64), "axis")


def _row(value: ir.Value, axis: int, before: ir.Node) -> ir.Value:
    return _node(before, "Unsqueeze", [value, _axes(axis, before)])


def _taken(value: ir.Value, index: int, axis: int, before: ir.Node) -> ir.Value:
    return _node(before, "Gather", [value, constant(before.graph, np.array(index), "turn")], axis=axis)


def _joined(rows: list[ir.Value], axis: int, before: ir.Node) -> ir.Value:
    return _node(before, "Concat", rows, axis=axis)
