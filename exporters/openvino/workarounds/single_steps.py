"""Conv of one channel with a result one number wide -> the same with stride 1, which is then the same

With stride 2 the plugin reads other rows. Leaves a Conv alone where the pads do not reach as far as what is not read.
"""

import onnx_ir as ir

from ....graph.edit import attribute, shape


def rewrite(model: ir.Model) -> int:
    count = 0
    for node in model.graph:
        if node.op_type != "Conv":
            continue
        x, y = shape(node.inputs[0]), shape(node.outputs[0])
        if x[1] != 1 or y[-1] != 1:
            continue
        kernel, strides, dilations, pads = (
            list(attribute(node, name)) for name in ("kernel_shape", "strides", "dilations", "pads")
        )
        unread = x[-1] + pads[len(pads) // 2 - 1] + pads[-1] - (dilations[-1] * (kernel[-1] - 1) + 1)
        if strides[-1] > 1 and unread <= pads[-1]:
            strides[-1] = 1
            pads[-1] -= unread
            for name, values in (("strides", strides), ("pads", pads)):
                node.attributes[name] = ir.AttrInt64s(name, values)
            count += 1
    return count
