"""Going deeper with Image Transformers (CaiT, arXiv:2103.17239).

Parameter names and shapes are timm's, which are the authors'. The images are of one size: the position table has a row
a patch.
"""

from dataclasses import dataclass

from torch import Tensor, cat, nn, ones, zeros

from .layers import Mlp, PointwiseLinear, attend, split_heads
from .registry import register
from .spec import PreprocessSpec
from .vit import PatchEmbed

PAPER = "arXiv:2103.17239"
EPS = 1e-6  # of the published weights; PyTorch's default is 1e-5


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants, of the paper's table 3."""

    width: int
    heads: int
    depth: int  # of the layers among the patches
    class_depth: int = 2  # of the layers of the class token
    patch: int = 16
    image: int = 224  # height and width


class TalkingHeads(nn.Module):
    """Attention whose heads are mixed before and behind the softmax (arXiv:2003.02436); (n, t, width) -> same."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (width // heads) ** -0.5
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.proj_l = PointwiseLinear(heads, heads)
        self.proj_w = PointwiseLinear(heads, heads)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (split_heads(part, self.heads) for part in self.qkv(x).chunk(3, dim=-1))
        weights = self.proj_w(self.proj_l(q * self.scale @ k.transpose(2, 3)).softmax(dim=-1))  # (n, heads, t, t)
        return self.proj((weights @ v).transpose(1, 2).flatten(2))


class ClassAttention(nn.Module):
    """Attention of the first token to all (§3, eq. 5 to 7); (n, t, width) -> (n, 1, width)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width)
        self.k = nn.Linear(width, width)
        self.v = nn.Linear(width, width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (split_heads(part, self.heads) for part in (self.q(x[:, :1]), self.k(x), self.v(x)))
        return self.proj(attend(q, k, v))


class Block(nn.Module):
    """Pre-norm attention and MLP, their outputs scaled a channel (§2, eq. 4); (n, t, width) -> same."""

    def __init__(self, width: int, attn: nn.Module) -> None:
        super().__init__()
        self.gamma_1 = nn.Parameter(ones(width))
        self.gamma_2 = nn.Parameter(ones(width))
        self.norm1 = nn.LayerNorm(width, eps=EPS)
        self.attn = attn
        self.norm2 = nn.LayerNorm(width, eps=EPS)
        self.mlp = Mlp(width, 4 * width, nn.GELU)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.gamma_1 * self.attn(self.norm1(x))
        return x + self.gamma_2 * self.mlp(self.norm2(x))


class ClassBlock(Block):
    """The same of the class token alone, which attends to itself and to the patches."""

    def forward(self, x: Tensor, token: Tensor) -> Tensor:
        """Patches (n, t, width), class token (n, 1, width) -> class token."""
        token = token + self.gamma_1 * self.attn(self.norm1(cat((token, x), dim=1)))
        return token + self.gamma_2 * self.mlp(self.norm2(token))


class CaiT(nn.Module):
    """(n, 3, image, image) -> logits (n, num_classes), from the class token."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        width, heads = cfg.width, cfg.heads
        self.cls_token = nn.Parameter(zeros(1, 1, width))
        self.pos_embed = nn.Parameter(zeros(1, (cfg.image // cfg.patch) ** 2, width))
        self.patch_embed = PatchEmbed(width, cfg.patch)
        self.blocks = nn.Sequential(*(Block(width, TalkingHeads(width, heads)) for _ in range(cfg.depth)))
        self.blocks_token_only = nn.ModuleList(
            ClassBlock(width, ClassAttention(width, heads)) for _ in range(cfg.class_depth)
        )
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.head = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.patch_embed(x) + self.pos_embed)
        token = self.cls_token.expand(x.shape[0], -1, -1)
        for block in self.blocks_token_only:
            token = block(x, token)
        return self.head(self.norm(token)[:, 0])


VARIANTS = {"cait_xxs36_224": Cfg(width=192, heads=4, depth=36)}
for _name, _cfg in VARIANTS.items():
    register(_name, CaiT, _cfg, paper=PAPER, spec=PreprocessSpec(crop_pct=1.0))
register(
    "cait_test",
    CaiT,
    Cfg(width=32, heads=2, depth=1, class_depth=2, patch=8, image=32),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 32, 32), crop_pct=1.0),
    num_classes=10,
)
