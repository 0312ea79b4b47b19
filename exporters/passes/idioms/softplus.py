"""Where(Greater(x, t), x, Softplus(x)) -> Softplus(x), for t of 17 and more, where both are the same float32

That is how PyTorch writes it. Leaves the nodes alone where t is smaller, or they read different values.
"""

import onnx_ir as ir

from ....graph.edit import producer, replace, scalar

SAME_FROM = 17  # exp(-17) is half a unit in the last place of 17


def rewrite(model: ir.Model) -> int:
    graph, count = model.graph, 0
    for node in graph:
        if node.op_type != "Where":
            continue
        condition, x, soft = node.inputs
        greater, softplus = producer(condition, "Greater"), producer(soft, "Softplus")
        if greater is None or softplus is None or not greater.inputs[0] is softplus.inputs[0] is x:
            continue
        threshold = scalar(greater.inputs[1])
        if threshold is not None and threshold >= SAME_FROM:
            replace(node.outputs[0], soft)
            graph.remove(node, safe=True)
            count += 1
    return count
