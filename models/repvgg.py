"""RepVGG: Making VGG-style ConvNets Great Again (arXiv:2101.03697).

Parameter names and shapes are timm's, of the network that is trained; fuse() makes the one that is deployed.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .branches import branch, identity, normed, plain, total
from .layers import ConvNormAct, Head
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:2101.03697"


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants (tables 2 and 3)."""

    depths: tuple[int, int, int, int]  # blocks of the stages after the first, which has one
    widths: tuple[int, int, int, int, int]


class RepVggBlock(nn.Module):
    """3x3 and 1x1 convolutions and, where the shape allows, nothing, side by side (fig. 2).

    (n, c_in, h, w) -> (n, c_out, h/stride, w/stride).
    """

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.identity = nn.BatchNorm2d(c_out) if stride == 1 and c_in == c_out else None
        self.conv_kxk = ConvNormAct(c_in, c_out, 3, stride)
        self.conv_1x1 = ConvNormAct(c_in, c_out, 1, stride)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv_kxk(x) + self.conv_1x1(x)
        return self.act(y if self.identity is None else y + self.identity(x))

    @torch.no_grad()
    def fuse(self) -> nn.Module:
        """One convolution and the activation."""
        branches = [branch(part.conv, part.bn) for part in (self.conv_kxk, self.conv_1x1)]
        if self.identity is not None:
            branches.append(normed(identity(branches[0]), self.identity))
        return nn.Sequential(plain(total(*branches), self.conv_kxk.conv), self.act)


class RepVgg(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        c_in, *widths = cfg.widths
        self.stem = RepVggBlock(3, c_in, 2)
        stages = []
        for c, depth in zip(widths, cfg.depths, strict=True):
            stages.append(nn.Sequential(RepVggBlock(c_in, c, 2), *(RepVggBlock(c, c, 1) for _ in range(depth - 1))))
            c_in = c
        self.stages = nn.Sequential(*stages)
        self.head = Head(c_in, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stages(self.stem(x)))


VARIANTS = {
    "repvgg_a0": Cfg((2, 4, 14, 1), (48, 48, 96, 192, 1280)),
    "repvgg_a1": Cfg((2, 4, 14, 1), (64, 64, 128, 256, 1280)),
    "repvgg_a2": Cfg((2, 4, 14, 1), (64, 96, 192, 384, 1408)),
    "repvgg_b0": Cfg((4, 6, 16, 1), (64, 64, 128, 256, 1280)),
}
SPEC = PreprocessSpec(interpolation="bilinear")
for _name, _cfg in VARIANTS.items():
    register(_name, RepVgg, _cfg, paper=PAPER, spec=SPEC)
register(
    "repvgg_test",
    RepVgg,
    Cfg((1, 2, 2, 1), (8, 8, 16, 24, 48)),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64), interpolation="bilinear"),
    num_classes=10,
)
