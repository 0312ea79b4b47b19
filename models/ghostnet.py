"""GhostNet: More Features from Cheap Operations (arXiv:1911.11907), and GhostNetV2 (arXiv:2211.12905).

Parameter names and shapes are timm's.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .layers import SqueezeExcite, conv, make_divisible
from .mobile import PlainBlock
from .registry import PreprocessSpec, register

PAPER, PAPER_V2 = "arXiv:1911.11907", "arXiv:2211.12905"
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


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    width: float = 1.0
    attention: bool = False  # V2's
    table: tuple = TABLE
    head: int = HEAD


class Ghost(nn.Module):
    """Half of the channels by a 1x1 convolution, half by a depthwise one of those (§3.1).

    (n, c_in, h, w) -> (n, channels, h, w). With `attention`, each is scaled by a gate computed from its row and its
    column at half the size (arXiv:2211.12905 §4).
    """

    def __init__(self, c_in: int, channels: int, act: type[nn.Module], *, attention: bool = False) -> None:
        super().__init__()
        half = channels // 2
        self.primary_conv = nn.Sequential(conv(c_in, half), nn.BatchNorm2d(half), act())
        self.cheap_operation = nn.Sequential(conv(half, half, 3, groups=half), nn.BatchNorm2d(half), act())
        self.attention = attention
        if attention:
            self.short_conv = nn.Sequential(
                conv(c_in, channels),
                nn.BatchNorm2d(channels),
                conv(channels, channels, (1, 5), groups=channels),
                nn.BatchNorm2d(channels),
                conv(channels, channels, (5, 1), groups=channels),
                nn.BatchNorm2d(channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        primary = self.primary_conv(x)
        y = torch.cat((primary, self.cheap_operation(primary)), dim=1)
        if not self.attention:
            return y
        gate = self.short_conv(nn.functional.avg_pool2d(x, 2)).sigmoid()
        return y * nn.functional.interpolate(gate, size=y.shape[2:], mode="nearest")


class GhostBottleneck(nn.Module):
    """Expansion and projection by ghosts, between them stride and squeeze-and-excite (fig. 3), and a residual.

    (n, c_in, h, w) -> (n, c_out, h/stride, w/stride).
    """

    def __init__(
        self, c_in: int, mid: int, c_out: int, kernel: int, stride: int, *, excite: bool, attention: bool
    ) -> None:
        super().__init__()
        self.ghost1 = Ghost(c_in, mid, nn.ReLU, attention=attention)
        strided = stride > 1
        self.conv_dw = conv(mid, mid, kernel, stride, groups=mid) if strided else nn.Identity()
        self.bn_dw = nn.BatchNorm2d(mid) if strided else nn.Identity()
        self.se = SqueezeExcite(mid, make_divisible(mid / 4, 4)) if excite else nn.Identity()
        self.ghost2 = Ghost(mid, c_out, nn.Identity)
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


class GhostNet(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        c_in = make_divisible(STEM * cfg.width, 4)
        self.conv_stem = conv(3, c_in, 3, 2)
        self.bn1 = nn.BatchNorm2d(c_in)
        self.act1 = nn.ReLU()
        stages, count, mid = [], 0, 0
        for lines in cfg.table:
            stage = []
            for kernel, expand, c, excite, stride in lines:
                mid, c_out = make_divisible(expand * cfg.width, 4), make_divisible(c * cfg.width, 4)
                attention = cfg.attention and count >= PLAIN
                stage.append(GhostBottleneck(c_in, mid, c_out, kernel, stride, excite=excite, attention=attention))
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
}
for _name, _cfg in VARIANTS.items():
    register(_name, GhostNet, _cfg, paper=PAPER_V2 if _cfg.attention else PAPER)
for _name, _attention in (("ghostnet_test", False), ("ghostnetv2_test", True)):
    register(
        _name,
        GhostNet,
        Cfg(0.25, _attention, TABLE[:6], 64),
        paper=PAPER_V2 if _attention else PAPER,
        spec=PreprocessSpec(input_size=(3, 64, 64)),
        num_classes=10,
    )
