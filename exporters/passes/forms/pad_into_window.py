"""Conv(Pad(x, 0)) -> Conv(x, pads); AveragePool(Pad(x, 0)) -> AveragePool(x, pads that count);
MaxPool(Pad(x, -inf)) -> MaxPool(x, pads)

TensorFlow's padding SAME comes so from PyTorch. Leaves a Pad alone that something else reads, that pads other axes than
the image's, or as much as the window is wide.
"""

from __future__ import annotations

import onnx_ir as ir

from ....graph.edit import array, attribute, const_value, producer, scalar, shape, sole_consumer

LOW = -1e30  # no network computes less


def rewrite(model: ir.Model) -> int:
    return sum(taken_in(node) for node in model.graph if node.op_type in ("Conv", "AveragePool", "MaxPool"))


def taken_in(node: ir.Node) -> bool:
    pad = producer(node.inputs[0], "Pad")
    if pad is None or sole_consumer(pad.outputs[0]) is None or "pads" not in node.attributes:
        return False
    pads = amounts(pad)
    if pads is None or len(shape(node.inputs[0])) != 4 or attribute(node, "auto_pad", "NOTSET") != "NOTSET":
        return False
    value, kernel, own = scalar(pad.inputs[2]), attribute(node, "kernel_shape"), attribute(node, "pads")
    whole = node.op_type != "AveragePool" or not (any(own) or attribute(node, "ceil_mode", 0))
    fits = value is not None and (value < LOW if node.op_type == "MaxPool" else value == 0)
    pads = [more + given for more, given in zip(pads, own, strict=True)]
    if not fits or not whole or (node.op_type != "Conv" and any(p >= kernel[i % 2] for i, p in enumerate(pads))):
        return False
    node.replace_input_with(0, pad.inputs[0])
    node.attributes["pads"] = ir.AttrInt64s("pads", pads)
    if node.op_type == "AveragePool":
        node.attributes["count_include_pad"] = ir.AttrInt64("count_include_pad", 1)
    return True


def amounts(pad: ir.Node) -> list[int] | None:
    """(top, left, bottom, right) of a canonical Pad; None where it is another, or pads other axes."""
    if attribute(pad, "mode", "constant") != "constant" or len(pad.inputs) != 3 or const_value(pad.inputs[1]) is None:
        return None
    pads = array(pad.inputs[1]).tolist()
    others = len(pads) != 8 or any(pads[i] for i in (0, 1, 4, 5)) or min(pads) < 0
    return None if others else [*pads[2:4], *pads[6:8]]
