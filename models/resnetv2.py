"""ResNetV2: Identity Mappings in Deep Residual Networks (arXiv:1603.05027), activations before the convolutions.

Parameter names and shapes are pytorchcv's: preresnet200b, preresnet269b and, for CIFAR-10, preresnet1001_cifar10.
"""

from collections import OrderedDict
from dataclasses import dataclass

from torch import Tensor, nn

from .layers import conv
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:1603.05027"


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    depths: tuple[int, ...]
    width: int = 64  # of the stem and the first stage's narrow convolutions
    small: bool = False  # images of CIFAR: the stem neither strides nor pools


class PreConv(nn.Module):
    """Batch norm, ReLU, convolution; returns the convolution's input too, where the shortcut may branch off."""

    def __init__(self, c_in: int, c_out: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(c_in)
        self.activ = nn.ReLU()
        self.conv = conv(c_in, c_out, kernel, stride)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.activ(self.bn(x))
        return self.conv(x), x


class Unit(nn.Module):
    """Figure 1b with a bottleneck; (n, c_in, h, w) -> (n, 4 width, h/stride, w/stride)."""

    def __init__(self, c_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.body = nn.ModuleDict(
            {
                "conv1": PreConv(c_in, width),
                "conv2": PreConv(width, width, 3, stride),
                "conv3": PreConv(width, 4 * width),
            }
        )
        self.projects = stride > 1 or c_in != 4 * width
        if self.projects:
            self.identity_conv = conv(c_in, 4 * width, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        y, activated = self.body["conv1"](x)
        y, _ = self.body["conv2"](y)
        y, _ = self.body["conv3"](y)
        return y + (self.identity_conv(activated) if self.projects else x)


class ResNetV2(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        c_in = cfg.width
        stem: OrderedDict[str, nn.Module] = OrderedDict(
            conv=conv(3, c_in, 7, 2),
            bn=nn.BatchNorm2d(c_in),
            activ=nn.ReLU(),
            pool=nn.MaxPool2d(3, stride=2, padding=1),
        )
        self.features = nn.Sequential()
        self.features.add_module("init_block", conv(3, c_in, 3) if cfg.small else nn.Sequential(stem))
        for i, depth in enumerate(cfg.depths):
            units = OrderedDict()
            for j in range(depth):
                units[f"unit{j + 1}"] = Unit(c_in, cfg.width * 2**i, 2 if i and not j else 1)
                c_in = 4 * cfg.width * 2**i
            self.features.add_module(f"stage{i + 1}", nn.Sequential(units))
        last: OrderedDict[str, nn.Module] = OrderedDict(bn=nn.BatchNorm2d(c_in), activ=nn.ReLU())
        self.features.add_module("post_activ", nn.Sequential(last))
        self.output = nn.Linear(c_in, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.features(x).mean((2, 3)))


BILINEAR = PreprocessSpec(interpolation="bilinear")
CIFAR = PreprocessSpec(
    input_size=(3, 32, 32),
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2023, 0.1994, 0.2010),
    interpolation="bilinear",
    crop_pct=1.0,
)
register("resnetv2_200", ResNetV2, Cfg((3, 24, 36, 3)), paper=PAPER, spec=BILINEAR)
register("resnetv2_269", ResNetV2, Cfg((3, 30, 48, 8)), paper=PAPER, spec=BILINEAR)
_deep = Cfg((111, 111, 111), width=16, small=True)  # table 4: 9 * 111 + 2 = 1001 layers
register("resnetv2_1001_cifar", ResNetV2, _deep, paper=PAPER, spec=CIFAR, num_classes=10)
register("resnetv2_test", ResNetV2, Cfg((1, 2), width=8), paper=PAPER, spec=CIFAR, num_classes=10)
register("resnetv2_cifar_test", ResNetV2, Cfg((1, 2), width=8, small=True), paper=PAPER, spec=CIFAR, num_classes=10)
