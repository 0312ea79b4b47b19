"""Pads of convolution and pooling: MIL's `pad_type` in numbers."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from ..table import OpError

Pads = list[tuple[int, int]]  # (before, after) of each spatial dimension


def explicit_pads(
    pad_type: str, pad: list[int] | None, sizes: Sequence[int], reach: Sequence[int], strides: Sequence[int]
) -> Pads:
    """The pads of a window that reaches over `reach` elements (its dilation counted).

    "same" makes ceil(size / stride) outputs; of an odd number of pads the last goes behind, in "same_lower" before.
    """
    if pad_type == "valid":
        return [(0, 0)] * len(reach)
    if pad_type == "custom":
        pad = pad or [0] * (2 * len(reach))
        return list(zip(pad[::2], pad[1::2], strict=True))
    if pad_type not in ("same", "same_lower"):
        raise OpError(f"has the pad type {pad_type!r}, which does not exist")
    pads = []
    for size, over, stride in zip(sizes, reach, strides, strict=True):
        total = max(0, (-(-size // stride) - 1) * stride + over - size)
        smaller, larger = total // 2, total - total // 2
        pads.append((larger, smaller) if pad_type == "same_lower" else (smaller, larger))
    return pads


def pad_spatial(x: Tensor, pads: Pads, value: float = 0.0) -> Tensor:
    """x (n, c, *spatial) with `value` around it; negative pads cut off."""
    return F.pad(x, [amount for pair in reversed(pads) for amount in pair], value=value)
