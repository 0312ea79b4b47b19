"""Conv | MaxPool | AveragePool | LpPool(auto_pad, ceil_mode) -> the same with pads (top, left, bottom, right)

SAME becomes its pads; ceil_mode becomes more padding at the end, which MaxPool and an AveragePool that does not count
its pads ignore. Leaves an AveragePool alone that counts its pads and rounds up, where ONNX counts part of a window.
"""

import onnx_ir as ir

from ....graph.edit import attribute, shape

PADDED = {"Conv", "MaxPool", "AveragePool", "LpPool"}


def rewrite(model: ir.Model) -> int:
    return sum(explicit(node) for node in model.graph if node.op_type in PADDED)


def explicit(node: ir.Node) -> int:
    sizes = shape(node.inputs[0])[2:]
    rank = len(sizes)
    kernel = attribute(node, "kernel_shape") or shape(node.inputs[1])[2:]
    strides = attribute(node, "strides", (1,) * rank)
    dilations = attribute(node, "dilations", (1,) * rank)
    pads = list(attribute(node, "pads", (0,) * 2 * rank))
    auto_pad, ceil_mode = attribute(node, "auto_pad", "NOTSET"), attribute(node, "ceil_mode", 0)
    counts_pads = attribute(node, "count_include_pad", 0)
    if ceil_mode and counts_pads and any(pads):
        return 0
    for i, size in enumerate(sizes):
        extent = dilations[i] * (kernel[i] - 1) + 1
        out = shape(node.outputs[0])[2 + i]
        missing = max(0, (out - 1) * strides[i] + extent - size - pads[i] - pads[i + rank])
        if auto_pad.startswith("SAME"):
            less, more = missing // 2, missing - missing // 2
            pads[i], pads[i + rank] = (less, more) if auto_pad == "SAME_UPPER" else (more, less)
        elif ceil_mode:
            pads[i + rank] += missing
    before = dict(node.attributes)
    for name in ("auto_pad", "ceil_mode"):
        node.attributes.pop(name, None)
    if node.op_type == "AveragePool" and (ceil_mode or not any(pads)):
        counts_pads = 0
    explicit_values = {"kernel_shape": kernel, "strides": strides, "pads": pads}
    if node.op_type == "AveragePool":
        explicit_values["count_include_pad"] = counts_pads
    if node.op_type != "AveragePool" or any(d != 1 for d in dilations):
        explicit_values["dilations"] = dilations
    else:
        node.attributes.pop("dilations", None)
    for name, value in explicit_values.items():
        if name not in before or attribute(node, name) != (value if isinstance(value, int) else tuple(value)):
            node.attributes[name] = (
                ir.AttrInt64(name, value) if isinstance(value, int) else ir.AttrInt64s(name, tuple(value))
            )
    return int(before != dict(node.attributes))
