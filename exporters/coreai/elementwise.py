"""Lower the element-wise operators."""

from __future__ import annotations

import numpy as np

from ...graph.qdq import Constant
from .builder import Builder, Operand, Var
from .lowering_table import lower

BINARY = {
    "Add": "broadcasting_add",
    "Sub": "broadcasting_sub",
    "Mul": "broadcasting_mul",
    "Max": "broadcasting_maximum",
    "Min": "broadcasting_minimum",
    "Pow": "broadcasting_pow",
}
UNARY = {
    "Relu": "relu",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Erf": "erf",
    "Exp": "exp",
    "Sqrt": "sqrt",
    "Abs": "abs_",
    "Round": "round_",
    "Sin": "sin",
    "Cos": "cos",
    "Atan": "atan",
    "Log": "log",
}


def _binary(op: str):
    def lowering(mb: Builder, a: Operand, b: Operand) -> Var:
        return mb.run(op, a, b)

    return lowering


def _unary(op: str):
    def lowering(mb: Builder, x: Operand) -> Var:
        return mb.run(op, x)

    return lowering


for _onnx, _coreai in BINARY.items():
    lower(_onnx)(_binary(_coreai))
for _onnx, _coreai in UNARY.items():
    lower(_onnx)(_unary(_coreai))


def is_float(x: Operand) -> bool:
    """Whether the operand holds real numbers."""
    dtype = x.float().dtype if isinstance(x, Constant) else x.dtype
    return bool(np.issubdtype(dtype, np.floating))


def add(mb: Builder, x: Operand, y: Operand | np.generic) -> Var:
    return mb.run("broadcasting_add", x, y)


def mul(mb: Builder, x: Operand, y: Operand | np.generic) -> Var:
    return mb.run("broadcasting_mul", x, y)


@lower("Neg")
def neg(mb: Builder, x: Operand) -> Var:
    """There is no negation."""
    return mul(mb, x, mb.real(-1) if is_float(x) else np.int32(-1))


@lower("Floor")
def floor(mb: Builder, x: Operand) -> Var:
    return mb.run("broadcasting_floor_divide", x, mb.real(1))


@lower("Ceil")
def ceil(mb: Builder, x: Operand) -> Var:
    """-floor(-x)"""
    return neg(mb, floor(mb, neg(mb, x)))


@lower("Sign")
def sign(mb: Builder, x: Operand) -> Var:
    """(x > 0) - (0 > x)"""
    zero, kind = (mb.real(0), mb.float_type) if is_float(x) else (np.int32(0), np.int32)
    above, below = mb.run("broadcasting_greater", x, zero), mb.run("broadcasting_greater", zero, x)
    return mb.run("broadcasting_sub", mb.cast(above, kind), mb.cast(below, kind))


@lower("Div")
def div(mb: Builder, a: Operand, b: Operand) -> Var:
    """Of integers ONNX's quotient is truncated towards zero: sign(a) * sign(b) * floor(|a| / |b|)."""
    if is_float(a):
        return mb.run("broadcasting_divide", a, b)
    quotient = mb.run("broadcasting_floor_divide", mb.run("abs_", a), mb.run("abs_", b))
    return mul(mb, quotient, mul(mb, sign(mb, a), sign(mb, b)))


@lower("Mod")
def mod(mb: Builder, a: Operand, b: Operand, *, fmod: int) -> Var:
    """The library's remainder has the dividend's sign, as C's fmod; of integers ONNX's has the divisor's."""
    return mb.run("broadcasting_modulo", a, b) if fmod else floor_mod(mb, a, b)


def floor_mod(mb: Builder, a: Operand, b: Operand | np.ndarray) -> Var:
    """a - b * floor(a / b)"""
    return mb.run("broadcasting_sub", a, mb.run("broadcasting_mul", mb.run("broadcasting_floor_divide", a, b), b))


@lower("Gelu")
def gelu(mb: Builder, x: Operand, *, approximate: str) -> Var:
    return mb.run("gelu", x, approximate=approximate)


@lower("LeakyRelu")
def leaky_relu(mb: Builder, x: Operand, *, alpha: float) -> Var:
    """max(x, 0) + alpha * min(x, 0)"""
    return _two_sided(mb, x, mul(mb, _low(mb, x), mb.real(alpha)))


@lower("Elu")
def elu(mb: Builder, x: Operand, *, alpha: float) -> Var:
    """max(x, 0) + alpha * (exp(min(x, 0)) - 1)"""
    below = mb.run("broadcasting_sub", mb.run("exp", _low(mb, x)), mb.real(1))
    return _two_sided(mb, x, below if alpha == 1 else mul(mb, below, mb.real(alpha)))


@lower("PRelu")
def prelu(mb: Builder, x: Operand, slope: Constant) -> Var:
    """max(x, 0) + slope * min(x, 0)"""
    return _two_sided(mb, x, mul(mb, _low(mb, x), slope))


def _low(mb: Builder, x: Operand) -> Var:
    return mb.run("broadcasting_minimum", x, mb.real(0))


def _two_sided(mb: Builder, x: Operand, below: Var) -> Var:
    return add(mb, mb.run("relu", x), below)


@lower("Softplus")
def softplus(mb: Builder, x: Operand) -> Var:
    """max(x, 0) + log(1 + exp(-|x|)), in which nothing overflows"""
    small = mb.run("exp", neg(mb, mb.run("abs_", x)))
    return _two_sided(mb, x, mb.run("log", add(mb, small, mb.real(1))))


@lower("Mish")
def mish(mb: Builder, x: Operand) -> Var:
    """x * tanh(softplus(x))"""
    return mul(mb, x, mb.run("tanh", softplus(mb, x)))


@lower("HardSigmoid")
def hard_sigmoid(mb: Builder, x: Operand, *, alpha: float, beta: float) -> Var:
    """min(max(alpha * x + beta, 0), 1)"""
    line = add(mb, mul(mb, x, mb.real(alpha)), mb.real(beta))
    return mb.run("broadcasting_minimum", mb.run("relu", line), mb.real(1))


@lower("HardSwish")
def hard_swish(mb: Builder, x: Operand) -> Var:
    """x * HardSigmoid<1/6, 1/2>(x), ONNX's definition; clipped before it is scaled, so that float16 has its ends"""
    clipped = mb.run("broadcasting_minimum", mb.run("relu", add(mb, x, mb.real(3))), mb.real(6))
    return mul(mb, x, mul(mb, clipped, mb.real(1 / 6)))


@lower("Clip")
def clip(mb: Builder, x: Operand, low: Constant, high: Constant) -> Operand:
    """An infinite bound costs nothing."""
    lo, hi = float(low.float()), float(high.float())
    if lo == 0:
        x = mb.run("relu", x)
    elif np.isfinite(lo):
        x = mb.run("broadcasting_maximum", x, mb.real(lo))
    return mb.run("broadcasting_minimum", x, mb.real(hi)) if np.isfinite(hi) else x
