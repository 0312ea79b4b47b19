"""Neural Architecture Design for GPU-Efficient Networks (arXiv:2006.14090): GENet.

Parameter names and shapes are timm's, who calls it gernet.
"""

from dataclasses import dataclass
from fractions import Fraction

from torch import Tensor, nn

from .layers import ConvNormAct, Head
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:2006.14090"


@dataclass(frozen=True)
class Stage:
    """`blocks` of one kind, the first with `stride`.

    middle: channels between the 1x1 convolutions, of those of the output; None for two full convolutions. More than one
    is an inverted bottleneck, whose 3x3 convolution is depthwise.
    """

    channels: int
    blocks: int
    stride: int = 2
    middle: Fraction | None = None


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    stem: int
    stages: tuple[Stage, ...]
    last: int  # channels of the 1x1 convolution at the end


class Basic(nn.Module):
    """Two 3x3 convolutions with a residual (the paper's XX-Block); (n, c_in, h, w) -> (n, c_out, h', w')."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.shortcut = shortcut(c_in, c_out, stride)
        self.conv1_kxk = ConvNormAct(c_in, c_out, 3, stride, act=nn.ReLU)
        self.conv2_kxk = ConvNormAct(c_out, c_out, 3)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.conv2_kxk(self.conv1_kxk(x)) + self.shortcut(x))


class Bottleneck(nn.Module):
    """A 3x3 convolution between 1x1 ones, with a residual (BL- and DW-Block); (n, c_in, h, w) -> (n, c_out, h', w')."""

    def __init__(self, c_in: int, c_out: int, stride: int, middle: Fraction) -> None:
        super().__init__()
        mid = int(c_out * middle)
        self.shortcut = shortcut(c_in, c_out, stride)
        self.conv1_1x1 = ConvNormAct(c_in, mid, act=nn.ReLU)
        self.conv2_kxk = ConvNormAct(mid, mid, 3, stride, groups=mid if middle > 1 else 1, act=nn.ReLU)
        self.conv3_1x1 = ConvNormAct(mid, c_out)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.conv3_1x1(self.conv2_kxk(self.conv1_1x1(x))) + self.shortcut(x))


def shortcut(c_in: int, c_out: int, stride: int) -> nn.Module:
    """A 1x1 convolution where the shape changes."""
    return nn.Identity() if stride == 1 and c_in == c_out else ConvNormAct(c_in, c_out, 1, stride)


class GENet(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        self.stem = ConvNormAct(3, cfg.stem, 3, 2, act=nn.ReLU)
        c_in, stages = cfg.stem, []
        for stage in cfg.stages:
            blocks: list[nn.Module] = []
            for stride in (stage.stride, *[1] * (stage.blocks - 1)):
                if stage.middle is None:
                    blocks.append(Basic(c_in, stage.channels, stride))
                else:
                    blocks.append(Bottleneck(c_in, stage.channels, stride, stage.middle))
                c_in = stage.channels
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.final_conv = ConvNormAct(c_in, cfg.last, act=nn.ReLU)
        self.head = Head(cfg.last, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.final_conv(self.stages(self.stem(x))))


QUARTER, THREE = Fraction(1, 4), Fraction(3)
VARIANTS = {
    "gernet_s": Cfg(
        13,
        (
            Stage(48, 1),
            Stage(48, 3),
            Stage(384, 7, middle=QUARTER),
            Stage(560, 2, middle=THREE),
            Stage(256, 1, stride=1, middle=THREE),
        ),
        1920,
    ),
}
for _name, _cfg in VARIANTS.items():
    register(_name, GENet, _cfg, paper=PAPER, spec=PreprocessSpec(interpolation="bilinear"))
register(
    "genet_test",
    GENet,
    Cfg(8, (Stage(16, 1), Stage(32, 2, middle=QUARTER), Stage(24, 1, stride=1, middle=THREE)), 64),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64), interpolation="bilinear"),
    num_classes=10,
)
