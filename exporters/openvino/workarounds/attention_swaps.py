"""Transpose(0, 2, 1, 3) of an attention -> the same in five axes

For an attention over as many heads as tokens, of which the queries or the result are swapped (n, t, h, d) <-> (n, h, t,
d) but not both: with the attention in one kernel, the plugin takes heads and tokens for each other.
"""

import onnx_ir as ir

from ....graph.edit import attribute, name_of, shape
from .named_nodes import behind, put, put_reshape, stand_in


def rewrite(model: ir.Model) -> int:
    count = 0
    for node in list(model.graph):
        scores = behind(node.inputs[0], "Softmax") if node.op_type == "MatMul" else None
        product = behind(scores.inputs[0], "MatMul") if scores is not None else None
        if product is None or len(dims := shape(node.outputs[0])) != 4 or dims[1] != dims[2]:
            continue
        query = behind(product.inputs[0], "Transpose")
        result = next((use.node for use in reversed(tuple(node.outputs[0].uses()))), None)
        swaps = [step for step in (query, result) if step is not None and swaps_heads(step)]
        if len(swaps) == 1:
            swap_in_five_axes(swaps[0])
            count += 1
    return count


def swaps_heads(node: ir.Node) -> bool:
    return node.op_type == "Transpose" and list(attribute(node, "perm")) == [0, 2, 1, 3]


def swap_in_five_axes(node: ir.Node) -> None:
    """Transpose(0, 2, 1, 3) with an axis of size 1 behind."""
    out = node.outputs[0]
    n, h, t, d = shape(out)
    five = put_reshape(node, f"{out.name}_five", node.inputs[0], [n, t, h, d, 1])
    swapped = put(
        node, f"{out.name}_swapped", "Transpose", [five], [n, h, t, d, 1], {"perm": [0, 2, 1, 3, 4]}, out.dtype
    )
    stand_in(put_reshape(node, name_of(out), swapped, [n, h, t, d]), node)
