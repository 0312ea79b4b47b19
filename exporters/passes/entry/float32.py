"""float16 | bfloat16 | float64 graph -> the same graph in float32; Cast(integer input) -> the input, as float32

Everything else of edgeport computes in float32. Constants beyond float32's range become its largest number. An input of
integers becomes one of whole float32 numbers where all that is done with it is to make it float. Else it is left alone.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ....graph.edit import attribute, consumers, replace

OTHERS = {ir.DataType.FLOAT16, ir.DataType.BFLOAT16, ir.DataType.DOUBLE}
INTEGERS = {
    *(ir.DataType.UINT8, ir.DataType.INT8, ir.DataType.UINT16, ir.DataType.INT16),
    *(ir.DataType.INT32, ir.DataType.INT64, ir.DataType.UINT32, ir.DataType.UINT64, ir.DataType.BOOL),
}
_LARGEST = float(np.finfo(np.float32).max)
_TYPE_ATTRIBUTES = ("to", "dtype", "output_dtype")


def rewrite(model: ir.Model) -> int:
    graph = model.graph
    return sum(widen(value) for value in values(graph)) + sum(widen_node(node) for node in graph) + real_inputs(graph)


def values(graph: ir.Graph) -> list[ir.Value]:
    made = (out for node in graph for out in node.outputs)
    return [*graph.inputs, *graph.initializers.values(), *made]


def widen(value: ir.Value) -> int:
    """A value, and the array of a constant."""
    dtype = value.const_value.dtype if value.const_value is not None else value.dtype
    if dtype not in OTHERS:
        return 0
    if value.const_value is not None:
        value.const_value = tensor(value.const_value)
    value.type = ir.TensorType(ir.DataType.FLOAT)  # a clone shares the old object
    return 1


def widen_node(node: ir.Node) -> int:
    """The attributes that name a type, and tensors among the attributes."""
    count = 0
    for name, attr in list(node.attributes.items()):
        if name in _TYPE_ATTRIBUTES and attr.type == ir.AttributeType.INT and attr.as_int() in OTHERS:
            node.attributes[name] = ir.AttrInt64(name, ir.DataType.FLOAT)
        elif attr.type == ir.AttributeType.TENSOR and attr.as_tensor().dtype in OTHERS:
            node.attributes[name] = ir.AttrTensor(name, tensor(attr.as_tensor()))
        else:
            continue
        count += 1
    return count


def tensor(old: ir.TensorProtocol) -> ir.Tensor:
    """The same numbers as float32, the largest one where they are larger."""
    array = old.numpy().astype(np.float64)
    finite = np.where(np.isfinite(array), np.clip(array, -_LARGEST, _LARGEST), array)
    return ir.Tensor(finite.astype(np.float32), name=old.name)


def real_inputs(graph: ir.Graph) -> int:
    count = 0
    for value in graph.inputs:
        readers = consumers(value)
        if value.dtype not in INTEGERS or value.is_graph_output() or not all(map(makes_float, readers)):
            continue
        value.type = ir.TensorType(ir.DataType.FLOAT)
        for cast in readers:
            if not cast.outputs[0].is_graph_output():
                replace(cast.outputs[0], value)
                graph.remove(cast, safe=True)
        count += 1
    return count


def makes_float(node: ir.Node) -> bool:
    return node.op_type == "Cast" and attribute(node, "to") == ir.DataType.FLOAT
