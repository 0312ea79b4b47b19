"""ResNeSt: Split-Attention Networks (arXiv:2004.08955).

Parameter names and shapes are timm's. The trunk is ResNet's with a deep stem, shortcuts that average before they
project, and a mean of 3x3 neighbourhoods where a block halves the size.
"""

from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from .layers import conv, make_divisible
from .registry import register
from .resnet import Cfg, ResNet, averaging_shortcut
from .spec import PreprocessSpec

PAPER = "arXiv:2004.08955"


@dataclass(frozen=True)
class Split:
    """How a network's channels are split: `4s2x40d` has radix 4, cardinality 2, base width 40."""

    radix: int = 2
    groups: int = 1  # the cardinality
    base_width: int = 64
    fast: bool = False  # a block halves the size before its 3x3 convolution, not after


class SplitAttention(nn.Module):
    """A 3x3 convolution into `radix` splits, weighed against each other and added (fig. 2); (n, c, h, w) -> same."""

    def __init__(self, c: int, groups: int, radix: int) -> None:
        super().__init__()
        self.c, self.groups, self.radix = c, groups, radix
        reduced = max(32, make_divisible(c * radix / 4))
        self.conv = conv(c, c * radix, 3, groups=groups * radix)
        self.bn0 = nn.BatchNorm2d(c * radix)
        self.act = nn.ReLU()
        self.fc1 = conv(c, reduced, groups=groups, bias=True)
        self.bn1 = nn.BatchNorm2d(reduced)
        self.fc2 = conv(reduced, c * radix, groups=groups, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.bn0(self.conv(x)))  # (n, radix * c, h, w)
        mean = add(x.chunk(self.radix, 1)).mean((2, 3), keepdim=True)  # (n, c, 1, 1)
        logits = self.fc2(self.act(self.bn1(self.fc1(mean))))  # (n, radix * c, 1, 1)
        if self.radix == 1:
            return x * logits.sigmoid()
        # (n, groups, radix, c / groups) -> (n, radix, groups, c / groups)
        weights = logits.reshape(-1, self.groups, self.radix, self.c // self.groups).softmax(2).transpose(1, 2)
        return add((x * weights.reshape(logits.shape)).chunk(self.radix, 1))


def add(parts: tuple[Tensor, ...]) -> Tensor:
    """Their sum."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


class SplitBottleneck(nn.Module):
    """1x1, split attention, 1x1 convolutions; (n, c_in, h, w) -> (n, 4 width, h/stride, w/stride)."""

    def __init__(self, c_in: int, width: int, stride: int, *, split: Split) -> None:
        super().__init__()
        self.c_out = 4 * width
        mid = width * split.base_width // 64 * split.groups
        pool = nn.AvgPool2d(3, stride, padding=1) if stride > 1 else nn.Identity()
        self.conv1 = conv(c_in, mid)
        self.bn1 = nn.BatchNorm2d(mid)
        self.avd_first = pool if split.fast else nn.Identity()
        self.conv2 = SplitAttention(mid, split.groups, split.radix)
        self.avd_last = nn.Identity() if split.fast else pool
        self.conv3 = conv(mid, self.c_out)
        self.bn3 = nn.BatchNorm2d(self.c_out)
        self.act = nn.ReLU()
        self.downsample = averaging_shortcut(c_in, self.c_out, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.avd_first(self.act(self.bn1(self.conv1(x))))
        y = self.avd_last(self.conv2(y))
        return self.act(self.bn3(self.conv3(y)) + self.downsample(x))


def cfg(depths: tuple[int, ...], *, stem: int = 32, split: Split | None = None, width: int = 64) -> Cfg:
    return Cfg(depths, partial(SplitBottleneck, split=split or Split()), width=width, deep_stem=(stem, stem, 2 * stem))


def spec(side: int = 224, interpolation: str = "bilinear", crop_pct: float = 0.875) -> PreprocessSpec:
    return PreprocessSpec(input_size=(3, side, side), interpolation=interpolation, crop_pct=crop_pct)


VARIANTS = {
    "resnest14d": (cfg((1, 1, 1, 1)), spec()),
    "resnest26d": (cfg((2, 2, 2, 2)), spec()),
    "resnest50d": (cfg((3, 4, 6, 3)), spec()),
    "resnest101e": (cfg((3, 4, 23, 3), stem=64), spec(256)),
    "resnest200e": (cfg((3, 24, 36, 3), stem=64), spec(320, "bicubic", 0.909)),
    "resnest269e": (cfg((3, 30, 48, 8), stem=64), spec(416, "bicubic", 0.928)),
    "resnest50d_4s2x40d": (cfg((3, 4, 6, 3), split=Split(4, 2, 40, fast=True)), spec(interpolation="bicubic")),
    "resnest50d_1s4x24d": (cfg((3, 4, 6, 3), split=Split(1, 4, 24, fast=True)), spec(interpolation="bicubic")),
}
for _name, (_cfg, _spec) in VARIANTS.items():
    register(_name, ResNet, _cfg, paper=PAPER, spec=_spec)
register(
    "resnest_test",
    ResNet,
    cfg((1, 1), stem=8, split=Split(2, 2, 32), width=16),
    paper=PAPER,
    spec=spec(32),
    num_classes=10,
)
