"""values without a shape -> the same with the static shape that follows from the inputs

If, Loop and Scan that can be written out are, and constants are folded, as shapes may come from them. Leaves a model
alone in which all shapes are known.
"""

import onnx_ir as ir
from onnx_ir.passes import common

from ....artifacts.errors import DynamicShape
from ....graph.dialect import wrong_size
from ..forms import constant_folding
from . import control_flow, selected_rows


def rewrite(model: ir.Model) -> int:
    """Set the first dimension of the inputs to 1 where it is symbolic, and infer the rest; how many values got a shape.

    Raises DynamicShape for an input that is symbolic in another dimension or has no size that an artifact holds; a
    value that stays unknown is left to whoever needs its shape.
    """
    graph = model.graph
    for value in graph.inputs:
        fix_batch(value)
    if not any(node.op_type in control_flow.INLINE for node in graph) and all(
        known(value) for value in (*graph.inputs, *(out for node in graph for out in node.outputs))
    ):
        return 0
    unknown = [out for node in graph for out in node.outputs if not known(out)]
    for out in unknown:
        out.shape = None
    folded = 1
    while folded:  # a Reshape's target may be computed from a shape, and a turn's number lead to one
        common.ShapeInferencePass()(model)
        folded = constant_folding.rewrite(model) + control_flow.rewrite(model) + selected_rows.rewrite(model)
    return len(unknown)


def known(value: ir.Value) -> bool:
    return value.dtype is not None and value.shape is not None and value.shape.is_static()


def fix_batch(value: ir.Value) -> None:
    if value.shape is None:
        raise DynamicShape(f"input {value.name!r} has no shape; export with fixed sizes.")
    dims = [1 if i == 0 and not isinstance(dim, int) else dim for i, dim in enumerate(value.shape)]
    if not all(isinstance(dim, int) for dim in dims):
        raise DynamicShape(f"input {value.name!r} has shape {value.shape}; export with fixed sizes.")
    value.shape = ir.Shape(dims)
    wrong = wrong_size(value)
    if wrong is not None:
        raise DynamicShape(f"input {value.name!r} {wrong}.")
