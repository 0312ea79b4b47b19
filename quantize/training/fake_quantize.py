"""Round in the forward pass, and let gradients through: the straight-through estimator, with scales that are learned.

The arithmetic is that of QuantizeLinear and DequantizeLinear, so that what is trained is what ships. A value's scale is
trained with its gradient of "Learned Step Size Quantization" (Esser et al. 2020, arXiv:1902.08153), in the logarithm,
as in "Trained Quantization Thresholds" (Jain et al. 2020, arXiv:1903.08066): a step of an optimiser changes it by a
share of itself, and it cannot become negative. Its zero point stays where calibration put it. A weight's scale follows
from its largest number, as in the plan.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ...graph.qparams import MIN_SCALE, WEIGHT_MAX, QParams


class _Quantize(torch.autograd.Function):
    """(x, scale, fewest and most steps, factor of the scale's gradient) -> x on its grid."""

    @staticmethod
    def forward(x: Tensor, scale: Tensor, low: Any, high: Any, factor: float) -> Tensor:  # type: ignore[override]
        return torch.div(x, scale).round_().clamp_(low, high).mul_(scale)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, scale, _, _, ctx.factor = inputs
        ctx.save_for_backward(x, scale, output)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:  # type: ignore[override]
        (grad,) = grads
        x, scale, y = ctx.saved_tensors
        clipped = torch.sub(x, y).abs_() > 0.501 * scale  # half a step, and what float32 adds to it
        passed = grad.masked_fill(clipped, 0)
        of_scale = None
        if ctx.needs_input_grad[1]:
            # dy / ds is (y - x) / s, and y / s where x is clipped
            total = torch.dot(grad.reshape(-1), y.reshape(-1)) - torch.dot(passed.reshape(-1), x.reshape(-1))
            of_scale = total * ctx.factor / scale
        return passed, of_scale, None, None, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], x: Tensor, *rest: Any) -> tuple[Tensor, Any]:  # type: ignore[override]
        """It works element by element, so many samples are one tensor."""
        return _Quantize.apply(x, *rest), in_dims[0]


class _StraightThrough(torch.autograd.Function):
    """(x, what x is rounded to) -> the latter; the gradient is x's."""

    @staticmethod
    def forward(x: Tensor, rounded: Tensor) -> Tensor:  # type: ignore[override]
        return rounded.view_as(rounded)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:  # type: ignore[override]
        return grads[0], None


class FakeQuantize(nn.Module):
    """Rounds values to 8 bits under one scale and zero point.

    Args:
        params: as calibration set them.
        fixed: the target's kernel has these parameters and no others, so they are not trained.

    Attributes:
        log_scale: the parameter: the natural logarithm of the scale over the calibrated one, 0 before training, so that
            a weight decay draws it back there; None where it is fixed.
    """

    calibrated_scale: Tensor
    zero_point: Tensor
    log_scale: nn.Parameter | None
    params: QParams

    def __init__(self, params: QParams, *, fixed: bool = False) -> None:
        super().__init__()
        self.params = params
        self.register_buffer("calibrated_scale", torch.tensor(params.scale))
        self.register_buffer("zero_point", torch.tensor(params.zero_point, dtype=torch.int32))
        self.log_scale = None if fixed else nn.Parameter(torch.zeros(()))

    @property
    def scale(self) -> Tensor:
        """The scale as it is now, float32 ()."""
        if self.log_scale is None:
            return self.calibrated_scale
        return self.calibrated_scale * self.log_scale.exp()

    def qparams(self) -> QParams:
        """The parameters as they are now."""
        return replace(self.params, scales=(float(self.scale.detach()),), zero_point=int(self.zero_point))

    def forward(self, x: Tensor) -> Tensor:
        zero: Any = self.zero_point
        if zero.device.type == "cpu":
            zero = int(zero)  # faster; on another device it would wait for it
        low, high = (limit - zero for limit in self.params.limits)
        factor = (x.numel() * WEIGHT_MAX) ** -0.5  # of one sample, as Esser et al. have it
        return _Quantize.apply(x, self.scale, low, high, factor)

    def extra_repr(self) -> str:
        """For `print`."""
        now = self.qparams()
        return f"{now.dtype}, scale={now.scale:.6g}, zero_point={now.zero_point}{', fixed' * (self.log_scale is None)}"


def weight_scales(weight: Tensor, axis: int, floors: Tensor | None = None) -> Tensor:
    """float32 (channels,): the plan's scale of each channel, max|w| / 127, none below `floors`."""
    wide = _wide(weight)
    others = [a for a in range(weight.ndim) if a != axis]
    largest = weight.detach().abs().amax(others).to(wide)
    whole = largest.max()
    largest = torch.where(largest > 0, largest, torch.where(whole > 0, whole, torch.ones_like(whole)))
    scales = (largest / WEIGHT_MAX).clamp(min=MIN_SCALE)
    if floors is None:
        return scales.float()
    floors = floors.detach().to(wide)
    narrow = torch.maximum(scales, floors).float()
    # rounding to float32 may go down by half an ulp, below a floor
    return torch.where(narrow.to(wide) < floors, torch.nextafter(narrow, torch.full_like(narrow, torch.inf)), narrow)


def quantize_weight(weight: Tensor, scales: Tensor, axis: int) -> Tensor:
    """The weight on its grid, in [-127, 127] steps of each channel's scale; its gradient is that of the result."""
    along = [-1 if a == axis else 1 for a in range(weight.ndim)]
    return _rounded(weight, scales.reshape(along), WEIGHT_MAX)


def quantize_bias(bias: Tensor, scales: Tensor) -> Tensor:
    """The bias as int32 steps of scales (channels,); its gradient is that of the result."""
    return _rounded(bias, scales, 2**31 - 1)


def _rounded(real: Tensor, scales: Tensor, most: int) -> Tensor:
    steps = (real.detach().to(_wide(real)) / scales).round_().clamp_(-most, most)
    return _StraightThrough.apply(real, steps.to(real.dtype) * scales.to(real.dtype))


def bias_scales(scale: Tensor, scales: Tensor) -> Tensor:
    """float32 (channels,): s_input * s_weight, rounded once."""
    wide = _wide(scales)
    return (scale.detach().to(wide) * scales.to(wide)).float()


def _wide(tensor: Tensor) -> torch.dtype:
    """In which constants are rounded: float64, as the plan does it, where the device has that."""
    return torch.float32 if tensor.device.type == "mps" else torch.float64
