"""ViT: An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale (arXiv:2010.11929).

Parameter names and shapes are timm's. The images are of one size: the position table has a row a patch.
"""

from dataclasses import dataclass

from torch import Tensor, cat, nn, zeros

from .layers import TransformerBlock
from .registry import register
from .spec import HALF, PreprocessSpec

PAPER = "arXiv:2010.11929"
EPS = 1e-6  # of the published weights; PyTorch's default is 1e-5


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants, of the paper's table 1 (tiny and small: table 1 of arXiv:2012.12877)."""

    width: int
    heads: int
    depth: int = 12
    patch: int = 16
    image: int = 224  # height and width


class PatchEmbed(nn.Module):
    """One token for each square of `patch` pixels; (n, 3, h, w) -> (n, tokens, width)."""

    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, stride=patch)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).flatten(2).transpose(1, 2)


class ViT(nn.Module):
    """(n, 3, image, image) -> logits (n, num_classes), from the class token."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000, *, prefix_tokens: int = 1) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(zeros(1, 1, cfg.width))
        self.pos_embed = nn.Parameter(zeros(1, (cfg.image // cfg.patch) ** 2 + prefix_tokens, cfg.width))
        self.patch_embed = PatchEmbed(cfg.width, cfg.patch)
        self.blocks = nn.Sequential(
            *(TransformerBlock(cfg.width, cfg.heads, 4 * cfg.width, act=nn.GELU, eps=EPS) for _ in range(cfg.depth))
        )
        self.norm = nn.LayerNorm(cfg.width, eps=EPS)
        self.head = nn.Linear(cfg.width, num_classes)

    def encode(self, x: Tensor, *prefix: Tensor) -> Tensor:
        """Image (n, 3, h, w) and prefix tokens (1, 1, width) each -> normed tokens (n, prefixes + patches, width)."""
        patches = self.patch_embed(x)
        first = (token.expand(patches.shape[0], -1, -1) for token in prefix)
        return self.norm(self.blocks(cat((*first, patches), dim=1) + self.pos_embed))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encode(x, self.cls_token)[:, 0])


VARIANTS = {
    "vit_tiny_patch16_224": Cfg(width=192, heads=3),
    "vit_small_patch16_224": Cfg(width=384, heads=6),
    "vit_base_patch16_224": Cfg(width=768, heads=12),
    "vit_large_patch16_224": Cfg(width=1024, heads=16, depth=24),
    "vit_huge_patch14_224": Cfg(width=1280, heads=16, depth=32, patch=14),
}
SPEC = PreprocessSpec(mean=HALF, std=HALF, crop_pct=0.9)
for _name, _cfg in VARIANTS.items():
    register(_name, ViT, _cfg, paper=PAPER, spec=SPEC)
register(
    "vit_test",
    ViT,
    Cfg(width=32, heads=2, depth=2, patch=8, image=32),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 32, 32), mean=HALF, std=HALF, crop_pct=0.9),
    num_classes=10,
)
