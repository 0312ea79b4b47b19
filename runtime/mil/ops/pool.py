"""Pooling over the spatial dimensions of x (n, c, *spatial)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..table import op
from .padding import Pads, explicit_pads, pad_spatial

_MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_MEAN = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


@op("max_pool")
def max_pool(
    x: Tensor,
    *,
    kernel_sizes: list[int],
    strides: list[int] | None = None,
    pad_type: str = "valid",
    pad: list[int] | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    strides = strides or [1] * len(kernel_sizes)
    pads, extra = _pads(x, kernel_sizes, strides, pad_type, pad, ceil_mode)
    return _MAX[len(kernel_sizes)](pad_spatial(x, _sum(pads, extra), -torch.inf), kernel_sizes, strides)


@op("avg_pool")
def avg_pool(
    x: Tensor,
    *,
    kernel_sizes: list[int],
    strides: list[int] | None = None,
    pad_type: str = "valid",
    pad: list[int] | None = None,
    exclude_padding_from_average: bool = False,
    ceil_mode: bool = False,
) -> Tensor:
    """Windows that ceil_mode lets hang over the end count only what is inside, as in PyTorch."""
    strides = strides or [1] * len(kernel_sizes)
    pads, extra = _pads(x, kernel_sizes, strides, pad_type, pad, ceil_mode)
    pool, around = _MEAN[len(kernel_sizes)], _sum(pads, extra)
    mean = pool(pad_spatial(x, around), kernel_sizes, strides)
    padded = any(map(any, pads))
    if not any(map(any, extra)) and not (exclude_padding_from_average and padded):
        return mean
    ones = torch.ones_like(x[:1, :1])
    counted = (
        pad_spatial(ones, around) if exclude_padding_from_average else pad_spatial(pad_spatial(ones, pads, 1.0), extra)
    )
    return mean / pool(counted, kernel_sizes, strides)


@op("l2_pool")
def l2_pool(
    x: Tensor,
    *,
    kernel_sizes: list[int],
    strides: list[int] | None = None,
    pad_type: str = "valid",
    pad: list[int] | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The square root of the sum of squares."""
    strides = strides or [1] * len(kernel_sizes)
    pads, extra = _pads(x, kernel_sizes, strides, pad_type, pad, ceil_mode)
    mean = _MEAN[len(kernel_sizes)](pad_spatial(x.square(), _sum(pads, extra)), kernel_sizes, strides)
    return (mean * torch.tensor(kernel_sizes).prod()).sqrt()


def _pads(
    x: Tensor, kernel_sizes: list[int], strides: list[int], pad_type: str, pad: list[int] | None, ceil_mode: bool
) -> tuple[Pads, Pads]:
    """(the declared pads, what ceil_mode adds behind them so that its last windows are whole)."""
    pads = explicit_pads(pad_type, pad, x.shape[2:], kernel_sizes, strides)
    extra = []
    for size, over, stride, (before, after) in zip(x.shape[2:], kernel_sizes, strides, pads, strict=True):
        padded = size + before + after
        outputs = (padded - over) // stride + 1
        if ceil_mode:
            outputs = -(-(padded - over) // stride) + 1
            if (outputs - 1) * stride >= size + before and before + after > 0:
                outputs -= 1  # a window that would start in the pads behind
        extra.append((0, max(0, (outputs - 1) * stride + over - padded)))
    return pads, extra


def _sum(pads: Pads, extra: Pads) -> Pads:
    return [(a + c, b + d) for (a, b), (c, d) in zip(pads, extra, strict=True)]
