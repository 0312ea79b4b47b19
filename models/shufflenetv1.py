"""ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices (arXiv:1707.01083).

Parameter names and shapes are those of the authors' release (megvii-model/ShuffleNet-Series): the classifier has no
bias. Their weights are for images of 0..255 with blue first; the model takes red first, as all models here do.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .layers import conv
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:1707.01083"
BLOCKS = (4, 8, 4)  # table 1: units of stages 2 to 4


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants, of the paper's table 1 and §3.3."""

    groups: int  # of the 1x1 convolutions
    stem: int  # channels
    width: int  # of stage 2; each stage doubles it
    blocks: tuple[int, ...] = BLOCKS


def shuffle(x: Tensor, groups: int) -> Tensor:
    """Channel i * groups + j becomes j * (c / groups) + i; (n, c, h, w) -> same."""
    n, c, h, w = x.shape
    return x.reshape(n, c // groups, groups, h, w).transpose(1, 2).reshape(n, c, h, w)


class Unit(nn.Module):
    """Figure 2b, or 2c where the channels grow; (n, c_in, h, w) -> (n, c_out, ...), half the size where they grow.

    `first` is the very first unit, whose input has too few channels for groups (§3.2).
    """

    def __init__(self, c_in: int, c_out: int, groups: int, *, first: bool = False) -> None:
        super().__init__()
        self.groups, self.grows = groups, c_out > c_in
        mid, added = c_out // 4, c_out - c_in if self.grows else c_out
        self.branch_main_1 = nn.Sequential(
            conv(c_in, mid, groups=1 if first else groups),
            nn.BatchNorm2d(mid),
            nn.ReLU(),
            conv(mid, mid, 3, 2 if self.grows else 1, groups=mid),
            nn.BatchNorm2d(mid),
        )
        self.branch_main_2 = nn.Sequential(conv(mid, added, groups=groups), nn.BatchNorm2d(added))
        self.pool = nn.AvgPool2d(3, stride=2, padding=1)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.branch_main_2(shuffle(self.branch_main_1(x), self.groups))
        if self.grows:
            return torch.cat((self.pool(x), self.act(y)), 1)
        return self.act(x + y)


class ShuffleNetV1(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        self.first_conv = nn.Sequential(conv(3, cfg.stem, 3, 2), nn.BatchNorm2d(cfg.stem), nn.ReLU())
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        units = []
        c_in = cfg.stem
        for stage, blocks in enumerate(cfg.blocks):
            c_out = cfg.width * 2**stage
            for _ in range(blocks):
                units.append(Unit(c_in, c_out, cfg.groups, first=not units))
                c_in = c_out
        self.features = nn.Sequential(*units)
        self.classifier = nn.Sequential(nn.Linear(c_in, num_classes, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat((x[:, 2:], x[:, 1:2], x[:, :1]), 1)  # RGB -> BGR
        x = self.features(self.maxpool(self.first_conv(x)))
        return self.classifier(x.mean((2, 3)))


VARIANTS = {
    "shufflenet_v1_g3_x0_5": Cfg(groups=3, stem=12, width=120),
    "shufflenet_v1_g3_x1_0": Cfg(groups=3, stem=24, width=240),
    "shufflenet_v1_g3_x1_5": Cfg(groups=3, stem=24, width=360),
    "shufflenet_v1_g3_x2_0": Cfg(groups=3, stem=48, width=480),
    "shufflenet_v1_g8_x0_5": Cfg(groups=8, stem=16, width=192),
    "shufflenet_v1_g8_x1_0": Cfg(groups=8, stem=24, width=384),
    "shufflenet_v1_g8_x1_5": Cfg(groups=8, stem=24, width=576),
    "shufflenet_v1_g8_x2_0": Cfg(groups=8, stem=48, width=768),
}
SPEC = PreprocessSpec(mean=(0.0, 0.0, 0.0), std=(1 / 255, 1 / 255, 1 / 255), interpolation="bilinear")
for _name, _cfg in VARIANTS.items():
    register(_name, ShuffleNetV1, _cfg, paper=PAPER, spec=SPEC)
register(
    "shufflenetv1_test",
    ShuffleNetV1,
    Cfg(groups=3, stem=12, width=24, blocks=(2, 2)),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 32, 32)),
    num_classes=10,
)
