"""InceptionNeXt: When Inception Meets ConvNeXt (arXiv:2303.16900).

Parameter names and shapes are timm's.
"""

from dataclasses import dataclass

from torch import Tensor, cat, nn, ones

from .layers import ConvMlp
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:2303.16900"
SQUARE = 3  # k_s, side of the square kernels
EXPAND = (4, 4, 4, 3)  # of the MLPs of the four stages
HEAD_EXPAND = 3


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    channels: tuple[int, int, int, int]
    depths: tuple[int, int, int, int] = (3, 3, 27, 3)
    band: int = 11  # k_b, the length of the band kernels
    share: float = 1 / 8  # r_g, the share of the channels in each convolved group


class InceptionMixer(nn.Module):
    """Depthwise convolutions of three shapes, each on a group of channels; the rest passes; (n, c, h, w)."""

    def __init__(self, channels: int, band: int, share: float) -> None:
        super().__init__()
        g = int(channels * share)
        self.dwconv_hw = nn.Conv2d(g, g, SQUARE, padding=SQUARE // 2, groups=g)
        self.dwconv_w = nn.Conv2d(g, g, (1, band), padding=(0, band // 2), groups=g)
        self.dwconv_h = nn.Conv2d(g, g, (band, 1), padding=(band // 2, 0), groups=g)
        self.groups = channels - 3 * g, g, g, g

    def forward(self, x: Tensor) -> Tensor:
        rest, hw, w, h = x.split(self.groups, dim=1)
        return cat((rest, self.dwconv_hw(hw), self.dwconv_w(w), self.dwconv_h(h)), dim=1)


class Block(nn.Module):
    """Mixer, batch norm, MLP, residual; (n, c, h, w) -> same."""

    def __init__(self, channels: int, expand: int, cfg: Cfg) -> None:
        super().__init__()
        self.token_mixer = InceptionMixer(channels, cfg.band, cfg.share)
        self.norm = nn.BatchNorm2d(channels)
        self.mlp = ConvMlp(channels, expand * channels)
        self.gamma = nn.Parameter(ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        y = self.mlp(self.norm(self.token_mixer(x)))
        return x + y * self.gamma.reshape(1, -1, 1, 1)


class Stage(nn.Module):
    """Norm and 2x2 convolution of stride 2 (not in the first stage), then blocks."""

    def __init__(self, i: int, cfg: Cfg) -> None:
        super().__init__()
        c = cfg.channels[i]
        down = (nn.BatchNorm2d(cfg.channels[i - 1]), nn.Conv2d(cfg.channels[i - 1], c, 2, stride=2)) if i else ()
        self.downsample = nn.Sequential(*down)
        self.blocks = nn.Sequential(*(Block(c, EXPAND[i], cfg) for _ in range(cfg.depths[i])))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.downsample(x))


class Head(nn.Module):
    """Mean over the pixels, then two linears with a norm between; (n, c, h, w) -> (n, num_classes)."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        hidden = HEAD_EXPAND * channels
        self.fc1 = nn.Linear(channels, hidden)
        self.act = nn.GELU()
        self.norm = nn.LayerNorm(hidden, eps=1e-6)
        self.fc2 = nn.Linear(hidden, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.norm(self.act(self.fc1(x.mean((2, 3))))))


class InceptionNeXt(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        c = cfg.channels
        self.stem = nn.Sequential(nn.Conv2d(3, c[0], 4, stride=4), nn.BatchNorm2d(c[0]))
        self.stages = nn.Sequential(*(Stage(i, cfg) for i in range(len(c))))
        self.head = Head(c[-1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stages(self.stem(x)))


VARIANTS = {
    "inception_next_atto": Cfg((40, 80, 160, 320), (2, 2, 6, 2), band=9, share=1 / 4),
    "inception_next_tiny": Cfg((96, 192, 384, 768), (3, 3, 9, 3)),
    "inception_next_small": Cfg((96, 192, 384, 768)),
    "inception_next_base": Cfg((128, 256, 512, 1024)),
}
SPECS = {"inception_next_base": PreprocessSpec(crop_pct=0.95)}
for _name, _cfg in VARIANTS.items():
    register(_name, InceptionNeXt, _cfg, paper=PAPER, spec=SPECS.get(_name))
register(
    "inception_next_test",
    InceptionNeXt,
    Cfg((16, 24, 32, 40), (1, 1, 1, 1)),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64)),
    num_classes=10,
)
