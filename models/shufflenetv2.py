"""ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design (arXiv:1807.11164).

Parameter names and shapes are torchvision's.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .layers import conv
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:1807.11164"
STEM, BLOCKS = 24, (4, 8, 4)  # table 5: channels of Conv1; units of stages 2 to 4


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants, of the paper's table 5."""

    widths: tuple[int, int, int]  # of stages 2 to 4
    head: int = 1024  # of Conv5


def shuffle(left: Tensor, right: Tensor) -> Tensor:
    """The channels of both by turns: two (n, c, h, w) -> (n, 2c, h, w), left's first first."""
    n, c, h, w = left.shape
    return torch.cat((left, right), 1).reshape(n, 2, c, h, w).transpose(1, 2).reshape(n, 2 * c, h, w)


def pointwise(c_in: int, c_out: int) -> tuple[nn.Module, ...]:
    """A 1x1 convolution with its batch norm and activation."""
    return conv(c_in, c_out), nn.BatchNorm2d(c_out), nn.ReLU()


def depthwise(channels: int, stride: int) -> tuple[nn.Module, ...]:
    """A depthwise 3x3 convolution with its batch norm."""
    return conv(channels, channels, 3, stride, groups=channels), nn.BatchNorm2d(channels)


class Unit(nn.Module):
    """Half the channels stay, the others are convolved, then shuffled (fig. 3c); (n, c, h, w) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.branch2 = nn.Sequential(*pointwise(half, half), *depthwise(half, 1), *pointwise(half, half))

    def forward(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, 1)
        return shuffle(left, self.branch2(right))


class DownUnit(nn.Module):
    """Both branches convolve all channels with stride 2 (fig. 3d); (n, c_in, h, w) -> (n, c_out, h/2, w/2)."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        half = c_out // 2
        self.branch1 = nn.Sequential(*depthwise(c_in, 2), *pointwise(c_in, half))
        self.branch2 = nn.Sequential(*pointwise(c_in, half), *depthwise(half, 2), *pointwise(half, half))

    def forward(self, x: Tensor) -> Tensor:
        return shuffle(self.branch1(x), self.branch2(x))


class ShuffleNetV2(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(conv(3, STEM, 3, 2), nn.BatchNorm2d(STEM), nn.ReLU())
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        stages = []
        c_in = STEM
        for width, blocks in zip(cfg.widths, BLOCKS, strict=True):
            stages.append(nn.Sequential(DownUnit(c_in, width), *(Unit(width) for _ in range(blocks - 1))))
            c_in = width
        self.stage2, self.stage3, self.stage4 = stages
        self.conv5 = nn.Sequential(*pointwise(c_in, cfg.head))
        self.fc = nn.Linear(cfg.head, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.conv1(x))
        x = self.conv5(self.stage4(self.stage3(self.stage2(x))))
        return self.fc(x.mean((2, 3)))


BILINEAR = PreprocessSpec(interpolation="bilinear")
RESIZE_232 = PreprocessSpec(interpolation="bilinear", crop_pct=224 / 232)  # torchvision's later training
VARIANTS = {
    "shufflenet_v2_x0_5": (Cfg((48, 96, 192)), BILINEAR),
    "shufflenet_v2_x1_0": (Cfg((116, 232, 464)), BILINEAR),
    "shufflenet_v2_x1_5": (Cfg((176, 352, 704)), RESIZE_232),
    "shufflenet_v2_x2_0": (Cfg((244, 488, 976), head=2048), RESIZE_232),
}
for _name, (_cfg, _spec) in VARIANTS.items():
    register(_name, ShuffleNetV2, _cfg, paper=PAPER, spec=_spec)
register(
    "shufflenetv2_test",
    ShuffleNetV2,
    Cfg((16, 32, 64), head=64),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64)),
    num_classes=10,
)
