"""Normalisations; computed in float32, also of float16 values."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..table import op


@op("batch_norm")
def batch_norm(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    *,
    epsilon: float = 1e-5,
) -> Tensor:
    return F.batch_norm(x, mean, variance, gamma, beta, training=False, eps=epsilon)


@op("instance_norm")
def instance_norm(
    x: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None, *, epsilon: float = 1e-5
) -> Tensor:
    return F.instance_norm(x, weight=gamma, bias=beta, eps=epsilon)


@op("layer_norm")
def layer_norm(
    x: Tensor,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    *,
    axes: list[int] | None = None,
    epsilon: float = 1e-5,
) -> Tensor:
    """gamma and beta have the shape of x's normalised axes."""
    axes = list(range(x.ndim)) if axes is None else sorted(axis % x.ndim for axis in axes)
    others = [axis for axis in range(x.ndim) if axis not in axes]
    if axes == list(range(len(others), x.ndim)):  # the last ones
        return F.layer_norm(x, x.shape[len(others) :], gamma, beta, epsilon)
    order = others + axes
    normed = layer_norm(x.permute(order), gamma, beta, axes=list(range(len(others), x.ndim)), epsilon=epsilon)
    return normed.permute([order.index(axis) for axis in range(x.ndim)])


@op("l2_norm")
def l2_norm(x: Tensor, *, epsilon: float = 1e-6) -> Tensor:
    """Over the last three axes."""
    return x / torch.sqrt(x.square().sum((-3, -2, -1), keepdim=True) + epsilon)


@op("local_response_norm")
def local_response_norm(x: Tensor, *, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    return F.local_response_norm(x, size, alpha, beta, k)
