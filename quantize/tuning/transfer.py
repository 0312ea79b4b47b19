"""Carry tuned weights and biases over to another plan of the same graph."""

from __future__ import annotations

import onnx_ir as ir

from ...graph.edit import array, constant, maker, name_of, remove_dead
from ..plan import Plan


def transfer_weights(model: ir.Model, tuned: ir.Model, plan: Plan) -> ir.Model:
    """A copy of the float `model` with the weights and biases that `tuned`, a copy of it, has in the plan's int8 units.

    So a plan with a few units more in float is tried in the time of a copy; its own tuning would differ a little.
    """
    copy = model.clone()
    ours, theirs = ({name_of(o): o for n in each.graph for o in n.outputs} for each in (copy, tuned))
    for unit in plan.units:
        if not unit.is_integer:
            continue
        if unit.weight is not None:
            copy.graph.initializers[unit.weight].const_value = tuned.graph.initializers[unit.weight].const_value
        if unit.accumulates is not None:
            node, other = maker(ours[unit.accumulates]), maker(theirs[unit.accumulates])
            bias = array(other.inputs[unit.bias_input])
            name = name_of(node.inputs[unit.bias_input])
            node.replace_input_with(unit.bias_input, constant(copy.graph, bias, name))
    remove_dead(copy.graph)
    return copy
