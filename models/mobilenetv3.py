"""Searching for MobileNetV3 (arXiv:1905.02244).

Parameter names and shapes are timm's.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from .layers import DepthwiseSeparable, InvertedResidual, conv, make_divisible
from .registry import PreprocessSpec, register

PAPER = "arXiv:1905.02244"
STEM = 16
RE, HS = nn.ReLU, nn.Hardswish
# Tables 1 and 2, a stage a line of blocks: kernel, expansion size, channels, squeeze-and-excite, activation, stride.
LARGE = (
    ((3, 16, 16, False, RE, 1),),
    ((3, 64, 24, False, RE, 2), (3, 72, 24, False, RE, 1)),
    ((5, 72, 40, True, RE, 2), (5, 120, 40, True, RE, 1), (5, 120, 40, True, RE, 1)),
    ((3, 240, 80, False, HS, 2), (3, 200, 80, False, HS, 1), (3, 184, 80, False, HS, 1), (3, 184, 80, False, HS, 1)),
    ((3, 480, 112, True, HS, 1), (3, 672, 112, True, HS, 1)),
    ((5, 672, 160, True, HS, 2), (5, 960, 160, True, HS, 1), (5, 960, 160, True, HS, 1)),
)
SMALL = (
    ((3, 16, 16, True, RE, 2),),
    ((3, 72, 24, False, RE, 2), (3, 88, 24, False, RE, 1)),
    ((5, 96, 40, True, HS, 2), (5, 240, 40, True, HS, 1), (5, 240, 40, True, HS, 1)),
    ((5, 120, 48, True, HS, 1), (5, 144, 48, True, HS, 1)),
    ((5, 288, 96, True, HS, 2), (5, 576, 96, True, HS, 1), (5, 576, 96, True, HS, 1)),
)


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    stages: tuple = LARGE
    last: int = 960  # channels of the 1x1 convolution before the mean
    head: int = 1280  # channels of the one after it; not multiplied by width
    width: float = 1.0
    fixed_stem: bool = False  # the stem keeps its width


class LastConv(nn.Module):
    """The 1x1 convolution that ends the trunk; (n, c_in, h, w) -> (n, c_out, h, w)."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv = conv(c_in, c_out)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.act = nn.Hardswish()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn1(self.conv(x)))


class MobileNetV3(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        c_in = STEM if cfg.fixed_stem else make_divisible(STEM * cfg.width)
        self.conv_stem = conv(3, c_in, 3, 2)
        self.bn1 = nn.BatchNorm2d(c_in)
        self.act1 = nn.Hardswish()
        stages = []
        base = STEM  # c_in at width 1: the table's expansion sizes are relative to it
        for rows in cfg.stages:
            stage: list[nn.Module] = []
            for kernel, expand, c, excite, act, stride in rows:
                c_out, mid = make_divisible(c * cfg.width), make_divisible(c_in * expand / base)
                reduced = make_divisible(mid / 4) if excite else 0  # §5.3: a quarter of the expansion
                if expand == base:
                    stage.append(DepthwiseSeparable(c_in, c_out, kernel, stride, act=act, reduced=reduced))
                else:
                    stage.append(InvertedResidual(c_in, mid, c_out, kernel, stride, act=act, reduced=reduced))
                c_in, base = c_out, c
            stages.append(nn.Sequential(*stage))
        last = make_divisible(cfg.last * cfg.width)
        stages.append(nn.Sequential(LastConv(c_in, last)))
        self.blocks = nn.Sequential(*stages)
        self.conv_head = conv(last, cfg.head, bias=True)
        self.act2 = nn.Hardswish()
        self.classifier = nn.Linear(cfg.head, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.act1(self.bn1(self.conv_stem(x))))
        x = self.act2(self.conv_head(x.mean((2, 3), keepdim=True)))
        return self.classifier(x.flatten(1))


VARIANTS = {
    "mobilenetv3_large_075": Cfg(width=0.75),
    "mobilenetv3_large_100": Cfg(),
    "mobilenetv3_small_050": Cfg(SMALL, last=576, head=1024, width=0.5, fixed_stem=True),
    "mobilenetv3_small_075": Cfg(SMALL, last=576, head=1024, width=0.75),
    "mobilenetv3_small_100": Cfg(SMALL, last=576, head=1024),
}
# timm's untrained 0.75 large is the one with bilinear resizing.
SPECS = {"mobilenetv3_large_075": PreprocessSpec(interpolation="bilinear")}
for _name, _cfg in VARIANTS.items():
    register(_name, MobileNetV3, _cfg, paper=PAPER, spec=SPECS.get(_name))
register(
    "mobilenetv3_test",
    MobileNetV3,
    Cfg(SMALL, last=144, head=64, width=0.25, fixed_stem=True),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64)),
    num_classes=10,
)
