"""Convolutions over one, two or three spatial dimensions: x (n, c, *spatial), weight (out, in / groups, *kernel)."""

import torch.nn.functional as F
from torch import Tensor

from ..table import op
from .padding import Pads, explicit_pads, pad_spatial

_CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_CONV_TRANSPOSE = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


@op("conv")
def conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    strides: list[int] | None = None,
    pad_type: str = "valid",
    pad: list[int] | None = None,
    dilations: list[int] | None = None,
    groups: int = 1,
) -> Tensor:
    spatial = x.ndim - 2
    strides, dilations = strides or [1] * spatial, dilations or [1] * spatial
    reach = [(size - 1) * dilation + 1 for size, dilation in zip(weight.shape[2:], dilations, strict=True)]
    pads = explicit_pads(pad_type, pad, x.shape[2:], reach, strides)
    if all(before == after for before, after in pads):
        return _CONV[spatial](x, weight, bias, strides, [before for before, _ in pads], dilations, groups)
    return _CONV[spatial](pad_spatial(x, pads), weight, bias, strides, 0, dilations, groups)


@op("conv_transpose")
def conv_transpose(
    x: Tensor,
    weight: Tensor,  # (in, out / groups, *kernel)
    bias: Tensor | None = None,
    *,
    pad: list[int] | None = None,
    output_shape: list[int] | None = None,
    pad_type: str = "valid",
    strides: list[int] | None = None,
    dilations: list[int] | None = None,
    groups: int = 1,
) -> Tensor:
    """The full result, of which the pads are cut off; `output_shape` says how much is left behind the first pad."""
    spatial = x.ndim - 2
    strides, dilations = strides or [1] * spatial, dilations or [1] * spatial
    full = _CONV_TRANSPOSE[spatial](x, weight, None, strides, 0, 0, groups, dilations)
    cuts: Pads = []
    for axis in range(spatial):
        size = full.shape[2 + axis]
        if pad_type in ("same", "same_lower"):
            total = size - x.shape[2 + axis] * strides[axis]
            smaller = total // 2
            before = total - smaller if pad_type == "same_lower" else smaller
            after = total - before
        else:
            before, after = pad[2 * axis : 2 * axis + 2] if pad and pad_type == "custom" else (0, 0)
        if output_shape is not None:
            after = size - before - output_shape[2 + axis]
        cuts.append((-before, -after))
    result = pad_spatial(full, cuts)
    return result if bias is None else result + bias.reshape(-1, *[1] * spatial)
