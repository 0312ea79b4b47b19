"""BEiT v2: Masked Image Modeling with Vector-Quantized Visual Tokenizers (arXiv:2208.06366).

Parameter names and shapes are timm's. The images are of one size: each layer's bias table has an entry for each offset.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, cat, nn, ones, zeros
from torch.nn import functional as F

from .layers import Mlp, attend, split_heads
from .registry import register
from .spec import PreprocessSpec
from .vit import PatchEmbed
from .windows import relative_index

PAPER = "arXiv:2208.06366"
EPS = 1e-6  # of the published weights; PyTorch's default is 1e-5


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    width: int = 768
    heads: int = 12
    depth: int = 12
    patch: int = 16
    image: int = 224  # height and width


def index_with_class(side: int) -> Tensor:
    """relative_index, with a class token in front; int64 (1 + side * side, 1 + side * side).

    The last three rows of the table are those of the class token to a patch, of a patch to it, and of it to itself.
    """
    offsets = (2 * side - 1) ** 2
    first_row = cat((torch.tensor([offsets + 2]), torch.full((side * side,), offsets)))
    first_column = torch.full((side * side, 1), offsets + 1)
    return cat((first_row[None], cat((first_column, relative_index(side, side)), dim=1)))


class Attention(nn.Module):
    """Attention with a learnt bias for each relative position, without a bias of the keys; (n, t, width) -> same."""

    index: Tensor

    def __init__(self, width: int, heads: int, side: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_bias = nn.Parameter(zeros(width))
        self.v_bias = nn.Parameter(zeros(width))
        self.relative_position_bias_table = nn.Parameter(zeros((2 * side - 1) ** 2 + 3, heads))
        self.proj = nn.Linear(width, width)
        self.register_buffer("index", index_with_class(side), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        qkv = F.linear(x, self.qkv.weight, cat((self.q_bias, torch.zeros_like(self.q_bias), self.v_bias)))
        q, k, v = (split_heads(part, self.heads) for part in qkv.chunk(3, dim=-1))
        bias = self.relative_position_bias_table[self.index].permute(2, 0, 1)  # (heads, t, t)
        return self.proj(attend(q, k, v, bias))


class Block(nn.Module):
    """Pre-norm attention and MLP, their outputs scaled a channel; (n, t, width) -> same."""

    def __init__(self, width: int, heads: int, side: int) -> None:
        super().__init__()
        self.gamma_1 = nn.Parameter(ones(width))
        self.gamma_2 = nn.Parameter(ones(width))
        self.norm1 = nn.LayerNorm(width, eps=EPS)
        self.attn = Attention(width, heads, side)
        self.norm2 = nn.LayerNorm(width, eps=EPS)
        self.mlp = Mlp(width, 4 * width, nn.GELU)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.gamma_1 * self.attn(self.norm1(x))
        return x + self.gamma_2 * self.mlp(self.norm2(x))


class BEiT(nn.Module):
    """(n, 3, image, image) -> logits (n, num_classes), from the mean of the patches. ValueError for another size."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        self.image = cfg.image
        self.cls_token = nn.Parameter(zeros(1, 1, cfg.width))
        self.patch_embed = PatchEmbed(cfg.width, cfg.patch)
        side = cfg.image // cfg.patch
        self.blocks = nn.Sequential(*(Block(cfg.width, cfg.heads, side) for _ in range(cfg.depth)))
        self.fc_norm = nn.LayerNorm(cfg.width, eps=EPS)
        self.head = nn.Linear(cfg.width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:] != (self.image, self.image):
            raise ValueError(f"this BEiT takes images of {self.image}x{self.image}, not {x.shape[2]}x{x.shape[3]}")
        x = self.blocks(cat((self.cls_token.expand(x.shape[0], -1, -1), self.patch_embed(x)), dim=1))
        return self.head(self.fc_norm(x[:, 1:].mean(1)))


VARIANTS = {"beitv2_base_patch16_224": Cfg()}
for _name, _cfg in VARIANTS.items():
    register(_name, BEiT, _cfg, paper=PAPER, spec=PreprocessSpec(crop_pct=0.9))
register(
    "beitv2_test",
    BEiT,
    Cfg(width=32, heads=2, depth=2, patch=8, image=32),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 32, 32), crop_pct=0.9),
    num_classes=10,
)
