"""Resize(x) of opset 10, Upsample(x) -> Resize(x, "asymmetric", "floor")

onnx's converter makes them Resizes of opset 11 but leaves out where those of before took their places, so this is for a
graph that it has converted from there. Leaves nothing alone.
"""

import onnx_ir as ir

FIRST = 11  # the opset in which Resize got its modes


def rewrite(graph: ir.Graph) -> int:
    count = 0
    for node in graph:
        if node.op_type == "Resize":
            node.attributes["coordinate_transformation_mode"] = ir.AttrString(
                "coordinate_transformation_mode", "asymmetric"
            )
            node.attributes["nearest_mode"] = ir.AttrString("nearest_mode", "floor")
            count += 1
    return count
