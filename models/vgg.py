"""VGG: Very Deep Convolutional Networks for Large-Scale Image Recognition (arXiv:1409.1556); `_bn` with batch norms.

Parameter names and shapes are timm's: the first two fully connected layers are convolutions, as the paper evaluates
(§3.2). torchvision's checkpoints hold the same numbers as linear layers of other names.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from .layers import conv
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:1409.1556"
WIDTHS = (64, 128, 256, 512, 512)  # table 1: of the five stages, each ended by a 2x2 pooling


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants, of the paper's table 1."""

    depths: tuple[int, ...]  # 3x3 convolutions in each stage
    norm: bool = False
    widths: tuple[int, ...] = WIDTHS
    hidden: int = 4096
    side: int = 7  # of the last stage's maps, which the first fully connected layer covers


class PreLogits(nn.Module):
    """The two hidden fully connected layers as convolutions; (n, c_in, h, w) -> (n, hidden, h - side + 1, ...)."""

    def __init__(self, c_in: int, hidden: int, side: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(c_in, hidden, side)
        self.act1 = nn.ReLU()
        self.fc2 = conv(hidden, hidden, bias=True)
        self.act2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act2(self.fc2(self.act1(self.fc1(x))))


class VGG(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes); h and w at least 224."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        c_in = 3
        for depth, width in zip(cfg.depths, cfg.widths, strict=True):
            for _ in range(depth):
                layers.append(conv(c_in, width, 3, bias=True))
                if cfg.norm:
                    layers.append(nn.BatchNorm2d(width))
                layers.append(nn.ReLU())
                c_in = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.pre_logits = PreLogits(c_in, cfg.hidden, cfg.side)
        self.head = nn.Sequential(OrderedDict(fc=nn.Linear(cfg.hidden, num_classes)))
        self.least = cfg.side * 2 ** len(cfg.depths)

    def forward(self, x: Tensor) -> Tensor:
        if min(x.shape[2:]) < self.least:
            raise ValueError(
                f"this VGG takes images of at least {self.least}x{self.least}, not {x.shape[2]}x{x.shape[3]}"
            )
        return self.head(self.pre_logits(self.features(x)).mean((2, 3)))


def rename_torchvision(tensors: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """A torchvision checkpoint's tensors under our names and shapes; None where it is none."""
    if "classifier.0.weight" not in tensors:
        return None
    ours = {"classifier.0": "pre_logits.fc1", "classifier.3": "pre_logits.fc2", "classifier.6": "head.fc"}
    renamed = {}
    for key, tensor in tensors.items():
        layer, _, leaf = key.rpartition(".")
        if key in ("classifier.0.weight", "classifier.3.weight"):  # (out, c * h * w) -> (out, c, h, w)
            side = 7 if layer == "classifier.0" else 1
            tensor = tensor.unflatten(1, (-1, side, side))
        renamed[f"{ours.get(layer, layer)}.{leaf}"] = tensor
    return renamed


FOREIGN = (rename_torchvision,)
# Columns A, B, D and E of table 1.
DEPTHS = {"vgg11": (1, 1, 2, 2, 2), "vgg13": (2, 2, 2, 2, 2), "vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
for _name, _depths in DEPTHS.items():
    register(_name, VGG, Cfg(_depths), paper=PAPER, spec=PreprocessSpec(interpolation="bilinear"))
    register(f"{_name}_bn", VGG, Cfg(_depths, norm=True), paper=PAPER, spec=PreprocessSpec(interpolation="bilinear"))
register(
    "vgg_test",
    VGG,
    Cfg((1, 2), norm=True, widths=(8, 16), hidden=16),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 28, 28)),
    num_classes=10,
)
