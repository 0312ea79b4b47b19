"""CSPNet: A New Backbone that can Enhance Learning Capability of CNN (arXiv:1911.11929), in timm's CS3DarkNet.

Parameter names and shapes are timm's. Cross stages with three convolutions, as in YOLOv5 and YOLOX; the stem is what
their "focus" of 2x2 pixels, and the convolution after it, come to.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .layers import ConvNormAct, Head
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:1911.11929"


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    depths: tuple[int, ...]
    widths: tuple[int, ...]  # of the stages
    stem: int


def unit(c_in: int, c_out: int, kernel: int = 1, stride: int = 1) -> ConvNormAct:
    """Convolution, batch norm, SiLU."""
    return ConvNormAct(c_in, c_out, kernel, stride, act=nn.SiLU)


class Stem(nn.Module):
    """(n, 3, h, w) -> (n, channels, h/2, w/2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = unit(3, channels, 3, 2)
        self.conv1.conv = nn.Conv2d(3, channels, 6, stride=2, padding=2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv1(x)


class DarkBlock(nn.Module):
    """A 1x1 and a 3x3 convolution beside the identity; (n, c, h, w) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = unit(channels, channels)
        self.conv2 = unit(channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(self.conv1(x))


class CrossStage(nn.Module):
    """Half of the channels go through the blocks, the others past them; (n, c_in, h, w) -> (n, c, h/2, w/2)."""

    def __init__(self, c_in: int, c: int, depth: int) -> None:
        super().__init__()
        half = c // 2
        self.conv_down = unit(c_in, half, 3, 2)
        self.conv_exp = unit(half, c)
        self.blocks = nn.Sequential(*(DarkBlock(half) for _ in range(depth)))
        self.conv_transition = unit(c, c)

    def forward(self, x: Tensor) -> Tensor:
        through, past = self.conv_exp(self.conv_down(x)).chunk(2, 1)
        return self.conv_transition(torch.cat((self.blocks(through), past), 1))


class CS3DarkNet(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        self.stem = Stem(cfg.stem)
        stages = []
        c_in = cfg.stem
        for depth, c in zip(cfg.depths, cfg.widths, strict=True):
            stages.append(CrossStage(c_in, c, depth))
            c_in = c
        self.stages = nn.Sequential(*stages)
        self.head = Head(c_in, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stages(self.stem(x)))


SPEC = PreprocessSpec(input_size=(3, 256, 256), crop_pct=0.887)
register("cs3darknet_focus_l", CS3DarkNet, Cfg((3, 6, 9, 3), (128, 256, 512, 1024), 64), paper=PAPER, spec=SPEC)
_test, _tiny = Cfg((1, 2), (16, 32), 8), PreprocessSpec(input_size=(3, 32, 32))
register("cs3darknet_test", CS3DarkNet, _test, paper=PAPER, spec=_tiny, num_classes=10)
