"""MobileOne: An Improved One millisecond Mobile Backbone (arXiv:2206.04040).

Parameter names and shapes are timm's, of the network that is trained; fuse() makes the one that is deployed.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .branches import branch, identity, normed, plain, total
from .layers import ConvNormAct, Head, SigmoidExcite, make_divisible
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:2206.04040"
DEPTHS = (2, 8, 10, 1)  # table 2, where stages 4 and 5 are one here


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants (table 3)."""

    stem: int
    widths: tuple[int, int, int, int]
    branches: int = 1  # k, equal convolutions side by side, but in the stem
    excite: tuple[int, int, int, int] = (0, 0, 0, 0)  # the last pairs of the stages with squeeze-and-excite
    depths: tuple[int, int, int, int] = DEPTHS


class MobileOneBlock(nn.Module):
    """`branches` convolutions, a 1x1 one and, where the shape allows, nothing, side by side (fig. 3).

    (n, c_in, h, w) -> (n, c_out, h/stride, w/stride).
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int,
        stride: int = 1,
        *,
        branches: int,
        groups: int = 1,
        excite: bool = False,
    ) -> None:
        super().__init__()
        self.identity = nn.BatchNorm2d(c_out) if stride == 1 and c_in == c_out else None
        self.conv_kxk = nn.ModuleList(ConvNormAct(c_in, c_out, kernel, stride, groups=groups) for _ in range(branches))
        self.conv_scale = ConvNormAct(c_in, c_out, 1, stride, groups=groups) if kernel > 1 else None
        self.attn = SigmoidExcite(c_out, make_divisible(c_out / 16)) if excite else nn.Identity()
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        parts = [*self.conv_kxk, self.conv_scale, self.identity]
        first, *others = (part(x) for part in parts if part is not None)
        return self.act(self.attn(sum(others, start=first)))

    @torch.no_grad()
    def fuse(self) -> nn.Module:
        """One convolution, squeeze-and-excite and the activation."""
        parts = [part for part in (*self.conv_kxk, self.conv_scale) if isinstance(part, ConvNormAct)]
        branches = [branch(part.conv, part.bn) for part in parts]
        if self.identity is not None:
            branches.append(normed(identity(branches[0]), self.identity))
        return nn.Sequential(plain(total(*branches), parts[0].conv), self.attn, self.act)


class MobileOne(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        k = cfg.branches
        c_in = cfg.stem
        self.stem = MobileOneBlock(3, c_in, 3, 2, branches=1)
        stages = []
        for c, depth, excite in zip(cfg.widths, cfg.depths, cfg.excite, strict=True):
            blocks = []
            for i in range(depth):
                last = i >= depth - excite
                stride = 1 if i else 2
                blocks.append(MobileOneBlock(c_in, c_in, 3, stride, branches=k, groups=c_in, excite=last))
                blocks.append(MobileOneBlock(c_in, c, 1, branches=k, excite=last))
                c_in = c
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.head = Head(c_in, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stages(self.stem(x)))


VARIANTS = {
    "mobileone_s0": Cfg(48, (48, 128, 256, 1024), branches=4),
    "mobileone_s1": Cfg(64, (96, 192, 512, 1280)),
    "mobileone_s2": Cfg(64, (96, 256, 640, 2048)),
    "mobileone_s3": Cfg(64, (128, 320, 768, 2048)),
    "mobileone_s4": Cfg(64, (192, 448, 896, 2048), excite=(0, 0, 5, 1)),
}
for _name, _cfg in VARIANTS.items():
    _crop = 0.875 if _name == "mobileone_s0" else 0.9
    register(_name, MobileOne, _cfg, paper=PAPER, spec=PreprocessSpec(interpolation="bilinear", crop_pct=_crop))
register(
    "mobileone_test",
    MobileOne,
    Cfg(16, (16, 24, 32, 64), 2, (0, 0, 1, 1), (1, 2, 2, 1)),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64), interpolation="bilinear"),
    num_classes=10,
)
