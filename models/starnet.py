"""StarNet: Rewrite the Stars (arXiv:2403.19967).

Parameter names and shapes are timm's.
"""

from collections import OrderedDict
from dataclasses import dataclass

from torch import Tensor, nn

from .layers import conv
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:2403.19967"
STEM = 32
KERNEL = 7  # of the depthwise convolutions


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    width: int  # of the first stage; doubles with each
    depths: tuple[int, int, int, int]
    expand: int = 4


def conv_norm(c_in: int, c_out: int, kernel: int = 1, stride: int = 1, *, groups: int = 1) -> nn.Sequential:
    """Convolution with a bias, and batch norm."""
    of = conv(c_in, c_out, kernel, stride, groups=groups, bias=True)
    return nn.Sequential(OrderedDict(conv=of, bn=nn.BatchNorm2d(c_out)))


def conv_only(c_in: int, c_out: int, kernel: int = 1, *, groups: int = 1) -> nn.Sequential:
    """Convolution with a bias, under the name that it has before a norm."""
    return nn.Sequential(OrderedDict(conv=conv(c_in, c_out, kernel, groups=groups, bias=True)))


class Block(nn.Module):
    """Two expansions, multiplied: the star operation (§3.1); (n, c, h, w) -> same."""

    def __init__(self, channels: int, expand: int) -> None:
        super().__init__()
        wide = expand * channels
        self.dwconv = conv_norm(channels, channels, KERNEL, groups=channels)
        self.f1 = conv_only(channels, wide)
        self.f2 = conv_only(channels, wide)
        self.act = nn.ReLU6()
        self.g = conv_norm(wide, channels)
        self.dwconv2 = conv_only(channels, channels, KERNEL, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.dwconv(x)
        y = self.act(self.f1(y)) * self.f2(y)
        return x + self.dwconv2(self.g(y))


class StarNet(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv_norm(3, STEM, 3, 2), nn.ReLU6())
        stages = []
        c_in, c = STEM, cfg.width
        for depth in cfg.depths:
            stages.append(nn.Sequential(conv_norm(c_in, c, 3, 2), *(Block(c, cfg.expand) for _ in range(depth))))
            c_in, c = c, 2 * c
        self.stages = nn.Sequential(*stages)
        self.norm = nn.BatchNorm2d(c_in)
        self.head = nn.Linear(c_in, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.stages(self.stem(x)))
        return self.head(x.mean((2, 3)))


VARIANTS = {
    "starnet_s1": Cfg(24, (2, 2, 8, 3)),
    "starnet_s2": Cfg(32, (1, 2, 6, 2)),
    "starnet_s3": Cfg(32, (2, 2, 8, 4)),
    "starnet_s4": Cfg(32, (3, 3, 12, 5)),
    # Smaller ones of the authors' code.
    "starnet_s050": Cfg(16, (1, 1, 3, 1), expand=3),
    "starnet_s100": Cfg(20, (1, 2, 4, 1)),
    "starnet_s150": Cfg(24, (1, 2, 4, 2), expand=3),
}
for _name, _cfg in VARIANTS.items():
    register(_name, StarNet, _cfg, paper=PAPER)
register(
    "starnet_test",
    StarNet,
    Cfg(8, (1, 1, 1, 1), expand=2),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64)),
    num_classes=10,
)
