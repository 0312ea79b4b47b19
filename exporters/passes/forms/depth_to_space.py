"""DepthToSpace | SpaceToDepth(x) -> Reshape(Transpose(Reshape(x))), which a layout takes in

Leaves nothing alone.
"""

import onnx_ir as ir

from ....graph.edit import attribute, replace, reshape, shape, transpose


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    for node in graph:
        if node.op_type not in ("DepthToSpace", "SpaceToDepth"):
            continue
        x, block = node.inputs[0], attribute(node, "blocksize")
        n, c, h, w = shape(x)
        blocks_first = (
            attribute(node, "mode", "DCR") == "DCR"
        )  # depth, column, row; else they are innermost in the depth
        if node.op_type == "SpaceToDepth":
            parts = (n, c, h // block, block, w // block, block)
            perm = (0, 3, 5, 1, 2, 4) if blocks_first else (0, 1, 3, 5, 2, 4)
        elif blocks_first:
            parts, perm = (n, block, block, c // block**2, h, w), (0, 3, 4, 1, 5, 2)
        else:
            parts, perm = (n, c // block**2, block, block, h, w), (0, 1, 4, 2, 5, 3)
        moved = transpose(reshape(x, parts, node), perm, node)
        replace(node.outputs[0], reshape(moved, shape(node.outputs[0]), node))
        graph.remove(node, safe=True)
        count += 1
    return count
