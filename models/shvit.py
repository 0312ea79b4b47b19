"""SHViT: Single-Head Vision Transformer with Memory Efficient Macro Design (arXiv:2401.16456).

Parameter names and shapes are timm's. Around its attention it is built of the blocks of Microsoft's EfficientViT.
"""

from collections import OrderedDict
from dataclasses import dataclass

from torch import Tensor, cat, nn

from .efficientvit_msra import Ffn, PatchMerging, Residual, ResidualDepthwise
from .layers import ConvNormAct, conv
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:2401.16456"
KEY = 16  # channels of the queries and keys


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    widths: tuple[int, int, int]
    depths: tuple[int, int, int]
    parts: tuple[int, int, int]  # channels that attend; the first stage has no attention


class ConvNorm(ConvNormAct):
    """A ConvNormAct whose convolution is called c."""

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        groups: int = 1,
        act: type[nn.Module] = nn.Identity,
    ) -> None:
        nn.Module.__init__(self)
        self.c = conv(c_in, c_out, kernel, stride, groups=groups)
        self.bn = nn.BatchNorm2d(c_out)
        self.act = act()

    @property
    def conv(self) -> nn.Conv2d:
        return self.c


class SingleHeadAttention(nn.Module):
    """Attention over all pixels with one head and a part of the channels; (n, c, h, w) -> same."""

    def __init__(self, channels: int, part: int) -> None:
        super().__init__()
        self.parts = part, channels - part
        self.pre_norm = nn.GroupNorm(1, part)
        self.qkv = ConvNorm(part, 2 * KEY + part)
        self.proj = nn.Sequential(nn.ReLU(), ConvNorm(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        attending, rest = x.split(self.parts, dim=1)
        q, k, v = self.qkv(self.pre_norm(attending)).flatten(2).split((KEY, KEY, self.parts[0]), dim=1)  # (n, d, t)
        weights = (q.transpose(1, 2) * KEY**-0.5 @ k).softmax(dim=-1)  # (n, t, t)
        y = (v @ weights.transpose(1, 2)).reshape(attending.shape)
        return self.proj(cat((y, rest), dim=1))


class Block(nn.Module):
    """Depthwise convolution, attention where there is one, MLP; (n, c, h, w) -> same."""

    def __init__(self, channels: int, part: int) -> None:
        super().__init__()
        self.conv = ResidualDepthwise(channels, ConvNorm)
        self.mixer = Residual(SingleHeadAttention(channels, part)) if part else nn.Identity()
        self.ffn = Residual(Ffn(channels, ConvNorm))

    def forward(self, x: Tensor) -> Tensor:
        return self.ffn(self.mixer(self.conv(x)))


class Stage(nn.Module):
    """Downsampling (not in the first stage), then blocks."""

    def __init__(self, c_in: int, c: int, depth: int, part: int) -> None:
        super().__init__()
        down = (
            ResidualDepthwise(c_in, ConvNorm),
            Residual(Ffn(c_in, ConvNorm)),
            PatchMerging(c_in, c, ConvNorm),
            ResidualDepthwise(c, ConvNorm),
            Residual(Ffn(c, ConvNorm)),
        )
        self.downsample = nn.Sequential(*down) if c_in != c else nn.Identity()
        self.blocks = nn.Sequential(*(Block(c, part) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.downsample(x))


class SHViT(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        c = cfg.widths
        self.patch_embed = nn.Sequential(
            ConvNorm(3, c[0] // 8, 3, 2),
            nn.ReLU(),
            ConvNorm(c[0] // 8, c[0] // 4, 3, 2),
            nn.ReLU(),
            ConvNorm(c[0] // 4, c[0] // 2, 3, 2),
            nn.ReLU(),
            ConvNorm(c[0] // 2, c[0], 3, 2),
        )
        self.stages = nn.Sequential(
            *(Stage(c[max(i - 1, 0)], c[i], cfg.depths[i], cfg.parts[i]) for i in range(len(c)))
        )
        self.head = nn.Sequential(OrderedDict(bn=nn.BatchNorm1d(c[-1]), l=nn.Linear(c[-1], num_classes)))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stages(self.patch_embed(x)).mean((2, 3)))


VARIANTS = {
    "shvit_s1": Cfg((128, 224, 320), (2, 4, 5), (0, 48, 68)),
    "shvit_s2": Cfg((128, 308, 448), (2, 4, 5), (0, 66, 96)),
    "shvit_s3": Cfg((192, 352, 448), (3, 5, 5), (0, 75, 96)),
    "shvit_s4": Cfg((224, 336, 448), (4, 7, 6), (0, 72, 96)),
}
SPECS = {"shvit_s4": PreprocessSpec(input_size=(3, 256, 256))}
for _name, _cfg in VARIANTS.items():
    register(_name, SHViT, _cfg, paper=PAPER, spec=SPECS.get(_name))
register(
    "shvit_test",
    SHViT,
    Cfg((16, 24, 32), (1, 1, 1), (0, 8, 12)),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 128, 128)),
    num_classes=10,
)
