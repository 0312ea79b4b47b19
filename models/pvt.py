"""PVT: Pyramid Vision Transformer: A Versatile Backbone for Dense Prediction without Convolutions (arXiv:2102.12122).

Parameter names and shapes are the authors' (github.com/whai362/PVT). The images are of one size: the position tables
have a row a patch.
"""

from dataclasses import dataclass

from torch import Tensor, cat, nn, zeros

from .layers import Mlp
from .pvt_v2 import Attention
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:2102.12122"
EPS = 1e-6  # of the published weights; PyTorch's default is 1e-5
# Table 1, the same in every variant:
PATCHES = (4, 2, 2, 2)  # P_i
MLP_RATIOS = (8, 8, 4, 4)  # E_i
REDUCTIONS = (8, 4, 2, 1)  # R_i


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants, of the paper's table 1."""

    depths: tuple[int, int, int, int]  # L_i
    widths: tuple[int, int, int, int] = (64, 128, 320, 512)  # C_i
    heads: tuple[int, int, int, int] = (1, 2, 5, 8)  # N_i
    image: int = 224  # height and width


class PatchEmbed(nn.Module):
    """One normed token for each square of pixels; (n, c_in, h, w) -> (n, h/patch, w/patch, c_out)."""

    def __init__(self, c_in: int, c_out: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(c_in, c_out, patch, stride=patch)
        self.norm = nn.LayerNorm(c_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.proj(x).permute(0, 2, 3, 1))


class Block(nn.Module):
    """Pre-norm attention and MLP; (n, h, w, width) -> same."""

    def __init__(self, width: int, heads: int, reduction: int, ratio: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=EPS)
        self.attn = Attention(width, heads, reduction, linear=False)
        self.norm2 = nn.LayerNorm(width, eps=EPS)
        self.mlp = Mlp(width, ratio * width, nn.GELU)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PVT(nn.Module):
    """(n, 3, image, image) -> logits (n, num_classes), from the class token. ValueError for another size."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        self.image = cfg.image
        side, c_in = cfg.image, 3
        rows = zip(cfg.widths, cfg.depths, cfg.heads, PATCHES, MLP_RATIOS, REDUCTIONS, strict=True)
        for i, (width, depth, heads, patch, ratio, reduction) in enumerate(rows, 1):
            side //= patch
            tokens = side * side + (i == 4)  # the class token joins in the last stage
            self.add_module(f"patch_embed{i}", PatchEmbed(c_in, width, patch))
            self.register_parameter(f"pos_embed{i}", nn.Parameter(zeros(1, tokens, width)))
            self.add_module(f"block{i}", nn.Sequential(*(Block(width, heads, reduction, ratio) for _ in range(depth))))
            c_in = width
        self.norm = nn.LayerNorm(c_in, eps=EPS)
        self.cls_token = nn.Parameter(zeros(1, 1, c_in))
        self.head = nn.Linear(c_in, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:] != (self.image, self.image):
            raise ValueError(f"this PVT takes images of {self.image}x{self.image}, not {x.shape[2]}x{x.shape[3]}")
        for i in (1, 2, 3, 4):
            x = self.get_submodule(f"patch_embed{i}")(x)
            if i == 4:  # (n, h, w, c) -> (n, 1, 1 + h * w, c), a map of one row
                x = cat((self.cls_token.expand(x.shape[0], -1, -1), x.flatten(1, 2)), dim=1)[:, None]
            x = x + self.get_parameter(f"pos_embed{i}").reshape(1, *x.shape[1:])
            x = self.get_submodule(f"block{i}")(x)
            if i < 4:
                x = x.permute(0, 3, 1, 2)
        return self.head(self.norm(x[:, 0, 0]))


VARIANTS = {
    "pvt_tiny": Cfg(depths=(2, 2, 2, 2)),
    "pvt_small": Cfg(depths=(3, 4, 6, 3)),
    "pvt_medium": Cfg(depths=(3, 4, 18, 3)),
    "pvt_large": Cfg(depths=(3, 8, 27, 3)),
    # not in the paper; in the authors' code, without weights:
    "pvt_huge_v2": Cfg(depths=(3, 10, 60, 3), widths=(128, 256, 512, 768), heads=(2, 4, 8, 12)),
}
for _name, _cfg in VARIANTS.items():
    register(_name, PVT, _cfg, paper=PAPER)
register(
    "pvt_test",
    PVT,
    Cfg(depths=(1, 1, 1, 1), widths=(8, 16, 32, 32), heads=(1, 2, 2, 2), image=64),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64)),
    num_classes=10,
)
