"""Activation functions."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..table import OpError, op, rows

rows(
    {
        "relu": F.relu,
        "relu6": F.relu6,
        "sigmoid": torch.sigmoid,
        "silu": F.silu,
        "softplus": lambda x: torch.logaddexp(x, torch.zeros_like(x)),  # F.softplus turns linear above 20
        "softsign": F.softsign,
    },
    "x",
)


@op("gelu")
def gelu(x: Tensor, *, mode: str = "EXACT") -> Tensor:
    if mode == "SIGMOID_APPROXIMATION":
        return x * torch.sigmoid(1.702 * x)
    approximate = {"EXACT": "none", "TANH_APPROXIMATION": "tanh"}.get(mode)
    if approximate is None:
        raise OpError(f"has the mode {mode!r}, which does not exist")
    return F.gelu(x, approximate=approximate)


@op("softmax")
def softmax(x: Tensor, *, axis: int = -1) -> Tensor:
    return x.softmax(axis)


@op("leaky_relu")
def leaky_relu(x: Tensor, *, alpha: float) -> Tensor:
    return torch.where(x >= 0, x, alpha * x)


@op("elu")
def elu(x: Tensor, *, alpha: float) -> Tensor:
    return torch.where(x > 0, x, alpha * torch.expm1(x))


@op("prelu")
def prelu(x: Tensor, alpha: Tensor) -> Tensor:
    return torch.where(x > 0, x, x * _per_channel(alpha, x))


@op("clamped_relu")
def clamped_relu(x: Tensor, *, alpha: float, beta: float) -> Tensor:
    return torch.where(x >= 0, x, alpha * x).clamp(max=beta)


@op("thresholded_relu")
def thresholded_relu(x: Tensor, *, alpha: float) -> Tensor:
    return torch.where(x >= alpha, x, 0.0)


@op("linear_activation")
def linear_activation(x: Tensor, *, alpha: float, beta: float) -> Tensor:
    return x * alpha + beta


@op("scaled_tanh")
def scaled_tanh(x: Tensor, *, alpha: float, beta: float) -> Tensor:
    return alpha * torch.tanh(beta * x)


@op("sigmoid_hard")
def sigmoid_hard(x: Tensor, *, alpha: float, beta: float) -> Tensor:
    return (alpha * x + beta).clamp(0, 1)


@op("softplus_parametric")
def softplus_parametric(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    scaled = x * _per_channel(beta, x)
    return _per_channel(alpha, x) * torch.logaddexp(scaled, torch.zeros_like(scaled))


def _per_channel(vector: Tensor, x: Tensor) -> Tensor:
    """(c) -> (c, 1, ...), to broadcast over x (n, c, ...)."""
    return vector.reshape(-1, *[1] * (x.ndim - 2))
