"""NonMaxSuppression of k rows -> ONNX's own, whose rows the data decide, filled up to k with rows of -1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from .edit import constant, owner, shape

INT16_OPSET = 21  # the first whose QuantizeLinear makes int16; the dialect's operators are the same there

if TYPE_CHECKING:
    import onnx

SUPPRESSION = "NonMaxSuppression"


def fill_selections(model: ir.Model) -> ir.Model:
    """A copy in which each NonMaxSuppression is what ONNX defines, and behind it what makes k rows of it.

    In the dialect it gives k rows, of which those behind the last selected box are -1; ONNX's gives as many rows as
    it selects. `model` itself where it has none.
    """
    if not any(node.op_type == SUPPRESSION for node in model.graph):
        return model
    model = model.clone()
    for node in list(model.graph):
        if node.op_type == SUPPRESSION:
            _fill(node)
    return model


def to_runnable_proto(model: ir.Model) -> onnx.ModelProto:
    """The canonical graph as runtimes of ONNX compute it: each operator means what ONNX says."""
    proto = ir.to_proto(fill_selections(model))
    if any(node.op_type == "QuantizeLinear" and node.outputs[0].dtype == ir.DataType.INT16 for node in model.graph):
        proto.opset_import[0].version = max(proto.opset_import[0].version, INT16_OPSET)
    return proto


def _fill(node: ir.Node) -> None:
    """Selected rows -> Concat with k rows of -1 -> the first k of them."""
    graph, (selected,) = owner(node), node.outputs
    rows, name = shape(selected)[0], selected.name
    blank = constant(graph, np.full((rows, 3), -1, np.int64), f"{name}_blank")
    bounds = [constant(graph, np.array([number], np.int64), f"{name}_bound") for number in (0, rows, 0, 1)]
    size = constant(graph, np.array([rows, 3], np.int64), f"{name}_size")
    filled = ir.node("Concat", [selected, blank], {"axis": 0}, name=f"{node.name}_fill")
    first = ir.node("Slice", [filled.outputs[0], *bounds], name=f"{node.name}_first")
    whole = ir.node("Reshape", [first.outputs[0], size], name=f"{node.name}_whole")
    selected.replace_all_uses_with(whole.outputs[0], replace_graph_outputs=True)
    filled.replace_input_with(0, selected)
    graph.insert_after(node, [filled, first, whole])
    selected.name, filled.outputs[0].name, first.outputs[0].name = (
        f"{name}_{step}" for step in ("selected", "filled", "rows")
    )
    selected.shape = ir.Shape([None, 3])
    out = whole.outputs[0]
    out.name, out.shape, out.dtype = name, ir.Shape((rows, 3)), ir.DataType.INT64
