"""This file fixes the fake-quantise modules of a network that was trained with them: nothing is observed any more.

Such modules (torch.ao's, torchao's) decide by their buffers, when they run, whether to observe and whether to quantise.
torch.export cannot follow that, and a model that still observes changes with every input. Fixed, each is one operator
with its own scale and zero point. Nothing is imported from either library: what a module has tells what it is.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from .errors import ExportError


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
    for name, part in list(module.named_modules()):
        if hasattr(part, "weight_fake_quant") and isinstance(
            getattr(part, "bn", None), nn.modules.batchnorm._BatchNorm
        ):
            _replace(module, name, _with_batch_norm(part))
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


class FakeQuantizedLayer(nn.Module):
    """A convolution or linear whose weight is fake-quantised before it is used, with what is fused behind it."""

    def __init__(self, layer: Any, weight: torch.Tensor, bias: torch.Tensor) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)
        self.weight_fake_quant = layer.weight_fake_quant
        self._layer = (layer,)  # no child: its BatchNorm is gone
        self._relu = "relu" in type(layer).__name__.lower()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        (layer,) = self._layer
        weight = self.weight_fake_quant(self.weight)
        if isinstance(layer, nn.Linear):
            y = nn.functional.linear(x, weight, self.bias)
        else:
            y = layer._conv_forward(x, weight, self.bias)
        return torch.relu(y) if self._relu else y


def _with_batch_norm(layer: Any) -> nn.Module:
    """The layer with its BatchNorm folded in: y = (W * g) x + (b - mean) * g + beta, g = gamma / sqrt(var + eps)."""
    bn = layer.bn
    if bn.running_var is None:
        raise ExportError(f"a {type(layer).__name__} has a BatchNorm without running statistics; train it with them.")
    with torch.no_grad():
        # as the layer itself computes it, so that its quantised weight comes out the same to the bit
        scale = bn.weight / torch.sqrt(bn.running_var + bn.eps)
        weight = layer.weight * scale.reshape(-1, *(1,) * (layer.weight.ndim - 1))
        bias = (0 if layer.bias is None else layer.bias) - bn.running_mean
        return FakeQuantizedLayer(layer, weight.clone(), bias * scale + bn.bias)


def _replace(module: nn.Module, name: str, new: nn.Module) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(module.get_submodule(parent), leaf, new)
