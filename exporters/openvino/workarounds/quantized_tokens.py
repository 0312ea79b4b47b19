"""QuantizeLinear(Concat(...) of three axes) -> the same in four axes

Moved in front of the Concat, its zero point becomes one for each token, which no MatMul behind it takes.
"""

import numpy as np
import onnx_ir as ir

from ....graph.edit import constant, consumers, name_of, producer, shape
from .named_nodes import put_behind, put_reshape


def rewrite(model: ir.Model) -> int:
    count = 0
    for node in model.graph:
        if node.op_type != "QuantizeLinear" or producer(node.inputs[0], "Concat") is None:
            continue
        stored = node.outputs[0]
        dims = shape(node.inputs[0])
        if len(dims) != 3:
            continue
        node.replace_input_with(0, put_reshape(node, f"{stored.name}_whole", node.inputs[0], [1, *dims]))
        stored.name, stored.shape = f"{stored.name}_four", ir.Shape([1, *dims])
        for reader in consumers(stored):
            name, to = (
                name_of(reader.outputs[0]),
                constant(model.graph, np.array(dims), f"{reader.outputs[0].name}_shape"),
            )
            put_behind(reader, "Reshape", to, dims, f"{name}_four")
            reader.outputs[0].shape = ir.Shape([1, *dims])
        count += 1
    return count
