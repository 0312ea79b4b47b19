"""PVT v2: Improved Baselines with Pyramid Vision Transformer (arXiv:2106.13797).

Parameter names and shapes are timm's; the authors' checkpoints are renamed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from .layers import attend, split_heads
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:2106.13797"
EPS = 1e-6  # of the published weights; PyTorch's default is 1e-5
# Table 1, the same in every variant:
HEADS = (1, 2, 5, 8)
MLP_RATIOS = (8, 8, 4, 4)
REDUCTIONS = (8, 4, 2, 1)  # R_i, side of the patches that become one key and value
POOLED = 7  # side of the keys and values of linear attention, §3.2


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants, of the paper's table 1."""

    widths: tuple[int, ...]  # C_i
    depths: tuple[int, ...]  # L_i
    mlp_ratios: tuple[int, ...] = MLP_RATIOS  # E_i
    linear: bool = False  # linear attention, "Li"


class PatchEmbed(nn.Module):
    """Overlapping patches: a convolution and a norm (§3.1); (n, c_in, h, w) -> (n, h/stride, w/stride, c_out)."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2)
        self.norm = nn.LayerNorm(c_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.proj(x).permute(0, 2, 3, 1))


class Attention(nn.Module):
    """Attention to fewer keys and values: of one a patch, or of 7x7 means where `linear` (§3.2); (n, h, w, c) -> same.

    Linear attention needs h and w to be multiples of 7; ValueError otherwise.
    """

    def __init__(self, width: int, heads: int, reduction: int, linear: bool) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)
        self.linear = linear
        self.reduced = linear or reduction > 1
        if self.reduced:
            side = 1 if linear else reduction
            self.sr = nn.Conv2d(width, width, side, stride=side)
            self.norm = nn.LayerNorm(width)
            self.act = nn.GELU() if linear else nn.Identity()

    def reduce(self, x: Tensor) -> Tensor:
        """(n, h, w, c) -> (n, keys, c)"""
        if not self.reduced:
            return x.flatten(1, 2)
        x = x.permute(0, 3, 1, 2)
        if self.linear:
            h, w = x.shape[2:]
            if h % POOLED or w % POOLED:
                raise ValueError(f"linear PVT v2 needs images whose sides are multiples of 224: a stage has {h}x{w}")
            x = nn.functional.avg_pool2d(x, (h // POOLED, w // POOLED))
        return self.act(self.norm(self.sr(x).flatten(2).transpose(1, 2)))

    def forward(self, x: Tensor) -> Tensor:
        q = split_heads(self.q(x.flatten(1, 2)), self.heads)  # (n, heads, t, c/heads)
        k, v = (split_heads(part, self.heads) for part in self.kv(self.reduce(x)).chunk(2, dim=-1))
        return self.proj(attend(q, k, v)).reshape(x.shape)


class Mlp(nn.Module):
    """Two linears with a depthwise 3x3 convolution between (§3.1); (n, h, w, width) -> same."""

    def __init__(self, width: int, hidden: int, linear: bool) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.relu = nn.ReLU() if linear else nn.Identity()
        self.dwconv = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.fc1(x)).permute(0, 3, 1, 2)
        return self.fc2(self.act(self.dwconv(y).permute(0, 2, 3, 1)))


class Block(nn.Module):
    """Pre-norm attention and MLP; (n, h, w, width) -> same."""

    def __init__(self, width: int, heads: int, reduction: int, mlp_ratio: int, linear: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=EPS)
        self.attn = Attention(width, heads, reduction, linear)
        self.norm2 = nn.LayerNorm(width, eps=EPS)
        self.mlp = Mlp(width, mlp_ratio * width, linear)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Stage(nn.Module):
    """Optional patches, blocks, a norm; (n, h, w, c_in) or, with patches, (n, c_in, h, w) -> (n, width, h', w')."""

    def __init__(self, downsample: nn.Module, blocks: list[Block], width: int) -> None:
        super().__init__()
        self.downsample = downsample
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.LayerNorm(width, eps=EPS)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.blocks(self.downsample(x))).permute(0, 3, 1, 2)


class PVTv2(nn.Module):
    """(n, 3, h, w), h and w multiples of 32 -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(3, cfg.widths[0], 7, 4)
        stages = []
        for i, (width, depth) in enumerate(zip(cfg.widths, cfg.depths, strict=True)):
            downsample = PatchEmbed(cfg.widths[i - 1], width, 3, 2) if i else nn.Identity()
            blocks = [Block(width, HEADS[i], REDUCTIONS[i], cfg.mlp_ratios[i], cfg.linear) for _ in range(depth)]
            stages.append(Stage(downsample, blocks, width))
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(cfg.widths[-1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stages(self.patch_embed(x)).mean((2, 3)))


# The authors' names -> timm's; they count stages from 1.
OFFICIAL = (
    (r"^patch_embed1\.", "patch_embed."),
    *((rf"^patch_embed{i + 1}\.", f"stages.{i}.downsample.") for i in (1, 2, 3)),
    *((rf"^block{i + 1}\.", f"stages.{i}.blocks.") for i in range(4)),
    *((rf"^norm{i + 1}\.", f"stages.{i}.norm.") for i in range(4)),
    (r"\.dwconv\.dwconv\.", ".dwconv."),
)


def rename_official(tensors: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """A checkpoint of the authors under our names; None where it is none."""
    if "patch_embed1.proj.weight" not in tensors or "block1.0.mlp.dwconv.dwconv.weight" not in tensors:
        return None
    out = {}
    for key, tensor in tensors.items():
        for pattern, replacement in OFFICIAL:
            key = re.sub(pattern, replacement, key)
        out[key] = tensor
    return out


FOREIGN = (rename_official,)

WIDE = (64, 128, 320, 512)
VARIANTS = {
    "pvt_v2_b0": Cfg(widths=(32, 64, 160, 256), depths=(2, 2, 2, 2)),
    "pvt_v2_b1": Cfg(widths=WIDE, depths=(2, 2, 2, 2)),
    "pvt_v2_b2": Cfg(widths=WIDE, depths=(3, 4, 6, 3)),
    "pvt_v2_b2_li": Cfg(widths=WIDE, depths=(3, 4, 6, 3), linear=True),
    "pvt_v2_b3": Cfg(widths=WIDE, depths=(3, 4, 18, 3)),
    "pvt_v2_b4": Cfg(widths=WIDE, depths=(3, 8, 27, 3)),
    "pvt_v2_b5": Cfg(widths=WIDE, depths=(3, 6, 40, 3), mlp_ratios=(4, 4, 4, 4)),
}
for _name, _cfg in VARIANTS.items():
    register(_name, PVTv2, _cfg, paper=PAPER, spec=PreprocessSpec(crop_pct=0.9))
register(
    "pvt_v2_test",
    PVTv2,
    Cfg(widths=(8, 16, 40), depths=(1, 1, 1)),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64), crop_pct=0.9),
    num_classes=10,
)
register(
    "pvt_v2_li_test",
    PVTv2,
    Cfg(widths=(8, 16, 40), depths=(1, 1, 1), linear=True),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 112, 112), crop_pct=0.9),
    num_classes=10,
)
