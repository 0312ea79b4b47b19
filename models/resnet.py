"""ResNet: Deep Residual Learning for Image Recognition (arXiv:1512.03385).

Parameter names and shapes are timm's, which are torchvision's. The stride of a bottleneck is in its 3x3 convolution
("v1.5"), as in both; the paper has it in the first 1x1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from .layers import conv
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:1512.03385"


def shortcut(c_in: int, c_out: int, stride: int) -> nn.Module:
    """The identity where the shape stays, else a 1x1 projection (§3.3, option B)."""
    if stride == 1 and c_in == c_out:
        return nn.Identity()
    return nn.Sequential(conv(c_in, c_out, 1, stride), nn.BatchNorm2d(c_out))


def averaging_shortcut(c_in: int, c_out: int, stride: int) -> nn.Module:
    """The identity where the shape stays, else a 2x2 mean and a 1x1 projection (arXiv:1812.01187 fig. 2c)."""
    if stride == 1 and c_in == c_out:
        return nn.Identity()
    pool = nn.AvgPool2d(2, stride, ceil_mode=True, count_include_pad=False) if stride > 1 else nn.Identity()
    return nn.Sequential(pool, conv(c_in, c_out), nn.BatchNorm2d(c_out))


class Basic(nn.Module):
    """Two 3x3 convolutions (fig. 5 left); (n, c_in, h, w) -> (n, width, h/stride, w/stride).

    `attention` makes of a channel count what the last convolution's output goes through before the addition, `shortcut`
    of (c_in, width, stride) what is added.
    """

    def __init__(
        self,
        c_in: int,
        width: int,
        stride: int,
        *,
        attention: Callable[[int], nn.Module] | None = None,
        shortcut: Callable[[int, int, int], nn.Module] = shortcut,
    ) -> None:
        super().__init__()
        self.c_out = width
        self.conv1 = conv(c_in, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.se = attention(width) if attention else nn.Identity()
        self.act = nn.ReLU()
        self.downsample = shortcut(c_in, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.bn1(self.conv1(x)))
        y = self.se(self.bn2(self.conv2(y)))
        return self.act(y + self.downsample(x))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions (fig. 5 right); (n, c_in, h, w) -> (n, 4 width, h/stride, w/stride).

    The 3x3 one has `groups` groups of `width * base_width / 64` channels (arXiv:1611.05431 fig. 3c; with one group of
    base_width 128, arXiv:1605.07146's widening by 2). `attention` is Basic's.
    """

    def __init__(
        self,
        c_in: int,
        width: int,
        stride: int,
        *,
        groups: int = 1,
        base_width: int = 64,
        attention: Callable[[int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.c_out = 4 * width
        mid = width * base_width // 64 * groups
        self.conv1 = conv(c_in, mid)
        self.bn1 = nn.BatchNorm2d(mid)
        self.conv2 = conv(mid, mid, 3, stride, groups=groups)
        self.bn2 = nn.BatchNorm2d(mid)
        self.conv3 = conv(mid, self.c_out)
        self.bn3 = nn.BatchNorm2d(self.c_out)
        self.se = attention(self.c_out) if attention else nn.Identity()
        self.act = nn.ReLU()
        self.downsample = shortcut(c_in, self.c_out, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.bn1(self.conv1(x)))
        y = self.act(self.bn2(self.conv2(y)))
        y = self.se(self.bn3(self.conv3(y)))
        return self.act(y + self.downsample(x))


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants, of the paper's table 1, and between the families with this trunk.

    block makes of (c_in, width, stride) a module that says its `c_out`.
    """

    depths: tuple[int, ...]
    block: Callable[[int, int, int], nn.Module] = Bottleneck
    width: int = 64
    deep_stem: tuple[int, ...] = ()  # three 3x3 convolutions, of these channels, for the 7x7 one


def deep_stem(a: int, b: int, c: int) -> nn.Sequential:
    """Three 3x3 convolutions, the first with stride 2 (arXiv:1812.01187 fig. 2b); (n, 3, h, w) -> (n, c, h/2, w/2)."""
    return nn.Sequential(
        conv(3, a, 3, 2),
        nn.BatchNorm2d(a),
        nn.ReLU(),
        conv(a, b, 3),
        nn.BatchNorm2d(b),
        nn.ReLU(),
        conv(b, c, 3),
    )


class ResNet(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        c_in = cfg.deep_stem[-1] if cfg.deep_stem else cfg.width
        self.conv1 = deep_stem(*cfg.deep_stem) if cfg.deep_stem else conv(3, c_in, 7, 2)
        self.bn1 = nn.BatchNorm2d(c_in)
        self.act1 = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        for i, depth in enumerate(cfg.depths):
            width = cfg.width * 2**i
            layer = []
            for stride in (1 if i == 0 else 2, *[1] * (depth - 1)):
                layer.append(cfg.block(c_in, width, stride))
                c_in = layer[-1].c_out
            self.add_module(f"layer{i + 1}", nn.Sequential(*layer))
        self.layers = len(cfg.depths)
        self.fc = nn.Linear(c_in, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.act1(self.bn1(self.conv1(x))))
        for i in range(self.layers):
            x = self.get_submodule(f"layer{i + 1}")(x)
        return self.fc(x.mean((2, 3)))


VARIANTS = {
    "resnet18": Cfg((2, 2, 2, 2), Basic),
    "resnet34": Cfg((3, 4, 6, 3), Basic),
    "resnet50": Cfg((3, 4, 6, 3)),
    "resnet101": Cfg((3, 4, 23, 3)),
    "resnet152": Cfg((3, 8, 36, 3)),
}
for _name, _cfg in VARIANTS.items():
    register(_name, ResNet, _cfg, paper=PAPER, spec=PreprocessSpec(crop_pct=0.95))
# timm's.
register(
    "resnet10t",
    ResNet,
    Cfg((1, 1, 1, 1), partial(Basic, shortcut=averaging_shortcut), deep_stem=(24, 32, 64)),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 176, 176)),
)
register(
    "resnet_test",
    ResNet,
    Cfg((1, 2), width=8),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 32, 32), crop_pct=0.95),
    num_classes=10,
)
