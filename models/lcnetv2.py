"""PP-LCNetV2, PP-LCNet (arXiv:2109.15099) with branches, split 1x1 convolutions and residuals.

Parameter names and shapes are timm's, of the network that is trained; fuse() makes the one that is deployed.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .branches import added, branch, plain, total
from .layers import ConvNormAct, SigmoidExcite, make_divisible
from .registry import register
from .spec import PreprocessSpec

PAPER = "https://github.com/PaddlePaddle/PaddleClas/blob/release/2.5/docs/en/models/PP-LCNetV2_en.md"
STEM, HEAD = 32, 1280


@dataclass(frozen=True)
class Block:
    """A depthwise and a 1x1 convolution.

    branched: the depthwise one has smaller ones beside it; excite: squeeze-and-excite between the two; split: the 1x1
    one goes through half of its channels; residual: where the shape allows.
    """

    channels: int
    kernel: int = 3
    branched: bool = False
    excite: bool = False
    split: bool = False
    residual: bool = False


FIRST = Block(64)
STAGES = (Block(128), Block(256), Block(512, 5, True, True, True), Block(1024, 5, True, residual=True))


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    width: float  # multiplies channels
    depths: tuple[int, ...]
    head: int = HEAD


class Parallel(nn.ModuleList):
    """Depthwise convolutions side by side, each with its batch norm, the first the largest.

    (n, channels, h, w) -> (n, channels, h/stride, w/stride). There is no 1x1 one where the stride is 2.
    """

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        kernels = range(kernel, 1 if stride > 1 else 0, -2)
        super().__init__(ConvNormAct(channels, channels, k, stride, groups=channels) for k in kernels)

    def forward(self, x: Tensor) -> Tensor:
        return added(x, *self)

    @torch.no_grad()
    def fuse(self) -> nn.Module:
        """One convolution."""
        parts = [each for each in self if isinstance(each, ConvNormAct)]
        return plain(total(*(branch(part.conv, part.bn) for part in parts)), parts[0].conv)


class Separable(nn.Module):
    """(n, c_in, h, w) -> (n, c_out, h/stride, w/stride)."""

    def __init__(self, block: Block, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        if block.branched:
            self.dw_conv_list = Parallel(c_in, block.kernel, stride)
            self.dw_act = nn.ReLU()
        else:
            self.dw_conv = ConvNormAct(c_in, c_in, block.kernel, stride, groups=c_in, act=nn.ReLU)
        self.se = SigmoidExcite(c_in, c_in // 4) if block.excite else nn.Identity()
        if block.split:
            mid = c_out // 2
            self.pw_conv = nn.Sequential(ConvNormAct(c_in, mid, act=nn.ReLU), ConvNormAct(mid, c_out, act=nn.ReLU))
        else:
            self.pw_conv = ConvNormAct(c_in, c_out, act=nn.ReLU)
        self.branched = block.branched
        self.residual = block.residual and stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        y = self.dw_act(self.dw_conv_list(x)) if self.branched else self.dw_conv(x)
        y = self.pw_conv(self.se(y))
        return x + y if self.residual else y


class LCNetV2(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        stem, c_in = make_divisible(STEM * cfg.width), make_divisible(FIRST.channels * cfg.width)
        self.stem = nn.Sequential(ConvNormAct(3, stem, 3, 2, act=nn.ReLU), Separable(FIRST, stem, c_in, 1))
        stages = []
        for block, depth in zip(STAGES, cfg.depths, strict=True):
            c_out = make_divisible(block.channels * cfg.width)
            stage = []
            for stride in (2, *[1] * (depth - 1)):
                stage.append(Separable(block, c_in, c_out, stride))
                c_in = c_out
            stages.append(nn.Sequential(*stage))
        self.stages = nn.Sequential(*stages)
        self.conv_head = nn.Conv2d(c_in, cfg.head, 1, bias=False)
        self.act2 = nn.ReLU()
        self.classifier = nn.Linear(cfg.head, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stages(self.stem(x))
        x = self.act2(self.conv_head(x.mean((2, 3), keepdim=True)))
        return self.classifier(x.flatten(1))


VARIANTS = {
    "lcnetv2_small": Cfg(0.75, (2, 2, 4, 2)),
    "lcnetv2_base": Cfg(1.0, (2, 2, 6, 2)),
    "lcnetv2_large": Cfg(1.25, (2, 2, 8, 2)),
}
for _name, _cfg in VARIANTS.items():
    register(_name, LCNetV2, _cfg, paper=PAPER)
register(
    "lcnetv2_test",
    LCNetV2,
    Cfg(0.1, (1, 1, 2, 2), 64),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64)),
    num_classes=10,
)
