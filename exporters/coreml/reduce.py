"""This file lowers what works along dimensions: reductions, softmaxes, LayerNormalization and the poolings."""

from __future__ import annotations

import numpy as np

from ...artifacts.errors import UnsupportedAttribute
from ...graph.qdq import Constant
from .builder import Builder, Operand, Var
from .conv import window_pads
from .registry import lower

REDUCTIONS = {
    "ReduceMean": "reduce_mean",
    "ReduceSum": "reduce_sum",
    "ReduceMax": "reduce_max",
    "ReduceMin": "reduce_min",
    "ReduceProd": "reduce_prod",
}


def _reduction(op: str):
    def lowering(mb: Builder, x: Operand, axes: Constant | None = None, *, keepdims: int = 1) -> Var:
        which = range(len(x.shape)) if axes is None else np.ravel(axes.array)
        return mb.run(op, x=x, axes=[int(a) for a in which], keep_dims=bool(keepdims))

    return lowering


for _onnx, _mil in REDUCTIONS.items():
    lower(_onnx)(_reduction(_mil))


@lower("Softmax")
def softmax(mb: Builder, x: Operand, *, axis: int = -1) -> Var:
    return mb.run("softmax", x=x, axis=axis)


@lower("LogSoftmax")
def log_softmax(mb: Builder, x: Operand, *, axis: int = -1) -> Var:
    """y - log(sum(exp(y))) with y = x - max(x), so that what is subtracted is small"""
    y = mb.run("sub", x=x, y=mb.run("reduce_max", x=x, axes=[axis], keep_dims=True))
    return mb.run("sub", x=y, y=mb.run("reduce_log_sum_exp", x=y, axes=[axis], keep_dims=True))


@lower("LayerNormalization")
def layer_normalization(
    mb: Builder, x: Operand, scale: Constant, bias: Constant | None = None, *, axis: int = -1, epsilon: float = 1e-5
) -> Var:
    """Over the last dimension; a scale of ones and a bias of zeros are MIL's defaults."""
    rank = len(x.shape)
    if axis % rank != rank - 1:
        raise UnsupportedAttribute(f"coreml: '{mb.target.name}' normalises over more than its last dimension")
    gamma = scale.float().reshape(-1)
    beta = np.zeros_like(gamma) if bias is None else bias.float().reshape(-1)
    return mb.run(
        "layer_norm",
        x=x,
        axes=[rank - 1],
        gamma=gamma if np.any(gamma != 1) or np.any(beta != 0) else None,
        beta=beta if np.any(beta != 0) else None,
        epsilon=np.float32(epsilon),
    )


@lower("MaxPool")
def max_pool(
    mb: Builder,
    x: Operand,
    *,
    kernel_shape: tuple[int, int],
    strides: tuple[int, int] = (1, 1),
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilations: tuple[int, int] = (1, 1),
) -> Var:
    if tuple(dilations) != (1, 1):
        raise UnsupportedAttribute(f"coreml: '{mb.target.name}' pools with dilations {tuple(dilations)}; only 1 works")
    return _pool(mb, "max_pool", x, kernel_shape, strides, pads)


@lower("AveragePool")
def average_pool(
    mb: Builder,
    x: Operand,
    *,
    kernel_shape: tuple[int, int],
    strides: tuple[int, int] = (1, 1),
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    count_include_pad: int = 0,
) -> Var:
    return _pool(mb, "avg_pool", x, kernel_shape, strides, pads, exclude_padding_from_average=not count_include_pad)


def _pool(mb: Builder, op: str, x: Operand, kernel, strides, pads, **options) -> Var:
    return mb.run(
        op,
        x=x,
        kernel_sizes=list(kernel),
        strides=list(strides),
        pad_type="custom",
        pad=window_pads(pads),
        **options,
    )
