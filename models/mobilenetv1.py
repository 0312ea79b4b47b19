"""MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications (arXiv:1704.04861).

Parameter names and shapes are timm's.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from .layers import DepthwiseSeparable, conv, make_divisible
from .registry import register
from .spec import HALF, PreprocessSpec

PAPER = "arXiv:1704.04861"
STEM = 32
# Table 1, a stage a line: channels, blocks, stride of the first block.
STAGES = ((64, 1, 1), (128, 2, 2), (256, 2, 2), (512, 6, 2), (1024, 2, 2))


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    width: float = 1.0  # §3.3


class MobileNetV1(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        c_in = make_divisible(STEM * cfg.width)
        self.conv_stem = conv(3, c_in, 3, 2)
        self.bn1 = nn.BatchNorm2d(c_in)
        self.act = nn.ReLU6()
        stages = []
        for channels, blocks, stride in STAGES:
            c_out = make_divisible(channels * cfg.width)
            stage: list[nn.Module] = []
            for s in (stride, *[1] * (blocks - 1)):
                stage.append(DepthwiseSeparable(c_in, c_out, 3, s, act=nn.ReLU6, last_act=nn.ReLU6, skip=False))
                c_in = c_out
            stages.append(nn.Sequential(*stage))
        self.blocks = nn.Sequential(*stages)
        self.classifier = nn.Linear(c_in, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.act(self.bn1(self.conv_stem(x))))
        return self.classifier(x.mean((2, 3)))


register("mobilenetv1_100", MobileNetV1, Cfg(), paper=PAPER, spec=PreprocessSpec(mean=HALF, std=HALF))
register(
    "mobilenetv1_test",
    MobileNetV1,
    Cfg(width=0.1),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64)),
    num_classes=10,
)
