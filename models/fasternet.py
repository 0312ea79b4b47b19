"""FasterNet: Run, Don't Walk: Chasing Higher FLOPS for Faster Neural Networks (arXiv:2303.03667).

Parameter names and shapes are timm's.
"""

from dataclasses import dataclass

from torch import Tensor, cat, nn

from .layers import conv
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:2303.03667"
PARTS = 4  # the first channels, one of so many parts, are convolved
EXPAND = 2
HEAD = 1280


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    width: int  # of the first stage; doubles with each
    depths: tuple[int, int, int, int] = (1, 2, 8, 2)
    act: type[nn.Module] = nn.GELU


class PartialConv(nn.Module):
    """A 3x3 convolution of the first channels; the others pass; (n, c, h, w) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        part = channels // PARTS
        self.parts = part, channels - part
        self.partial_conv3 = conv(part, part, 3)

    def forward(self, x: Tensor) -> Tensor:
        first, rest = x.split(self.parts, dim=1)
        return cat((self.partial_conv3(first), rest), dim=1)


class Block(nn.Module):
    """Partial convolution and two 1x1 convolutions, with a residual; (n, c, h, w) -> same."""

    def __init__(self, channels: int, act: type[nn.Module]) -> None:
        super().__init__()
        hidden = EXPAND * channels
        self.spatial_mixing = PartialConv(channels)
        self.mlp = nn.Sequential(conv(channels, hidden), nn.BatchNorm2d(hidden), act(), conv(hidden, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mlp(self.spatial_mixing(x))


class PatchEmbed(nn.Module):
    """4x4 convolution of stride 4 and batch norm; (n, 3, h, w) -> (n, c, h/4, w/4)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, channels, 4, stride=4, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.proj(x))


class PatchMerging(nn.Module):
    """2x2 convolution of stride 2 and batch norm; (n, c, h, w) -> (n, 2 * c, h/2, w/2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduction = nn.Conv2d(channels, 2 * channels, 2, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(2 * channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.reduction(x))


class Stage(nn.Module):
    """Merging (not in the first stage), then blocks."""

    def __init__(self, channels: int, depth: int, act: type[nn.Module], *, merge: bool) -> None:
        super().__init__()
        self.downsample = PatchMerging(channels // 2) if merge else nn.Identity()
        self.blocks = nn.Sequential(*(Block(channels, act) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.downsample(x))


class FasterNet(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(cfg.width)
        self.stages = nn.Sequential(
            *(Stage(cfg.width * 2**i, depth, cfg.act, merge=i > 0) for i, depth in enumerate(cfg.depths))
        )
        self.conv_head = conv(cfg.width * 2 ** (len(cfg.depths) - 1), HEAD)
        self.act = cfg.act()
        self.classifier = nn.Linear(HEAD, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stages(self.patch_embed(x)).mean((2, 3), keepdim=True)
        return self.classifier(self.act(self.conv_head(x)).flatten(1))


VARIANTS = {
    "fasternet_t0": Cfg(40),
    "fasternet_t1": Cfg(64),
    "fasternet_t2": Cfg(96, act=nn.ReLU),
}
for _name, _cfg in VARIANTS.items():
    register(_name, FasterNet, _cfg, paper=PAPER, spec=PreprocessSpec(crop_pct=1.0))
register(
    "fasternet_test",
    FasterNet,
    Cfg(4, (1, 1, 1, 1)),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64), crop_pct=1.0),
    num_classes=10,
)
