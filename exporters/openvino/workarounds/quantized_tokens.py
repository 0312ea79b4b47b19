"""QuantizeLinear(Concat(...) of three axes) | Concat(integers of three axes) -> the same in four axes

Moved in front of the Concat, or behind it where a factor for each token is, too, its zero point becomes one for each
token, which no MatMul behind it takes.
"""

import numpy as np
import onnx_ir as ir

from ....graph.edit import attribute, constant, consumers, given, name_of, producer, shape
from ....graph.fusion import source
from .named_nodes import put, put_behind, put_reshape, stand_in


def rewrite(model: ir.Model) -> int:
    count = 0
    for node in list(model.graph):
        if joins_integers(node):
            join_in_four_axes(node)
            count += 1
            continue
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


def joins_integers(node: ir.Node) -> bool:
    """Whether the node puts tokens of three axes behind one another, all of them integers."""
    if node.op_type != "Concat" or attribute(node, "axis") != 1 or len(shape(node.outputs[0])) != 3:
        return False
    return all(producer(source(given(value)), "DequantizeLinear") is not None for value in node.inputs)


def join_in_four_axes(node: ir.Node) -> None:
    """Concat(a, b) -> Reshape(Concat(Reshape(a), Reshape(b)))"""
    out = node.outputs[0]
    dims, name = shape(out), name_of(out)
    parts = [put_reshape(node, f"{name}_part_{i}", value, [1, *shape(value)]) for i, value in enumerate(node.inputs)]
    joined = put(node, f"{name}_joined", "Concat", parts, [1, *dims], {"axis": 2}, out.dtype)
    stand_in(put_reshape(node, f"{name}_whole", joined, dims), node)
