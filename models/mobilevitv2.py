"""Separable Self-attention for Mobile Vision Transformers (arXiv:2206.02680): MobileViTv2.

Parameter names and shapes are timm's. Its images are not normalised: mean 0, std 1.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from .layers import ConvMlp, ConvNormAct, Head, conv
from .mobilevit import PATCH, MobileNetV2Block
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:2206.02680"
# Table 5 of the appendix.
CHANNELS = (64, 128, 256, 384, 512)
STEM = 32
# MobileNetV2 blocks and the stride of the first of them, in each stage.
STAGES = ((1, 1), (2, 2), (1, 2), (1, 2), (1, 2))
EXPAND = 2  # of the MobileNetV2 blocks and of the transformers' MLPs


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    width: float  # multiplies all channels
    depths: tuple[int, int, int] = (2, 4, 3)  # of the transformers


class SeparableAttention(nn.Module):
    """Self-attention whose cost is linear in the tokens (§3.2, fig. 4c).

    Tokens lie in images: (n, c, pixels of a patch, patches) -> same; the pixels of a patch do not see each other.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.qkv_proj = conv(channels, 1 + 2 * channels, bias=True)
        self.out_proj = conv(channels, channels, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.qkv_proj(x).split([1, self.channels, self.channels], dim=1)
        scores = query.softmax(dim=-1).transpose(1, 2)  # (n, 1, p, t) -> (n, p, 1, t)
        context = scores @ key.permute(0, 2, 3, 1)  # (n, p, 1, t) @ (n, p, t, c) -> (n, p, 1, c)
        return self.out_proj(value.relu() * context.permute(0, 3, 1, 2))


class LinearTransformer(nn.Module):
    """Pre-norm transformer layer with separable attention; (n, c, p, t) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(1, channels)
        self.attn = SeparableAttention(channels)
        self.norm2 = nn.GroupNorm(1, channels)
        self.mlp = ConvMlp(channels, EXPAND * channels, nn.SiLU)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class MobileViTv2Block(nn.Module):
    """Transformers over the pixels that share a place in their 2x2 patch (§3.3); (n, c, h, w) -> same.

    h and w must be even; ValueError otherwise.
    """

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        width = channels // 2
        self.conv_kxk = ConvNormAct(channels, channels, 3, groups=channels, act=nn.SiLU)
        self.conv_1x1 = conv(channels, width)
        self.transformer = nn.Sequential(*(LinearTransformer(width) for _ in range(depth)))
        self.norm = nn.GroupNorm(1, width)
        self.conv_proj = ConvNormAct(width, channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv_1x1(self.conv_kxk(x))
        n, c, h, w = y.shape
        if h % PATCH or w % PATCH:
            raise ValueError(f"MobileViTv2 needs images whose sides are multiples of {32 * PATCH}: a stage has {h}x{w}")
        rows, cols = h // PATCH, w // PATCH
        # unfold: (n, c, rows, 2, cols, 2) -> (n, c, 2, 2, rows, cols) -> (n, c, 4, patches)
        y = y.reshape(n, c, rows, PATCH, cols, PATCH).permute(0, 1, 3, 5, 2, 4).reshape(n, c, -1, rows * cols)
        y = self.norm(self.transformer(y))
        # fold: (n, c, 2, 2, rows, cols) -> (n, c, rows, 2, cols, 2) -> (n, c, h, w)
        y = y.reshape(n, c, PATCH, PATCH, rows, cols).permute(0, 1, 4, 2, 5, 3).reshape(n, c, h, w)
        return self.conv_proj(y)


class MobileViTv2(nn.Module):
    """(n, 3, h, w), h and w multiples of 64 -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        c_in = int(STEM * cfg.width)
        self.stem = ConvNormAct(3, c_in, 3, 2, act=nn.SiLU)
        stages = []
        for i, (blocks, stride) in enumerate(STAGES):
            c = int(CHANNELS[i] * cfg.width)
            stage: list[nn.Module] = [MobileNetV2Block(c_in, c, stride, EXPAND)]
            stage += [MobileNetV2Block(c, c, 1, EXPAND) for _ in range(blocks - 1)]
            if i >= 2:
                stage.append(MobileViTv2Block(c, cfg.depths[i - 2]))
            stages.append(nn.Sequential(*stage))
            c_in = c
        self.stages = nn.Sequential(*stages)
        self.head = Head(c_in, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stages(self.stem(x)))


SPEC = PreprocessSpec(input_size=(3, 256, 256), mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), crop_pct=0.888)
for _percent in (50, 75, 100, 125, 150, 175, 200):
    register(f"mobilevitv2_{_percent:03}", MobileViTv2, Cfg(_percent / 100), paper=PAPER, spec=SPEC)
register(
    "mobilevitv2_test",
    MobileViTv2,
    Cfg(0.125, (1, 1, 1)),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 128, 128), mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), crop_pct=0.888),
    num_classes=10,
)
