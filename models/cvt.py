"""CvT: Introducing Convolutions to Vision Transformers (arXiv:2103.15808).

Parameter names and shapes are the authors' (github.com/microsoft/CvT).
"""

from collections import OrderedDict
from dataclasses import dataclass

from torch import Tensor, cat, nn, zeros

from .layers import Mlp, conv, split_heads
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:2103.15808"
PATCHES = ((7, 4, 2), (3, 2, 1), (3, 2, 1))  # (kernel, stride, padding) in front of each stage, table 2


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants, of the paper's table 2."""

    depths: tuple[int, int, int]
    widths: tuple[int, int, int] = (64, 192, 384)  # D_i
    heads: tuple[int, int, int] = (1, 3, 6)  # H_i


class QuickGELU(nn.Module):
    """x * sigmoid(1.702 x), the GELU of the authors' code (arXiv:1606.08415 §2)."""

    def forward(self, x: Tensor) -> Tensor:
        return x * (1.702 * x).sigmoid()


class ConvEmbed(nn.Module):
    """Overlapping patches (§3.1); (n, c_in, h, w) -> (n, c_out, h/stride, w/stride)."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int, padding: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(c_in, c_out, kernel, stride, padding)
        self.norm = nn.LayerNorm(c_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.proj(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def conv_projection(width: int, stride: int) -> nn.Sequential:
    """Depthwise convolution and batch norm (§3.2); (n, c, h, w) -> (n, c, h/stride, w/stride)."""
    return nn.Sequential(OrderedDict(conv=conv(width, width, 3, stride, groups=width), bn=nn.BatchNorm2d(width)))


class Attention(nn.Module):
    """Attention whose queries, keys and values are convolved, the latter two with stride 2 (§3.2, eq. 3).

    Map (n, width, h, w) and class tokens (n, 0 or 1, width) -> tokens (n, 0 or 1 + h * w, width).
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = width**-0.5  # of the whole width, not of a head's, as in the authors' code
        self.conv_proj_q = conv_projection(width, 1)
        self.conv_proj_k = conv_projection(width, 2)
        self.conv_proj_v = conv_projection(width, 2)
        self.proj_q = nn.Linear(width, width)
        self.proj_k = nn.Linear(width, width)
        self.proj_v = nn.Linear(width, width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, token: Tensor) -> Tensor:
        q, k, v = (
            split_heads(linear(cat((token, tokens(convolve(x))), dim=1)), self.heads)
            for convolve, linear in (
                (self.conv_proj_q, self.proj_q),
                (self.conv_proj_k, self.proj_k),
                (self.conv_proj_v, self.proj_v),
            )
        )
        weights = (q * self.scale @ k.transpose(2, 3)).softmax(dim=-1)
        return self.proj((weights @ v).transpose(1, 2).flatten(2))


def tokens(x: Tensor) -> Tensor:
    """(n, c, h, w) -> (n, h * w, c)"""
    return x.flatten(2).transpose(1, 2)


class Block(nn.Module):
    """Pre-norm attention and MLP; (n, classes + h * w, width) -> same, classes being 0 or 1 class tokens."""

    def __init__(self, width: int, heads: int, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, 4 * width, QuickGELU)

    def forward(self, x: Tensor, h: int, w: int) -> Tensor:
        y = self.norm1(x)
        token, patches = y[:, : self.classes], y[:, self.classes :]
        x = x + self.attn(patches.transpose(1, 2).reshape(x.shape[0], -1, h, w), token)
        return x + self.mlp(self.norm2(x))


class Stage(nn.Module):
    """Patches, class tokens, blocks; (n, c_in, h, w) -> tokens (n, classes + h' * w', width), h', w'."""

    def __init__(
        self, c_in: int, width: int, depth: int, heads: int, patch: tuple[int, int, int], classes: int
    ) -> None:
        super().__init__()
        self.patch_embed = ConvEmbed(c_in, width, *patch)
        if classes:
            self.cls_token = nn.Parameter(zeros(1, classes, width))
        self.classes = classes
        self.blocks = nn.ModuleList(Block(width, heads, classes) for _ in range(depth))

    def forward(self, x: Tensor) -> tuple[Tensor, int, int]:
        x = self.patch_embed(x)
        n, _, h, w = x.shape
        x = tokens(x)
        if self.classes:
            x = cat((self.cls_token.expand(n, -1, -1), x), dim=1)
        for block in self.blocks:
            x = block(x, h, w)
        return x, h, w


class CvT(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes), from the class token."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        c_in = 3
        rows = zip(cfg.widths, cfg.depths, cfg.heads, PATCHES, (0, 0, 1), strict=True)
        for i, (width, depth, heads, patch, classes) in enumerate(rows):
            self.add_module(f"stage{i}", Stage(c_in, width, depth, heads, patch, classes))
            c_in = width
        self.norm = nn.LayerNorm(c_in)
        self.head = nn.Linear(c_in, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        for i in (0, 1, 2):
            y, h, w = self.get_submodule(f"stage{i}")(x)
            x = y.transpose(1, 2).reshape(x.shape[0], -1, h, w) if i < 2 else y
        return self.head(self.norm(x[:, 0]))


VARIANTS = {
    "cvt_13": Cfg(depths=(1, 2, 10)),
    "cvt_21": Cfg(depths=(1, 4, 16)),
    "cvt_w24": Cfg(depths=(2, 2, 20), widths=(192, 768, 1024), heads=(3, 12, 16)),
}
for _name, _cfg in VARIANTS.items():
    # the weights of W24 are those of 384x384
    _spec = PreprocessSpec(input_size=(3, 384, 384), crop_pct=1.0) if _name == "cvt_w24" else PreprocessSpec()
    register(_name, CvT, _cfg, paper=PAPER, spec=_spec)
register(
    "cvt_test",
    CvT,
    Cfg(depths=(1, 1, 1), widths=(8, 16, 32), heads=(1, 2, 2)),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64)),
    num_classes=10,
)
