"""ConvMixer: Patches Are All You Need? (arXiv:2201.09792).

Parameter names and shapes are timm's. In the names, width is followed by depth.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from .layers import conv
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:2201.09792"


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants, of the paper's table 1."""

    width: int
    depth: int
    kernel: int = 9  # of the depthwise convolutions
    patch: int = 7
    act: type[nn.Module] = nn.GELU


class Residual(nn.Module):
    """x + fn(x)"""

    def __init__(self, fn: nn.Module) -> None:
        super().__init__()
        self.fn = fn

    def forward(self, x: Tensor) -> Tensor:
        return x + self.fn(x)


def layer(of: nn.Conv2d, cfg: Cfg) -> tuple[nn.Module, nn.Module, nn.Module]:
    """The convolution, activation, batch norm: the activation comes first (eq. 2 and 3)."""
    return of, cfg.act(), nn.BatchNorm2d(cfg.width)


class ConvMixer(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        width = cfg.width
        self.stem = nn.Sequential(*layer(nn.Conv2d(3, width, cfg.patch, stride=cfg.patch), cfg))
        blocks = []
        for _ in range(cfg.depth):
            depthwise = layer(conv(width, width, cfg.kernel, groups=width, bias=True), cfg)
            pointwise = layer(conv(width, width, bias=True), cfg)
            blocks.append(nn.Sequential(Residual(nn.Sequential(*depthwise)), *pointwise))
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


VARIANTS = {
    "convmixer_768_32": Cfg(768, 32, kernel=7, act=nn.ReLU),  # the released weights are ReLU's
    "convmixer_1536_20": Cfg(1536, 20),
    "convmixer_1024_20_ks9_p14": Cfg(1024, 20, patch=14),
}
for _name, _cfg in VARIANTS.items():
    register(_name, ConvMixer, _cfg, paper=PAPER, spec=PreprocessSpec(crop_pct=0.96))
register(
    "convmixer_test",
    ConvMixer,
    Cfg(32, 2),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 56, 56), crop_pct=0.96),
    num_classes=10,
)
