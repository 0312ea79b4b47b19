"""Pad(x, 0) -> MaxPool stays two operators in ONNX Runtime: the zero is the smallest normal number.

ONNX Runtime's PadFusion (1.31, switched on by default) makes the zeros part of the pool, whose own border is -inf.
"""

from __future__ import annotations

import numpy as np
import onnx

from .proto import constants_of, makers_of

ALMOST_ZERO = np.array(np.finfo(np.float32).tiny)
NAME = "edgeport.almost_zero"


def keep_zeros(graph: onnx.GraphProto) -> None:
    """Write the border of each such Pad so that it is not taken into the pool."""
    constants, made_by = constants_of(graph), makers_of(graph)
    pads = [made_by.get(node.input[0]) for node in graph.node if node.op_type == "MaxPool"]
    for pad in pads:
        if pad is None or pad.op_type != "Pad" or len(pad.input) < 3 or pad.input[2] not in constants:
            continue
        if onnx.numpy_helper.to_array(constants[pad.input[2]]).item() == 0:
            pad.input[2] = NAME
    if any(NAME in node.input for node in graph.node):
        graph.initializer.append(onnx.numpy_helper.from_array(ALMOST_ZERO, NAME))
