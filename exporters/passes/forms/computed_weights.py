"""Conv(x, computed W, b) -> MatMul(W, the windows of x side by side); of a depthwise one: the sum of each tap times x

Leaves a Conv alone whose weight is constant, whose windows depend on auto_pad, or that has other than two spatial axes.
"""

from __future__ import annotations

import onnx_ir as ir

from ....graph.dialect import stored
from ....graph.edit import attribute, given, shape
from ....graph.replacing import replace_each
from ..expansions.steps import Steps


def rewrite(model: ir.Model) -> int:
    return replace_each(model.graph, {"Conv": _conv})


def _conv(node: ir.Node) -> ir.Value | None:
    x, weight = map(given, node.inputs[:2])
    if stored(weight) is not None or len(shape(x)) != 4 or attribute(node, "auto_pad", "NOTSET") != "NOTSET":
        return None
    at, groups = Steps(node, named=False), attribute(node, "group", 1)
    n, channels, height, width = shape(node.outputs[0])
    taps = windows(at, x, node)
    made, inputs = channels // groups, shape(weight)[1]
    if made == inputs == 1:
        out = _depthwise(at, taps, weight)
    else:
        places = height * width
        columns = at.concat([at.reshape(tap, n, groups, inputs, 1, places) for tap in taps], 3)
        columns = at.reshape(columns, n * groups, inputs * len(taps), places)
        rows = at.reshape(weight, groups, made, inputs * len(taps))
        if n > 1:
            rows = at.concat([rows] * n, 0)
        out = at.run("MatMul", rows, columns, to=(n * groups, made, places))
        out = at.reshape(out, n, channels, height, width)
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        out = at.add(out, at.reshape(given(node.inputs[2]), channels, 1, 1))
    return out


def _depthwise(at: Steps, taps: list[ir.Value], weight: ir.Value) -> ir.Value:
    channels = shape(weight)[0]
    weights = at.reshape(weight, channels, len(taps))
    total = None
    for i, tap in enumerate(taps):
        part = at.mul(tap, at.reshape(at.part(weights, 1, i, i + 1), 1, channels, 1, 1))
        total = part if total is None else at.add(total, part)
    assert total is not None
    return total


def windows(at: Steps, x: ir.Value, node: ir.Node) -> list[ir.Value]:
    """What each tap of the kernel sees, row by row: (n, c, h', w') each."""
    kernel = shape(node.inputs[1])[2:]
    steps, dilations = (attribute(node, name, (1, 1)) for name in ("strides", "dilations"))
    pads = attribute(node, "pads", (0, 0, 0, 0))
    sizes = shape(node.outputs[0])[2:]
    if any(pads):
        n, c, height, width = shape(x)
        to = (n, c, height + pads[0] + pads[2], width + pads[1] + pads[3])
        x = at.run("Pad", x, at.sizes(0, 0, *pads[:2], 0, 0, *pads[2:]), 0.0, to=to, mode="constant")
    taps = []
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            starts = [row * dilations[0], column * dilations[1]]
            ends = [start + (size - 1) * step + 1 for start, size, step in zip(starts, sizes, steps, strict=True)]
            operands = (at.sizes(*numbers) for numbers in (starts, ends, (2, 3), steps))
            taps.append(at.run("Slice", x, *operands, to=(*shape(x)[:2], *sizes)))
    return taps
