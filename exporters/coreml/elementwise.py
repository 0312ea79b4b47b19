"""Lower the element-wise operators."""

from __future__ import annotations

import numpy as np

from ...graph.qdq import Constant
from .builder import Builder, Operand, Var
from .lowering_table import lower

BINARY = {"Add": "add", "Sub": "sub", "Mul": "mul", "Max": "maximum", "Min": "minimum"}
UNARY = {
    "Relu": "relu",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Erf": "erf",
    "Exp": "exp",
    "Sqrt": "sqrt",
    "Abs": "abs",
    "Softplus": "softplus",
    "Sign": "sign",
    "Floor": "floor",
    "Ceil": "ceil",
    "Round": "round",
    "Sin": "sin",
    "Cos": "cos",
    "Atan": "atan",
}


def _binary(op: str):
    def lowering(mb: Builder, a: Operand, b: Operand) -> Var:
        return mb.run(op, x=a, y=b)

    return lowering


def _unary(op: str):
    def lowering(mb: Builder, x: Operand) -> Var:
        return mb.run(op, x=x)

    return lowering


for _onnx, _mil in BINARY.items():
    lower(_onnx)(_binary(_mil))
for _onnx, _mil in UNARY.items():
    lower(_onnx)(_unary(_mil))


@lower("Neg")
def neg(mb: Builder, x: Operand) -> Var:
    """MIL has no negation."""
    return mb.run("mul", x=x, y=np.int32(-1) if _is_whole(mb, x) else np.float32(-1))


def _is_whole(mb: Builder, x: Operand) -> bool:
    return x.array.dtype != np.float32 if isinstance(x, Constant) else mb.type_of(x) == "int32"


@lower("Log")
def log(mb: Builder, x: Operand) -> Var:
    """MIL's log has an epsilon inside, by default 1e-45."""
    return mb.run("log", x=x, epsilon=np.float32(0))


@lower("Div")
def div(mb: Builder, a: Operand, b: Operand) -> Var:
    """Of integers ONNX's quotient is truncated towards zero: sign(a) * sign(b) * floor(|a| / |b|)."""
    if not _is_whole(mb, a):
        return mb.run("real_div", x=a, y=b)
    quotient = mb.run("floor_div", x=mb.run("abs", x=a), y=mb.run("abs", x=b))
    return mb.run("mul", x=quotient, y=mb.run("mul", x=mb.run("sign", x=a), y=mb.run("sign", x=b)))


@lower("Mod")
def mod(mb: Builder, a: Operand, b: Operand, *, fmod: int) -> Var:
    """MIL's mod has the divisor's sign, as Mod of integers; C's fmod has the dividend's: sign(a) * (|a| mod |b|)."""
    if not fmod:
        return mb.run("mod", x=a, y=b)
    magnitude = mb.run("mod", x=mb.run("abs", x=a), y=mb.run("abs", x=b))
    return mb.run("mul", x=magnitude, y=mb.run("sign", x=a))


@lower("Gelu")
def gelu(mb: Builder, x: Operand, *, approximate: str) -> Var:
    return mb.run("gelu", x=x, mode={"none": "EXACT", "tanh": "TANH_APPROXIMATION"}[approximate])


@lower("LeakyRelu")
def leaky_relu(mb: Builder, x: Operand, *, alpha: float) -> Var:
    return mb.run("leaky_relu", x=x, alpha=np.float32(alpha))


@lower("Elu")
def elu(mb: Builder, x: Operand, *, alpha: float) -> Var:
    return mb.run("elu", x=x, alpha=np.float32(alpha))


@lower("PRelu")
def prelu(mb: Builder, x: Operand, slope: Constant) -> Var:
    """prelu takes a slope per channel for four axes only; for others it is max(x, 0) + slope * min(x, 0)"""
    if len(x.shape) == 4:
        return mb.run("prelu", x=x, alpha=slope.float().reshape(-1))
    low = mb.run("mul", x=mb.run("minimum", x=x, y=np.float32(0)), y=slope)
    return mb.run("add", x=mb.run("relu", x=x), y=low)


@lower("Mish")
def mish(mb: Builder, x: Operand) -> Var:
    return mb.run("mul", x=x, y=mb.run("tanh", x=mb.run("softplus", x=x)))


@lower("HardSigmoid")
def hard_sigmoid(mb: Builder, x: Operand, *, alpha: float, beta: float) -> Var:
    return mb.run("sigmoid_hard", x=x, alpha=np.float32(alpha), beta=np.float32(beta))


@lower("HardSwish")
def hard_swish(mb: Builder, x: Operand) -> Var:
    """x * HardSigmoid<1/6, 1/2>(x), ONNX's definition"""
    return mb.run("mul", x=x, y=mb.run("sigmoid_hard", x=x, alpha=np.float32(1 / 6), beta=np.float32(0.5)))


@lower("Clip")
def clip(mb: Builder, x: Operand, low: Constant, high: Constant) -> Var:
    """relu or relu6 where the bounds are theirs; an infinite bound costs nothing."""
    lo, hi = float(low.float()), float(high.float())
    if lo == 0 and hi in (6, np.inf):
        return mb.run("relu6" if hi == 6 else "relu", x=x)
    if np.isfinite(lo) and np.isfinite(hi) and lo < hi:  # clip takes no others
        return mb.run("clip", x=x, alpha=np.float32(lo), beta=np.float32(hi))
    bounds = [(op, bound) for op, bound in (("maximum", lo), ("minimum", hi)) if np.isfinite(bound)]
    for op, bound in bounds:
        x = mb.run(op, x=x, y=np.float32(bound))
    return x if bounds else mb.run("identity", x=x)


@lower("Pow")
def power(mb: Builder, x: Operand, exponent: Operand) -> Var:
    """square and sqrt where the exponent is 2 or 1/2 everywhere"""
    if not isinstance(exponent, Constant):
        return mb.run("pow", x=x, y=exponent)
    special = {2.0: "square", 0.5: "sqrt"}
    values = {float(v) for v in np.unique(exponent.float())}
    if len(values) == 1 and values <= special.keys() and np.size(exponent.array) == 1:
        return mb.run(special[values.pop()], x=x)
    return mb.run("pow", x=x, y=exponent)
