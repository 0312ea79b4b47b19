"""Fix the fake-quantise modules of a network that was trained with them: nothing is observed any more.

Such modules (torch.ao's, torchao's) decide by their buffers, when they run, whether to observe and whether to quantise.
torch.export cannot follow that, and a model that still observes changes with every input. Fixed, each is one operator
with its own scale and zero point. Nothing is imported from either library: what a module has tells what it is.
"""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import torch
from torch import nn

from ...artifacts.errors import ExportError


def frozen(module: nn.Module) -> nn.Module:
    """A copy that computes what the network computes with its observers off; itself where it has none.

    A convolution with a BatchNorm that QAT keeps beside it takes that in, as it does at conversion: the quantised
    weight is the same. Raises ExportError for modules that were converted to PyTorch's own integer kernels.
    """
    kinds = [(name, part) for name, part in module.named_modules() if name]
    converted = next((name for name, part in kinds if _is_converted(part)), None)
    if converted is not None:
        raise ExportError(
            f"{converted!r} was converted to PyTorch's integer kernels; export the model as it was before `convert`."
        )
    if not any(is_fake_quantize(part) or is_observer(part) for _, part in kinds):
        return module
    module = copy.deepcopy(module).eval()
    for part in list(module.modules()):
        has_norm = isinstance(getattr(part, "bn", None), nn.modules.batchnorm._BatchNorm)
        if has_norm and hasattr(part, "weight_fake_quant"):
            _fold_batch_norm(part)
    for name, part in list(module.named_modules()):
        if is_fake_quantize(part):
            _replace(module, name, FakeQuantize(part))
        elif is_observer(part):
            _replace(module, name, nn.Identity())
    return module


def is_fake_quantize(module: Any) -> bool:
    """Whether it rounds what it is given by a scale of its own."""
    return all(hasattr(module, name) for name in ("scale", "zero_point", "fake_quant_enabled", "observer_enabled"))


def is_observer(module: Any) -> bool:
    """Whether it only watches."""
    return isinstance(module, nn.Module) and hasattr(module, "calculate_qparams") and hasattr(module, "qscheme")


def _is_converted(module: nn.Module) -> bool:
    return ".quantized." in type(module).__module__ and hasattr(module, "_packed_params")


class FakeQuantize(nn.Module):
    """x -> dequantize(quantize(x)) with fixed parameters."""

    scale: torch.Tensor
    zero_point: torch.Tensor

    def __init__(self, trained: Any) -> None:
        super().__init__()
        self.enabled = bool(trained.fake_quant_enabled[0] == 1)
        observer = getattr(trained, "activation_post_process", trained)
        self.quant_min, self.quant_max = int(observer.quant_min), int(observer.quant_max)
        self.axis = int(trained.ch_axis) if trained.is_per_channel else None
        if self.enabled and self.axis is None:
            self.number, self.zero = float(trained.scale.reshape(-1)[0]), int(trained.zero_point.reshape(-1)[0])
        elif self.enabled:
            self.register_buffer("scale", trained.scale.detach().clone())
            self.register_buffer("zero_point", trained.zero_point.detach().to(torch.int32).clone())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.enabled:
            return x
        limits = (self.quant_min, self.quant_max)
        if self.axis is None:
            return torch.fake_quantize_per_tensor_affine(x, self.number, self.zero, *limits)
        return torch.fake_quantize_per_channel_affine(x, self.scale, self.zero_point, self.axis, *limits)


def _fold_batch_norm(layer: Any) -> None:
    """y = (W * g) x + (b - mean) * g + beta, g = gamma / sqrt(var + eps), in place: its hooks observe its result."""
    bn = layer.bn
    if bn.running_var is None:
        raise ExportError(f"a {type(layer).__name__} has a BatchNorm without running statistics; train it with them.")
    with torch.no_grad():
        # as the layer itself computes it, so that its quantised weight comes out the same to the bit
        scale = bn.weight / torch.sqrt(bn.running_var + bn.eps)
        bias = (0 if layer.bias is None else layer.bias) - bn.running_mean
        layer.weight = nn.Parameter(layer.weight * scale.reshape(-1, *(1,) * (layer.weight.ndim - 1)))
        layer.bias = nn.Parameter(bias * scale + bn.bias)
    del layer.bn
    layer.forward = partial(_folded, layer, "relu" in type(layer).__name__.lower())


def _folded(layer: Any, has_relu: bool, x: torch.Tensor) -> torch.Tensor:
    """What the layer computes without its BatchNorm."""
    weight = layer.weight_fake_quant(layer.weight)
    if isinstance(layer, nn.Linear):
        y = nn.functional.linear(x, weight, layer.bias)
    else:
        y = layer._conv_forward(x, weight, layer.bias)
    return torch.relu(y) if has_relu else y


def _replace(module: nn.Module, name: str, new: nn.Module) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(module.get_submodule(parent), leaf, new)
