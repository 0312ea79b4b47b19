"""GhostNet: More Features from Cheap Operations (arXiv:1911.11907), GhostNetV2 (arXiv:2211.12905) and GhostNetV3.

Parameter names and shapes are timm's; of V3 (arXiv:2404.11202) those of the network that is trained, whose blocks have
parallel branches, and a `fuse` that makes them V2's.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .branches import added, branch, identity, normed, plain, total
from .layers import SqueezeExcite, conv, make_divisible
from .mobile import PlainBlock
from .registry import register
from .spec import PreprocessSpec

PAPER, PAPER_V2, PAPER_V3 = "arXiv:1911.11907", "arXiv:2211.12905", "arXiv:2404.11202"
# Table 1, a stage a line of bottlenecks: kernel, expansion size, channels, squeeze-and-excite, stride.
TABLE = (
    ((3, 16, 16, False, 1),),
    ((3, 48, 24, False, 2),),
    ((3, 72, 24, False, 1),),
    ((5, 72, 40, True, 2),),
    ((5, 120, 40, True, 1),),
    ((3, 240, 80, False, 2),),
    (
        (3, 200, 80, False, 1),
        (3, 184, 80, False, 1),
        (3, 184, 80, False, 1),
        (3, 480, 112, True, 1),
        (3, 672, 112, True, 1),
    ),
    ((5, 672, 160, True, 2),),
    ((5, 960, 160, False, 1), (5, 960, 160, True, 1), (5, 960, 160, False, 1), (5, 960, 160, True, 1)),
)
STEM, HEAD = 16, 1280
PLAIN = 2  # the bottlenecks of V2 without attention, from the first
BRANCHES = 3  # of V3, equal convolutions side by side


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    width: float = 1.0
    attention: bool = False  # V2's
    branched: bool = False  # V3's
    table: tuple = TABLE
    head: int = HEAD


class Ghost(nn.Module):
    """Half of the channels by a 1x1 convolution, half by a depthwise one of those (§3.1).

    (n, c_in, h, w) -> (n, channels, h, w). With `gate`, each is scaled by a gate computed from its row and its column
    at half the size (arXiv:2211.12905 §4).
    """

    def __init__(self, primary: nn.Module, cheap: nn.Module, gate: nn.Module | None) -> None:
        super().__init__()
        self.primary_conv = primary
        self.cheap_operation = cheap
        self.short_conv = gate

    def forward(self, x: Tensor) -> Tensor:
        primary = self.primary_conv(x)
        return gated(torch.cat((primary, self.cheap_operation(primary)), dim=1), x, self.short_conv)


def ghost(c_in: int, channels: int, act: type[nn.Module], *, attention: bool = False) -> Ghost:
    half = channels // 2
    return Ghost(
        nn.Sequential(conv(c_in, half), nn.BatchNorm2d(half), act()),
        nn.Sequential(conv(half, half, 3, groups=half), nn.BatchNorm2d(half), act()),
        gate(c_in, channels) if attention else None,
    )


def gate(c_in: int, channels: int) -> nn.Sequential:
    """What the sigmoid of the attention is taken of; (n, c_in, h, w) -> (n, channels, h, w)."""
    return nn.Sequential(
        conv(c_in, channels),
        nn.BatchNorm2d(channels),
        conv(channels, channels, (1, 5), groups=channels),
        nn.BatchNorm2d(channels),
        conv(channels, channels, (5, 1), groups=channels),
        nn.BatchNorm2d(channels),
    )


def gated(y: Tensor, x: Tensor, gate: nn.Module | None) -> Tensor:
    """A ghost's channels, scaled by the gate of its input x where there is one."""
    if gate is None:
        return y
    gates = gate(nn.functional.avg_pool2d(x, 2)).sigmoid()
    return y * nn.functional.interpolate(gates, size=y.shape[2:], mode="nearest")


class BranchedGhost(nn.Module):
    """V3's ghost: both convolutions have equal ones beside them, the depthwise one also a 1x1 one and a batch norm."""

    def __init__(self, c_in: int, channels: int, act: type[nn.Module], *, attention: bool = False) -> None:
        super().__init__()
        half = channels // 2
        self.primary_rpr_conv = branches(c_in, half)
        self.primary_activation = act()
        self.cheap_rpr_skip = nn.BatchNorm2d(half)
        self.cheap_rpr_conv = branches(half, half, 3, groups=half)
        self.cheap_rpr_scale = PlainBlock(half, half, 1, 1, groups=half, skip=False)
        self.cheap_activation = act()
        self.short_conv = gate(c_in, channels) if attention else None

    def forward(self, x: Tensor) -> Tensor:
        primary = self.primary_activation(added(x, *self.primary_rpr_conv))
        cheap = added(primary, *self.cheap_rpr_conv, self.cheap_rpr_scale, self.cheap_rpr_skip)
        return gated(torch.cat((primary, self.cheap_activation(cheap)), dim=1), x, self.short_conv)

    @torch.no_grad()
    def fuse(self) -> nn.Module:
        primary = nn.Sequential(merged(*self.primary_rpr_conv), self.primary_activation)
        cheap = merged(*self.cheap_rpr_conv, self.cheap_rpr_scale, norm=self.cheap_rpr_skip)
        return Ghost(primary, nn.Sequential(cheap, self.cheap_activation), self.short_conv)


def branches(c_in: int, c_out: int, kernel: int = 1, stride: int = 1, *, groups: int = 1) -> nn.ModuleList:
    """Convolutions of one shape, each with its batch norm."""
    blocks = (PlainBlock(c_in, c_out, kernel, stride, groups=groups, skip=False) for _ in range(BRANCHES))
    return nn.ModuleList(blocks)


def merged(*blocks: nn.Module, norm: nn.BatchNorm2d | None = None) -> nn.Conv2d:
    """One convolution that gives the sum of what the blocks, the first with the largest kernel, and the norm give."""
    plains = [block for block in blocks if isinstance(block, PlainBlock)]
    parts = [branch(block.conv, block.bn1) for block in plains]
    if norm is not None:
        parts.append(normed(identity(parts[0]), norm))
    return plain(total(*parts), plains[0].conv)


class GhostBottleneck(nn.Module):
    """Expansion and projection by ghosts, between them stride and squeeze-and-excite (fig. 3), and a residual.

    (n, c_in, h, w) -> (n, c_out, h/stride, w/stride).
    """

    def __init__(
        self,
        c_in: int,
        mid: int,
        c_out: int,
        kernel: int,
        stride: int,
        *,
        excite: bool,
        attention: bool,
        ghost: Callable[..., nn.Module] = ghost,
    ) -> None:
        super().__init__()
        self.ghost1 = ghost(c_in, mid, nn.ReLU, attention=attention)
        strided = stride > 1
        self.conv_dw = conv(mid, mid, kernel, stride, groups=mid) if strided else nn.Identity()
        self.bn_dw = nn.BatchNorm2d(mid) if strided else nn.Identity()
        self.se = SqueezeExcite(mid, make_divisible(mid / 4, 4)) if excite else nn.Identity()
        self.ghost2 = ghost(mid, c_out, nn.Identity)
        self.shortcut = nn.Sequential()
        if strided or c_in != c_out:
            self.shortcut.extend(
                (
                    conv(c_in, c_in, kernel, stride, groups=c_in),
                    nn.BatchNorm2d(c_in),
                    conv(c_in, c_out),
                    nn.BatchNorm2d(c_out),
                )
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.se(self.bn_dw(self.conv_dw(self.ghost1(x))))
        return self.ghost2(y) + self.shortcut(x)


class BranchedBottleneck(GhostBottleneck):
    """V3's bottleneck: its ghosts have branches, and where the stride is 2 so has the depthwise convolution."""

    def __init__(
        self, c_in: int, mid: int, c_out: int, kernel: int, stride: int, *, excite: bool, attention: bool
    ) -> None:
        super().__init__(c_in, mid, c_out, kernel, stride, excite=excite, attention=attention, ghost=BranchedGhost)
        self.conv_dw = self.bn_dw = self.dw_rpr_scale = nn.Identity()
        self.dw_rpr_conv = nn.ModuleList()
        if stride > 1:
            self.dw_rpr_conv = branches(mid, mid, kernel, stride, groups=mid)
            self.dw_rpr_scale = PlainBlock(mid, mid, 1, stride, groups=mid, skip=False)

    def forward(self, x: Tensor) -> Tensor:
        y = added(self.ghost1(x), *self.dw_rpr_conv, self.dw_rpr_scale)
        return self.ghost2(self.se(y)) + self.shortcut(x)

    @torch.no_grad()
    def fuse(self) -> nn.Module:
        assert isinstance(self.ghost1, BranchedGhost)
        assert isinstance(self.ghost2, BranchedGhost)
        depthwise = merged(*self.dw_rpr_conv, self.dw_rpr_scale) if self.dw_rpr_conv else nn.Identity()
        return Residual(nn.Sequential(self.ghost1.fuse(), depthwise, self.se, self.ghost2.fuse()), self.shortcut)


class Residual(nn.Module):
    """The sum of two paths; (n, c_in, h, w) -> (n, c_out, h', w')."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.shortcut(x)


class GhostNet(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        c_in = make_divisible(STEM * cfg.width, 4)
        self.conv_stem = conv(3, c_in, 3, 2)
        self.bn1 = nn.BatchNorm2d(c_in)
        self.act1 = nn.ReLU()
        bottleneck = BranchedBottleneck if cfg.branched else GhostBottleneck
        stages, count, mid = [], 0, 0
        for lines in cfg.table:
            stage = []
            for kernel, expand, c, excite, stride in lines:
                mid, c_out = make_divisible(expand * cfg.width, 4), make_divisible(c * cfg.width, 4)
                attention = cfg.attention and count >= PLAIN
                stage.append(bottleneck(c_in, mid, c_out, kernel, stride, excite=excite, attention=attention))
                c_in, count = c_out, count + 1
            stages.append(nn.Sequential(*stage))
        stages.append(nn.Sequential(PlainBlock(c_in, mid, 1, 1, act=nn.ReLU)))
        self.blocks = nn.Sequential(*stages)
        self.conv_head = conv(mid, cfg.head, bias=True)
        self.act2 = nn.ReLU()
        self.classifier = nn.Linear(cfg.head, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.act1(self.bn1(self.conv_stem(x))))
        x = self.act2(self.conv_head(x.mean((2, 3), keepdim=True)))
        return self.classifier(x.flatten(1))


VARIANTS = {
    "ghostnet_050": Cfg(0.5),
    "ghostnet_100": Cfg(1.0),
    "ghostnet_130": Cfg(1.3),
    "ghostnetv2_100": Cfg(1.0, attention=True),
    "ghostnetv2_130": Cfg(1.3, attention=True),
    "ghostnetv2_160": Cfg(1.6, attention=True),
    "ghostnetv3_050": Cfg(0.5, attention=True, branched=True),
    "ghostnetv3_100": Cfg(1.0, attention=True, branched=True),
    "ghostnetv3_130": Cfg(1.3, attention=True, branched=True),
    "ghostnetv3_160": Cfg(1.6, attention=True, branched=True),
}
TESTS = {
    "ghostnet_test": Cfg(0.25, table=TABLE[:6], head=64),
    "ghostnetv2_test": Cfg(0.25, attention=True, table=TABLE[:6], head=64),
    "ghostnetv3_test": Cfg(0.25, attention=True, branched=True, table=TABLE[:6], head=64),
}


def paper(cfg: Cfg) -> str:
    return PAPER_V3 if cfg.branched else PAPER_V2 if cfg.attention else PAPER


for _name, _cfg in VARIANTS.items():
    register(_name, GhostNet, _cfg, paper=paper(_cfg))
for _name, _cfg in TESTS.items():
    _spec = PreprocessSpec(input_size=(3, 64, 64))
    register(_name, GhostNet, _cfg, paper=paper(_cfg), spec=_spec, num_classes=10)
