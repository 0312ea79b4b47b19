"""Turn rows of a paper's table into stages of mobile blocks: separable, inverted, fused, plain."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn

from .layers import DepthwiseSeparable, FusedInvertedResidual, InvertedResidual, SqueezeExcite, conv, make_divisible

Table = Sequence[Sequence["Row"]]  # rows by stage


@dataclass(frozen=True)
class Style:
    """What all blocks of a network share; of squeeze-and-excite: its activation (None: the block's), gate and width.

    reduced gives that width of (the block's input channels, the channels that are squeezed).
    """

    act: type[nn.Module]
    width: float  # multiplies channels
    excite_act: type[nn.Module] | None
    gate: type[nn.Module]
    reduced: Callable[[int, int], int]


@dataclass(frozen=True)
class Row:
    """`repeats` blocks, the first of them with `stride`; a subclass says which."""

    channels: int
    repeats: int = 1
    kernel: int = 3
    stride: int = 1
    excite: bool = False
    act: type[nn.Module] | None = None  # where it is not the style's
    skip: bool = True  # a residual where the shape allows

    def block(self, c_in: int, c_out: int, stride: int, style: Style) -> nn.Module:
        raise NotImplementedError

    def squeeze(self, c_in: int, squeezed: int, style: Style) -> dict[str, Any]:
        """The blocks' arguments for squeeze-and-excite."""
        if not self.excite:
            return {}
        excite = partial(SqueezeExcite, act=style.excite_act or self.act or style.act, gate=style.gate)
        return {"reduced": style.reduced(c_in, squeezed), "excite": excite}


@dataclass(frozen=True)
class Separable(Row):
    """Depthwise separable convolutions; `last_act`: an activation after the 1x1 convolution too."""

    last_act: bool = False

    def block(self, c_in: int, c_out: int, stride: int, style: Style) -> nn.Module:
        act = self.act or style.act
        return DepthwiseSeparable(
            c_in,
            c_out,
            self.kernel,
            stride,
            act=act,
            skip=self.skip,
            last_act=act if self.last_act else nn.Identity,
            **self.squeeze(c_in, c_in, style),
        )


@dataclass(frozen=True)
class Inverted(Row):
    """Inverted residuals that expand their input's channels `expand` times."""

    expand: float = 6

    def block(self, c_in: int, c_out: int, stride: int, style: Style) -> nn.Module:
        mid = make_divisible(c_in * self.expand)
        return InvertedResidual(
            c_in,
            mid,
            c_out,
            self.kernel,
            stride,
            act=self.act or style.act,
            skip=self.skip,
            **self.squeeze(c_in, mid, style),
        )


@dataclass(frozen=True)
class Fused(Row):
    """Inverted residuals in which one full convolution expands and looks around.

    group: channels that it gives in each of its groups, 0 for one group.
    """

    expand: float = 4
    group: int = 0

    def block(self, c_in: int, c_out: int, stride: int, style: Style) -> nn.Module:
        mid = make_divisible(c_in * self.expand)
        act, groups = self.act or style.act, mid // self.group if self.group else 1
        return FusedInvertedResidual(c_in, mid, c_out, self.kernel, stride, act=act, groups=groups, skip=self.skip)


@dataclass(frozen=True)
class Plain(Row):
    """Convolutions with batch norm and activation."""

    def block(self, c_in: int, c_out: int, stride: int, style: Style) -> nn.Module:
        return PlainBlock(c_in, c_out, self.kernel, stride, act=self.act or style.act, skip=self.skip)


class PlainBlock(nn.Module):
    """Convolution, batch norm, activation, residual where the shape allows; (n, c_in, h, w) -> (n, c_out, h', w')."""

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int,
        stride: int,
        *,
        act: type[nn.Module] = nn.Identity,
        groups: int = 1,
        skip: bool = True,
    ) -> None:
        super().__init__()
        self.conv = conv(c_in, c_out, kernel, stride, groups=groups)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.act = act()
        self.residual = skip and stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.bn1(self.conv(x)))
        return x + y if self.residual else y


def stages(table: Table, c_in: int, style: Style) -> tuple[nn.Sequential, int]:
    """(the stages one after another, the channels of the last)."""
    made = []
    for rows in table:
        stage: list[nn.Module] = []
        for row in rows:
            c_out = make_divisible(row.channels * style.width)
            for stride in (row.stride, *[1] * (row.repeats - 1)):
                stage.append(row.block(c_in, c_out, stride, style))
                c_in = c_out
        made.append(nn.Sequential(*stage))
    return nn.Sequential(*made), c_in
