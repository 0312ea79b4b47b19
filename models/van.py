"""VAN: Visual Attention Network (arXiv:2202.09741).

Parameter names and shapes are those of the authors' release.
"""

from dataclasses import dataclass

from torch import Tensor, nn, ones

from .layers import ConvMlp, LayerNorm2d, conv
from .registry import register
from .spec import HALF, PreprocessSpec

PAPER = "arXiv:2202.09741"
EXPAND = (8, 8, 4, 4)  # of the MLPs of the four stages, table 2
PATCH = ((7, 4), (3, 2), (3, 2), (3, 2))  # kernel and stride of the embedding before each stage


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants, in the order of the paper's table 2."""

    channels: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]


class LargeKernelAttention(nn.Module):
    """A 21x21 convolution in three parts, whose result multiplies its input (§3.1, eq. 1 and 2); (n, c, h, w)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv0 = conv(channels, channels, 5, groups=channels, bias=True)
        self.conv_spatial = nn.Conv2d(channels, channels, 7, padding=9, dilation=3, groups=channels)
        self.conv1 = conv(channels, channels, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.conv1(self.conv_spatial(self.conv0(x)))


class Attention(nn.Module):
    """Large kernel attention between 1x1 convolutions, with a residual inside (fig. 4); (n, c, h, w) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.proj_1 = conv(channels, channels, bias=True)
        self.activation = nn.GELU()
        self.spatial_gating_unit = LargeKernelAttention(channels)
        self.proj_2 = conv(channels, channels, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.proj_2(self.spatial_gating_unit(self.activation(self.proj_1(x))))


class Depthwise(nn.Module):
    """3x3 depthwise convolution; (n, c, h, w) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dwconv = conv(channels, channels, 3, groups=channels, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.dwconv(x)


class Mlp(ConvMlp):
    """An MLP with a depthwise convolution after its first layer; (n, c, h, w) -> same."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__(channels, hidden)
        self.dwconv = Depthwise(hidden)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.dwconv(self.fc1(x))))


class Block(nn.Module):
    """Attention and MLP, each with batch norm, layer scale and residual; (n, c, h, w) -> same."""

    def __init__(self, channels: int, expand: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.attn = Attention(channels)
        self.norm2 = nn.BatchNorm2d(channels)
        self.mlp = Mlp(channels, expand * channels)
        self.layer_scale_1 = nn.Parameter(ones(channels))
        self.layer_scale_2 = nn.Parameter(ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.layer_scale_1.reshape(1, -1, 1, 1) * self.attn(self.norm1(x))
        return x + self.layer_scale_2.reshape(1, -1, 1, 1) * self.mlp(self.norm2(x))


class PatchEmbed(nn.Module):
    """Overlapping patch embedding and batch norm; (n, c_in, h, w) -> (n, c_out, h/stride, w/stride)."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.proj = conv(c_in, c_out, kernel, stride, bias=True)
        self.norm = nn.BatchNorm2d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.proj(x))


class VAN(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        c_in = 3
        for i, (c, depth) in enumerate(zip(cfg.channels, cfg.depths, strict=True)):
            self.add_module(f"patch_embed{i + 1}", PatchEmbed(c_in, c, *PATCH[i]))
            self.add_module(f"block{i + 1}", nn.Sequential(*(Block(c, EXPAND[i]) for _ in range(depth))))
            self.add_module(f"norm{i + 1}", LayerNorm2d(c))
            c_in = c
        self.head = nn.Linear(c_in, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        for i in range(len(PATCH)):
            for part in ("patch_embed", "block", "norm"):
                x = self.get_submodule(f"{part}{i + 1}")(x)
        return self.head(x.mean((2, 3)))


VARIANTS = {
    "van_b0": Cfg((32, 64, 160, 256), (3, 3, 5, 2)),
    "van_b1": Cfg((64, 128, 320, 512), (2, 2, 4, 2)),
    "van_b2": Cfg((64, 128, 320, 512), (3, 3, 12, 3)),
    "van_b3": Cfg((64, 128, 320, 512), (3, 5, 27, 3)),
    "van_b4": Cfg((64, 128, 320, 512), (3, 6, 40, 3)),
    "van_b5": Cfg((96, 192, 480, 768), (3, 3, 24, 3)),
    "van_b6": Cfg((96, 192, 384, 768), (6, 6, 90, 6)),
}
for _name, _cfg in VARIANTS.items():
    register(_name, VAN, _cfg, paper=PAPER, spec=PreprocessSpec(mean=HALF, std=HALF, crop_pct=0.9))
register(
    "van_test",
    VAN,
    Cfg((8, 8, 16, 16), (1, 1, 1, 1)),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64), mean=HALF, std=HALF, crop_pct=0.9),
    num_classes=10,
)
