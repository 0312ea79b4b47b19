"""NonMaxSuppression(..., threshold) -> NonMaxSuppression(..., the next larger number)

The plugin's kernel also suppresses what overlaps by just the threshold, ONNX's only what overlaps by more.
"""

import numpy as np
import onnx_ir as ir

from ....graph.edit import array, constant
from ....graph.fixed_selection import SUPPRESSION


def rewrite(model: ir.Model) -> int:
    count = 0
    for node in model.graph:
        if node.op_type == SUPPRESSION:
            larger = np.nextafter(np.float32(array(node.inputs[3]).item()), np.float32(np.inf))
            node.replace_input_with(3, constant(model.graph, np.array([larger], np.float32), "overlap"))
            count += 1
    return count
