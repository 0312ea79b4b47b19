"""CastLike(x, y) -> Cast(x, y's type); IsInf(x) -> Equal(Abs(x), infinity); Pow(x, of another type) -> Pow(x, Cast);
Mod(integers, fmod=1) -> Sub(a, Mul(Div(a, b), b)); Mod(floats, fmod=0) -> Where(signs differ, Mod + b, Mod);
MaxPool(integers) -> Cast(MaxPool(Cast)); Clip | Relu of integers, Clip with computed bounds ->
Min(Max(x, a), b); Where(c, truth values) -> Or(And(c, a), And(Not(c), b)); Sub(x, x) -> Mul(x, 0)

Leaves alone what the targets have as it is.
"""

import numpy as np
import onnx_ir as ir

from ....graph.edit import attribute, constant, emit, given, scalar, shape
from ....graph.replacing import replace_each


def rewrite(model: ir.Model) -> int:
    return replace_each(model.graph, REWRITES)


def cast(value: ir.Value, dtype: ir.DataType | None, before: ir.Node) -> ir.Value:
    """`value` in another type: a Cast in front of `before`, or nothing if it has that type."""
    if value.dtype == dtype or dtype is None:
        return value
    return emit(before, "Cast", [value], shape(value), {"to": dtype}, dtype=dtype)


def _cast_like(node: ir.Node) -> ir.Value:
    x, like = map(given, node.inputs)
    return emit(node, "Cast", [x], shape(x), {"to": given(like).dtype}, dtype=like.dtype)


def _is_inf(node: ir.Node) -> ir.Value | None:
    x = given(node.inputs[0])
    positive, negative = attribute(node, "detect_positive", 1), attribute(node, "detect_negative", 1)
    if not positive and not negative:
        return None
    if positive and negative:
        x = emit(node, "Abs", [x], shape(x))
    bound = constant(node.graph, np.array(np.inf if positive else -np.inf, np.float32), "infinity")
    return emit(node, "Equal", [x, bound], shape(x), dtype=ir.DataType.BOOL)


def _pow(node: ir.Node) -> ir.Value | None:
    x, exponent = map(given, node.inputs)
    to = shape(node.outputs[0])
    if x.dtype == ir.DataType.FLOAT:
        if exponent.dtype == x.dtype:
            return None
        return emit(node, "Pow", [x, cast(exponent, x.dtype, node)], to)
    power = scalar(exponent)
    if power in (1, 2, 3):
        y = x
        for _ in range(int(power) - 1):
            y = emit(node, "Mul", [y, x], to, dtype=x.dtype)
        return y
    if exponent.dtype == ir.DataType.FLOAT:  # real powers of whole numbers are computed as real numbers
        y = emit(node, "Pow", [cast(x, ir.DataType.FLOAT, node), exponent], to)
        return cast(y, x.dtype, node)
    return None


def _mod(node: ir.Node) -> ir.Value | None:
    a, b = map(given, node.inputs)
    to, truncates = shape(node.outputs[0]), attribute(node, "fmod", 0)
    if a.dtype == ir.DataType.FLOAT and not truncates:
        return _floored(emit(node, "Mod", [a, b], to, {"fmod": 1}), b, node)
    if a.dtype == ir.DataType.FLOAT or not truncates:
        return None
    quotient = emit(node, "Div", [a, b], to, dtype=a.dtype)
    return emit(node, "Sub", [a, emit(node, "Mul", [quotient, b], to, dtype=a.dtype)], to, dtype=a.dtype)


def _floored(rest: ir.Value, b: ir.Value, node: ir.Node) -> ir.Value:
    """The remainder with the divisor's sign, of the one with the dividend's."""
    to, truth = shape(rest), ir.DataType.BOOL
    zero = constant(node.graph, np.zeros((), np.float32), "zero")
    signs = [emit(node, "Less", [x, zero], shape(x), dtype=truth) for x in (rest, b)]
    differ = emit(node, "Xor", signs, to, dtype=truth)
    none = emit(node, "Equal", [rest, zero], to, dtype=truth)
    other = emit(node, "And", [differ, emit(node, "Not", [none], to, dtype=truth)], to, dtype=truth)
    return emit(node, "Where", [other, emit(node, "Add", [rest, b], to), rest], to)


def _max_pool(node: ir.Node) -> ir.Value | None:
    """ONNX pools integers of 8 bits, which float32 holds."""
    x, out = given(node.inputs[0]), node.outputs[0]
    if x.dtype == ir.DataType.FLOAT or len(node.outputs) > 1:
        return None
    attributes = {name: attribute(node, name) for name in node.attributes}
    y = emit(node, "MaxPool", [cast(x, ir.DataType.FLOAT, node)], shape(out), attributes)
    return cast(y, out.dtype, node)


def _clip(node: ir.Node) -> ir.Value | None:
    x, bounds = given(node.inputs[0]), [*node.inputs[1:], None, None][:2]
    if x.dtype == ir.DataType.FLOAT and all(bound is None or scalar(bound) is not None for bound in bounds):
        return None
    for op_type, bound in zip(("Max", "Min"), bounds, strict=True):
        if bound is not None:
            x = emit(node, op_type, [x, bound], shape(x), dtype=x.dtype)
    return x


def _relu(node: ir.Node) -> ir.Value | None:
    x = given(node.inputs[0])
    if x.dtype == ir.DataType.FLOAT:
        return None
    zero = constant(node.graph, np.zeros((), np.int32 if x.dtype == ir.DataType.INT32 else np.int64), "zero")
    return emit(node, "Max", [x, zero], shape(x), dtype=x.dtype)


def _where(node: ir.Node) -> ir.Value | None:
    """ONNX Runtime chooses among numbers only."""
    condition, a, b = map(given, node.inputs)
    if a.dtype != ir.DataType.BOOL:
        return None
    to, dtype = shape(node.outputs[0]), ir.DataType.BOOL
    other = emit(node, "Not", [condition], shape(condition), dtype=dtype)
    parts = []
    for chooses, x in ((condition, a), (other, b)):
        both = np.broadcast_shapes(shape(chooses), shape(x))
        parts.append(emit(node, "And", [chooses, x], both, dtype=dtype))
    return emit(node, "Or", parts, to, dtype=dtype)


def _sub(node: ir.Node) -> ir.Value | None:
    """LiteRT's GPU delegate takes no value twice; infinity and NaN are NaN in both."""
    x = given(node.inputs[0])
    if node.inputs[1] is not x or x.dtype is None:
        return None
    zero = constant(node.graph, np.zeros((), x.dtype.numpy()), "zero")
    return emit(node, "Mul", [x, zero], shape(x), dtype=x.dtype)


REWRITES = {
    "Where": _where,
    "Sub": _sub,
    "CastLike": _cast_like,
    "IsInf": _is_inf,
    "Pow": _pow,
    "Mod": _mod,
    "MaxPool": _max_pool,
    "Clip": _clip,
    "Relu": _relu,
}
