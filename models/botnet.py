"""Bottleneck Transformers for Visual Recognition (arXiv:2101.11605), in timm's re-design of 26 layers.

Parameter names and shapes are timm's. The tables of relative positions fix the size of the images.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .layers import ConvNormAct, Head, conv
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:2101.11605"
HEADS = 4


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants: for each stage, which of its blocks attend instead of convolving."""

    attends: tuple[tuple[bool, ...], ...] = ((False, False), (False, False), (False, True), (True, True))
    stem: int = 64
    width: int = 256  # of the first stage's output
    image: int = 256  # height and width


class Stem(nn.Module):
    """Three 3x3 convolutions and a pooling; (n, 3, h, w) -> (n, channels, h/4, w/4)."""

    def __init__(self, channels: int, act: type[nn.Module]) -> None:
        super().__init__()
        c1, c2 = 3 * channels // 8, channels // 2
        self.conv1 = ConvNormAct(3, c1, 3, 2, act=act)
        self.conv2 = ConvNormAct(c1, c2, 3, act=act)
        self.conv3 = ConvNormAct(c2, channels, 3, act=act)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.conv3(self.conv2(self.conv1(x))))


class Bottleneck(nn.Module):
    """1x1 convolution to a quarter of the channels, `middle` in order, 1x1 convolution to c."""

    def __init__(self, c_in: int, c: int, stride: int, middle: Mapping[str, nn.Module], act: type[nn.Module]) -> None:
        super().__init__()
        self.shortcut = nn.Identity() if stride == 1 and c_in == c else ConvNormAct(c_in, c, 1, stride)
        self.conv1_1x1 = ConvNormAct(c_in, c // 4, act=act)
        self.middle = tuple(middle)
        for name, module in middle.items():
            self.add_module(name, module)
        self.conv3_1x1 = ConvNormAct(c // 4, c)
        self.act = act()

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1_1x1(x)
        for name in self.middle:
            y = self.get_submodule(name)(y)
        return self.act(self.conv3_1x1(y) + self.shortcut(x))


class RelativePositions(nn.Module):
    """What each query says of each key's offset in rows and columns (§3.2); (n, side², d) -> (n, side², side²)."""

    select: Tensor

    def __init__(self, side: int, width: int) -> None:
        super().__init__()
        self.side = side
        self.height_rel = nn.Parameter(torch.randn(2 * side - 1, width) * width**-0.5)
        self.width_rel = nn.Parameter(torch.randn(2 * side - 1, width) * width**-0.5)
        # A key's logit is the sum of its row's and its column's: (2 side, side²) of zeros and ones.
        rows, columns = torch.eye(side).repeat_interleave(side, 1), torch.eye(side).repeat(1, side)
        self.register_buffer("select", torch.cat((rows, columns)), persistent=False)

    def forward(self, q: Tensor) -> Tensor:
        n, tokens, d = q.shape
        q, side = q.reshape(n, self.side, self.side, d), self.side
        by_row, by_column = q @ self.height_rel.T, q @ self.width_rel.T  # (n, row, column, 2 side - 1 offsets)
        # Of the offsets, those of the keys: from -i to side - 1 - i for the queries of row, or column, i.
        spans = [slice(side - 1 - i, 2 * side - 1 - i) for i in range(side)]
        by_row = torch.cat([by_row[:, i : i + 1, :, span] for i, span in enumerate(spans)], 1)
        by_column = torch.cat([by_column[:, :, i : i + 1, span] for i, span in enumerate(spans)], 2)
        return torch.cat((by_row, by_column), 3).reshape(n, tokens, 2 * side) @ self.select


class BottleneckAttention(nn.Module):
    """Self-attention between all places of a map (fig. 4); (n, c, side, side) -> (n, c, side/stride, side/stride)."""

    def __init__(self, c: int, side: int, stride: int) -> None:
        super().__init__()
        self.qkv = conv(c, 3 * c)
        self.pos_embed = RelativePositions(side, c // HEADS)
        self.pool = nn.AvgPool2d(2) if stride == 2 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        # (n, 3c, h, w) -> (n * heads, h * w, c / heads), three times
        q, k, v = (part.reshape(n * HEADS, c // HEADS, h * w).transpose(1, 2) for part in self.qkv(x).chunk(3, 1))
        logits = q @ k.transpose(1, 2) * (c // HEADS) ** -0.5 + self.pos_embed(q)  # (n * heads, h * w, h * w)
        return self.pool((logits.softmax(-1) @ v).transpose(1, 2).reshape(n, c, h, w))


class BoTNet(nn.Module):
    """(n, 3, image, image) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        self.image = cfg.image
        self.stem = Stem(cfg.stem, nn.ReLU)
        c_in, side = cfg.stem, cfg.image // 4
        stages = []
        for i, attends in enumerate(cfg.attends):
            c, blocks = cfg.width * 2**i, []
            for j, attend in enumerate(attends):
                stride = 2 if i and not j else 1
                if attend:
                    attention = BottleneckAttention(c // 4, side, stride)
                    middle = {"self_attn": attention, "post_attn": nn.BatchNorm2d(c // 4), "post_act": nn.ReLU()}
                else:
                    middle = {"conv2_kxk": ConvNormAct(c // 4, c // 4, 3, stride, act=nn.ReLU)}
                blocks.append(Bottleneck(c_in, c, stride, middle, nn.ReLU))
                c_in, side = c, side // stride
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.head = Head(c_in, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:] != (self.image, self.image):
            raise ValueError(f"this BoTNet takes images of {self.image}x{self.image}, not {x.shape[2]}x{x.shape[3]}")
        return self.head(self.stages(self.stem(x)))


SPEC = PreprocessSpec(input_size=(3, 256, 256), crop_pct=0.95)
register("botnet26t_256", BoTNet, Cfg(), paper=PAPER, spec=SPEC)
_test = Cfg(((False,), (False, True), (True,)), stem=16, width=32, image=64)
register("botnet_test", BoTNet, _test, paper=PAPER, spec=PreprocessSpec(input_size=(3, 64, 64)), num_classes=10)
