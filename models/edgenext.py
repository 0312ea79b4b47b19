"""EdgeNeXt: Efficiently Amalgamated CNN-Transformer Architecture for Mobile Vision Applications (arXiv:2206.10589).

Parameter names and shapes are timm's.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .layers import Head, LayerNorm2d, Mlp, conv
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:2206.10589"
EPS = 1e-6
# Table 1, a stage a column: kernels of the encoders, and scales and attention (0: none) of the block at its end.
KERNELS = (3, 5, 7, 9)
SCALES = (0, 2, 3, 4)
POSITIONS = 1  # the stage whose attention sees positions
WAVES = 32  # for each of row and column


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants (table 1)."""

    widths: tuple[int, int, int, int]
    depths: tuple[int, int, int, int] = (3, 3, 9, 3)
    heads: int = 8
    # timm's own variant: an overlapping stem, convolutions without biases, encoders that downsample.
    overlap: bool = False


class ConvEncoder(nn.Module):
    """Depthwise convolution, norm, MLP, layer scale, residual (§3.1, eq. 1); (n, c_in, h, w) -> (n, c, h', w').

    Where the shape changes, the residual starts after the depthwise convolution.
    """

    def __init__(self, c_in: int, channels: int, kernel: int, stride: int, bias: bool) -> None:
        super().__init__()
        self.changes = stride > 1 or c_in != channels
        self.conv_dw = conv(c_in, channels, kernel, stride, groups=c_in, bias=bias)
        self.norm = nn.LayerNorm(channels, eps=EPS)
        self.mlp = Mlp(channels, 4 * channels, nn.GELU)
        self.gamma = nn.Parameter(torch.full((channels,), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv_dw(x)
        shortcut = y if self.changes else x
        y = self.gamma * self.mlp(self.norm(y.permute(0, 2, 3, 1)))  # (n, h, w, c)
        return shortcut + y.permute(0, 3, 1, 2)


def waves(h: int, w: int) -> Tensor:
    """Sines and cosines of row and column (arXiv:1706.03762 §3.5, over the unit square); (1, 2 * WAVES, h, w)."""

    def of(count: int) -> Tensor:  # (count, WAVES)
        places = torch.arange(1, count + 1, dtype=torch.float32)
        places = places / (places[-1:] + 1e-6) * (2 * math.pi)
        pairs = torch.arange(WAVES, dtype=torch.float32).div(2, rounding_mode="floor")
        phases = places[:, None] / 10000.0 ** (2 * pairs / WAVES)
        return torch.stack((phases[:, 0::2].sin(), phases[:, 1::2].cos()), dim=2).flatten(1)

    rows, cols = of(h)[:, None].expand(h, w, WAVES), of(w)[None].expand(h, w, WAVES)
    return torch.cat((rows, cols), dim=2).permute(2, 0, 1)[None]


class Positions(nn.Module):
    """Encoded positions of an image's pixels; (h, w) -> (1, c, h, w)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.token_projection = conv(2 * WAVES, channels, bias=True)

    def forward(self, h: int, w: int) -> Tensor:
        return self.token_projection(waves(h, w).to(self.token_projection.weight))


class CrossCovarianceAttention(nn.Module):
    """Attention between channels (arXiv:2106.09681 §3.1); (n, t, c) -> same."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        n, t, c = x.shape
        # (n, t, c) -> (n, heads, c/heads, t), three times
        q, k, v = (
            part.reshape(n, t, self.heads, c // self.heads).permute(0, 2, 3, 1) for part in self.qkv(x).chunk(3, dim=-1)
        )
        q, k = nn.functional.normalize(q, dim=-1), nn.functional.normalize(k, dim=-1)
        weights = (q @ k.transpose(-2, -1) * self.temperature).softmax(dim=-1)  # (n, heads, c/heads, c/heads)
        return self.proj((weights @ v).permute(0, 3, 1, 2).reshape(n, t, c))


class SplitDepthwiseTranspose(nn.Module):
    """The SDTA encoder: depthwise convolutions that feed each other, then attention (§3.1, eq. 2).

    (n, c, h, w) -> same.
    """

    def __init__(self, channels: int, scales: int, heads: int, *, positions: bool, bias: bool) -> None:
        super().__init__()
        self.width = math.ceil(channels / scales)
        self.convs = nn.ModuleList(
            conv(self.width, self.width, 3, groups=self.width, bias=bias) for _ in range(max(1, scales - 1))
        )
        self.pos_embd = Positions(channels) if positions else None
        self.norm_xca = nn.LayerNorm(channels, eps=EPS)
        self.gamma_xca = nn.Parameter(torch.full((channels,), 1e-6))
        self.xca = CrossCovarianceAttention(channels, heads)
        self.norm = nn.LayerNorm(channels, eps=EPS)
        self.mlp = Mlp(channels, 4 * channels, nn.GELU)
        self.gamma = nn.Parameter(torch.full((channels,), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        *parts, rest = x.split(self.width, dim=1)
        y, done = parts[0], []
        for i, layer in enumerate(self.convs):
            y = layer(y + parts[i] if i else y)
            done.append(y)
        y = torch.cat((*done, rest), dim=1)
        if self.pos_embd is not None:
            y = y + self.pos_embd(h, w)
        y = y.flatten(2).transpose(1, 2)  # (n, c, h, w) -> (n, t, c)
        y = y + self.gamma_xca * self.xca(self.norm_xca(y))
        y = self.gamma * self.mlp(self.norm(y))
        return x + y.transpose(1, 2).reshape(n, c, h, w)


class Stage(nn.Module):
    """Downsampling by `stride`, encoders, and attention at the end; (n, c_in, h, w) -> (n, c, h/stride, w/stride)."""

    def __init__(self, cfg: Cfg, i: int, c_in: int, stride: int) -> None:
        super().__init__()
        c, bias = cfg.widths[i], not cfg.overlap
        if stride == 1 or cfg.overlap:
            self.downsample = nn.Identity()
        else:
            self.downsample = nn.Sequential(LayerNorm2d(c_in), nn.Conv2d(c_in, c, 2, 2, bias=bias))
            c_in, stride = c, 1
        blocks: list[nn.Module] = []
        for j in range(cfg.depths[i]):
            if SCALES[i] and j == cfg.depths[i] - 1:
                positions = i == POSITIONS
                blocks.append(SplitDepthwiseTranspose(c, SCALES[i], cfg.heads, positions=positions, bias=bias))
            else:
                blocks.append(ConvEncoder(c if j else c_in, c, KERNELS[i], 1 if j else stride, bias))
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.downsample(x))


class EdgeNeXt(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        c_in = cfg.widths[0]
        kernel, padding = (9, 4) if cfg.overlap else (4, 0)
        self.stem = nn.Sequential(
            nn.Conv2d(3, c_in, kernel, 4, padding=padding, bias=not cfg.overlap), LayerNorm2d(c_in)
        )
        stages = []
        for i, c in enumerate(cfg.widths):
            stages.append(Stage(cfg, i, c_in, 2 if i else 1))
            c_in = c
        self.stages = nn.Sequential(*stages)
        self.head = Head(c_in, num_classes, LayerNorm2d)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stages(self.stem(x)))


VARIANTS = {
    "edgenext_xx_small": Cfg((24, 48, 88, 168), (2, 2, 6, 2), heads=4),
    "edgenext_x_small": Cfg((32, 64, 100, 192), heads=4),
    "edgenext_small": Cfg((48, 96, 160, 304)),
    "edgenext_base": Cfg((80, 160, 288, 584)),
    "edgenext_small_rw": Cfg((48, 96, 192, 384), overlap=True),
}
for _name, _cfg in VARIANTS.items():
    _crop = 0.95 if _name in ("edgenext_small", "edgenext_base") else 0.9
    register(_name, EdgeNeXt, _cfg, paper=PAPER, spec=PreprocessSpec(input_size=(3, 256, 256), crop_pct=_crop))
register(
    "edgenext_test",
    EdgeNeXt,
    Cfg((8, 16, 24, 32), (1, 2, 2, 2), heads=2),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 128, 128), crop_pct=0.9),
    num_classes=10,
)
