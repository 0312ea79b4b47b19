"""float16 | float64 | bfloat16 -> float32; int8 | uint8 | int16 | uint16 -> int32, back in range behind arithmetic

Weights, inputs and results alike: what a half-precision model computes is computed in float32. Leaves a graph alone
that has pairs of QuantizeLinear and DequantizeLinear, whose 8-bit integers are no numbers to compute with.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ....graph.edit import array, attribute, constant, consumers, owner, shape

FLOAT, INT32 = ir.DataType.FLOAT, ir.DataType.INT32
REAL = {ir.DataType.FLOAT16, ir.DataType.DOUBLE, ir.DataType.BFLOAT16}
NARROW = {  # type -> smallest value, number of values
    ir.DataType.INT8: (-(2**7), 2**8),
    ir.DataType.UINT8: (0, 2**8),
    ir.DataType.INT16: (-(2**15), 2**16),
    ir.DataType.UINT16: (0, 2**16),
}
WRAPS = {
    "Add",
    "Sub",
    "Mul",
    "Neg",
    "Sum",
    "Cast",
    "CastLike",
    "ReduceSum",
    "ReduceProd",
    "CumSum",
    "Abs",
    "Div",
    "Pow",
}


def rewrite(model: ir.Model) -> int:
    graph = model.graph
    to = dict.fromkeys(REAL, FLOAT)
    if not any(node.op_type.endswith(("QuantizeLinear", "DequantizeLinear")) for node in graph):
        to |= dict.fromkeys(NARROW, INT32)
    found = 0
    for value in list(graph.initializers.values()):
        if (dtype := value.dtype) is not None and dtype in to:
            _convert_constant(graph, value, to[dtype])
            found += 1
    for value in graph.inputs:
        if (dtype := value.dtype) is not None and dtype in to:
            value.dtype = to[dtype]
            found += 1
    for node in graph:
        for out in node.outputs:
            if (dtype := out.dtype) is not None and dtype in to:
                found += _convert(node, out, dtype, to[dtype])
    return found


def _convert_constant(graph: ir.Graph, value: ir.Value, dtype: ir.DataType) -> None:
    new = constant(graph, array(value).astype(np.float32 if dtype == FLOAT else np.int32), value.name)
    value.replace_all_uses_with(new, replace_graph_outputs=True)
    graph.initializers.pop(value.name or "", None)


def _convert(node: ir.Node, out: ir.Value, narrow: ir.DataType, dtype: ir.DataType) -> int:
    if node.op_type == "Constant":
        return 0  # folding makes it an initializer first
    out.dtype = dtype
    for name in ("to", "dtype"):
        if attribute(node, name) == narrow:
            node.attributes[name] = ir.AttrInt64(name, dtype)
    if narrow in NARROW and node.op_type in WRAPS:
        _wrap(node, out, *NARROW[narrow])
    return 1


def _wrap(node: ir.Node, out: ir.Value, lowest: int, count: int) -> None:
    """out -> (out - lowest) mod count + lowest, for all that read it."""
    graph, readers = owner(node), [(reader, i) for reader in consumers(out) for i in _places(reader, out)]
    value, steps = out, []
    for op_type, number in (("Sub", lowest), ("Mod", count), ("Add", lowest)):
        step = ir.node(op_type, [value, constant(graph, np.array(number, np.int32), "range")])
        step.outputs[0].shape, step.outputs[0].dtype = ir.Shape(shape(out)), INT32
        steps.append(step)
        value = step.outputs[0]
    graph.insert_after(node, steps)
    for reader, index in readers:
        reader.replace_input_with(index, value)
    for index, output in enumerate(graph.outputs):
        if output is out:
            out.name, value.name = f"{out.name}_wide", out.name
            graph.outputs[index] = value


def _places(reader: ir.Node, value: ir.Value) -> list[int]:
    return [i for i, operand in enumerate(reader.inputs) if operand is value]
