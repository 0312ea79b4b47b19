"""Lower what works along dimensions: reductions, softmaxes and LayerNormalization."""

from __future__ import annotations

import numpy as np

from ...graph.qdq import Constant
from .builder import Builder, Operand, Var
from .lowering_table import lower

REDUCTIONS = {
    "ReduceMean": "reduce_mean",
    "ReduceSum": "reduce_sum",
    "ReduceMax": "reduce_max",
    "ReduceMin": "reduce_min",
    "ReduceProd": "reduce_prod",
}


def _reduction(op: str):
    def lowering(mb: Builder, x: Operand, axes: Constant, *, keepdims: int) -> Var:
        return mb.run(op, x=x, axes=[int(a) for a in axes.array], keep_dims=bool(keepdims))

    return lowering


for _onnx, _mil in REDUCTIONS.items():
    lower(_onnx)(_reduction(_mil))


@lower("Softmax")
def softmax(mb: Builder, x: Operand, *, axis: int) -> Var:
    return mb.run("softmax", x=x, axis=axis)


@lower("LogSoftmax")
def log_softmax(mb: Builder, x: Operand, *, axis: int) -> Var:
    """y - log(sum(exp(y))) with y = x - max(x), so that what is subtracted is small"""
    y = mb.run("sub", x=x, y=mb.run("reduce_max", x=x, axes=[axis], keep_dims=True))
    return mb.run("sub", x=y, y=mb.run("reduce_log_sum_exp", x=y, axes=[axis], keep_dims=True))


@lower("LayerNormalization")
def layer_normalization(mb: Builder, x: Operand, scale: Constant, bias: Constant, *, axis: int, epsilon: float) -> Var:
    """Over the last dimension; a scale of ones and a bias of zeros are MIL's defaults."""
    gamma, beta = scale.float().reshape(-1), bias.float().reshape(-1)
    return mb.run(
        "layer_norm",
        x=x,
        axes=[axis],
        gamma=gamma if np.any(gamma != 1) or np.any(beta != 0) else None,
        beta=beta if np.any(beta != 0) else None,
        epsilon=np.float32(epsilon),
    )
