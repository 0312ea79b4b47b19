"""Lower the element-wise operators: they run in whatever order their operands share in memory."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import prod
from typing import TypeGuard

import numpy as np

from ...artifacts.errors import UnsupportedAttribute
from ...graph.qdq import Constant
from ...graph.qparams import QParams
from .builder import MOST_AXES, Builder, Operand, Value
from .int16 import hard_swish as hard_swish_by_parts
from .int16 import inverse_root, is_int16
from .lowering_table import lower
from .view import Shape, View, unify

BINARY = {"Add": "ADD", "Sub": "SUB", "Mul": "MUL", "Div": "DIV", "Max": "MAXIMUM", "Min": "MINIMUM"}
FUSING = frozenset({"ADD", "SUB", "MUL", "DIV"})  # those whose options have a fused activation
SCALED = frozenset({"ADD", "SUB"})


def _binary(op: str):
    def lowering(mb: Builder, a: Operand, b: Operand) -> Value:
        options = {"fusedActivationFunction": mb.activation()} if op in FUSING else {}
        if op in SCALED and is_int16(mb):
            options["potScaleInt16"] = False  # else the kernels want scales that are powers of two
        return apply_broadcast(mb, op, a, b, **options)

    return lowering


def apply_broadcast(mb: Builder, op: str, *operands: Operand, **options) -> Value:
    """One operator on the elements of operands that are broadcast to one another."""
    tensors, shape, view = aligned(mb, operands)
    return Value(mb.run(op, tensors, shape, **options), view)


for _onnx, _tflite in BINARY.items():
    lower(_onnx)(_binary(_tflite))


def _ranked(x: Operand, rank: int) -> Operand:
    """The operand with dimensions of size 1 put in front."""
    extra = rank - len(x.shape)
    if isinstance(x, Constant):
        return Constant(x.array.reshape((1,) * extra + x.shape), x.quant)
    return Value(x.tensor, View(((),) * extra + x.view.dims, x.view.order))


def aligned(mb: Builder, operands: Sequence[Operand]) -> tuple[list[int], Shape, View]:
    """Tensors of the operands that broadcast physically, the shape of the result, and its view.

    The order is that of the first operand that has all the elements; constants are permuted now.
    """
    rank = max(len(x.shape) for x in operands)
    operands = [_ranked(x, rank) for x in operands]
    views = unify([_view(x) for x in operands])
    if views is None:  # they split a dimension in ways that have no common refinement
        operands = [x if isinstance(x, Constant) else mb.contiguous(x) for x in operands]
        views = unify([_view(x) for x in operands])
        assert views is not None
    dims = tuple(next(filter(None, d), ()) for d in zip(*(v.dims for v in views), strict=True))
    whole = View(dims, tuple(range(sum(map(len, dims)))))
    embed = [_embedding(v, whole) for v in views]
    complete = [len(e) == len(whole.factors) and isinstance(x, Value) for e, x in zip(embed, operands, strict=True)]
    lead = complete.index(True) if any(complete) else None
    # all are broadcast: the logical order
    order = whole.order if lead is None else tuple(embed[lead][k] for k in views[lead].order)
    result = View(dims, order)
    parts = list(zip(operands, views, embed, strict=True))
    if all(complete):
        groups = _own_groups(mb, operands, views, embed, lead or 0) or [order]
        tensors = [_in_order(mb, x, v, e, order, groups) for x, v, e in parts]
        shape = mb.shape(tensors[lead or 0])
        return [mb.reshaped(tensor, shape) for tensor in tensors], shape, result
    if lead is not None and all(i == lead or _is_single(x) for i, x in enumerate(operands)):
        tensor = mb.memory(operands[lead])  # under any shape
        shape = mb.shape(tensor)
        ones = (1,) * len(shape)
        return [mb.constant(x, ones) if _is_single(x) else tensor for x in operands], shape, result
    groups = _uniform_groups(mb, operands, views, embed, order, lead)
    if len(groups) > MOST_AXES:
        groups = _fewer_groups(groups, whole, embed, [isinstance(x, Constant) for x in operands])
        result = View(dims, tuple(k for g in groups for k in g))
    constants = [e for x, e in zip(operands, embed, strict=True) if isinstance(x, Constant)]
    if len(groups) < 4 and any(k in e for e in constants for k in groups[0]):
        groups = [(), *groups]  # else LiteRT's GPU delegate reads the first row of a constant for every row
    shape = tuple(prod(whole.factors[k] for k in g) for g in groups)
    return [_broadcast(mb, x, v, e, groups, whole) for x, v, e in parts], shape, result


def _is_single(x: Operand) -> TypeGuard[Constant]:
    return isinstance(x, Constant) and x.array.size == 1


def _fewer_groups(
    groups: list[Shape], whole: View, embed: Sequence[Sequence[int]], constant: Sequence[bool]
) -> list[Shape]:
    """At most MOST_AXES groups: constants are repeated along neighbours, else all that is broadcast alike is moved
    together."""

    def present(group: Shape, constants: bool) -> tuple[bool, ...]:
        return tuple(group[0] in e for e, is_constant in zip(embed, constant, strict=True) if is_constant == constants)

    groups = [g for g in groups if g]
    while len(groups) > MOST_AXES:
        alike = [i for i in range(len(groups) - 1) if present(groups[i], False) == present(groups[i + 1], False)]
        if not alike:
            classes = dict.fromkeys(present(g, False) + present(g, True) for g in groups)
            return [
                tuple(k for g in groups if present(g, False) + present(g, True) == each for k in g) for each in classes
            ]
        sizes = [prod(whole.factors[k] for k in g) for g in groups]
        at = min(alike, key=lambda i: min(sizes[i], sizes[i + 1]))
        groups[at : at + 2] = [groups[at] + groups[at + 1]]
    return groups


def _view(x: Operand) -> View:
    return x.view if isinstance(x, Value) else View.of(x.shape)


def _embedding(view: View, whole: View) -> list[int]:
    """For each factor of `view` its index among the factors of `whole`."""
    out: list[int] = []
    for d, factors in enumerate(view.dims):
        out += whole.of_dim(d) if factors else ()
    return out


def _in_order(mb: Builder, x: Operand, view: View, embed: list[int], order: Shape, groups: list[Shape]) -> int:
    assert isinstance(x, Value)
    if tuple(embed[k] for k in view.order) == order:
        return mb.memory(x)
    return mb.laid_out(Value(x.tensor, view), [[embed.index(k) for k in g] for g in groups])


def _own_groups(mb: Builder, operands, views, embed, lead: int) -> list[Shape] | None:
    """The factors of the result that each dimension of the leading operand's tensor holds, as `Builder.groups`."""
    groups = mb.groups(Value(operands[lead].tensor, views[lead]))
    return None if groups is None else [tuple(embed[lead][k] for k in g) for g in groups]


def _uniform_groups(mb, operands, views, embed, order, lead) -> list[Shape]:
    """The result's factors in `order`, cut so that within a group each operand has all factors or none.

    The cut that the leading operand's tensor already has is taken if it will do: then nothing is reshaped.
    """

    def present(k: int) -> tuple[bool, ...]:
        return tuple(k in e for e in embed)

    if lead is not None:
        have = _own_groups(mb, operands, views, embed, lead)
        if have is not None and all(len({present(k) for k in g}) <= 1 for g in have):
            return have
    return [tuple(g) for _, g in groupby(order, key=present)] or [()]


def _broadcast(
    mb: Builder, x: Operand, view: View, embed: list[int], groups: list[tuple[int, ...]], whole: View
) -> int:
    """The operand's tensor with size 1 where it has none of a group's factors; a constant is repeated along those that
    it lacks of a group."""
    own = [[embed.index(k) for k in g if k in embed] for g in groups]
    if isinstance(x, Value):
        return mb.laid_out(Value(x.tensor, view), own)
    array = x.array.reshape(view.factors).transpose([k for g in own for k in g])
    if any(0 < len(mine) < len(g) for mine, g in zip(own, groups, strict=True)):
        array = array.reshape([whole.factors[k] if k in embed else 1 for g in groups for k in g])
        full = [whole.factors[k] if k in embed or mine else 1 for g, mine in zip(groups, own, strict=True) for k in g]
        array = np.broadcast_to(array, full)
    sizes = [prod(whole.factors[k] for k in g) if mine else 1 for g, mine in zip(groups, own, strict=True)]
    return mb.constant(Constant(array, x.quant), sizes)


UNARY = {
    "Relu": "RELU",
    "Sigmoid": "LOGISTIC",
    "Tanh": "TANH",
    "Exp": "EXP",
    "Sqrt": "SQRT",
    "Neg": "NEG",
    "Abs": "ABS",
    "Sign": "SIGN",
    "Floor": "FLOOR",
    "Ceil": "CEIL",
    "Round": "ROUND",
    "Sin": "SIN",
    "Cos": "COS",
    "Log": "LOG",
}


def _unary(op: str):
    def lowering(mb: Builder, x: Operand) -> Value:
        return apply_unary(mb, op, mb.value(x))

    return lowering


def apply_unary(mb: Builder, op: str, x: Value, **options) -> Value:
    """One operator on every element."""
    tensor = mb.memory(x)
    return Value(mb.run(op, [tensor], mb.shape(tensor), **options), x.view)


for _onnx, _tflite in UNARY.items():
    lower(_onnx)(_unary(_tflite))


@lower("HardSwish")
def hard_swish(mb: Builder, x: Operand) -> Value:
    """HARD_SWISH, which has no int16 kernel."""
    x = mb.value(x)
    return Value(hard_swish_by_parts(mb, mb.memory(x)), x.view) if is_int16(mb) else apply_unary(mb, "HARD_SWISH", x)


@lower("Gelu")
def gelu(mb: Builder, x: Operand, *, approximate: str) -> Value:
    return apply_unary(mb, "GELU", mb.value(x), approximate=approximate == "tanh")


@lower("LeakyRelu")
def leaky_relu(mb: Builder, x: Operand, *, alpha: float) -> Value:
    """LEAKY_RELU; in float, with a slope that is not between 0 and 1, which LiteRT's GPU delegate computes wrongly,
    the larger of x and alpha * x, or the smaller"""
    x = mb.value(x)
    if 0 <= alpha <= 1 or mb.target.quant is not None:
        return apply_unary(mb, "LEAKY_RELU", x, alpha=alpha)
    tensor, shape = mb.memory(x), mb.shape(x.tensor)
    scaled = mb.emit("MUL", [tensor, mb.const(np.array([alpha], np.float32))], shape, fusedActivationFunction=0)
    return Value(mb.run("MINIMUM" if alpha > 1 else "MAXIMUM", [tensor, scaled], shape), x.view)


@lower("Elu")
def elu(mb: Builder, x: Operand, *, alpha: float) -> Value:
    """ELU, whose alpha is 1; for another max(x, 0) + alpha * ELU(min(x, 0))"""
    x = mb.value(x)
    if alpha == 1:
        return apply_unary(mb, "ELU", x)
    low = mb.emit("ELU", [clamped(mb, mb.memory(x), -np.inf, 0.0)], mb.shape(x.tensor))
    return Value(_by_parts(mb, mb.memory(x), low, mb.const(np.array([alpha], np.float32))), x.view)


@lower("PRelu")
def prelu(mb: Builder, x: Operand, slope: Constant) -> Value:
    """PRELU where the channels lie innermost, as the delegate wants it, else max(x, 0) + slope * min(x, 0)"""
    (tensor, slopes), shape, view = aligned(mb, [mb.value(x), slope])
    if mb.shape(slopes)[-1] == slope.array.size:
        return Value(mb.run("PRELU", [tensor, slopes], shape), view)
    return Value(_by_parts(mb, tensor, clamped(mb, tensor, -np.inf, 0.0), slopes), view)


def _by_parts(mb: Builder, x: int, low: int, factor: int) -> int:
    """max(x, 0) + factor * low"""
    shape = mb.shape(x)
    return mb.run("ADD", [mb.emit("RELU", [x], shape), mb.emit("MUL", [low, factor], shape)], shape)


@lower("Softplus")
def softplus(mb: Builder, x: Operand) -> Value:
    """log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|))"""
    x = mb.value(x)
    tensor = mb.memory(x)
    shape, one = mb.shape(tensor), mb.const(np.array([1], np.float32))
    small = mb.emit("EXP", [mb.emit("NEG", [mb.emit("ABS", [tensor], shape)], shape)], shape)
    rest = mb.emit("LOG", [mb.emit("ADD", [small, one], shape)], shape)
    return Value(mb.run("ADD", [mb.emit("RELU", [tensor], shape), rest], shape), x.view)


@lower("Mish")
def mish(mb: Builder, x: Operand) -> Value:
    """x * tanh(log(1 + e)) = x * n / (n + 2) with e = exp(x) and n = e * (e + 2); from x = 20 on it is x"""
    x = mb.value(x)
    tensor = mb.memory(x)
    shape, two = mb.shape(tensor), mb.const(np.array([2], np.float32))
    e = mb.emit("EXP", [clamped(mb, tensor, -np.inf, 20.0)], shape)
    n = mb.emit("MUL", [e, mb.emit("ADD", [e, two], shape)], shape)
    gate = mb.emit("DIV", [n, mb.emit("ADD", [n, two], shape)], shape)
    return Value(mb.run("MUL", [tensor, gate], shape), x.view)


_CLIPS = {(0.0, 6.0): "RELU6", (0.0, np.inf): "RELU"}


@lower("Clip")
def clip(mb: Builder, x: Operand, low: Constant, high: Constant) -> Value:
    """RELU or RELU6 where the bounds are theirs, else MAXIMUM and MINIMUM (the delegate has no RELU_0_TO_1)."""
    bounds = (float(low.float()), float(high.float()))
    x = mb.value(x)
    quant = mb.target.quant
    if bounds == (0, 6) and quant is not None and mb.kernels.operators and "RELU6" not in mb.kernels.operators:
        return Value(_saturated(mb, mb.memory(x), 6.0, quant), x.view)
    if (
        bounds[0] == 0
        and quant is not None
        and quant.dtype == "int16"
        and quant.range[1] <= bounds[1] + quant.scale / 2
    ):
        return apply_unary(mb, "RELU", x)  # integers end where the range ends
    if bounds in _CLIPS:
        return apply_unary(mb, _CLIPS[bounds], x)
    if mb.target.quant is not None:
        raise UnsupportedAttribute(f"tflite: '{mb.target.name}' clips to {bounds}; int8 has clips to (0, 6) alone")
    return Value(clamped(mb, mb.memory(x), *bounds), x.view)


def _saturated(mb: Builder, tensor: int, high: float, quant: QParams) -> int:
    """min(max(x, 0), high) in int8: integers end where the range ends, and a MINIMUM is for a range that goes on."""
    shape = mb.shape(tensor)
    if quant.range[1] <= high + quant.scale / 2:
        return mb.run("RELU", [tensor], shape)
    bound = mb.const(quant.quantize(np.array([high], np.float32)), quant)
    return mb.run("MINIMUM", [mb.emit("RELU", [tensor], shape, quant=quant), bound], shape)


def clamped(mb: Builder, tensor: int, low: float, high: float) -> int:
    """min(max(x, low), high) in float; an infinite bound costs nothing."""
    for op, bound in (("MAXIMUM", low), ("MINIMUM", high)):
        if np.isfinite(bound):
            tensor = mb.emit(op, [tensor, mb.const(np.array([bound], np.float32))], mb.shape(tensor))
    return tensor


@lower("HardSigmoid")
def hard_sigmoid(mb: Builder, x: Operand, *, alpha: float, beta: float) -> Value:
    """clip(alpha * x + beta, 0, 1) in float"""
    x = mb.value(x)
    tensor = mb.memory(x)
    shape = mb.shape(tensor)
    tensor = mb.emit("MUL", [tensor, mb.const(np.array([alpha], np.float32))], shape)
    tensor = mb.emit("ADD", [tensor, mb.const(np.array([beta], np.float32))], shape)
    return Value(clamped(mb, tensor, 0.0, 1.0), x.view)


_ROOTS = {0.5: "SQRT", -0.5: "RSQRT"}


@lower("Pow")
def power(mb: Builder, x: Operand, exponent: Operand) -> Value:
    """A constant scalar exponent: x * x for 2, SQRT for 1/2, RSQRT for -1/2, else POW. A constant base: exp(y log b),
    since behind a layer LiteRT's GPU delegate takes it for the exponent."""
    if isinstance(x, Constant) and not isinstance(exponent, Constant) and (x.float() > 0).all():
        tensors, shape, view = aligned(mb, (Constant(np.log(x.float())), exponent))
        return Value(mb.run("EXP", [mb.emit("MUL", tensors, shape, fusedActivationFunction=0)], shape), view)
    if not isinstance(exponent, Constant) or exponent.array.size != 1:
        return apply_broadcast(mb, "POW", x, exponent)
    x = mb.value(x)
    e = float(exponent.float().reshape(()))
    tensor = mb.memory(x)
    if e == 2:
        return Value(mb.run("MUL", [tensor, tensor], mb.shape(tensor)), x.view)
    if e == -0.5 and is_int16(mb) and "RSQRT" in mb.kernels.inexact:
        return Value(inverse_root(mb, tensor), x.view)
    if e in _ROOTS:
        return apply_unary(mb, _ROOTS[e], x)
    return Value(mb.run("POW", [tensor, mb.const(exponent.array.reshape(1))], mb.shape(tensor)), x.view)


@lower("Mod")
def mod(mb: Builder, a: Operand, b: Operand, *, fmod: int) -> Value:
    """FLOOR_MOD has the divisor's sign, as Mod of integers; C's fmod has the dividend's: sign(a) * (|a| mod |b|)."""
    tensors, shape, view = aligned(mb, (a, b))
    if not fmod:
        return Value(mb.run("FLOOR_MOD", tensors, shape), view)
    sign = mb.emit("SIGN", tensors[:1], mb.shape(tensors[0]))
    magnitudes = [_magnitude(mb, tensor) for tensor in tensors]
    return Value(mb.run("MUL", [mb.emit("FLOOR_MOD", magnitudes, shape), sign], shape), view)


def _magnitude(mb: Builder, tensor: int) -> int:
    """ABS, of a constant a constant."""
    data = mb.tensors[tensor].data
    return mb.emit("ABS", [tensor], mb.shape(tensor)) if data is None else mb.const(np.abs(data))


@lower("Atan")
def atan(mb: Builder, x: Operand) -> Value:
    """ATAN2 by one; it does not broadcast"""
    x = mb.value(x)
    tensor = mb.memory(x)
    shape = mb.shape(tensor)
    if mb.plain:
        ones = mb.const(np.ones(shape, np.float32))
    else:
        one = mb.const(np.array(1, np.float32))
        ones = mb.cached("FILL", [mb.const(np.array(shape, np.int32)), one], shape, None, dtype=np.float32)
    return Value(mb.run("ATAN2", [tensor, ones], shape), x.view)


# Abramowitz & Stegun, Handbook of Mathematical Functions, 7.1.26: |error| <= 1.5e-7
_ERF_P = 0.3275911
_ERF_A = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)


@lower("Erf")
def erf(mb: Builder, x: Operand) -> Value:
    """sign(x) * (1 - (a1 t + ... + a5 t^5) exp(-x^2)) with t = 1 / (1 + p |x|); TFLite has no erf of its own"""
    x = mb.value(x)
    tensor = mb.memory(x)
    shape = mb.shape(tensor)

    def emit(op: str, *operands: int | float) -> int:
        return mb.emit(
            op, [mb.const(np.array([o], np.float32)) if isinstance(o, float) else o for o in operands], shape
        )

    magnitude = emit("ABS", tensor)
    t = emit("DIV", 1.0, emit("ADD", emit("MUL", magnitude, _ERF_P), 1.0))
    series = emit("MUL", t, _ERF_A[-1])
    for a in reversed(_ERF_A[:-1]):
        series = emit("MUL", emit("ADD", series, a), t)
    tail = emit("MUL", series, emit("EXP", emit("NEG", emit("MUL", magnitude, magnitude))))
    return Value(mb.run("MUL", [emit("SUB", 1.0, tail), emit("SIGN", tensor)], shape), x.view)
