"""QuantizeLinear(constant) -> integers; view(DequantizeLinear(c)) -> DequantizeLinear(view(c)); one form of both ops

The form: a zero point is given, scale and zero point are 0-d unless there are several, of the attributes only the axis
is left, non-negative, 4-bit constants are 8-bit ones, and the operators are those of ONNX itself. A view is a
Transpose, or what only changes the shape; where no axis of the new shape has one scale for each slice, the constant
becomes float. Leaves alone whatever has computed parameters.
"""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from ....artifacts.errors import NotCanonical
from ....graph.edit import array, attribute, const_value, constant, given, owner, producer, replace, shape, where
from ....graph.qdq import dequantized

PAIR = ("QuantizeLinear", "DequantizeLinear")
SHAPES = {"Reshape", "Squeeze", "Unsqueeze", "Flatten"}
EIGHT_BITS = {ir.DataType.INT8, ir.DataType.UINT8}
WIDER = {ir.DataType.INT4: np.int8, ir.DataType.UINT4: np.uint8}


def rewrite(model: ir.Model) -> int:
    count = 0
    for node in model.graph:
        if node.op_type in PAIR and node.domain in ("", "ai.onnx", "com.microsoft"):
            count += normalize(node) or (node.op_type == "QuantizeLinear" and fold(node))
        elif node.op_type in SHAPES or node.op_type == "Transpose":
            count += move(node)
    return count


def normalize(node: ir.Node) -> int:
    """Bring a node to the form. Raises NotCanonical for other than 8 bits (32 for a bias)."""
    scale = const_value(node.inputs[1])
    if scale is None:
        return 0
    changed = node.domain != ""
    node.domain = ""
    if len(node.inputs) < 3 or node.inputs[2] is None:
        kind = integer_type(node) or ir.DataType.UINT8
        node.resize_inputs(3)
        node.replace_input_with(2, constant(owner(node), np.zeros(scale.shape, kind.numpy()), "zero_point"))
        changed = True
    zero = const_value(node.inputs[2])
    if zero is None:
        return int(changed)
    if attribute(node, "block_size", 0):
        raise NotCanonical(f"{where(node)} has a scale for each block; quantise per tensor or per channel.")
    changed |= widen(node)
    kind = given(node.inputs[2]).dtype
    if kind not in EIGHT_BITS and not (kind == ir.DataType.INT32 and node.op_type == "DequantizeLinear"):
        raise NotCanonical(f"{where(node)} is of type {kind}; quantise to 8 bits (QInt8 or QUInt8).")
    if scale.size == 1 and scale.ndim:
        for i in (1, 2):
            node.replace_input_with(i, constant(owner(node), array(node.inputs[i]).reshape(()), "quantization"))
        changed = True
    wanted = {} if scale.size == 1 else {"axis": attribute(node, "axis", 1) % len(shape(node.inputs[0]))}
    if {name: attr.value for name, attr in node.attributes.items()} != wanted:
        node.attributes.clear()
        node.attributes.update({name: ir.AttrInt64(name, value) for name, value in wanted.items()})
        changed = True
    return int(changed)


def integer_type(node: ir.Node) -> ir.DataType | None:
    """What a node without a zero point quantises to, or reads."""
    if node.op_type == "DequantizeLinear":
        return given(node.inputs[0]).dtype
    named = attribute(node, "output_dtype", 0)
    return ir.DataType(named) if named else None


def widen(node: ir.Node) -> bool:
    """4-bit constants as 8-bit ones: the same integers."""
    if node.op_type != "DequantizeLinear" or given(node.inputs[0]).dtype not in WIDER:
        return False
    integers = const_value(node.inputs[0])
    if integers is None:
        return False
    to = WIDER[given(node.inputs[0]).dtype or ir.DataType.INT4]
    node.replace_input_with(0, constant(owner(node), integers.astype(to), given(node.inputs[0]).name))
    node.replace_input_with(2, constant(owner(node), array(node.inputs[2]).astype(to), "zero_point"))
    return True


def fold(node: ir.Node) -> int:
    """QuantizeLinear of a constant: the integers."""
    real, scale, zero = (const_value(value) for value in node.inputs)
    if real is None or scale is None or zero is None or node.outputs[0].is_graph_output():
        return 0
    along = [1] * real.ndim
    if scale.size > 1:
        along[attribute(node, "axis")] = scale.size
    limits = np.iinfo(zero.dtype)
    steps = np.rint(real / scale.reshape(along if scale.size > 1 else ())) + zero.reshape(
        along if scale.size > 1 else ()
    ).astype(np.int32)
    integers = np.clip(steps, limits.min, limits.max).astype(zero.dtype)
    replace(node.outputs[0], constant(owner(node), integers, node.outputs[0].name))
    owner(node).remove(node, safe=True)
    return 1


def move(node: ir.Node) -> int:
    """A view of a dequantised constant: a dequantised constant."""
    dequantize = producer(node.inputs[0], "DequantizeLinear")
    integers = const_value(dequantize.inputs[0]) if dequantize is not None else None
    if dequantize is None or integers is None or node.outputs[0].is_graph_output():
        return 0
    scale, zero = (const_value(value) for value in dequantize.inputs[1:])
    if scale is None or zero is None:
        return 0
    axis = attribute(dequantize, "axis") if scale.size > 1 else None
    if node.op_type == "Transpose":
        perm = attribute(node, "perm", tuple(reversed(range(integers.ndim))))
        moved, axis = integers.transpose(perm), None if axis is None else perm.index(axis)
    else:
        moved = integers.reshape(shape(node.outputs[0]))
        if axis is not None:
            axis = same_axis(integers.shape, axis, moved.shape)
            if axis is None:
                real = constant(owner(node), dequantized(dequantize), given(node.inputs[0]).name)
                node.replace_input_with(0, real)
                return 1
    name = given(dequantize.inputs[0]).name
    new = ir.node(
        "DequantizeLinear",
        [constant(owner(node), moved, name), *dequantize.inputs[1:]],
        {} if axis is None else {"axis": axis},
        metadata_props=dict(node.metadata_props),
    )
    new.outputs[0].shape, new.outputs[0].dtype = ir.Shape(moved.shape), ir.DataType.FLOAT
    owner(node).insert_before(node, new)
    replace(node.outputs[0], new.outputs[0])
    owner(node).remove(node, safe=True)
    return 1


def same_axis(old: tuple[int, ...], axis: int, new: tuple[int, ...]) -> int | None:
    """The axis of the new shape that holds the same slices, or None."""
    before = math.prod(old[:axis])
    fits = (k for k, size in enumerate(new) if size == old[axis] and math.prod(new[:k]) == before)
    return next(fits, None)


def is_quantized(model: ir.Model) -> bool:
    """Whether values that are computed are quantised, so that layers run in int8."""
    return any(node.op_type == "QuantizeLinear" for node in model.graph)
