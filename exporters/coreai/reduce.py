"""Lower what works along dimensions: reductions, softmaxes and LayerNormalization."""

from __future__ import annotations

import numpy as np

from ...graph.qdq import Constant
from .builder import Builder, Operand, Var, ints
from .lowering_table import lower

REDUCTIONS = {
    "ReduceMean": "reduce_mean",
    "ReduceSum": "reduce_sum",
    "ReduceMax": "reduce_max",
    "ReduceMin": "reduce_min",
    "ReduceProd": "reduce_product",
}


def _reduction(op: str):
    def lowering(mb: Builder, x: Operand, axes: Constant, *, keepdims: int) -> Var:
        return reduce(mb, op, x, ints(axes))

    return lowering


def reduce(mb: Builder, op: str, x: Operand, axes: list[int]) -> Var:
    """The axes stay, with one element."""
    return mb.run(op, x, np.array(axes, np.int32))


for _onnx, _coreai in REDUCTIONS.items():
    lower(_onnx)(_reduction(_coreai))


@lower("Softmax")
def softmax(mb: Builder, x: Operand, *, axis: int) -> Var:
    return mb.run("softmax", x, np.int32(axis))


@lower("LogSoftmax")
def log_softmax(mb: Builder, x: Operand, *, axis: int) -> Var:
    """y - log(sum(exp(y))) with y = x - max(x), so that what is subtracted is small"""
    y = mb.run("broadcasting_sub", x, reduce(mb, "reduce_max", x, [axis]))
    return mb.run("broadcasting_sub", y, mb.run("log", reduce(mb, "reduce_sum", mb.run("exp", y), [axis])))


@lower("LayerNormalization")
def layer_normalization(mb: Builder, x: Operand, scale: Constant, bias: Constant, *, axis: int, epsilon: float) -> Var:
    """Over the last dimension: d * rsqrt(mean(d * d) + epsilon) with d = x - mean(x), times the scale, and the bias."""
    d = mb.run("broadcasting_sub", x, reduce(mb, "reduce_mean", x, [axis]))
    variance = reduce(mb, "reduce_mean", mb.run("broadcasting_mul", d, d), [axis])
    y = mb.run("broadcasting_mul", d, mb.run("rsqrt", mb.run("broadcasting_add", variance, mb.real(epsilon))))
    y = mb.run("broadcasting_mul", y, scale) if np.any(scale.float() != 1) else y
    return mb.run("broadcasting_add", y, bias) if np.any(bias.float()) else y
