"""What second implementations are written with: functions of tensors found by name in a state dict."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F


def same_logits(model: torch.nn.Module, plain, x: Tensor) -> None:
    """Asserts that `plain(tensors, x)` gives the model's logits in float64, and that they depend on x."""
    model.double()
    got, want = model(x.double()), plain(model.state_dict(), x.double())
    std = want.std(1).mean()
    assert std > 1e-2
    assert (want - want.mean(0)).square().mean().sqrt() > 0.05 * std
    assert (got - want).abs().max() < 1e-9 * std


def conv(p: Mapping[str, Tensor], name: str, x: Tensor, **options) -> Tensor:
    """The convolution of that name, with F.conv2d's options."""
    return F.conv2d(x, p[f"{name}.weight"], p.get(f"{name}.bias"), **options)


def norm(p: Mapping[str, Tensor], name: str, x: Tensor, eps: float = 1e-5) -> Tensor:
    """The batch norm of that name, with its running statistics (arXiv:1502.03167 algorithm 2)."""
    mean, var, weight, bias = (
        p[f"{name}.{leaf}"].reshape(1, -1, *[1] * (x.ndim - 2))
        for leaf in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / (var + eps).sqrt() * weight + bias


def linear(p: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    """The fully connected layer of that name; (n, c_in) -> (n, c_out)."""
    y = x @ p[f"{name}.weight"].T
    return y + p[f"{name}.bias"] if f"{name}.bias" in p else y


def count(p: Mapping[str, Tensor], prefix: str) -> int:
    """How many numbered parts, counted from 0 or 1, follow the prefix."""
    return len({key[len(prefix) :].partition(".")[0] for key in p if key.startswith(prefix)})
