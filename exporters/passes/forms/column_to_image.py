"""Col2Im(x) -> Reshape(ConvTranspose(Reshape(x), W)), each channel as an image of its own; W has a one for each tap

Leaves a node alone whose sizes are computed, or whose image has other than two axes.
"""

import numpy as np
import onnx_ir as ir

from ....graph.edit import attribute, const_value, constant, emit, replace, reshape, shape


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    for node in graph:
        if node.op_type != "Col2Im":
            continue
        x, image, block = node.inputs[0], const_value(node.inputs[1]), const_value(node.inputs[2])
        if image is None or block is None or len(image) != 2:
            continue
        size, kernel = image.tolist(), block.tolist()
        attributes = {
            "kernel_shape": kernel,
            "strides": attribute(node, "strides", (1, 1)),
            "dilations": attribute(node, "dilations", (1, 1)),
            "pads": attribute(node, "pads", (0, 0, 0, 0)),
        }
        room = [places(i, size, attributes) for i in (0, 1)]
        n, columns, _ = shape(x)
        taps = kernel[0] * kernel[1]
        images = n * columns // taps
        weight = constant(graph, np.eye(taps, dtype=np.float32).reshape(taps, 1, *kernel), "taps")
        x = reshape(x, (images, taps, *(number for number, _ in room)), node)
        attributes["output_padding"] = [rest for _, rest in room]
        out = emit(node, "ConvTranspose", [x, weight], (images, 1, *size), attributes)
        replace(node.outputs[0], reshape(out, shape(node.outputs[0]), node))
        graph.remove(node, safe=True)
        count += 1
    return count


def places(i: int, size: list[int], window: dict[str, tuple[int, ...]]) -> tuple[int, int]:
    """How often the window fits along axis i, and how many pixels behind the last place it leaves out."""
    pads, reach = window["pads"], window["dilations"][i] * (window["kernel_shape"][i] - 1)
    free = size[i] + pads[i] + pads[i + 2] - reach - 1
    return free // window["strides"][i] + 1, free % window["strides"][i]
