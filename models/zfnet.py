"""Visualizing and Understanding Convolutional Networks (arXiv:1311.2901): ZFNet.

Parameter names and shapes are pytorchcv's. As there, the first two layers' brightness is normalised
across channels as in AlexNet's paper.
"""

from collections import OrderedDict
from dataclasses import dataclass

from torch import Tensor, nn

from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:1311.2901"


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    widths: tuple[int, ...] = (96, 256, 384, 384, 256)  # figure 3
    hidden: int = 4096
    image: int = 224  # height and width, which fix the first fully connected layer


class ResponseNorm(nn.Module):
    """x / (2 + 1e-4 / 5 * the sum of squares of five neighbouring channels)^0.75; (n, c, h, w) -> same.

    §3.3 of "ImageNet Classification with Deep Convolutional Neural Networks" (2012).
    """

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        squares = nn.functional.pad(x * x, (0, 0, 0, 0, 2, 2))
        total = squares[:, :channels]
        for i in range(1, 5):
            total = total + squares[:, i : i + channels]
        root = (2 + 1e-4 / 5 * total).sqrt()
        return x / (root * root.sqrt())


class Unit(nn.Module):
    """Convolution, ReLU, in the first two layers response normalisation."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int, padding: int, *, norm: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, padding)
        self.activ = nn.ReLU()
        self.norm = ResponseNorm() if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.activ(self.conv(x)))


def pooled(name: str, *units: nn.Module) -> nn.Sequential:
    """The units, then a 3x3 pooling of that name."""
    named = OrderedDict((f"unit{i}", unit) for i, unit in enumerate(units, start=1))
    return nn.Sequential(OrderedDict(**named, **{name: nn.MaxPool2d(3, stride=2, ceil_mode=True)}))


def pooled_side(side: int) -> int:
    """The side of a map after such a pooling, which rounds up."""
    return (side - 3 + 1) // 2 + 1


def dense(c_in: int, c_out: int) -> nn.Sequential:
    """A fully connected layer and ReLU."""
    return nn.Sequential(OrderedDict(fc=nn.Linear(c_in, c_out), activ=nn.ReLU()))


class ZFNet(nn.Module):
    """(n, 3, image, image) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = cfg.widths
        self.image = cfg.image
        self.features = nn.Sequential(
            OrderedDict(
                stage1=pooled("pool1", Unit(3, c1, 7, 2, 1, norm=True)),
                stage2=pooled("pool2", Unit(c1, c2, 5, 2, 0, norm=True)),
                stage3=pooled("pool3", Unit(c2, c3, 3, 1, 1), Unit(c3, c4, 3, 1, 1), Unit(c4, c5, 3, 1, 1)),
            )
        )
        side = cfg.image  # of the maps: a 7x7 convolution padded by 1, a pooling, a 5x5 convolution, two poolings
        side = pooled_side((side + 2 - 7) // 2 + 1)
        side = pooled_side(pooled_side((side - 5) // 2 + 1))
        self.output = nn.Sequential(
            OrderedDict(
                fc1=dense(c5 * side * side, cfg.hidden),
                fc2=dense(cfg.hidden, cfg.hidden),
                fc3=nn.Linear(cfg.hidden, num_classes),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:] != (self.image, self.image):
            raise ValueError(f"this ZFNet takes images of {self.image}x{self.image}, not {x.shape[2]}x{x.shape[3]}")
        return self.output(self.features(x).flatten(1))


register("zfnet", ZFNet, Cfg(), paper=PAPER, spec=PreprocessSpec(interpolation="bilinear"))
register(
    "zfnet_test",
    ZFNet,
    Cfg(widths=(8, 16, 16, 16, 16), hidden=32, image=64),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64)),
    num_classes=10,
)
