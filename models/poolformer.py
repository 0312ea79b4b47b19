"""MetaFormer Is Actually What You Need for Vision (arXiv:2111.11418): PoolFormer.

Parameter names and shapes are timm's.
"""

from collections import OrderedDict
from dataclasses import dataclass

from torch import Tensor, nn, ones

from .layers import ConvMlp, LayerNorm2d, conv
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:2111.11418"
EXPAND = 4
POOL = 3  # side of the pooling window


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    depths: tuple[int, int, int, int]
    channels: tuple[int, int, int, int] = (64, 128, 320, 512)


class Pooling(nn.Module):
    """The mean of the neighbourhood, less the pixel itself; (n, c, h, w) -> same."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(POOL, stride=1, padding=POOL // 2, count_include_pad=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(x) - x


class LayerScale(nn.Module):
    """A factor for each channel; (n, c, h, w) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale.reshape(1, -1, 1, 1)


class Block(nn.Module):
    """Pooling and MLP, each with a norm over channels and pixels and a residual; (n, c, h, w) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(1, channels)
        self.token_mixer = Pooling()
        self.layer_scale1 = LayerScale(channels)
        self.norm2 = nn.GroupNorm(1, channels)
        self.mlp = ConvMlp(channels, EXPAND * channels)
        self.layer_scale2 = LayerScale(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.layer_scale1(self.token_mixer(self.norm1(x)))
        return x + self.layer_scale2(self.mlp(self.norm2(x)))


class Stage(nn.Module):
    """3x3 convolution of stride 2 (not in the first stage), then blocks."""

    def __init__(self, c_in: int, c: int, depth: int) -> None:
        super().__init__()
        self.downsample = nn.Sequential()
        if c_in != c:
            self.downsample.add_module("conv", conv(c_in, c, 3, 2, bias=True))
        self.blocks = nn.Sequential(*(Block(c) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.downsample(x))


class PoolFormer(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        c = cfg.channels
        self.stem = nn.Sequential(OrderedDict(conv=nn.Conv2d(3, c[0], 7, stride=4, padding=2)))
        self.stages = nn.Sequential(*(Stage(c[max(i - 1, 0)], c[i], depth) for i, depth in enumerate(cfg.depths)))
        self.head = nn.Sequential(
            OrderedDict(norm=LayerNorm2d(c[-1]), flatten=nn.Flatten(), fc=nn.Linear(c[-1], num_classes))
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stages(self.stem(x)).mean((2, 3), keepdim=True))


VARIANTS = {"poolformer_s12": Cfg((2, 2, 6, 2)), "poolformer_s24": Cfg((4, 4, 12, 4))}
for _name, _cfg in VARIANTS.items():
    register(_name, PoolFormer, _cfg, paper=PAPER, spec=PreprocessSpec(crop_pct=0.9))
register(
    "poolformer_test",
    PoolFormer,
    Cfg((1, 1, 1, 1), (8, 16, 24, 32)),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 96, 96), crop_pct=0.9),
    num_classes=10,
)
