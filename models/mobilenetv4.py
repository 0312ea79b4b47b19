"""MobileNetV4: Universal Models for the Mobile Ecosystem (arXiv:2404.10518).

Parameter names and shapes are timm's.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from .layers import ConvNormAct, FusedInvertedResidual, conv, make_divisible
from .mobile import Fused, Plain, Row, Style, Table
from .mobilenetv3 import Cfg, MobileNetV3
from .registry import register
from .spec import HALF, PreprocessSpec

PAPER = "arXiv:2404.10518"


@dataclass(frozen=True)
class Uib(Row):
    """Universal inverted bottlenecks (§3); `start` and `kernel` are the depthwise kernels, 0 for none.

    The paper's names: ExtraDW has both, IB the second, ConvNext the first, FFN none.
    """

    start: int = 0
    expand: float = 4
    scaled: bool = False  # LayerScale

    def block(self, c_in: int, c_out: int, stride: int, style: Style) -> nn.Module:
        return UniversalBlock(self, c_in, c_out, stride, style.act)


@dataclass(frozen=True)
class Mqa(Row):
    """Mobile multi-query attention (§4); keys and values come from a `reach` times smaller image."""

    heads: int = 4
    width: int = 64  # of a head
    reach: int = 1

    def block(self, c_in: int, c_out: int, stride: int, style: Style) -> nn.Module:
        return AttentionBlock(self, c_in)


class LayerScale(nn.Module):
    """A learnt factor for each channel (arXiv:2103.17239 eq. 6); (n, c, h, w) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((channels,), 1e-5))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma[:, None, None]


class UniversalBlock(nn.Module):
    """Depthwise, expansion, depthwise, projection (fig. 4); (n, c_in, h, w) -> (n, c_out, h/stride, w/stride)."""

    def __init__(self, row: Uib, c_in: int, c_out: int, stride: int, act: type[nn.Module]) -> None:
        super().__init__()
        mid = make_divisible(c_in * row.expand)
        first = 1 if row.kernel else stride  # the second depthwise convolution, where there is one, has the stride
        self.dw_start = ConvNormAct(c_in, c_in, row.start, first, groups=c_in) if row.start else nn.Identity()
        self.pw_exp = ConvNormAct(c_in, mid, act=act)
        self.dw_mid = ConvNormAct(mid, mid, row.kernel, stride, groups=mid, act=act) if row.kernel else nn.Identity()
        self.pw_proj = ConvNormAct(mid, c_out)
        self.layer_scale = LayerScale(c_out) if row.scaled else nn.Identity()
        self.residual = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer_scale(self.pw_proj(self.dw_mid(self.pw_exp(self.dw_start(x)))))
        return x + y if self.residual else y


class Shrunk(nn.Module):
    """Keys or values: a 1x1 convolution after a strided depthwise one, where `reach` > 1.

    (n, channels, h, w) -> (n, width, h/reach, w/reach).
    """

    def __init__(self, channels: int, width: int, reach: int) -> None:
        super().__init__()
        if reach > 1:
            self.down_conv = conv(channels, channels, 3, reach, groups=channels)
            self.norm = nn.BatchNorm2d(channels)
        else:
            self.down_conv = self.norm = nn.Identity()
        self.proj = conv(channels, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(self.norm(self.down_conv(x)))


class MultiQueryAttention(nn.Module):
    """Attention whose heads share keys and values (arXiv:1911.02150); (n, c, h, w) -> same."""

    def __init__(self, channels: int, row: Mqa) -> None:
        super().__init__()
        self.heads, self.width = row.heads, row.width
        self.query = nn.Sequential()
        self.query.add_module("proj", conv(channels, row.heads * row.width))
        self.key = Shrunk(channels, row.width, row.reach)
        self.value = Shrunk(channels, row.width, row.reach)
        self.output = nn.Sequential()
        self.output.add_module("proj", conv(row.heads * row.width, channels))

    def forward(self, x: Tensor) -> Tensor:
        n, _, h, w = x.shape
        heads, d = self.heads, self.width
        # (n, heads*d, h, w) -> (n, h*w, heads, d) -> (n, h*w*heads, d): all heads are rows of one product
        q = self.query(x).reshape(n, heads, d, h * w).permute(0, 3, 1, 2).reshape(n, h * w * heads, d)
        k = self.key(x).flatten(2)  # (n, d, t)
        v = self.value(x).flatten(2).transpose(1, 2)  # (n, t, d)
        y = (q * d**-0.5 @ k).softmax(dim=-1) @ v
        y = y.reshape(n, h * w, heads, d).permute(0, 2, 3, 1).reshape(n, heads * d, h, w)
        return self.output(y)


class AttentionBlock(nn.Module):
    """Batch norm, attention, LayerScale, residual; (n, c, h, w) -> same."""

    def __init__(self, row: Mqa, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.attn = MultiQueryAttention(channels, row)
        self.layer_scale = LayerScale(channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layer_scale(self.attn(self.norm(x)))


def rows(channels: int, *blocks: tuple[int, int, float] | Mqa, scaled: bool = False) -> list[Row]:
    """A stage of a table: UIBs as (first kernel, second kernel, expansion), and attention; the first has stride 2."""
    return [
        replace(block, channels=channels)
        if isinstance(block, Mqa)
        else Uib(channels, 1, block[1], 1 if i else 2, start=block[0], expand=block[2], scaled=scaled)
        for i, block in enumerate(blocks)
    ]


FUSED = [Fused(48, stride=2)]
LAST = [Plain(960, kernel=1)]
# Tables 11 to 15.
CONV_SMALL: Table = (
    [Plain(32, stride=2, skip=False), Plain(32, kernel=1, skip=False)],
    [Plain(96, stride=2), Plain(64, kernel=1)],
    rows(96, (5, 5, 3), (0, 3, 2), (0, 3, 2), (0, 3, 2), (0, 3, 2), (3, 0, 4)),
    rows(128, (3, 3, 6), (5, 5, 4), (0, 5, 4), (0, 5, 3), (0, 3, 4), (0, 3, 4)),
    LAST,
)
CONV_MEDIUM: Table = (
    FUSED,
    rows(80, (3, 5, 4), (3, 3, 2)),
    rows(160, (3, 5, 6), (3, 3, 4), (3, 3, 4), (3, 5, 4), (3, 3, 4), (3, 0, 4), (0, 0, 2), (3, 0, 4)),
    rows(
        256,
        *((5, 5, 6), (5, 5, 4), (3, 5, 4), (3, 5, 4), (0, 0, 4), (3, 0, 4)),
        *((3, 5, 2), (5, 5, 4), (0, 0, 4), (0, 0, 4), (5, 0, 2)),
    ),
    LAST,
)
CONV_LARGE: Table = (
    FUSED,
    rows(96, (3, 5, 4), (3, 3, 4)),
    rows(192, (3, 5, 4), *[(3, 3, 4)] * 3, (3, 5, 4), *[(5, 3, 4)] * 5, (3, 0, 4)),
    rows(512, *[(5, 5, 4)] * 4, (5, 0, 4), (5, 3, 4), (5, 0, 4), (5, 0, 4), (5, 3, 4), (5, 5, 4), *[(5, 0, 4)] * 3),
    LAST,
)
M3, M4 = Mqa(0, heads=4, width=64, reach=2), Mqa(0, heads=4, width=64)
HYBRID_MEDIUM: Table = (
    FUSED,
    rows(80, (3, 5, 4), (3, 3, 2), scaled=True),
    rows(
        160,
        *((3, 5, 6), (0, 0, 2), (3, 3, 4), (3, 5, 4)),
        *(M3, (3, 3, 4), M3, (3, 0, 4), M3, (3, 3, 4), M3, (3, 0, 4)),
        scaled=True,
    ),
    rows(
        256,
        *((5, 5, 6), (5, 5, 4), (3, 5, 4), (3, 5, 4), (0, 0, 2), (3, 5, 2), (0, 0, 2), (0, 0, 4)),
        *(M4, (3, 0, 4), M4, (5, 5, 4), M4, (5, 0, 4), M4, (5, 0, 4)),
        scaled=True,
    ),
    LAST,
)
L3, L4 = Mqa(0, heads=8, width=48, reach=2), Mqa(0, heads=8, width=64)
HYBRID_LARGE: Table = (
    FUSED,
    rows(96, (3, 5, 4), (3, 3, 4), scaled=True),
    rows(
        192,
        *((3, 5, 4), (3, 3, 4), (3, 3, 4), (3, 3, 4), (3, 5, 4), (5, 3, 4), (5, 3, 4)),
        *(L3, (5, 3, 4), L3, (5, 3, 4), L3, (5, 3, 4), L3, (3, 0, 4)),
        scaled=True,
    ),
    rows(
        512,
        *((5, 5, 4), (5, 5, 4), (5, 5, 4), (5, 5, 4), (5, 0, 4), (5, 3, 4), (5, 0, 4), (5, 0, 4), (5, 3, 4), (5, 5, 4)),
        *(L4, (5, 0, 4), L4, (5, 0, 4), L4, (5, 0, 4), L4, (5, 0, 4)),
        scaled=True,
    ),
    LAST,
)


def cfg(table: Table, stem: int = 32, width: float = 1.0, act: type[nn.Module] = nn.ReLU, head: int = 1280) -> Cfg:
    return Cfg(table, stem, head, width, act, head_bias=False, head_norm=True)


# The variants with a width are timm's.
VARIANTS = {
    "mobilenetv4_conv_small": cfg(CONV_SMALL),
    "mobilenetv4_conv_small_035": cfg(CONV_SMALL, width=0.35),
    "mobilenetv4_conv_small_050": cfg(CONV_SMALL, width=0.5),
    "mobilenetv4_conv_medium": cfg(CONV_MEDIUM),
    "mobilenetv4_conv_large": cfg(CONV_LARGE, 24),
    "mobilenetv4_hybrid_medium": cfg(HYBRID_MEDIUM),
    "mobilenetv4_hybrid_medium_075": cfg(HYBRID_MEDIUM, width=0.75),
    "mobilenetv4_hybrid_large": cfg(HYBRID_LARGE, 24, act=nn.GELU),
    "mobilenetv4_hybrid_large_075": cfg(HYBRID_LARGE, 24, 0.75, nn.GELU),
}


class BlurPool(nn.Module):
    """Each second pixel after a binomial blur of 3x3 (arXiv:1904.11486 §4); (n, channels, h, w) -> (n, c, h/2, w/2)."""

    blur: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        row = torch.tensor((0.25, 0.5, 0.25))
        self.register_buffer("blur", (row[:, None] * row).repeat(channels, 1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.conv2d(x, self.blur, stride=2, padding=1, groups=len(self.blur))


def mean_pool(channels: int) -> nn.Module:
    """Means of 2x2 pixels; (n, channels, h, w) -> (n, channels, h/2, w/2)."""
    return nn.AvgPool2d(2)


def antialiased(cfg: Cfg, num_classes: int = 1000, *, pool: Callable[[int], nn.Module] = mean_pool) -> MobileNetV3:
    """The network whose stages shrink by pools, made of channels, instead of by strides (after arXiv:1904.11486)."""
    model = MobileNetV3(cfg, num_classes)
    for stage in model.blocks.children():
        first = next(stage.children())
        if isinstance(first, UniversalBlock):
            assert isinstance(first.dw_mid, ConvNormAct)
            first.dw_mid.conv.stride = (1, 1)
            first.dw_mid.act = nn.Sequential(first.dw_mid.act, pool(first.dw_mid.conv.out_channels))
        elif isinstance(first, FusedInvertedResidual):
            first.conv_exp.stride = (1, 1)
            first.act = nn.Sequential(first.act, pool(first.conv_exp.out_channels))
    return model


ANTIALIASED = {
    "mobilenetv4_conv_aa_medium": VARIANTS["mobilenetv4_conv_medium"],
    "mobilenetv4_conv_aa_large": VARIANTS["mobilenetv4_conv_large"],
}
_HALF = PreprocessSpec(mean=HALF, std=HALF)
_M = PreprocessSpec(input_size=(3, 256, 256), crop_pct=0.95)
SPECS = {
    "mobilenetv4_conv_small_035": _HALF,
    "mobilenetv4_conv_small_050": _HALF,
    "mobilenetv4_conv_medium": _M,
    "mobilenetv4_conv_aa_medium": _M,
    "mobilenetv4_conv_blur_medium": PreprocessSpec(crop_pct=0.95),
    "mobilenetv4_conv_large": replace(_M, input_size=(3, 384, 384)),
    "mobilenetv4_conv_aa_large": replace(_M, input_size=(3, 448, 448)),
    "mobilenetv4_hybrid_medium": _M,
    "mobilenetv4_hybrid_medium_075": PreprocessSpec(crop_pct=0.95),
    "mobilenetv4_hybrid_large": replace(_M, input_size=(3, 384, 384)),
    "mobilenetv4_hybrid_large_075": _M,
}
for _name, _cfg in VARIANTS.items():
    register(_name, MobileNetV3, _cfg, paper=PAPER, spec=SPECS.get(_name))
for _name, _cfg in ANTIALIASED.items():
    register(_name, antialiased, _cfg, paper=PAPER, spec=SPECS[_name])
_name = "mobilenetv4_conv_blur_medium"
register(
    _name, partial(antialiased, pool=BlurPool), VARIANTS["mobilenetv4_conv_medium"], paper=PAPER, spec=SPECS[_name]
)
register(
    "mobilenetv4_test",
    MobileNetV3,
    cfg(
        (
            [Fused(16, stride=2)],
            rows(16, (3, 5, 2), (3, 0, 2), scaled=True),
            rows(24, (5, 3, 2), (0, 0, 2), Mqa(0, heads=2, width=16, reach=2), (3, 0, 2), scaled=True),
            rows(32, (3, 5, 2), Mqa(0, heads=2, width=16), (0, 3, 2), scaled=True),
            [Plain(64, kernel=1)],
        ),
        16,
        head=96,
    ),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64)),
    num_classes=10,
)
