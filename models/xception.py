"""Xception: Deep Learning with Depthwise Separable Convolutions (arXiv:1610.02357).

Parameter names and shapes are timm's `legacy_xception`, which are those of the ported Keras weights.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from .layers import conv
from .registry import register
from .spec import HALF, PreprocessSpec

PAPER = "arXiv:1610.02357"


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    middle: int = 8  # blocks of the middle flow, figure 5
    divisor: int = 1  # of every width


class Separable(nn.Module):
    """A depthwise 3x3, then a 1x1 convolution, nothing between (§3.1); (n, c_in, h, w) -> (n, c_out, h, w)."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv1 = conv(c_in, c_in, 3, groups=c_in)
        self.pointwise = conv(c_in, c_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.conv1(x))


class Block(nn.Module):
    """Separable convolutions to the given widths, halved in size where the last width is new, and a shortcut."""

    def __init__(self, c_in: int, *widths: int, starts_active: bool = True) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        c = c_in
        for width in widths:
            layers += [nn.ReLU(), Separable(c, width), nn.BatchNorm2d(width)]
            c = width
        if not starts_active:
            layers = layers[1:]
        self.projects = c != c_in
        if self.projects:
            layers.append(nn.MaxPool2d(3, stride=2, padding=1))
            self.skip = conv(c_in, c, 1, 2)
            self.skipbn = nn.BatchNorm2d(c)
        self.rep = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.rep(x) + (self.skipbn(self.skip(x)) if self.projects else x)


class Xception(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        d = cfg.divisor
        c1, c2, c3, c4, c = 32 // d, 64 // d, 128 // d, 256 // d, 728 // d
        self.conv1 = conv(3, c1, 3, 2, pad=False)
        self.bn1 = nn.BatchNorm2d(c1)
        self.conv2 = conv(c1, c2, 3, pad=False)
        self.bn2 = nn.BatchNorm2d(c2)
        self.act = nn.ReLU()
        # Figure 5: the entry flow, the middle flow, the exit flow.
        blocks = [Block(c2, c3, c3, starts_active=False), Block(c3, c4, c4), Block(c4, c, c)]
        blocks += [Block(c, c, c, c) for _ in range(cfg.middle)]
        blocks += [Block(c, c, 1024 // d)]
        for i, block in enumerate(blocks, start=1):
            self.add_module(f"block{i}", block)
        self.blocks = len(blocks)
        self.conv3 = Separable(1024 // d, 1536 // d)
        self.bn3 = nn.BatchNorm2d(1536 // d)
        self.conv4 = Separable(1536 // d, 2048 // d)
        self.bn4 = nn.BatchNorm2d(2048 // d)
        self.fc = nn.Linear(2048 // d, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.bn1(self.conv1(x)))
        x = self.act(self.bn2(self.conv2(x)))
        for i in range(1, self.blocks + 1):
            x = self.get_submodule(f"block{i}")(x)
        x = self.act(self.bn3(self.conv3(x)))
        x = self.act(self.bn4(self.conv4(x)))
        return self.fc(x.mean((2, 3)))


SPEC = PreprocessSpec(input_size=(3, 299, 299), mean=HALF, std=HALF, crop_pct=0.8975)
TINY = PreprocessSpec(input_size=(3, 75, 75), mean=HALF, std=HALF)
register("legacy_xception", Xception, Cfg(), paper=PAPER, spec=SPEC)
register("xception_test", Xception, Cfg(middle=1, divisor=16), paper=PAPER, spec=TINY, num_classes=10)
