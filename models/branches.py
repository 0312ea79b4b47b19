"""Make one convolution of parallel ones: the arithmetic of re-parameterisation (arXiv:2101.03697 §3.3).

A branch is a pair of weight (c_out, c_in/groups, k, k) and bias (c_out).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

Branch = tuple[Tensor, Tensor]


def added(x: Tensor, first: nn.Module, *others: nn.Module) -> Tensor:
    """What the modules make of x, summed."""
    y = first(x)
    for other in others:
        y = y + other(x)
    return y


def branch(conv: nn.Conv2d, norm: nn.BatchNorm2d | None = None) -> Branch:
    """What the convolution and the batch norm after it, in eval mode, do together."""
    bias = conv.weight.new_zeros(conv.out_channels) if conv.bias is None else conv.bias
    return (conv.weight, bias) if norm is None else normed((conv.weight, bias), norm)


def normed(of: Branch, norm: nn.BatchNorm2d) -> Branch:
    """The branch followed by the batch norm in eval mode."""
    weight, bias = of
    variance, mean = norm.running_var, norm.running_mean
    assert variance is not None
    assert mean is not None
    scale = norm.weight / (variance + norm.eps).sqrt()
    return scaled((weight, bias - mean), scale, norm.bias)


def scaled(of: Branch, scale: Tensor, shift: Tensor | float = 0.0) -> Branch:
    """The branch with each channel multiplied by `scale`, then shifted; (c_out) each."""
    weight, bias = of
    return weight * scale.reshape(-1, 1, 1, 1), bias * scale + shift


def identity(like: Branch) -> Branch:
    """What passes the input through, as a branch of that shape; its weight has as many outputs as inputs."""
    weight, bias = like
    kernel = torch.zeros_like(weight)
    outputs, per_group, k, _ = weight.shape
    every = torch.arange(outputs)
    kernel[every, every % per_group, k // 2, k // 2] = 1
    return kernel, torch.zeros_like(bias)


def total(*branches: Branch) -> Branch:
    """The sum of branches; kernels are padded to the size of the first."""
    size = branches[0][0].shape[-1]
    kernels = [functional.pad(weight, ((size - weight.shape[-1]) // 2,) * 4) for weight, _ in branches]
    return torch.stack(kernels).sum(0), torch.stack([bias for _, bias in branches]).sum(0)


def plain(of: Branch, like: nn.Conv2d) -> nn.Conv2d:
    """A convolution with that weight and bias, and with the stride and groups of `like`."""
    weight, bias = (tensor.detach() for tensor in of)
    c_out, per_group, k, _ = weight.shape
    conv = nn.Conv2d(per_group * like.groups, c_out, k, like.stride[0], k // 2, groups=like.groups, device="meta")
    conv.weight, conv.bias = nn.Parameter(weight), nn.Parameter(bias)
    return conv
