"""What CoAtNet, MaxViT and their kin are made of: convolutions and attention in one network.

Papers: CoAtNet (arXiv:2106.04803), MaxViT (arXiv:2204.01697); parameter names and shapes are timm's. The images are of
one size: every attention has a table, or a small network, of relative positions.
"""

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor, nn, zeros
from torch.nn import functional as F

from .layers import (
    ConvMlp,
    LayerNorm2d,
    LayerScale,
    LayerScale2d,
    Mlp,
    TanhGELU,
    attend,
    conv,
    make_divisible,
    split_heads,
)
from .windows import from_grid, from_windows, relative_index, to_grid, to_windows

HEAD_WIDTH = 32
EXPAND = 4
PARTITION = 32  # windows and grids have 1/32 of the image's side
ACTS: dict[str, type[nn.Module]] = {"gelu": nn.GELU, "tanh": TanhGELU, "silu": nn.SiLU, "relu": nn.ReLU}


@dataclass(frozen=True, kw_only=True)
class Cfg:
    """What varies between the variants of all kin; the defaults are CoAtNet's of the paper."""

    widths: tuple[int, ...]  # of the stages
    depths: tuple[int, ...]
    blocks: str = "CCTT"  # of each stage: C convolution, T transformer, M multi-axis
    strides: tuple[int, ...] = (2, 2, 2, 2)  # of the first block of each stage
    stem: tuple[int, int] = (64, 64)
    head: int = 0  # width of the layer before the logits, 0 for none
    image: int = 224  # height and width
    same: bool = False  # TensorFlow's padding, its epsilons, and the order of the heads' channels
    act: str = "gelu"  # of the attention blocks' MLPs

    conv_next: bool = False  # ConvNeXt blocks (arXiv:2201.03545) in place of MBConv
    conv_act: str = "gelu"
    expand_output: bool = True  # MBConv is EXPAND times as wide as its output, not as its input
    conv_bias: bool = True  # of the last convolution and of the shortcut
    pool_stride: bool = False  # stride by pooling, not by the depthwise convolution
    pre_act: bool = False  # an activation behind the first norm
    early_excite: bool = False  # squeeze-and-excite before the norm
    excite_act: str = "silu"
    excite_ratio: float = 0.25
    max_pool: bool = False  # 3x3 maximum in the shortcuts, not 2x2 mean

    expand_first: bool = True  # a transformer that widens does so before its attention, not behind
    shortcut_bias: bool = True
    batch_norm: bool = False  # in the transformer blocks
    layer_scale: bool = False  # in the transformer blocks
    position_hidden: int = 0  # width of a network of log-spaced offsets in place of the table


class SameConv(nn.Conv2d):
    """A convolution of stride 2 padded below and on the right, as TensorFlow's SAME does for even (h, w)."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(F.pad(input, (0, 1, 0, 1)))


def strided(cfg: Cfg, c_in: int, c_out: int, stride: int, *, groups: int = 1, bias: bool = False) -> nn.Conv2d:
    """A 3x3 convolution, padded as cfg says."""
    if cfg.same and stride == 2:
        return SameConv(c_in, c_out, 3, stride, groups=groups, bias=bias)
    return nn.Conv2d(c_in, c_out, 3, stride, padding=1, groups=groups, bias=bias)


class NormAct(nn.BatchNorm2d):
    """Batch norm and the activation of cfg's convolutions; (n, c, h, w) -> same."""

    def __init__(self, cfg: Cfg, channels: int) -> None:
        super().__init__(channels, eps=1e-3 if cfg.same else 1e-5)
        self.act = ACTS[cfg.conv_act]()

    def forward(self, input: Tensor) -> Tensor:
        return self.act(super().forward(input))


class LayerNormAct(LayerNorm2d):
    """Layer norm and the activation of cfg's convolutions; (n, c, h, w) -> same."""

    def __init__(self, cfg: Cfg, channels: int) -> None:
        super().__init__(channels)
        self.act = ACTS[cfg.conv_act]()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(super().forward(x))


class Stem(nn.Module):
    """Two 3x3 convolutions, the first of stride 2; (n, 3, h, w) -> (n, c, h/2, w/2)."""

    def __init__(self, cfg: Cfg) -> None:
        super().__init__()
        self.conv1 = strided(cfg, 3, cfg.stem[0], 2, bias=cfg.same)
        self.norm1 = (LayerNormAct if cfg.conv_next else NormAct)(cfg, cfg.stem[0])
        self.conv2 = strided(cfg, cfg.stem[0], cfg.stem[1], 1, bias=cfg.same)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.norm1(self.conv1(x)))


class Downsample(nn.Module):
    """Pooling by 2, and a 1x1 convolution where channels are added; (n, c_in, h, w) -> (n, c_out, h/2, w/2)."""

    def __init__(self, c_in: int, c_out: int, *, bias: bool = True, max_pool: bool = False) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(3, 2, padding=1) if max_pool else nn.AvgPool2d(2)
        self.expand = nn.Conv2d(c_in, c_out, 1, bias=bias) if c_in != c_out else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.expand(self.pool(x))


class Excite(nn.Module):
    """Squeeze-and-excite (arXiv:1709.01507 fig. 3); (n, c, h, w) -> same."""

    def __init__(self, channels: int, reduced: int, act: type[nn.Module]) -> None:
        super().__init__()
        self.fc1 = conv(channels, reduced, bias=True)
        self.act = act()
        self.fc2 = conv(reduced, channels, bias=True)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((2, 3), keepdim=True)  # (n, c, 1, 1)
        return x * self.gate(self.fc2(self.act(self.fc1(mean))))


class MBConv(nn.Module):
    """Pre-norm inverted residual with squeeze-and-excite (arXiv:2106.04803 §A.1); images, c_in -> c_out channels."""

    def __init__(self, cfg: Cfg, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        mid = make_divisible(EXPAND * (c_out if cfg.expand_output else c_in))
        reduced = int(cfg.excite_ratio * (c_out if cfg.expand_output else mid))
        excite = Excite(mid, reduced, ACTS[cfg.excite_act])
        pool = stride == 2 and cfg.pool_stride
        self.shortcut = (
            Downsample(c_in, c_out, bias=cfg.conv_bias, max_pool=cfg.max_pool) if stride == 2 else nn.Identity()
        )
        self.pre_norm = NormAct(cfg, c_in) if cfg.pre_act else nn.BatchNorm2d(c_in, eps=1e-3 if cfg.same else 1e-5)
        self.down = Downsample(c_in, c_in) if pool else nn.Identity()
        self.conv1_1x1 = nn.Conv2d(c_in, mid, 1, bias=False)
        self.norm1 = NormAct(cfg, mid)
        self.conv2_kxk = strided(cfg, mid, mid, 1 if pool else stride, groups=mid)
        self.se_early = excite if cfg.early_excite else nn.Identity()
        self.norm2 = NormAct(cfg, mid)
        self.se = nn.Identity() if cfg.early_excite else excite
        self.conv3_1x1 = nn.Conv2d(mid, c_out, 1, bias=cfg.conv_bias)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(self.conv1_1x1(self.down(self.pre_norm(x))))
        y = self.se(self.norm2(self.se_early(self.conv2_kxk(y))))
        return self.conv3_1x1(y) + self.shortcut(x)


class ConvNeXt(nn.Module):
    """ConvNeXt block (arXiv:2201.03545 fig. 4) that may shrink and widen; (n, c_in, h, w) -> (n, c_out, h', w')."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.shortcut = Downsample(c_in, c_out) if stride == 2 else nn.Identity()
        self.conv_dw = nn.Conv2d(c_in, c_out, 7, stride, padding=3, groups=c_in)
        self.norm = LayerNorm2d(c_out)
        self.mlp = ConvMlp(c_out, EXPAND * c_out)
        self.ls = LayerScale2d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.ls(self.mlp(self.norm(self.conv_dw(x)))) + self.shortcut(x)


class PositionTable(nn.Module):
    """A learnt bias for each head and offset of a (side, side) window; -> (heads, side * side, side * side)."""

    index: Tensor

    def __init__(self, side: int, heads: int) -> None:
        super().__init__()
        self.relative_position_bias_table = nn.Parameter(zeros((2 * side - 1) ** 2, heads))
        self.register_buffer("index", relative_index(side, side), persistent=False)

    def forward(self) -> Tensor:
        return self.relative_position_bias_table[self.index].permute(2, 0, 1)


class PositionGrid(nn.Module):
    """The same table as TensorFlow's checkpoints have it: by head, row and column, of the offset to the other pixel."""

    index: Tensor

    def __init__(self, side: int, heads: int) -> None:
        super().__init__()
        self.relative_position_bias_table = nn.Parameter(zeros(heads, 2 * side - 1, 2 * side - 1))
        self.register_buffer("index", relative_index(side, side).T, persistent=False)

    def forward(self) -> Tensor:
        return self.relative_position_bias_table.flatten(1)[:, self.index]


class PositionNetwork(nn.Module):
    """Biases from a network of the offsets' logarithms (arXiv:2111.09883 §3.3); -> (heads, side^2, side^2)."""

    def __init__(self, side: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.mlp = Mlp(2, hidden, nn.ReLU, heads)
        offsets = torch.arange(1 - side, side, dtype=torch.float32)
        logs = offsets.sign() * (1 + offsets.abs()).log()
        self.register_buffer("coordinates", torch.cartesian_prod(logs, logs), persistent=False)
        self.register_buffer("index", relative_index(side, side), persistent=False)

    def forward(self) -> Tensor:
        return self.mlp(self.coordinates)[self.index].permute(2, 0, 1)


def positions(cfg: Cfg, side: int, heads: int) -> nn.Module:
    """The position biases of an attention over (side, side) pixels."""
    if cfg.position_hidden:
        return PositionNetwork(side, heads, cfg.position_hidden)
    return PositionGrid(side, heads) if cfg.same else PositionTable(side, heads)


class TokenConv(nn.Conv2d):
    """A linear whose weight is stored as a 1x1 convolution's; (n, t, c_in) -> (n, t, c_out)."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__(c_in, c_out, 1)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight.flatten(1), self.bias)


class Attention(nn.Module):
    """Attention with biases of relative positions; (n, side * side, c_in) -> (n, side * side, c_out).

    `linear` makes the layers; the channels of its first are a head's queries, keys and values after another's, or,
    where cfg.same, all heads' queries, then keys, then values.
    """

    def __init__(self, cfg: Cfg, c_in: int, c_out: int, side: int, linear: type[nn.Module]) -> None:
        super().__init__()
        width = c_out if cfg.expand_first else c_in
        self.heads, self.thirds_first = width // HEAD_WIDTH, cfg.same
        self.qkv = linear(c_in, 3 * width)
        self.rel_pos = positions(cfg, side, self.heads)
        self.proj = linear(width, c_out)

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, _ = x.shape
        if self.thirds_first:
            parts = (split_heads(part, self.heads) for part in self.qkv(x).chunk(3, dim=-1))
        else:
            parts = self.qkv(x).reshape(n, tokens, self.heads, 3 * HEAD_WIDTH).transpose(1, 2).chunk(3, dim=-1)
        q, k, v = parts  # (n, heads, t, HEAD_WIDTH) each
        return self.proj(attend(q, k, v, self.rel_pos()))


class Transformer(nn.Module):
    """Attention over all pixels, then an MLP (arXiv:2106.04803 §A.1); (n, c_in, h, w) -> (n, c_out, side, side)."""

    def __init__(self, cfg: Cfg, c_in: int, c_out: int, stride: int, side: int) -> None:
        super().__init__()
        norm = nn.BatchNorm2d if cfg.batch_norm else LayerNorm2d
        self.shortcut: nn.Module = nn.Identity()
        self.norm1: nn.Module = norm(c_in, eps=1e-6)
        if stride == 2:
            self.shortcut = Downsample(c_in, c_out, bias=cfg.shortcut_bias, max_pool=cfg.max_pool)
            down = Downsample(c_in, c_in, max_pool=cfg.max_pool)
            self.norm1 = nn.Sequential(OrderedDict(norm=self.norm1, down=down))
        elif c_in != c_out:
            self.shortcut = nn.Conv2d(c_in, c_out, 1)
        self.attn = Attention(cfg, c_in, c_out, side, TokenConv)
        self.ls1 = LayerScale2d(c_out) if cfg.layer_scale else nn.Identity()
        self.norm2 = norm(c_out, eps=1e-6)
        self.mlp = ConvMlp(c_out, EXPAND * c_out)
        self.ls2 = LayerScale2d(c_out) if cfg.layer_scale else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        n, _, h, w = y.shape
        y = self.attn(y.flatten(2).transpose(1, 2)).transpose(1, 2).reshape(n, -1, h, w)
        x = self.shortcut(x) + self.ls1(y)
        return x + self.ls2(self.mlp(self.norm2(x)))


class PartitionAttention(nn.Module):
    """Attention inside windows, or inside grids of far pixels (arXiv:2204.01697 §3.2, §3.3); (n, h, w, c) -> same."""

    def __init__(self, cfg: Cfg, width: int, *, grid: bool) -> None:
        super().__init__()
        self.side = cfg.image // PARTITION
        self.cut, self.join = (to_grid, from_grid) if grid else (to_windows, from_windows)
        eps = 1e-5 if cfg.same else 1e-6
        self.norm1 = nn.LayerNorm(width, eps=eps)
        self.attn = Attention(cfg, width, width, self.side, nn.Linear)
        self.ls1 = LayerScale(width) if cfg.layer_scale else nn.Identity()
        self.norm2 = nn.LayerNorm(width, eps=eps)
        self.mlp = Mlp(width, EXPAND * width, ACTS[cfg.act])
        self.ls2 = LayerScale(width) if cfg.layer_scale else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        _, h, w, _ = x.shape
        y = self.attn(self.cut(self.norm1(x), self.side))
        x = x + self.ls1(self.join(y, self.side, h, w))
        return x + self.ls2(self.mlp(self.norm2(x)))


def convolution(cfg: Cfg, c_in: int, c_out: int, stride: int) -> nn.Module:
    """MBConv or ConvNeXt, as cfg says."""
    return ConvNeXt(c_in, c_out, stride) if cfg.conv_next else MBConv(cfg, c_in, c_out, stride)


class MultiAxis(nn.Module):
    """Convolution, attention in windows, attention in grids (arXiv:2204.01697 fig. 2); images, c_in -> c_out."""

    def __init__(self, cfg: Cfg, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.conv = convolution(cfg, c_in, c_out, stride)
        self.attn_block = PartitionAttention(cfg, c_out, grid=False)
        self.attn_grid = PartitionAttention(cfg, c_out, grid=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x).permute(0, 2, 3, 1)
        return self.attn_grid(self.attn_block(y)).permute(0, 3, 1, 2)


class Stage(nn.Module):
    """Blocks, of which the first may shrink; (n, c_in, h, w) -> (n, c_out, side, side)."""

    def __init__(self, blocks: list[nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x)


class Head(nn.Module):
    """Mean over the pixels, and either a linear, or norm, linear, tanh, linear; (n, c, h, w) -> (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int) -> None:
        super().__init__()
        width = cfg.widths[-1]
        self.norm = nn.LayerNorm(width, eps=1e-5 if cfg.same else 1e-6) if cfg.head else nn.Identity()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if cfg.head:
            layers.update(fc=nn.Linear(width, cfg.head), act=nn.Tanh())
        self.pre_logits = nn.Sequential(layers)
        self.fc = nn.Linear(cfg.head or width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.pre_logits(self.norm(x.mean((2, 3)))))


class Hybrid(nn.Module):
    """(n, 3, image, image) -> logits (n, num_classes). Raises ValueError for images of another size."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        self.image = cfg.image
        self.stem = Stem(cfg)
        stages = []
        c_in, side = cfg.stem[1], cfg.image // 2
        for kind, width, depth, stride in zip(cfg.blocks, cfg.widths, cfg.depths, cfg.strides, strict=True):
            side //= stride
            blocks = []
            for i in range(depth):
                blocks.append(self.block(cfg, kind, c_in, width, 1 if i else stride, side))
                c_in = width
            stages.append(Stage(blocks))
        self.stages = nn.Sequential(*stages)
        norm = nn.BatchNorm2d if cfg.batch_norm else LayerNorm2d
        self.norm = nn.Identity() if cfg.head else norm(c_in, eps=1e-6)
        self.head = Head(cfg, num_classes)

    @staticmethod
    def block(cfg: Cfg, kind: str, c_in: int, c_out: int, stride: int, side: int) -> nn.Module:
        """A block of the kind that cfg.blocks names."""
        if kind == "T":
            return Transformer(cfg, c_in, c_out, stride, side)
        return MultiAxis(cfg, c_in, c_out, stride) if kind == "M" else convolution(cfg, c_in, c_out, stride)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:] != (self.image, self.image):
            raise ValueError(f"this model takes images of {self.image}x{self.image}, not {x.shape[2]}x{x.shape[3]}")
        return self.head(self.norm(self.stages(self.stem(x))))
