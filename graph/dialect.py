"""The closed set of ops that a canonical graph consists of, and the check that a graph is one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import onnx_ir as ir

from ..artifacts.errors import DynamicShape, NotCanonical, UnsupportedOp
from .dtypes import ANY, BOOLS, FLOATS, INTEGERS, NUMBERS
from .edit import DATA_DEPENDENT, array, attribute, const_value, given, producer, shape, where

OPSET = 20
MOST_ELEMENTS = 2**31 - 1  # of one value: the targets count them in 32 bits


@dataclass(frozen=True)
class Op:
    """One op of the dialect. Every attribute is written out in a canonical graph, every input given."""

    inputs: tuple[int, int]  # fewest, most
    attributes: frozenset[str] = frozenset()
    constants: frozenset[int] = frozenset()  # inputs that are initializers
    defaults: Mapping[str, Any] = field(default_factory=dict)  # what an attribute means where ONNX lets it be absent
    rule: Callable[[ir.Node], str | None] = lambda node: None  # what is wrong with a node, or None
    outputs: int = 1
    types: tuple[frozenset[ir.DataType], ...] = (FLOATS,)  # of each computed input; of those behind it, the last
    absent: frozenset[int] = frozenset()  # inputs that are left out


def _op(
    least: int,
    most: int | None = None,
    *,
    constants=(),
    rule=lambda node: None,
    outputs=1,
    types=(FLOATS,),
    required=(),
    absent=(),
    **defaults,
) -> Op:
    attributes = frozenset(required) | frozenset(defaults)
    return Op(
        (least, most or least), attributes, frozenset(constants), defaults, rule, outputs, types, frozenset(absent)
    )


def _rank(node: ir.Node, index: int = 0) -> int:
    return len(shape(node.inputs[index]))


def stored(value: ir.Value | None) -> np.ndarray | None:
    """The array of a constant, as it is stored: a quantised weight's is the one that its DequantizeLinear reads."""
    dequantize = producer(value, "DequantizeLinear")
    return const_value(dequantize.inputs[0] if dequantize is not None else value)


def _two_spatial_axes(node: ir.Node) -> str | None:
    return None if _rank(node) == 4 else f"it has {_rank(node) - 2} spatial axes, not 2"


def _conv(node: ir.Node) -> str | None:
    bias, channels = stored(node.inputs[2]), shape(node.outputs[0])[1]
    if bias is not None and bias.shape != (channels,):
        return f"its bias has shape {bias.shape}, not one number for each of {channels} channels"
    return _two_spatial_axes(node)


def _conv_transpose(node: ir.Node) -> str | None:
    return _two_spatial_axes(node) or (None if attribute(node, "group", 1) == 1 else "it has groups")


def _resize(node: ir.Node) -> str | None:
    before, after = shape(node.inputs[0]), shape(node.outputs[0])
    mode, places = attribute(node, "mode"), attribute(node, "coordinate_transformation_mode")
    if len(before) != 4 or before[:2] != after[:2]:
        return f"it resizes {before} to {after}, not the last two of four axes"
    if mode == "nearest":
        whole = all(new % old == 0 for old, new in zip(before, after, strict=True))
        fine = whole and (places, attribute(node, "nearest_mode")) == ("asymmetric", "floor")
    else:
        fine = mode == "linear" and places in ("half_pixel", "align_corners", "asymmetric")
    return None if fine else f"it resizes by {mode} and {places}"


def _prelu(node: ir.Node) -> str | None:
    dims, slope = shape(node.inputs[0]), array(node.inputs[1]).shape
    fine = len(dims) > 1 and slope == (dims[1],) + (1,) * (len(dims) - 2)
    return None if fine else f"its slope has shape {slope}, not one per channel of {dims}"


def _matmul(node: ir.Node) -> str | None:
    a, b = node.inputs
    if stored(a) is not None and _rank(node) == 2:
        return "its first operand is a constant"
    if stored(b) is not None and _rank(node, 1) == 2:
        return None
    return None if _rank(node, 0) == _rank(node, 1) > 1 else "its operands have different ranks"


def _broadcasts(node: ir.Node) -> str | None:
    dims, to = [shape(value) for value in node.inputs], shape(node.outputs[0])
    try:
        fine = np.broadcast_shapes(*dims) == to
    except ValueError:
        fine = False
    return None if fine else f"its operands of shapes {', '.join(map(str, dims))} do not make one of shape {to}"


def _commutes(node: ir.Node) -> str | None:
    return "its constant stands first" if stored(node.inputs[0]) is not None else _broadcasts(node)


def _bounds(node: ir.Node) -> str | None:
    return None if all(array(value).ndim == 0 for value in node.inputs[1:]) else "its bounds are no scalars"


def _last_axis(node: ir.Node) -> str | None:
    axis, rank = attribute(node, "axis"), _rank(node)
    return None if axis == rank - 1 else f"it works along axis {axis} of {rank}, not the last"


def _axis(node: ir.Node) -> str | None:
    axis, rank = attribute(node, "axis"), _rank(node)
    return None if 0 <= axis < rank else f"its axis is {axis} of {rank}"


def _axis_operand(node: ir.Node) -> str | None:
    axes, rank = array(node.inputs[1]), _rank(node)
    return None if axes.size == 1 and -rank <= axes.item() < rank else f"its axis is {axes.tolist()} of {rank}"


def _reduce(node: ir.Node) -> str | None:
    axes = array(node.inputs[1]).tolist()
    if attribute(node, "keepdims") != 1:
        return "it drops the axes that it reduces"
    return None if axes and axes == sorted(set(axes)) and axes[0] >= 0 else f"its axes are {axes}"


def _reshape(node: ir.Node) -> str | None:
    to = tuple(array(node.inputs[1]).tolist())
    if to == shape(node.outputs[0]) and prod(to) != prod(shape(node.inputs[0])):
        return f"it cannot bring {shape(node.inputs[0])} to {to}"
    return None if to == shape(node.outputs[0]) else f"its shape is written {to}"


def _slice(node: ir.Node) -> str | None:
    dims = shape(node.inputs[0])
    starts, ends, axes, steps = (array(value).tolist() for value in node.inputs[1:])
    fine = axes == sorted(set(axes)) and all(
        axis >= 0 and step > 0 and 0 <= start < end <= dims[axis]
        for start, end, axis, step in zip(starts, ends, axes, steps, strict=True)
    )
    return None if fine else f"it takes {starts} to {ends} by {steps} of axes {axes}"


def _pad(node: ir.Node) -> str | None:
    if attribute(node, "mode") != "constant":
        return f"its mode is {attribute(node, 'mode')!r}"
    pads = array(node.inputs[1])
    return None if len(pads) == 2 * _rank(node) and (pads >= 0).all() else f"its pads are {pads.tolist()}"


def _mod(node: ir.Node) -> str | None:
    is_float = given(node.outputs[0]).dtype == ir.DataType.FLOAT
    return _broadcasts(node) if bool(attribute(node, "fmod")) == is_float else f"its fmod is {attribute(node, 'fmod')}"


def _copies(node: ir.Node) -> str | None:
    (x,), (out,) = node.inputs, node.outputs
    fixed = producer(x) is None or given(x).is_graph_output()
    return None if fixed and out.is_graph_output() else "it changes nothing"


def _top_k(node: ir.Node) -> str | None:
    if (attribute(node, "largest"), attribute(node, "sorted")) != (1, 1):
        return "it takes the smallest, or in no order"
    return _last_axis(node)


def _arg(node: ir.Node) -> str | None:
    if (attribute(node, "keepdims"), attribute(node, "select_last_index")) != (1, 0):
        return "it drops its axis, or takes the last of equals"
    return _axis(node)


def _suppression(node: ir.Node) -> str | None:
    """Boxes (n, b, 4), scores (n, c, b), limits that are numbers, and no more rows than these allow."""
    boxes, scores = (shape(value) for value in node.inputs[:2])
    if len(boxes) != 3 or len(scores) != 3 or boxes != (scores[0], scores[2], 4):
        return f"its boxes are {boxes} and its scores {scores}"
    limits = [array(value) for value in node.inputs[2:]]
    if any(limit.size != 1 for limit in limits):
        return "its limits are no single numbers"
    most = scores[0] * scores[1] * min(max(int(limits[0].item()), 0), boxes[1])
    rows = shape(node.outputs[0])
    return None if len(rows) == 2 and rows[1] == 3 and rows[0] <= most else f"it gives {rows}, of at most {most} rows"


def _grid_sample(node: ir.Node) -> str | None:
    return None if _rank(node) == 4 else f"it samples {_rank(node) - 2} spatial axes, not 2"


def _recurrence(node: ir.Node) -> str | None:
    """One number for each direction in every operand, and PyTorch's GRU, which resets behind its product."""
    directions = 2 if attribute(node, "direction") == "bidirectional" else 1
    of = [shape(value)[0] for value in node.inputs[1:] if value is not None]
    if set(of) != {directions}:
        return f"its operands are of {of} directions, not {directions}"
    return None if attribute(node, "linear_before_reset", 1) else "it resets in front of its product"


ARGS = ("ArgMax", "ArgMin")
SPATIAL = {"Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool"}
WINDOW = ("kernel_shape", "strides", "pads")
RESIZING = ("mode", "coordinate_transformation_mode", "nearest_mode")

OPS: dict[str, Op] = {
    # layers with weights
    "Conv": _op(3, constants=(1, 2), rule=_conv, required=(*WINDOW, "dilations"), group=1),
    "ConvTranspose": _op(3, constants=(1, 2), rule=_conv_transpose, required=(*WINDOW, "output_padding")),
    "MatMul": _op(2, rule=_matmul),
    # element by element
    "Add": _op(2, rule=_commutes, types=(NUMBERS,)),
    "Mul": _op(2, rule=_commutes, types=(NUMBERS,)),
    **{name: _op(2, rule=_broadcasts, types=(NUMBERS,)) for name in ("Sub", "Div", "Max", "Min")},
    "Mod": _op(2, rule=_mod, types=(NUMBERS,), fmod=0),
    "Pow": _op(2, rule=_broadcasts),
    "Clip": _op(3, constants=(1, 2), rule=_bounds),
    "HardSigmoid": _op(1, alpha=0.2, beta=0.5),
    "Gelu": _op(1, approximate="none"),
    "LeakyRelu": _op(1, alpha=0.01),
    "Elu": _op(1, alpha=1.0),
    "PRelu": _op(2, constants=(1,), rule=_prelu),
    **{name: _op(1) for name in ("Relu", "Sigmoid", "HardSwish", "Tanh", "Erf", "Exp", "Sqrt")},
    **{name: _op(1) for name in ("Softplus", "Mish")},
    **{name: _op(1) for name in ("Log", "Sin", "Cos", "Atan", "Floor", "Ceil", "Round")},
    **{name: _op(1, types=(NUMBERS,)) for name in ("Neg", "Abs", "Sign")},
    # truth values and types
    **{
        name: _op(2, rule=_broadcasts, types=(NUMBERS,))
        for name in ("Greater", "GreaterOrEqual", "Less", "LessOrEqual")
    },
    "Equal": _op(2, rule=_broadcasts, types=(ANY,)),
    **{name: _op(2, rule=_broadcasts, types=(BOOLS,)) for name in ("And", "Or", "Xor")},
    "Not": _op(1, types=(BOOLS,)),
    "IsNaN": _op(1),
    "Where": _op(3, rule=_broadcasts, types=(BOOLS, NUMBERS)),
    "Cast": _op(1, types=(ANY,), required=("to",)),
    # along axes
    "LayerNormalization": _op(3, constants=(1, 2), rule=_last_axis, axis=-1, epsilon=1e-5),
    "Softmax": _op(1, rule=_axis, axis=-1),
    "LogSoftmax": _op(1, rule=_axis, axis=-1),
    "ReduceMean": _op(2, constants=(1,), rule=_reduce, keepdims=1),
    **{
        name: _op(2, constants=(1,), rule=_reduce, types=(NUMBERS,), keepdims=1)
        for name in ("ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd")
    },
    "CumSum": _op(2, constants=(1,), rule=_axis_operand, types=(NUMBERS,), exclusive=0, reverse=0),
    # indices
    **{name: _op(1, rule=_arg, types=(NUMBERS,), axis=0, keepdims=1, select_last_index=0) for name in ARGS},
    "TopK": _op(2, constants=(1,), rule=_top_k, outputs=2, types=(NUMBERS,), axis=-1, largest=1, sorted=1),
    "Gather": _op(2, rule=_axis, types=(ANY, INTEGERS), axis=0),
    # (n, b, 4), (n, c, b), limits -> (k, 3): image, class and box of each row, -1 in those that nothing is selected for
    "NonMaxSuppression": _op(5, constants=(2, 3, 4), rule=_suppression, center_point_box=0),
    "ScatterND": _op(3, types=(NUMBERS, INTEGERS, NUMBERS), reduction="none"),
    "AveragePool": _op(1, rule=_two_spatial_axes, required=WINDOW, count_include_pad=0),
    "MaxPool": _op(1, rule=_two_spatial_axes, required=(*WINDOW, "dilations")),
    "Resize": _op(4, constants=(3,), absent=(1, 2), rule=_resize, required=RESIZING),
    "GridSample": _op(2, rule=_grid_sample, mode="linear", padding_mode="zeros", align_corners=0),
    # over time: (t, n, x), the weights of each direction, their biases, the first states of each direction
    "LSTM": _op(
        7, constants=(1, 2, 3), absent=(4,), rule=_recurrence, outputs=3, required=("hidden_size",), direction="forward"
    ),
    "GRU": _op(
        6,
        constants=(1, 2, 3),
        absent=(4,),
        rule=_recurrence,
        outputs=2,
        required=("hidden_size",),
        direction="forward",
        linear_before_reset=0,
    ),
    # order and shape
    "Reshape": _op(2, constants=(1,), rule=_reshape, types=(ANY,)),
    "Transpose": _op(1, types=(ANY,), required=("perm",)),
    "Slice": _op(5, constants=(1, 2, 3, 4), rule=_slice, types=(ANY,)),
    "Concat": _op(1, 1 << 16, rule=_axis, types=(ANY,), required=("axis",)),
    "Tile": _op(2, constants=(1,), types=(ANY,)),
    "Identity": _op(1, rule=_copies, types=(ANY,)),  # an output that is an input, a constant, or another output
    "Pad": _op(3, constants=(1, 2), rule=_pad, mode="constant"),
}

QUANTIZED_OPS: dict[str, Op] = {  # what a quantised graph has besides
    "QuantizeLinear": _op(3, constants=(1, 2), types=(ANY,), axis=1),
    "DequantizeLinear": _op(
        3, constants=(1, 2), types=(ANY,), axis=1
    ),  # axis may be absent from both where the scale is a scalar
}

REMEDIES = {  # op -> what would work; for others the list of ops says it
    "Pad": "pad with a constant, or mirror, repeat or wrap at most the image itself",
    "BatchNormalization": "export in evaluation mode, with constant statistics",
    "Dropout": "export in evaluation mode",
    "GridSample": "sample images of two axes",
    "RoiAlign": "take the average of sampling_ratio samples, a fixed number above 0",
    "MaxUnpool": "upsample with Resize or ConvTranspose",
    "Resize": "resize to constant sizes",
    **dict.fromkeys(("If", "Loop", "Scan"), "export without control flow on data"),
    **dict.fromkeys(
        ("LSTM", "GRU", "RNN"),
        "constant weights, sigmoid and tanh (an RNN: tanh or relu), sequences of one length and no clipping would work",
    ),
    "NonMaxSuppression": "constant limits, and boxes and scores of one size would work",
    **dict.fromkeys(
        DATA_DEPENDENT - {"NonMaxSuppression"},
        "how much it gives depends on the data; let the application do it behind the model",
    ),
}

_MIXTURE = (
    "its weights depend on the input, which no target has: convolve with each constant weight and mix the results, "
    "which is the same"
)
COMPUTED = {"Conv": _MIXTURE, "ConvTranspose": _MIXTURE}  # op -> what would work where its weight is no constant


def check(model: ir.Model, *, quantized: bool = False) -> None:
    """Verify that the graph is canonical, so that a converter has nothing to ask.

    Raises DynamicShape (a value without a static shape), UnsupportedOp (an op outside the dialect), or NotCanonical (an
    op of the dialect in a form that it does not have); the message names node, PyTorch module path and remedy.
    """
    graph = model.graph
    if model.opset_imports.get("") != OPSET:
        raise NotCanonical(f"the graph is of ONNX opset {model.opset_imports.get('')}, not {OPSET}.")
    for value in graph.inputs:
        _check_value(value, quantized=False)
    ops = {**OPS, **QUANTIZED_OPS} if quantized else OPS
    for node in graph:
        if node.op_type in SPATIAL and _rank(node) > 4:
            raise UnsupportedOp(f"{where(node)} has {_rank(node) - 2} spatial axes; one or two are supported.")
        op = ops.get(node.op_type) if node.domain == "" else None
        if op is None:
            remedy = REMEDIES.get(node.op_type, f"known ops: {', '.join(sorted(OPS))}")
            raise UnsupportedOp(f"{where(node)} is outside the dialect; {remedy}.")
        _check_node(node, op)
        for out in node.outputs:
            if out.uses() or out.is_graph_output():
                _check_value(out, quantized)


def _check_node(node: ir.Node, op: Op) -> None:
    for index in op.constants:
        value = node.inputs[index] if index < len(node.inputs) else None
        if value is not None and stored(value) is None:
            remedy = COMPUTED.get(node.op_type, "make it a constant")
            raise NotCanonical(f"{where(node)}: operand {value.name!r} is computed; {remedy}.")
    least, most = op.inputs
    left_out = {i for i, value in enumerate(node.inputs) if value is None}
    if not least <= len(node.inputs) <= most or left_out != op.absent:
        count = sum(value is not None for value in node.inputs)
        remedy = REMEDIES.get(node.op_type, "give every operand")
        raise NotCanonical(f"{where(node)} has {count} inputs where the dialect has {least}; {remedy}.")
    if any(out.uses() or out.is_graph_output() for out in node.outputs[op.outputs :]):
        raise NotCanonical(f"{where(node)}: its further outputs are read; compute them from its first.")
    if node.attributes.keys() != op.attributes and not (node.op_type in QUANTIZED_OPS and not node.attributes):
        extra, missing = node.attributes.keys() - op.attributes, op.attributes - node.attributes.keys()
        what = f"has attribute {min(extra)!r}" if extra else f"lacks attribute {min(missing)!r}"
        raise NotCanonical(f"{where(node)} {what}; the dialect's are: {', '.join(sorted(op.attributes)) or 'none'}.")
    for index, value in enumerate(node.inputs):
        types = op.types[min(index, len(op.types) - 1)]
        if index not in op.constants | op.absent and given(value).dtype not in types and given(value).dtype in ANY:
            raise NotCanonical(
                f"{where(node)} computes with {given(value).dtype}; cast it to {' or '.join(sorted(map(str, types)))}."
            )
    wrong = op.rule(node)
    if wrong is not None:
        remedy = REMEDIES.get(node.op_type, "bring it to the dialect's form")
        raise NotCanonical(f"{where(node)}: {wrong}; {remedy}.")


def wrong_size(value: ir.Value) -> str | None:
    """Why no artifact can hold the value, or None."""
    dims = shape(value)
    if min(dims, default=1) < 0:
        return f"has no size: its shape is {dims}"
    if 0 in dims:
        return f"is empty: its shape is {dims}"
    return None if prod(dims) <= MOST_ELEMENTS else f"is too large: its shape is {dims}"


def _check_value(value: ir.Value, quantized: bool) -> None:
    wrong = wrong_size(value)
    if wrong is not None:
        node = value.producer()
        raise DynamicShape(f"{where(node) if node else value.name} {wrong}.")
    if value.dtype not in ANY and not quantized:
        node = value.producer()
        place = where(node) if node is not None else f"input {value.name!r}"
        raise NotCanonical(f"{place} is of type {value.dtype}, which the dialect does not have; cast it to float32.")
