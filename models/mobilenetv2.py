"""MobileNetV2: Inverted Residuals and Linear Bottlenecks (arXiv:1801.04381).

Parameter names and shapes are timm's. The variants with a `d` are timm's own: deeper, with the ends of 1.0.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from .layers import DepthwiseSeparable, InvertedResidual, conv, make_divisible
from .registry import register
from .spec import PreprocessSpec
from .torchvision_names import rename_blocks

PAPER = "arXiv:1801.04381"
# Table 2: t (expansion), c (channels), n (blocks), s (stride of the first block).
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
STEM, HEAD = 32, 1280


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    width: float = 1.0  # multiplies channels; the head only grows, §6.1
    depth: float = 1.0  # multiplies blocks, but in the first and the last stage
    fixed_ends: bool = False  # stem and head keep their width


class MobileNetV2(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        c_in = STEM if cfg.fixed_ends else make_divisible(STEM * cfg.width)
        head = HEAD if cfg.fixed_ends else make_divisible(HEAD * max(1.0, cfg.width))
        self.conv_stem = conv(3, c_in, 3, 2)
        self.bn1 = nn.BatchNorm2d(c_in)
        self.act = nn.ReLU6()
        stages = []
        for i, (expand, c, n, stride) in enumerate(STAGES):
            c_out = make_divisible(c * cfg.width)
            blocks = n if i in (0, len(STAGES) - 1) else math.ceil(n * cfg.depth)
            stage: list[nn.Module] = []
            for s in (stride, *[1] * (blocks - 1)):
                if expand == 1:
                    stage.append(DepthwiseSeparable(c_in, c_out, 3, s, act=nn.ReLU6))
                else:
                    stage.append(InvertedResidual(c_in, make_divisible(c_in * expand), c_out, 3, s, act=nn.ReLU6))
                c_in = c_out
            stages.append(nn.Sequential(*stage))
        self.blocks = nn.Sequential(*stages)
        self.conv_head = conv(c_in, head)
        self.bn2 = nn.BatchNorm2d(head)
        self.act2 = nn.ReLU6()
        self.classifier = nn.Linear(head, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.act(self.bn1(self.conv_stem(x))))
        x = self.act2(self.bn2(self.conv_head(x)))
        return self.classifier(x.mean((2, 3)))


def rename_torchvision(tensors: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """The tensors of torchvision's mobilenet_v2 under our names; None for any other file."""
    places = [f"blocks.{s}.{i}" for s, (_, _, n, _) in enumerate(STAGES) for i in range(n)]
    last = len(places) + 1
    layers = {"features.0.0": "conv_stem", "features.0.1": "bn1", "classifier.1": "classifier"}
    layers |= {f"features.{last}.0": "conv_head", f"features.{last}.1": "bn2"}
    return rename_blocks(tensors, {f"features.{n}": ours for n, ours in enumerate(places, 1)}, layers)


FOREIGN = (rename_torchvision,)

VARIANTS = {
    "mobilenetv2_035": Cfg(width=0.35),
    "mobilenetv2_050": Cfg(width=0.5),
    "mobilenetv2_075": Cfg(width=0.75),
    "mobilenetv2_100": Cfg(),
    "mobilenetv2_110d": Cfg(width=1.1, depth=1.2, fixed_ends=True),
    "mobilenetv2_120d": Cfg(width=1.2, depth=1.4, fixed_ends=True),
    "mobilenetv2_140": Cfg(width=1.4),
}
for _name, _cfg in VARIANTS.items():
    register(_name, MobileNetV2, _cfg, paper=PAPER)
register(
    "mobilenetv2_test",
    MobileNetV2,
    Cfg(width=0.1),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64)),
    num_classes=10,
)
