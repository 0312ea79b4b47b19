"""Mul(x, Tanh(Softplus(x))) -> Mish(x)

Leaves the nodes alone where the factors read different values.
"""

import onnx_ir as ir

from ....graph.edit import emit, producer, replace, shape


def rewrite(model: ir.Model) -> int:
    count = 0
    for node in model.graph:
        if node.op_type != "Mul":
            continue
        for x, gate in (tuple(node.inputs), tuple(reversed(node.inputs))):
            tanh = producer(gate, "Tanh")
            softplus = producer(tanh.inputs[0], "Softplus") if tanh is not None else None
            if softplus is not None and softplus.inputs[0] is x:
                replace(node.outputs[0], emit(node, "Mish", [x], shape(x)))
                count += 1
                break
    return count
