"""Designing Network Design Spaces (arXiv:2003.13678): RegNetX and RegNetY.

Parameter names and shapes are timm's. The variants with `_tv` round their widths as torchvision does.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from .layers import ConvNormAct, Head, conv
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:2003.13678"
STEM = 32


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants, as in the tables of the paper's figures 16 and 18."""

    depths: tuple[int, int, int, int]  # blocks of the stages
    widths: tuple[int, int, int, int]  # their channels
    group: int  # channels of a group of the 3x3 convolutions, at most all
    excite: bool = False  # Y has squeeze-and-excite


class SqueezeExcite(nn.Module):
    """Scales each channel by a gate computed from the channel means (arXiv:1709.01507), under other names."""

    def __init__(self, channels: int, reduced: int) -> None:
        super().__init__()
        self.fc1 = conv(channels, reduced, bias=True)
        self.act = nn.ReLU()
        self.fc2 = conv(reduced, channels, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.fc2(self.act(self.fc1(x.mean((2, 3), keepdim=True)))).sigmoid()


class Block(nn.Module):
    """Residual block with a grouped convolution (fig. 4); (n, c_in, h, w) -> (n, c_out, h/stride, w/stride)."""

    def __init__(self, c_in: int, c_out: int, stride: int, cfg: Cfg) -> None:
        super().__init__()
        self.conv1 = ConvNormAct(c_in, c_out, act=nn.ReLU)
        self.conv2 = ConvNormAct(c_out, c_out, 3, stride, groups=c_out // min(cfg.group, c_out), act=nn.ReLU)
        self.se = SqueezeExcite(c_out, c_in // 4) if cfg.excite else nn.Identity()
        self.conv3 = ConvNormAct(c_out, c_out)
        same = stride == 1 and c_in == c_out
        self.downsample = nn.Identity() if same else ConvNormAct(c_in, c_out, 1, stride)
        self.act3 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act3(self.conv3(self.se(self.conv2(self.conv1(x)))) + self.downsample(x))


class Stage(nn.Sequential):
    """Blocks named b1, b2, ..., the first with stride 2."""

    def __init__(self, c_in: int, c_out: int, depth: int, cfg: Cfg) -> None:
        super().__init__()
        for i in range(depth):
            self.add_module(f"b{i + 1}", Block(c_out if i else c_in, c_out, 1 if i else 2, cfg))


class RegNet(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        c1, c2, c3, c4 = cfg.widths
        self.stem = ConvNormAct(3, STEM, 3, 2, act=nn.ReLU)
        self.s1 = Stage(STEM, c1, cfg.depths[0], cfg)
        self.s2 = Stage(c1, c2, cfg.depths[1], cfg)
        self.s3 = Stage(c2, c3, cfg.depths[2], cfg)
        self.s4 = Stage(c3, c4, cfg.depths[3], cfg)
        self.head = Head(c4, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.s4(self.s3(self.s2(self.s1(self.stem(x))))))


# torchvision's layers of a block -> ours; a leaf follows.
LAYERS = {
    "proj.0": "downsample.conv",
    "proj.1": "downsample.bn",
    "f.a.0": "conv1.conv",
    "f.a.1": "conv1.bn",
    "f.b.0": "conv2.conv",
    "f.b.1": "conv2.bn",
    "f.se.fc1": "se.fc1",
    "f.se.fc2": "se.fc2",
    "f.c.0": "conv3.conv",
    "f.c.1": "conv3.bn",
}
ENDS = {"stem.0": "stem.conv", "stem.1": "stem.bn", "fc": "head.fc"}


def rename_torchvision(tensors: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """The tensors of torchvision's regnet_x and regnet_y under our names; None for any other file."""
    if "trunk_output.block1.block1-0.f.a.0.weight" not in tensors:
        return None
    return {_ours(key): tensor for key, tensor in tensors.items()}


def _ours(key: str) -> str:
    module, _, leaf = key.rpartition(".")
    if module in ENDS:
        return f"{ENDS[module]}.{leaf}"
    _, _, block, layer = module.split(".", 3)  # trunk_output.block2.block2-0.f.a.0
    stage, _, index = block.removeprefix("block").partition("-")
    return f"s{stage}.b{int(index) + 1}.{LAYERS[layer]}.{leaf}"


FOREIGN = (rename_torchvision,)

VARIANTS = {
    "regnetx_002": Cfg((1, 1, 4, 7), (24, 56, 152, 368), 8),
    "regnetx_004": Cfg((1, 2, 7, 12), (32, 64, 160, 384), 16),
    "regnetx_004_tv": Cfg((1, 2, 7, 12), (32, 64, 160, 400), 16),
    "regnetx_006": Cfg((1, 3, 5, 7), (48, 96, 240, 528), 24),
    "regnetx_008": Cfg((1, 3, 7, 5), (64, 128, 288, 672), 16),
    "regnetx_016": Cfg((2, 4, 10, 2), (72, 168, 408, 912), 24),
    "regnetx_032": Cfg((2, 6, 15, 2), (96, 192, 432, 1008), 48),
    "regnetx_040": Cfg((2, 5, 14, 2), (80, 240, 560, 1360), 40),
    "regnetx_064": Cfg((2, 4, 10, 1), (168, 392, 784, 1624), 56),
    "regnetx_080": Cfg((2, 5, 15, 1), (80, 240, 720, 1920), 120),
    "regnetx_120": Cfg((2, 5, 11, 1), (224, 448, 896, 2240), 112),
    "regnetx_160": Cfg((2, 6, 13, 1), (256, 512, 896, 2048), 128),
    "regnetx_320": Cfg((2, 7, 13, 1), (336, 672, 1344, 2520), 168),
    "regnety_002": Cfg((1, 1, 4, 7), (24, 56, 152, 368), 8, excite=True),
    "regnety_004": Cfg((1, 3, 6, 6), (48, 104, 208, 440), 8, excite=True),
    "regnety_006": Cfg((1, 3, 7, 4), (48, 112, 256, 608), 16, excite=True),
    "regnety_008": Cfg((1, 3, 8, 2), (64, 128, 320, 768), 16, excite=True),
    "regnety_008_tv": Cfg((1, 3, 8, 2), (64, 144, 320, 784), 16, excite=True),
    "regnety_016": Cfg((2, 6, 17, 2), (48, 120, 336, 888), 24, excite=True),
    "regnety_032": Cfg((2, 5, 13, 1), (72, 216, 576, 1512), 24, excite=True),
    "regnety_040": Cfg((2, 6, 12, 2), (128, 192, 512, 1088), 64, excite=True),
    "regnety_064": Cfg((2, 7, 14, 2), (144, 288, 576, 1296), 72, excite=True),
    "regnety_080": Cfg((2, 4, 10, 1), (168, 448, 896, 2016), 56, excite=True),
    "regnety_080_tv": Cfg((2, 4, 10, 1), (224, 448, 896, 2016), 56, excite=True),
    "regnety_120": Cfg((2, 5, 11, 1), (224, 448, 896, 2240), 112, excite=True),
    "regnety_160": Cfg((2, 4, 11, 1), (224, 448, 1232, 3024), 112, excite=True),
    "regnety_320": Cfg((2, 5, 12, 1), (232, 696, 1392, 3712), 232, excite=True),
}
# What the default checkpoints were trained for; the others are the authors'.
CROPS = {
    0.95: ("regnety_032", "regnety_040", "regnety_064", "regnety_080", "regnety_120", "regnety_160"),
    0.965: (
        "regnetx_004_tv",
        "regnetx_008",
        "regnetx_016",
        "regnetx_032",
        "regnetx_080",
        "regnetx_160",
        "regnetx_320",
        "regnety_004",
        "regnety_008_tv",
        "regnety_016",
        "regnety_080_tv",
        "regnety_320",
    ),
}
SPECS = {name: PreprocessSpec(crop_pct=crop) for crop, names in CROPS.items() for name in names}
for _name, _cfg in VARIANTS.items():
    register(_name, RegNet, _cfg, paper=PAPER, spec=SPECS.get(_name))
register(
    "regnet_test",
    RegNet,
    Cfg((1, 1, 2, 1), (8, 16, 24, 48), 8, excite=True),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64)),
    num_classes=10,
)
