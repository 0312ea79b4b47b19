"""MixConv: Mixed Depthwise Convolutional Kernels (arXiv:1907.09595): MixNet.

Parameter names and shapes are timm's.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from .efficientnet import Cfg, EfficientNet
from .layers import conv, make_divisible
from .mobile import Inverted, Row, Separable, Style, Table
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:1907.09595"


@dataclass(frozen=True)
class Mixed(Inverted):
    """Inverted residuals in which groups of channels have kernels of their own, a depthwise convolution each (§3).

    expansions, projections: into how many groups the 1x1 convolutions are split; ratio: the width of squeeze-and-excite
    relative to the block's input, 0 for none.
    """

    kernels: tuple[int, ...] = (3,)
    expansions: int = 1
    projections: int = 1
    ratio: float = 0.0

    def block(self, c_in: int, c_out: int, stride: int, style: Style) -> nn.Module:
        made = super().block(c_in, c_out, stride, style)
        mid = make_divisible(c_in * self.expand)
        made.set_submodule("conv_pw", mixed(c_in, mid, (1,) * self.expansions))
        made.set_submodule("conv_dw", mixed(mid, mid, self.kernels, stride, depthwise=True))
        made.set_submodule("conv_pwl", mixed(mid, c_out, (1,) * self.projections))
        return made

    def squeeze(self, c_in: int, squeezed: int, style: Style) -> dict[str, Any]:
        return super().squeeze(c_in, squeezed, replace(style, reduced=lambda c_in, _: int(c_in * self.ratio)))


class MixedConv(nn.Module):
    """Convolutions side by side, each of its share of the channels; (n, c_in, h, w) -> (n, c_out, h/stride, w/stride).

    The shares are equal, but that the first has what is left over.
    """

    def __init__(self, c_in: int, c_out: int, kernels: tuple[int, ...], stride: int, *, depthwise: bool) -> None:
        super().__init__()
        self.shares = shares(c_in, len(kernels))
        for i, (of, into, kernel) in enumerate(zip(self.shares, shares(c_out, len(kernels)), kernels, strict=True)):
            self.add_module(str(i), conv(of, into, kernel, stride, groups=of if depthwise else 1))

    def forward(self, x: Tensor) -> Tensor:
        parts = x.split(self.shares, dim=1)
        return torch.cat([each(part) for each, part in zip(self.children(), parts, strict=True)], dim=1)


def shares(channels: int, count: int) -> tuple[int, ...]:
    each = channels // count
    return (channels - each * (count - 1), *[each] * (count - 1))


def mixed(c_in: int, c_out: int, kernels: tuple[int, ...], stride: int = 1, *, depthwise: bool = False) -> nn.Module:
    """Convolutions with these kernels side by side, or the plain one where there is one kernel."""
    if len(kernels) == 1:
        return conv(c_in, c_out, kernels[0], stride, groups=c_in if depthwise else 1)
    return MixedConv(c_in, c_out, kernels, stride, depthwise=depthwise)


K3, K5, K7, K9, K11 = (tuple(range(3, largest + 1, 2)) for largest in (3, 5, 7, 9, 11))


def row(
    c: int,
    kernels: tuple[int, ...],
    expand: float = 6,
    ratio: float = 0.0,
    groups: tuple[int, int] = (1, 1),
    *,
    stride: int = 1,
    repeats: int = 1,
) -> Row:
    """A row of fig. 5: channels, kernels, expansion, squeeze-and-excite, groups of the 1x1 convolutions."""
    act = nn.SiLU if ratio else nn.ReLU
    expansions, projections = groups
    return Mixed(
        c,
        repeats,
        stride=stride,
        excite=ratio > 0,
        act=act,
        expand=expand,
        kernels=kernels,
        expansions=expansions,
        projections=projections,
        ratio=ratio,
    )


# Fig. 5; the groups of the 1x1 convolutions, the expansions and squeeze-and-excite are the authors' code's.
SMALL: Table = (
    (Separable(16),),
    (row(24, K3, 6, 0, (2, 2), stride=2), row(24, K3, 3, 0, (2, 2))),
    (row(40, K7, 6, 0.5, stride=2), row(40, K5, 6, 0.5, (2, 2), repeats=3)),
    (row(80, K7, 6, 0.25, (1, 2), stride=2), row(80, K5, 6, 0.25, (1, 2), repeats=2)),
    (row(120, K7, 6, 0.5, (2, 2)), row(120, K9, 3, 0.5, (2, 2), repeats=2)),
    (row(200, K11, 6, 0.5, stride=2), row(200, K9, 6, 0.5, (1, 2), repeats=2)),
)


def medium(second: int = 1, others: int = 3) -> Table:
    """MixNet-M, with so many blocks after the first in its second stage and in those after that."""
    return (
        (Separable(24),),
        (row(32, K7, 6, 0, (2, 2), stride=2), row(32, K3, 3, 0, (2, 2), repeats=second)),
        (row(40, K9, 6, 0.5, stride=2), row(40, K5, 6, 0.5, (2, 2), repeats=others)),
        (row(80, K7, 6, 0.25, stride=2), row(80, K9, 6, 0.25, (2, 2), repeats=others)),
        (row(120, K3, 6, 0.5), row(120, K9, 3, 0.5, (2, 2), repeats=others)),
        (row(200, K9, 6, 0.5, stride=2), row(200, K9, 6, 0.5, (1, 2), repeats=others)),
    )


HEAD = 1536
VARIANTS = {
    "mixnet_s": Cfg(SMALL, 16, HEAD, act=nn.ReLU),
    "mixnet_m": Cfg(medium(), 24, HEAD, act=nn.ReLU),
    "mixnet_l": Cfg(medium(), 32, HEAD, 1.3, nn.ReLU),
    # timm's.
    "mixnet_xl": Cfg(medium(1, 4), 40, HEAD, 1.6, nn.ReLU),
    "mixnet_xxl": Cfg(medium(2, 4), 56, HEAD, 2.4, nn.ReLU),
}
for _name, _cfg in VARIANTS.items():
    register(_name, EfficientNet, _cfg, paper=PAPER)
register(
    "mixnet_test",
    EfficientNet,
    Cfg(SMALL[:4], 8, 64, 0.35, nn.ReLU),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64)),
    num_classes=10,
)
