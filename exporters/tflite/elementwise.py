"""This file lowers the element-wise operators: they run in whatever order their operands share in memory."""

from __future__ import annotations

from itertools import groupby
from math import prod

import numpy as np

from ..errors import UnsupportedAttribute
from ..quantization import Constant
from .builder import Builder, Operand, Value
from .table import lower
from .view import Shape, View, unify

BINARY = {"Add": "ADD", "Sub": "SUB", "Mul": "MUL", "Div": "DIV"}
FUSING = frozenset({"ADD", "SUB", "MUL", "DIV"})  # those whose options have a fused activation


def _binary(op: str):
    def lowering(mb: Builder, a: Operand, b: Operand) -> Value:
        rank = max(len(a.shape), len(b.shape))
        a, b = _ranked(a, rank), _ranked(b, rank)
        left, right, out_shape, view = _aligned(mb, a, b)
        options = {"fusedActivationFunction": mb.activation()} if op in FUSING else {}
        return Value(mb.run(op, [left, right], out_shape, **options), view)

    return lowering


for _onnx, _tflite in BINARY.items():
    lower(_onnx)(_binary(_tflite))


def _ranked(x: Operand, rank: int) -> Operand:
    """The operand with dimensions of size 1 put in front."""
    extra = rank - len(x.shape)
    if isinstance(x, Constant):
        return Constant(x.array.reshape((1,) * extra + x.shape), x.quant)
    return Value(x.tensor, View(((),) * extra + x.view.dims, x.view.order))


def _aligned(mb: Builder, a: Operand, b: Operand) -> tuple[int, int, Shape, View]:
    """Tensors of both operands that broadcast physically, the shape of the result, and its view.

    The order is that of the operand that has all the elements (the first, if both do); constants are permuted now.
    """
    views = unify([_view(a), _view(b)])
    if views is None:  # the two split a dimension in ways that have no common refinement
        a, b = (x if isinstance(x, Constant) else mb.contiguous(x) for x in (a, b))
        views = unify([_view(a), _view(b)])
        assert views is not None
    dims = tuple(x or y for x, y in zip(views[0].dims, views[1].dims, strict=True))
    whole = View(dims, tuple(range(sum(map(len, dims)))))
    embed = [_embedding(v, whole) for v in views]
    complete = [len(e) == len(whole.factors) and isinstance(x, Value) for e, x in zip(embed, (a, b), strict=True)]
    lead = complete.index(True) if any(complete) else None
    # both are broadcast: the logical order
    order = whole.order if lead is None else tuple(embed[lead][k] for k in views[lead].order)
    result = View(dims, order)
    if all(complete):
        tensors = [_in_order(mb, x, v, e, order) for x, v, e in zip((a, b), views, embed, strict=True)]
        shape = mb.shape(tensors[lead or 0])
        return mb.reshaped(tensors[0], shape), mb.reshaped(tensors[1], shape), shape, result
    groups = _uniform_groups(mb, (a, b), views, embed, order, lead)
    shape = tuple(prod(whole.factors[k] for k in g) for g in groups)
    left, right = (_broadcast(mb, x, v, e, groups) for x, v, e in zip((a, b), views, embed, strict=True))
    return left, right, shape, result


def _view(x: Operand) -> View:
    return x.view if isinstance(x, Value) else View.of(x.shape)


def _embedding(view: View, whole: View) -> list[int]:
    """For each factor of `view` its index among the factors of `whole`."""
    out: list[int] = []
    for d, factors in enumerate(view.dims):
        out += whole.of_dim(d) if factors else ()
    return out


def _in_order(mb: Builder, x: Operand, view: View, embed: list[int], order: Shape) -> int:
    assert isinstance(x, Value)
    if tuple(embed[k] for k in view.order) == order:
        return mb.memory(x)
    return mb.laid_out(Value(x.tensor, view), [[embed.index(k)] for k in order])


def _uniform_groups(mb, operands, views, embed, order, lead) -> list[tuple[int, ...]]:
    """The result's factors in `order`, cut so that within a group each operand has all factors or none.

    The cut that the leading operand's tensor already has is taken if it will do: then nothing is reshaped.
    """

    def present(k: int) -> tuple[bool, ...]:
        return tuple(k in e for e in embed)

    if lead is not None:
        have = mb.groups(Value(operands[lead].tensor, views[lead]))
        if have is not None:
            have = [tuple(embed[lead][k] for k in g) for g in have]
            if all(len({present(k) for k in g}) <= 1 for g in have):
                return have
    return [tuple(g) for _, g in groupby(order, key=present)] or [()]


def _broadcast(mb: Builder, x: Operand, view: View, embed: list[int], groups: list[tuple[int, ...]]) -> int:
    """The operand's tensor with size 1 where it has none of a group's factors."""
    own = [[embed.index(k) for k in g if k in embed] for g in groups]
    if isinstance(x, Value):
        return mb.laid_out(Value(x.tensor, view), own)
    array = x.array.reshape(view.factors).transpose([k for g in own for k in g])
    return mb.constant(Constant(array, x.quant), [prod(view.factors[k] for k in g) for g in own])


UNARY = {
    "Relu": "RELU",
    "Sigmoid": "LOGISTIC",
    "Tanh": "TANH",
    "HardSwish": "HARD_SWISH",
    "Exp": "EXP",
    "Sqrt": "SQRT",
    "Neg": "NEG",
    "Abs": "ABS",
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


@lower("Gelu")
def gelu(mb: Builder, x: Operand, *, approximate: str = "none") -> Value:
    return apply_unary(mb, "GELU", mb.value(x), approximate=approximate == "tanh")


@lower("LeakyRelu")
def leaky_relu(mb: Builder, x: Operand, *, alpha: float = 0.01) -> Value:
    return apply_unary(mb, "LEAKY_RELU", mb.value(x), alpha=alpha)


@lower("Elu")
def elu(mb: Builder, x: Operand, *, alpha: float = 1.0) -> Value:
    """ELU, whose alpha is 1; for another max(x, 0) + alpha * ELU(min(x, 0))"""
    x = mb.value(x)
    if alpha == 1:
        return apply_unary(mb, "ELU", x)
    low = mb.emit("ELU", [clamped(mb, mb.memory(x), -np.inf, 0.0)], mb.shape(x.tensor))
    return Value(_by_parts(mb, mb.memory(x), low, mb.const(np.array([alpha], np.float32))), x.view)


@lower("PRelu")
def prelu(mb: Builder, x: Operand, slope: Constant) -> Value:
    """PRELU where the channels lie innermost, as the delegate wants it, else max(x, 0) + slope * min(x, 0)"""
    tensor, slopes, shape, view = _aligned(mb, mb.value(x), _ranked(slope, len(x.shape)))
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
def clip(mb: Builder, x: Operand, low: Constant | None = None, high: Constant | None = None) -> Value:
    """RELU or RELU6 where the bounds are theirs, else MAXIMUM and MINIMUM (the delegate has no RELU_0_TO_1)."""
    bounds = (_bound(low, -np.inf), _bound(high, np.inf))
    x = mb.value(x)
    if bounds in _CLIPS:
        return apply_unary(mb, _CLIPS[bounds], x)
    return Value(clamped(mb, mb.memory(x), *bounds), x.view)


def _bound(c: Constant | None, absent: float) -> float:
    return absent if c is None else float(c.float().reshape(()))


def clamped(mb: Builder, tensor: int, low: float, high: float) -> int:
    """min(max(x, low), high) in float; an infinite bound costs nothing."""
    for op, bound in (("MAXIMUM", low), ("MINIMUM", high)):
        if np.isfinite(bound):
            tensor = mb.emit(op, [tensor, mb.const(np.array([bound], np.float32))], mb.shape(tensor))
    return tensor


@lower("HardSigmoid")
def hard_sigmoid(mb: Builder, x: Operand, *, alpha: float = 0.2, beta: float = 0.5) -> Value:
    """clip(alpha * x + beta, 0, 1) in float"""
    x = mb.value(x)
    tensor = mb.memory(x)
    shape = mb.shape(tensor)
    tensor = mb.emit("MUL", [tensor, mb.const(np.array([alpha], np.float32))], shape)
    tensor = mb.emit("ADD", [tensor, mb.const(np.array([beta], np.float32))], shape)
    return Value(clamped(mb, tensor, 0.0, 1.0), x.view)


@lower("Pow")
def power(mb: Builder, x: Operand, exponent: Operand) -> Value:
    """A constant scalar exponent: x * x for 2, SQRT for 1/2, else POW."""
    x = mb.value(x)
    if not isinstance(exponent, Constant) or exponent.array.size != 1:
        raise UnsupportedAttribute(f"tflite: '{mb.target.name}' has an exponent that is no constant scalar")
    e = float(exponent.float().reshape(()))
    tensor = mb.memory(x)
    if e == 2:
        return Value(mb.run("MUL", [tensor, tensor], mb.shape(tensor)), x.view)
    if e == 0.5:
        return apply_unary(mb, "SQRT", x)
    return Value(mb.run("POW", [tensor, mb.const(np.array([e], np.float32))], mb.shape(tensor)), x.view)


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
