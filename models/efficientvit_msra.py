"""EfficientViT: Memory Efficient Vision Transformer with Cascaded Group Attention (arXiv:2305.07027).

Microsoft's model of that name. Parameter names and shapes are timm's. The images are of one size: the attention biases
have an entry for each offset.
"""

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor, cat, nn, zeros

from .branches import branch, identity, plain, total
from .layers import ConvNormAct, SigmoidExcite, make_divisible
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:2305.07027"
WINDOW = 7  # side of the attention's windows, in the first stage
KEY = 16  # channels of a head's queries and keys


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    widths: tuple[int, int, int]
    depths: tuple[int, int, int]
    heads: tuple[int, int, int]
    kernels: tuple[int, int, int, int] = (7, 5, 3, 3)  # of the depthwise convolution on each head's queries
    image: int = 224  # height and width


# The blocks that another network (shvit.py) has too take the class of their convolutions.


class Residual(nn.Module):
    """x + m(x)"""

    def __init__(self, m: nn.Module) -> None:
        super().__init__()
        self.m = m

    def forward(self, x: Tensor) -> Tensor:
        return x + self.m(x)


class ResidualDepthwise(Residual):
    """3x3 depthwise convolution and batch norm, with a residual; (n, c, h, w) -> same."""

    def __init__(self, channels: int, layer: type[ConvNormAct] = ConvNormAct) -> None:
        super().__init__(layer(channels, channels, 3, groups=channels))

    def fuse(self) -> nn.Module:
        """One depthwise convolution."""
        layer = self.m
        assert isinstance(layer, ConvNormAct)
        of = branch(layer.conv, layer.bn)
        return plain(total(of, identity(of)), layer.conv)


class Ffn(nn.Module):
    """Two 1x1 convolutions with batch norms, of twice the width between; (n, c, h, w) -> same."""

    def __init__(self, channels: int, layer: type[ConvNormAct] = ConvNormAct) -> None:
        super().__init__()
        self.pw1 = layer(channels, 2 * channels, act=nn.ReLU)
        self.pw2 = layer(2 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.pw2(self.pw1(x))


class PatchMerging(nn.Module):
    """An inverted residual block without residual, of stride 2; (n, c_in, h, w) -> (n, c_out, h/2, w/2)."""

    def __init__(self, c_in: int, c_out: int, layer: type[ConvNormAct] = ConvNormAct) -> None:
        super().__init__()
        mid = 4 * c_in
        self.conv1 = layer(c_in, mid, act=nn.ReLU)
        self.conv2 = layer(mid, mid, 3, 2, groups=mid, act=nn.ReLU)
        self.se = SigmoidExcite(mid, make_divisible(mid / 4))
        self.conv3 = layer(mid, c_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv3(self.se(self.conv2(self.conv1(x))))


# What follows is this network's own.


def offsets(side: int) -> Tensor:
    """Column of the bias table for each pair of pixels: their two distances; int64 (side * side, side * side)."""
    at = torch.arange(side)
    distance = (at[:, None] - at).abs()  # (side, side)
    table = distance[:, None, :, None] * side + distance[None, :, None, :]  # (y1, x1, y2, x2)
    return table.reshape(side * side, side * side)


class CascadedGroupAttention(nn.Module):
    """A head a group of channels, each adding to its input what the one before gave (cascaded group attention).

    (n, c, side, side) -> same
    """

    offsets: Tensor

    def __init__(self, channels: int, heads: int, side: int, kernels: tuple[int, ...]) -> None:
        super().__init__()
        self.heads, self.value = heads, channels // heads
        self.qkvs = nn.ModuleList(ConvNormAct(self.value, 2 * KEY + self.value) for _ in range(heads))
        self.dws = nn.ModuleList(ConvNormAct(KEY, KEY, kernel, groups=KEY) for kernel in kernels[:heads])
        self.proj = nn.Sequential(nn.ReLU(), ConvNormAct(channels, channels))
        self.attention_biases = nn.Parameter(zeros(heads, side * side))
        self.register_buffer("offsets", offsets(side), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        biases = self.attention_biases[:, self.offsets]  # (heads, t, t)
        outputs: list[Tensor] = []
        for i, group in enumerate(x.chunk(self.heads, dim=1)):
            group = group + outputs[-1] if outputs else group
            q, k, v = self.qkvs[i](group).split((KEY, KEY, self.value), dim=1)
            q = self.dws[i](q) * KEY**-0.5
            q, k, v = q.flatten(2), k.flatten(2), v.flatten(2)  # (n, d, t)
            weights = (q.transpose(1, 2) @ k + biases[i]).softmax(dim=-1)  # (n, t, t)
            outputs.append((v @ weights.transpose(1, 2)).reshape(group.shape))
        return self.proj(cat(outputs, dim=1))


class WindowAttention(nn.Module):
    """Attention inside windows, which tile the map; (n, c, side, side) -> same."""

    def __init__(self, channels: int, heads: int, side: int, kernels: tuple[int, ...]) -> None:
        super().__init__()
        self.window = min(WINDOW, side)
        self.windows = side // self.window  # in a row and in a column
        self.attn = CascadedGroupAttention(channels, heads, self.window, kernels)

    def forward(self, x: Tensor) -> Tensor:
        if self.windows == 1:
            return self.attn(x)
        # (n, c, side, side) -> (windows^2 * n, c, window, window), and back
        y = cat(cat(x.split(self.window, dim=2)).split(self.window, dim=3))
        y = self.attn(y)
        return cat(cat(y.chunk(self.windows), dim=3).chunk(self.windows), dim=2)


class Block(nn.Module):
    """Attention between two pairs of convolutions, the sandwich layout; (n, c, side, side) -> same."""

    def __init__(self, channels: int, heads: int, side: int, kernels: tuple[int, ...]) -> None:
        super().__init__()
        self.dw0 = ResidualDepthwise(channels)
        self.ffn0 = Residual(Ffn(channels))
        self.mixer = Residual(WindowAttention(channels, heads, side, kernels))
        self.dw1 = ResidualDepthwise(channels)
        self.ffn1 = Residual(Ffn(channels))

    def forward(self, x: Tensor) -> Tensor:
        return self.ffn1(self.dw1(self.mixer(self.ffn0(self.dw0(x)))))


def downsample(c_in: int, c_out: int) -> nn.Sequential:
    """What stands between two stages; (n, c_in, h, w) -> (n, c_out, h/2, w/2)."""
    return nn.Sequential(
        OrderedDict(
            res1=nn.Sequential(ResidualDepthwise(c_in), Residual(Ffn(c_in))),
            patchmerge=PatchMerging(c_in, c_out),
            res2=nn.Sequential(ResidualDepthwise(c_out), Residual(Ffn(c_out))),
        )
    )


class Stage(nn.Module):
    """Downsampling (not in the first stage), then blocks."""

    def __init__(self, down: nn.Module, blocks: list[Block]) -> None:
        super().__init__()
        self.downsample = down
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.downsample(x))


def patch_embed(width: int) -> nn.Sequential:
    """Overlapping patch embedding; (n, 3, h, w) -> (n, width, h/16, w/16)."""
    c = (3, width // 8, width // 4, width // 2, width)
    parts = OrderedDict()
    for i in range(4):
        parts[f"conv{i + 1}"] = ConvNormAct(c[i], c[i + 1], 3, 2, act=nn.ReLU if i < 3 else nn.Identity)
    return nn.Sequential(parts)


class EfficientViT(nn.Module):
    """(n, 3, image, image) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        self.image = cfg.image
        self.patch_embed = patch_embed(cfg.widths[0])
        stages = []
        side = cfg.image // 16
        for i, (c, depth, heads) in enumerate(zip(cfg.widths, cfg.depths, cfg.heads, strict=True)):
            down = downsample(cfg.widths[i - 1], c) if i else nn.Identity()
            side = (side + 1) // 2 if i else side
            stages.append(Stage(down, [Block(c, heads, side, cfg.kernels) for _ in range(depth)]))
        self.stages = nn.Sequential(*stages)
        width = cfg.widths[-1]
        self.head = nn.Sequential(OrderedDict(bn=nn.BatchNorm1d(width), linear=nn.Linear(width, num_classes)))

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:] != (self.image, self.image):
            raise ValueError(
                f"this EfficientViT takes images of {self.image}x{self.image}, not {x.shape[2]}x{x.shape[3]}"
            )
        return self.head(self.stages(self.patch_embed(x)).mean((2, 3)))


VARIANTS = {
    "efficientvit_m0": Cfg((64, 128, 192), (1, 2, 3), (4, 4, 4), (5, 5, 5, 5)),
    "efficientvit_m1": Cfg((128, 144, 192), (1, 2, 3), (2, 3, 3)),
    "efficientvit_m2": Cfg((128, 192, 224), (1, 2, 3), (4, 3, 2)),
    "efficientvit_m3": Cfg((128, 240, 320), (1, 2, 3), (4, 3, 4), (5, 5, 5, 5)),
    "efficientvit_m4": Cfg((128, 256, 384), (1, 2, 3), (4, 4, 4)),
    "efficientvit_m5": Cfg((192, 288, 384), (1, 3, 4), (3, 3, 4)),
}
for _name, _cfg in VARIANTS.items():
    register(_name, EfficientViT, _cfg, paper=PAPER, spec=PreprocessSpec())
register("efficientvit_msra_test", EfficientViT, Cfg((16, 24, 32), (1, 1, 1), (2, 3, 2)), paper=PAPER, num_classes=10)
