"""DenseNet-BC: Densely Connected Convolutional Networks (arXiv:1608.06993), bottlenecked and compressed.

Parameter names and shapes are timm's, which are torchvision's. No weights of DenseNet-264 are public.
"""

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .layers import conv
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:1608.06993"
BOTTLENECK = 4  # §3: the 1x1 convolution gives four times the growth


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants, of the paper's table 1."""

    depths: tuple[int, ...]
    growth: int = 32


class DenseLayer(nn.Module):
    """Appends `growth` channels computed from all before; (n, c, h, w) -> (n, c + growth, h, w)."""

    def __init__(self, c_in: int, growth: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(c_in)
        self.conv1 = conv(c_in, BOTTLENECK * growth)
        self.norm2 = nn.BatchNorm2d(BOTTLENECK * growth)
        self.conv2 = conv(BOTTLENECK * growth, growth, 3)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(self.act(self.norm1(x)))
        y = self.conv2(self.act(self.norm2(y)))
        return torch.cat((x, y), 1)


def dense_block(c_in: int, depth: int, growth: int) -> nn.Sequential:
    """`depth` layers; (n, c_in, h, w) -> (n, c_in + depth * growth, h, w)."""
    layers = [(f"denselayer{i + 1}", DenseLayer(c_in + i * growth, growth)) for i in range(depth)]
    return nn.Sequential(OrderedDict(layers))


def transition(c_in: int) -> nn.Sequential:
    """Half the channels (§3, compression 0.5), half the size; (n, c_in, h, w) -> (n, c_in // 2, h // 2, w // 2)."""
    return nn.Sequential(
        OrderedDict(
            norm=nn.BatchNorm2d(c_in),
            relu=nn.ReLU(),
            conv=conv(c_in, c_in // 2),
            pool=nn.AvgPool2d(2),
        )
    )


class DenseNet(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        c = 2 * cfg.growth
        self.features = nn.Sequential(
            OrderedDict(conv0=conv(3, c, 7, 2), norm0=nn.BatchNorm2d(c), relu0=nn.ReLU(), pool0=nn.MaxPool2d(3, 2, 1))
        )
        for i, depth in enumerate(cfg.depths, start=1):
            self.features.add_module(f"denseblock{i}", dense_block(c, depth, cfg.growth))
            c += depth * cfg.growth
            if i < len(cfg.depths):
                self.features.add_module(f"transition{i}", transition(c))
                c //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(c))
        self.features.add_module("relu5", nn.ReLU())
        self.classifier = nn.Linear(c, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean((2, 3)))


VARIANTS = {
    "densenet121": Cfg((6, 12, 24, 16)),
    "densenet169": Cfg((6, 12, 32, 32)),
    "densenet201": Cfg((6, 12, 48, 32)),
    "densenet264": Cfg((6, 12, 64, 48)),
}
for _name, _cfg in VARIANTS.items():
    register(_name, DenseNet, _cfg, paper=PAPER)
register(
    "densenet_test",
    DenseNet,
    Cfg((2, 2), growth=8),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 32, 32)),
    num_classes=10,
)
