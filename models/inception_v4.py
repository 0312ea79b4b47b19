"""Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning (arXiv:1602.07261): Inception-v4.

Parameter names and shapes are timm's. A `V` in the paper's figures marks a layer without padding.
"""

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .googlenet import unit
from .registry import register
from .spec import HALF, PreprocessSpec

PAPER = "arXiv:1602.07261"


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    divisor: int = 1  # of every width
    depths: tuple[int, int, int] = (4, 7, 3)  # blocks A, B and C, figure 9


class Beside(nn.Module):
    """Modules that all see the input, their outputs concatenated; (n, c_in, h, w) -> (n, sum of theirs, h', w')."""

    def __init__(self, **branches: nn.Module) -> None:
        super().__init__()
        for name, branch in branches.items():
            self.add_module(name, branch)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.children()], 1)


def chain(c_in: int, *layers: tuple, names: str = "{0}") -> nn.Sequential:
    """Convolutions (channels, kernel, stride) in order; those whose stride is given, even as 1, have no padding.

    `names` is the form of their names, from their numbers counted from 0 and from 1.
    """
    modules = OrderedDict()
    for i, (channels, kernel, *stride) in enumerate(layers):
        modules[names.format(i, i + 1)] = unit(c_in, channels, kernel, *stride, pad=not stride)
        c_in = channels
    return nn.Sequential(modules)


def mean_then(c_in: int, c_out: int) -> nn.Sequential:
    """The mean of each 3x3 neighbourhood, without what is outside the map, and a 1x1 convolution."""
    return nn.Sequential(nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False), unit(c_in, c_out))


def stem(d: int) -> list[nn.Module]:
    """Figure 3; (n, 3, h, w) -> (n, 384 / d, h / 8, w / 8). All widths are divided by d, here and below."""
    c = 64 // d
    return [
        *chain(3, (32 // d, 3, 2), (32 // d, 3, 1), (c, 3)),
        Beside(maxpool=nn.MaxPool2d(3, stride=2), conv=unit(c, 96 // d, 3, 2, pad=False)),
        Beside(
            branch0=chain(160 // d, (c, 1), (96 // d, 3, 1)),
            branch1=chain(160 // d, (c, 1), (c, (1, 7)), (c, (7, 1)), (96 // d, 3, 1)),
        ),
        Beside(conv=unit(192 // d, 192 // d, 3, 2, pad=False), maxpool=nn.MaxPool2d(3, stride=2)),
    ]


def inception_a(d: int) -> Beside:
    """Figure 4; (n, 384 / d, h, w) -> same."""
    c_in, c = 384 // d, 96 // d
    return Beside(
        branch0=unit(c_in, c),
        branch1=chain(c_in, (64 // d, 1), (c, 3)),
        branch2=chain(c_in, (64 // d, 1), (c, 3), (c, 3)),
        branch3=mean_then(c_in, c),
    )


def reduction_a(d: int) -> Beside:
    """Figure 7, table 1; (n, 384 / d, h, w) -> (n, 1024 / d, h / 2, w / 2)."""
    c_in = 384 // d
    return Beside(
        branch0=unit(c_in, 384 // d, 3, 2, pad=False),
        branch1=chain(c_in, (192 // d, 1), (224 // d, 3), (256 // d, 3, 2)),
        branch2=nn.MaxPool2d(3, stride=2),
    )


def inception_b(d: int) -> Beside:
    """Figure 5; (n, 1024 / d, h, w) -> same."""
    c_in, c1, c2, c3 = 1024 // d, 192 // d, 224 // d, 256 // d
    return Beside(
        branch0=unit(c_in, 384 // d),
        branch1=chain(c_in, (c1, 1), (c2, (1, 7)), (c3, (7, 1))),
        branch2=chain(c_in, (c1, 1), (c1, (7, 1)), (c2, (1, 7)), (c2, (7, 1)), (c3, (1, 7))),
        branch3=mean_then(c_in, 128 // d),
    )


def reduction_b(d: int) -> Beside:
    """Figure 8; (n, 1024 / d, h, w) -> (n, 1536 / d, h / 2, w / 2)."""
    c_in, c = 1024 // d, 320 // d
    return Beside(
        branch0=chain(c_in, (192 // d, 1), (192 // d, 3, 2)),
        branch1=chain(c_in, (256 // d, 1), (256 // d, (1, 7)), (c, (7, 1)), (c, 3, 2)),
        branch2=nn.MaxPool2d(3, stride=2),
    )


class InceptionC(nn.Module):
    """Figure 6: two of the four branches end in a 1x3 and a 3x1 convolution; (n, 1536 / d, h, w) -> same."""

    def __init__(self, d: int) -> None:
        super().__init__()
        c_in, c = 1536 // d, 256 // d
        self.branch0 = unit(c_in, c)
        self.branch1_0 = unit(c_in, 384 // d)
        self.branch1_1a = unit(384 // d, c, (1, 3))
        self.branch1_1b = unit(384 // d, c, (3, 1))
        self.branch2_0 = unit(c_in, 384 // d)
        self.branch2_1 = unit(384 // d, 448 // d, (3, 1))
        self.branch2_2 = unit(448 // d, 512 // d, (1, 3))
        self.branch2_3a = unit(512 // d, c, (1, 3))
        self.branch2_3b = unit(512 // d, c, (3, 1))
        self.branch3 = mean_then(c_in, c)

    def forward(self, x: Tensor) -> Tensor:
        y1 = self.branch1_0(x)
        y2 = self.branch2_2(self.branch2_1(self.branch2_0(x)))
        ends = (self.branch1_1a(y1), self.branch1_1b(y1), self.branch2_3a(y2), self.branch2_3b(y2))
        return torch.cat((self.branch0(x), *ends, self.branch3(x)), 1)


class InceptionV4(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes); h and w at least 75."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        d, (a, b, c) = cfg.divisor, cfg.depths
        self.features = nn.Sequential(
            *stem(d),
            *(inception_a(d) for _ in range(a)),
            reduction_a(d),
            *(inception_b(d) for _ in range(b)),
            reduction_b(d),
            *(InceptionC(d) for _ in range(c)),
        )
        self.last_linear = nn.Linear(1536 // d, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.last_linear(self.features(x).mean((2, 3)))


register(
    "inception_v4",
    InceptionV4,
    Cfg(),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 299, 299), mean=HALF, std=HALF),
)
register(
    "inception_v4_test",
    InceptionV4,
    Cfg(divisor=32, depths=(1, 1, 1)),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 75, 75), mean=HALF, std=HALF),
    num_classes=10,
)
