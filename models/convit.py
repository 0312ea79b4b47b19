"""ConViT: Improving Vision Transformers with Soft Convolutional Inductive Biases (arXiv:2103.10697).

Parameter names and shapes are timm's, which are the authors'. The images are of one size: the position table has a row
a patch.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, cat, nn, ones, stack, zeros

from .layers import Attention, Mlp, split_heads
from .registry import register
from .spec import PreprocessSpec
from .vit import PatchEmbed

PAPER = "arXiv:2103.10697"
HEAD_WIDTH = 48
EPS = 1e-6  # of the published weights; PyTorch's default is 1e-5


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants, of the paper's table 1."""

    heads: int
    depth: int = 12
    local: int = 10  # layers of gated positional attention, before the class token is added
    patch: int = 16
    image: int = 224  # height and width


def offsets(side: int) -> Tensor:
    """x, y, and squared distance from each pixel (rows) to each other; float32 (side * side, side * side, 3)."""
    place = torch.arange(side * side)
    x, y = (p - p[:, None] for p in (place % side, place // side))
    return stack((x, y, x * x + y * y), dim=-1).float()


class GatedPositionalAttention(nn.Module):
    """Attention by content and by position, a gate a head between them (§3, eq. 6 to 8); (n, side^2, width) -> same."""

    def __init__(self, width: int, heads: int, side: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (width // heads) ** -0.5
        self.qk = nn.Linear(width, 2 * width, bias=False)
        self.v = nn.Linear(width, width, bias=False)
        self.proj = nn.Linear(width, width)
        self.pos_proj = nn.Linear(3, heads)
        self.gating_param = nn.Parameter(ones(heads))
        self.register_buffer("offsets", offsets(side), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        q, k = (split_heads(part, self.heads) for part in self.qk(x).chunk(2, dim=-1))
        content = (q * self.scale @ k.transpose(2, 3)).softmax(dim=-1)  # (n, heads, t, t)
        position = self.pos_proj(self.offsets).permute(2, 0, 1).softmax(dim=-1)  # (heads, t, t)
        gate = self.gating_param.sigmoid()[:, None, None]
        # The paper's eq. 8 divides by the sum of each row, which is 1 already.
        weights = (1 - gate) * content + gate * position
        return self.proj((weights @ split_heads(self.v(x), self.heads)).transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Pre-norm attention and MLP; (n, t, width) -> same."""

    def __init__(self, width: int, attn: nn.Module) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=EPS)
        self.attn = attn
        self.norm2 = nn.LayerNorm(width, eps=EPS)
        self.mlp = Mlp(width, 4 * width, nn.GELU)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class ConViT(nn.Module):
    """(n, 3, image, image) -> logits (n, num_classes), from the class token."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        width, side = cfg.heads * HEAD_WIDTH, cfg.image // cfg.patch
        self.local = cfg.local
        self.cls_token = nn.Parameter(zeros(1, 1, width))
        self.pos_embed = nn.Parameter(zeros(1, side * side, width))
        self.patch_embed = PatchEmbed(width, cfg.patch)
        local = [GatedPositionalAttention(width, cfg.heads, side) for _ in range(cfg.local)]
        plain = [Attention(width, cfg.heads, qkv_bias=False) for _ in range(cfg.depth - cfg.local)]
        self.blocks = nn.Sequential(*(Block(width, attn) for attn in (*local, *plain)))
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.head = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks[: self.local](self.patch_embed(x) + self.pos_embed)
        x = cat((self.cls_token.expand(x.shape[0], -1, -1), x), dim=1)
        return self.head(self.norm(self.blocks[self.local :](x))[:, 0])


VARIANTS = {"convit_tiny": Cfg(heads=4), "convit_small": Cfg(heads=9), "convit_base": Cfg(heads=16)}
for _name, _cfg in VARIANTS.items():
    register(_name, ConViT, _cfg, paper=PAPER, spec=PreprocessSpec(crop_pct=0.875))
register(
    "convit_test",
    ConViT,
    Cfg(heads=1, depth=2, local=1, patch=8, image=32),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 32, 32), crop_pct=0.875),
    num_classes=10,
)
