"""Equal(ReduceMax(x), -inf) -> Equal(ReduceMin(Cast(Equal(x, -inf))), 1)

The plugin reduces what is all -inf to the lowest number of float32, so that a row of attention that is masked as a
whole is NaN instead of 0.
"""

import numpy as np
import onnx_ir as ir

from ....graph.edit import const_value, constant, maker, shape
from .named_nodes import first_maker, put, stand_in


def rewrite(model: ir.Model) -> int:
    count = 0
    for node in model.graph:
        reduced = first_maker(node) if node.op_type == "Equal" else None
        bound = next((value for value in node.inputs if is_minus_infinity(value)), None)
        if reduced is None or reduced.op_type != "ReduceMax" or bound is None:
            continue
        out, (x, axes) = node.outputs[0], reduced.inputs
        masked = put(node, f"{out.name}_masked", "Equal", [x, bound], shape(x), dtype=ir.DataType.BOOL)
        number = put(node, f"{out.name}_number", "Cast", [masked], shape(x), {"to": ir.DataType.FLOAT})
        all_masked = put(node, f"{out.name}_all", "ReduceMin", [number, axes], shape(reduced.outputs[0]))
        one = constant(model.graph, np.ones((), np.float32), f"{out.name}_one")
        name, result = node.name, put(node, "", "Equal", [all_masked, one], shape(out), dtype=out.dtype)
        stand_in(result, node)
        maker(result).name = name
        count += 1
    return count


def is_minus_infinity(value: ir.Value | None) -> bool:
    numbers = const_value(value)
    if numbers is None or numbers.dtype != np.float32 or numbers.size != 1:
        return False
    return bool(np.isneginf(numbers).all())
