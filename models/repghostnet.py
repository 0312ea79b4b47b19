"""RepGhost: A Hardware-Efficient Ghost Module via Re-parameterization (arXiv:2211.06088).

Parameter names and shapes are timm's, of the network that is trained: its modules have parallel branches, and a `fuse`
that makes one convolution of them. In the names, the width in hundredths.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from .branches import branch, identity, normed, plain, total
from .layers import SqueezeExcite, conv, make_divisible
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:2211.06088"
STEM, HEAD = 16, 1280
# A stage a line of blocks: kernel, middle channels, channels, squeeze-and-excite, stride.
STAGES = (
    ((3, 8, 16, False, 1),),
    ((3, 24, 24, False, 2),),
    ((3, 36, 24, False, 1),),
    ((5, 36, 40, True, 2),),
    ((5, 60, 40, True, 1),),
    ((3, 120, 80, False, 2),),
    (
        (3, 100, 80, False, 1),
        (3, 120, 80, False, 1),
        (3, 120, 80, False, 1),
        (3, 240, 112, True, 1),
        (3, 336, 112, True, 1),
    ),
    ((5, 336, 160, True, 2),),
    ((5, 480, 160, False, 1), (5, 480, 160, True, 1), (5, 480, 160, False, 1), (5, 480, 160, True, 1)),
)


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    width: float  # multiplies channels
    head: int = HEAD
    stages: tuple = STAGES

    def channels(self, count: float) -> int:
        return make_divisible(count * self.width, 4)


class RepGhost(nn.Module):
    """1x1 convolution, then a cheap depthwise one beside a batch norm; (n, c_in, h, w) -> (n, c_out, h, w)."""

    def __init__(self, c_in: int, c_out: int, act: type[nn.Module]) -> None:
        super().__init__()
        self.primary_conv = nn.Sequential(conv(c_in, c_out), nn.BatchNorm2d(c_out), act())
        self.fusion_bn = nn.Sequential(nn.BatchNorm2d(c_out))
        self.cheap_operation = nn.Sequential(conv(c_out, c_out, 3, groups=c_out), nn.BatchNorm2d(c_out))
        self.relu = act()

    def forward(self, x: Tensor) -> Tensor:
        x = self.primary_conv(x)
        return self.relu(self.cheap_operation(x) + self.fusion_bn(x))

    def fuse(self) -> nn.Module:
        """The cheap operation and the batch norm as one depthwise convolution."""
        depthwise, norm, beside = *self.cheap_operation, *self.fusion_bn
        assert isinstance(depthwise, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        assert isinstance(beside, nn.BatchNorm2d)
        of = branch(depthwise, norm)
        return nn.Sequential(self.primary_conv, plain(total(of, normed(identity(of), beside)), depthwise), self.relu)


class Block(nn.Module):
    """Two modules, around a depthwise convolution where the stride is 2, with a shortcut."""

    def __init__(self, c_in: int, mid: int, c_out: int, kernel: int, stride: int, *, excite: bool) -> None:
        super().__init__()
        self.ghost1 = RepGhost(c_in, mid, nn.ReLU)
        self.conv_dw = conv(mid, mid, kernel, stride, groups=mid) if stride > 1 else nn.Identity()
        self.bn_dw = nn.BatchNorm2d(mid) if stride > 1 else nn.Identity()
        self.se = SqueezeExcite(mid, make_divisible(mid / 4, 4)) if excite else nn.Identity()
        self.ghost2 = RepGhost(mid, c_out, nn.Identity)
        self.shortcut = nn.Sequential()
        if stride > 1 or c_in != c_out:
            self.shortcut = nn.Sequential(
                conv(c_in, c_in, kernel, stride, groups=c_in),
                nn.BatchNorm2d(c_in),
                conv(c_in, c_out),
                nn.BatchNorm2d(c_out),
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn_dw(self.conv_dw(self.ghost1(x)))
        return self.ghost2(self.se(y)) + self.shortcut(x)


class LastConv(nn.Module):
    """The 1x1 convolution that ends the trunk; (n, c_in, h, w) -> (n, c_out, h, w)."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv = conv(c_in, c_out)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn1(self.conv(x)))


class RepGhostNet(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        c_in = cfg.channels(STEM)
        self.conv_stem = conv(3, c_in, 3, 2)
        self.bn1 = nn.BatchNorm2d(c_in)
        self.act1 = nn.ReLU()
        stages = []
        for rows in cfg.stages:
            stage = []
            for kernel, mid, c, excite, stride in rows:
                c_out = cfg.channels(c)
                stage.append(Block(c_in, cfg.channels(mid), c_out, kernel, stride, excite=excite))
                c_in = c_out
            stages.append(nn.Sequential(*stage))
        last = cfg.channels(2 * cfg.stages[-1][-1][1])
        self.blocks = nn.Sequential(*stages, nn.Sequential(LastConv(c_in, last)))
        self.conv_head = conv(last, cfg.head, bias=True)
        self.act2 = nn.ReLU()
        self.classifier = nn.Linear(cfg.head, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.act1(self.bn1(self.conv_stem(x))))
        x = self.act2(self.conv_head(x.mean((2, 3), keepdim=True)))
        return self.classifier(x.flatten(1))


VARIANTS = {
    "repghostnet_050": Cfg(0.5),
    "repghostnet_058": Cfg(0.58),
    "repghostnet_080": Cfg(0.8),
    "repghostnet_100": Cfg(1.0),
    "repghostnet_111": Cfg(1.11),
    "repghostnet_130": Cfg(1.3),
    "repghostnet_150": Cfg(1.5),
    "repghostnet_200": Cfg(2.0),
}
for _name, _cfg in VARIANTS.items():
    register(_name, RepGhostNet, _cfg, paper=PAPER)
register(
    "repghostnet_test",
    RepGhostNet,
    Cfg(0.5, head=64, stages=(STAGES[0], STAGES[1], STAGES[3])),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64)),
    num_classes=10,
)
