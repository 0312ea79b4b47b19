"""Rethinking Channel Dimensions for Efficient Model Design (arXiv:2007.00992): ReXNet.

Parameter names and shapes are timm's. In the names, the width in hundredths.
"""

from dataclasses import dataclass

from torch import Tensor, cat, nn

from .layers import ConvNormAct, Head, conv
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:2007.00992"
STEM, LAST = 32, 1280
FIRST, GROWTH = 16, 180  # channels of the first block, and what is added to them, block by block, until the last
STAGES = ((1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (5, 2))  # blocks, stride of the first
EXPAND = 6  # but in the first block
PLAIN = 2  # stages without squeeze-and-excite
SQUEEZE = 12  # reduction of the squeeze-and-excite


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    width: float = 1.0  # multiplies channels
    stages: tuple[tuple[int, int], ...] = STAGES
    last: int = LAST


class NormedExcite(nn.Module):
    """A squeeze-and-excite with a batch norm between its layers; (n, c, h, w) -> same."""

    def __init__(self, channels: int, reduced: int) -> None:
        super().__init__()
        self.fc1 = conv(channels, reduced, bias=True)
        self.bn = nn.BatchNorm2d(reduced)
        self.act = nn.ReLU()
        self.fc2 = conv(reduced, channels, bias=True)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((2, 3), keepdim=True)  # (n, c, 1, 1)
        return x * self.gate(self.fc2(self.act(self.bn(self.fc1(mean)))))


class Block(nn.Module):
    """An inverted residual whose input is added to the first channels of its output.

    (n, c_in, h, w) -> (n, c_out, h/stride, w/stride)
    """

    def __init__(self, c_in: int, c_out: int, expand: int, stride: int, *, excite: bool) -> None:
        super().__init__()
        mid = c_in * expand
        self.conv_exp = ConvNormAct(c_in, mid, act=nn.SiLU) if expand > 1 else nn.Identity()
        self.conv_dw = ConvNormAct(mid, mid, 3, stride, groups=mid)
        self.se = NormedExcite(mid, mid // SQUEEZE) if excite else nn.Identity()
        self.act_dw = nn.ReLU6()
        self.conv_pwl = ConvNormAct(mid, c_out)
        self.residual = stride == 1 and c_in <= c_out

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv_pwl(self.act_dw(self.se(self.conv_dw(self.conv_exp(x)))))
        if not self.residual:
            return y
        c_in = x.shape[1]
        return x + y if c_in == y.shape[1] else cat((x + y[:, :c_in], y[:, c_in:]), dim=1)


class ReXNet(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        c_in = round(STEM * cfg.width)
        self.stem = ConvNormAct(3, c_in, 3, 2, act=nn.SiLU)
        count = sum(depth for depth, _ in cfg.stages)
        rows = [(i, stride if j == 0 else 1) for i, (depth, stride) in enumerate(cfg.stages) for j in range(depth)]
        blocks: list[nn.Module] = []
        base = float(FIRST)
        for stage, stride in rows:
            c_out = round(base * cfg.width)
            blocks.append(Block(c_in, c_out, EXPAND if stage else 1, stride, excite=stage >= PLAIN))
            base += GROWTH / count
            c_in = c_out
        last = int(cfg.last * cfg.width)
        self.features = nn.Sequential(*blocks, ConvNormAct(c_in, last, act=nn.SiLU))
        self.head = Head(last, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(self.stem(x)))


VARIANTS = {"rexnet_100": Cfg(), "rexnet_130": Cfg(1.3), "rexnet_150": Cfg(1.5)}
for _name, _cfg in VARIANTS.items():
    register(_name, ReXNet, _cfg, paper=PAPER)
register(
    "rexnet_test",
    ReXNet,
    Cfg(0.25, stages=((1, 1), (2, 2), (2, 2)), last=128),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64)),
    num_classes=10,
)
