"""CrossViT: Cross-Attention Multi-Scale Vision Transformer for Image Classification (arXiv:2103.14899).

Parameter names and shapes are timm's, which are the authors'. The images are of one size: the position tables have a
row a patch. The branch of large patches sees the image scaled down.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, cat, nn, zeros
from torch.nn import functional as F

from .layers import TransformerBlock, attend, split_heads
from .registry import register
from .spec import PreprocessSpec
from .vit import PatchEmbed

PAPER = "arXiv:2103.14899"
EPS = 1e-6  # of the published weights; PyTorch's default is 1e-5
PATCHES = (12, 16)  # pixels of a patch, in the branch of small and in that of large ones
OTHER = (1, 0)


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants, of the paper's table 1."""

    widths: tuple[int, int]  # of the two branches
    depth: int  # N, layers of the branch of large patches in each encoder; the other has one
    heads: int
    mlp_ratio: int = 3
    encoders: int = 3  # K
    dagger: bool = False  # patches by three convolutions
    images: tuple[int, int] = (240, 224)  # height and width that each branch sees


class ConvPatches(nn.Module):
    """Patches by three convolutions ("dagger", §4.1); (n, 3, h, w) -> (n, tokens, width)."""

    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        second, third = ((3, 0), (1, 1)) if patch == 12 else ((2, 1), (2, 1))  # (stride, padding)
        self.proj = nn.Sequential(
            nn.Conv2d(3, width // 4, 7, 4, padding=3),
            nn.ReLU(),
            nn.Conv2d(width // 4, width // 2, 3, second[0], padding=second[1]),
            nn.ReLU(),
            nn.Conv2d(width // 2, width, 3, third[0], padding=third[1]),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).flatten(2).transpose(1, 2)


class Resize(nn.Module):
    """Bicubic scaling of square images, as two products with a constant matrix; (n, c, h, h) -> (n, c, side, side)."""

    matrix: Tensor
    residue: Tensor

    def __init__(self, h: int, side: int) -> None:
        super().__init__()
        eye = torch.eye(h, dtype=torch.float64)
        matrix = F.interpolate(eye[None, None], (side, h), mode="bicubic")[0, 0]
        self.register_buffer("matrix", matrix.float(), persistent=False)
        # what float32 loses, for models in float64
        self.register_buffer("residue", (matrix - matrix.float()).float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        matrix = self.matrix + self.residue
        return matrix @ x @ matrix.T


class CrossAttention(nn.Module):
    """Attention of the first token to all (§3.3, eq. 4); (n, t, width) -> (n, 1, width)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.wq = nn.Linear(width, width)
        self.wk = nn.Linear(width, width)
        self.wv = nn.Linear(width, width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (split_heads(part, self.heads) for part in (self.wq(x[:, :1]), self.wk(x), self.wv(x)))
        return self.proj(attend(q, k, v))


class CrossBlock(nn.Module):
    """Pre-norm cross-attention with a residual (eq. 5); (n, t, width) -> (n, 1, width)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=EPS)
        self.attn = CrossAttention(width, heads)

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :1] + self.attn(self.norm1(x))


def projection(c_in: int, c_out: int) -> nn.Sequential:
    """Takes a class token to the other branch's width; (n, 1, c_in) -> (n, 1, c_out)."""
    return nn.Sequential(nn.LayerNorm(c_in, eps=EPS), nn.GELU(), nn.Linear(c_in, c_out))


class Encoder(nn.Module):
    """Both branches, then the class token of each attends to the other's patches (fig. 2 and 4)."""

    def __init__(self, cfg: Cfg) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(
                *(TransformerBlock(width, cfg.heads, cfg.mlp_ratio * width, act=nn.GELU, eps=EPS) for _ in range(depth))
            )
            for width, depth in zip(cfg.widths, (1, cfg.depth), strict=True)
        )
        small, large = cfg.widths
        self.projs = nn.ModuleList((projection(small, large), projection(large, small)))
        self.fusion = nn.ModuleList(CrossBlock(width, cfg.heads) for width in (large, small))
        self.revert_projs = nn.ModuleList((projection(large, small), projection(small, large)))

    def forward(self, branches: list[Tensor]) -> list[Tensor]:
        """Tokens (n, t, width) of each branch, the class token first -> the same."""
        outs = [blocks(x) for blocks, x in zip(self.blocks, branches, strict=True)]
        fused = []
        for i, other in enumerate(OTHER):
            token = cat((self.projs[i](outs[i][:, :1]), outs[other][:, 1:]), dim=1)
            fused.append(cat((self.revert_projs[i](self.fusion[i](token)), outs[i][:, 1:]), dim=1))
        return fused


class CrossViT(nn.Module):
    """(n, 3, image, image) -> logits (n, num_classes), the mean of both branches'. ValueError for another size."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        self.image = cfg.images[0]
        for i, (width, image, patch) in enumerate(zip(cfg.widths, cfg.images, PATCHES, strict=True)):
            self.register_parameter(f"pos_embed_{i}", nn.Parameter(zeros(1, (image // patch) ** 2 + 1, width)))
            self.register_parameter(f"cls_token_{i}", nn.Parameter(zeros(1, 1, width)))
        self.resize = nn.ModuleList(
            nn.Identity() if image == self.image else Resize(self.image, image) for image in cfg.images
        )
        embed = ConvPatches if cfg.dagger else PatchEmbed
        self.patch_embed = nn.ModuleList(embed(width, patch) for width, patch in zip(cfg.widths, PATCHES, strict=True))
        self.blocks = nn.Sequential(*(Encoder(cfg) for _ in range(cfg.encoders)))
        self.norm = nn.ModuleList(nn.LayerNorm(width, eps=EPS) for width in cfg.widths)
        self.head = nn.ModuleList(nn.Linear(width, num_classes) for width in cfg.widths)

    def embed(self, x: Tensor, i: int) -> Tensor:
        """The tokens of branch i, the class token first."""
        patches = self.patch_embed[i](self.resize[i](x))
        token = self.get_parameter(f"cls_token_{i}").expand(x.shape[0], -1, -1)
        return cat((token, patches), dim=1) + self.get_parameter(f"pos_embed_{i}")

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:] != (self.image, self.image):
            raise ValueError(f"this CrossViT takes images of {self.image}x{self.image}, not {x.shape[2]}x{x.shape[3]}")
        branches = self.blocks([self.embed(x, i) for i in range(len(PATCHES))])
        small, large = (head(norm(x)[:, 0]) for head, norm, x in zip(self.head, self.norm, branches, strict=True))
        if small.shape != large.shape:  # without classifiers
            return cat((small, large), dim=1)
        return 0.5 * (small + large)


VARIANTS = {
    "crossvit_tiny_240": Cfg(widths=(96, 192), depth=4, heads=3, mlp_ratio=4),
    "crossvit_small_240": Cfg(widths=(192, 384), depth=4, heads=6, mlp_ratio=4),
    "crossvit_base_240": Cfg(widths=(384, 768), depth=4, heads=12, mlp_ratio=4),
    "crossvit_9_240": Cfg(widths=(128, 256), depth=3, heads=4),
    "crossvit_15_240": Cfg(widths=(192, 384), depth=5, heads=6),
    "crossvit_18_240": Cfg(widths=(224, 448), depth=6, heads=7),
    "crossvit_9_dagger_240": Cfg(widths=(128, 256), depth=3, heads=4, dagger=True),
    "crossvit_15_dagger_240": Cfg(widths=(192, 384), depth=5, heads=6, dagger=True),
    "crossvit_18_dagger_240": Cfg(widths=(224, 448), depth=6, heads=7, dagger=True),
}
for _name, _cfg in VARIANTS.items():
    register(_name, CrossViT, _cfg, paper=PAPER, spec=PreprocessSpec(input_size=(3, 240, 240)))
register(
    "crossvit_test",
    CrossViT,
    Cfg(widths=(16, 32), depth=1, heads=2, encoders=1, dagger=True, images=(60, 48)),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 60, 60)),
    num_classes=10,
)
