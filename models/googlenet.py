"""Going Deeper with Convolutions (arXiv:1409.4842): GoogLeNet.

Parameter names and shapes are torchvision's, without its auxiliary classifiers, which only training uses. As there,
convolutions have batch norms, and the paper's 5x5 ones are 3x3: the published weights are of that network.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from .layers import ConvNormAct
from .registry import register
from .spec import HALF, PreprocessSpec

PAPER = "arXiv:1409.4842"
# Table 1: #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj.
MODULES = {
    "inception3a": (64, 96, 128, 16, 32, 32),
    "inception3b": (128, 128, 192, 32, 96, 64),
    "inception4a": (192, 96, 208, 16, 48, 64),
    "inception4b": (160, 112, 224, 24, 64, 64),
    "inception4c": (128, 128, 256, 24, 64, 64),
    "inception4d": (112, 144, 288, 32, 64, 64),
    "inception4e": (256, 160, 320, 32, 128, 128),
    "inception5a": (256, 160, 320, 32, 128, 128),
    "inception5b": (384, 192, 384, 48, 128, 128),
}
POOL_BEFORE = {"inception4a": ("maxpool3", 3), "inception5a": ("maxpool4", 2)}  # name, window


unit = partial(ConvNormAct, act=nn.ReLU, eps=1e-3)  # convolution, batch norm, ReLU


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    divisor: int = 1  # of every width


class Inception(nn.Module):
    """Four branches beside each other (fig. 2b); (n, c_in, h, w) -> (n, c_out, h, w)."""

    def __init__(self, c_in: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        c1, reduce3, c3, reduce5, c5, proj = widths
        self.c_out = c1 + c3 + c5 + proj
        self.branch1 = unit(c_in, c1)
        self.branch2 = nn.Sequential(unit(c_in, reduce3), unit(reduce3, c3, 3))
        self.branch3 = nn.Sequential(unit(c_in, reduce5), unit(reduce5, c5, 3))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), unit(c_in, proj))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)), 1)


class GoogLeNet(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        c, c_in = 64 // cfg.divisor, 192 // cfg.divisor
        self.conv1 = unit(3, c, 7, 2)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = unit(c, c)
        self.conv3 = unit(c, c_in, 3)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        for name, widths in MODULES.items():
            if name in POOL_BEFORE:
                pool, window = POOL_BEFORE[name]
                self.add_module(pool, nn.MaxPool2d(window, stride=2, ceil_mode=True))
            module = Inception(c_in, tuple(width // cfg.divisor for width in widths))
            self.add_module(name, module)
            c_in = module.c_out
        self.fc = nn.Linear(c_in, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        *trunk, fc = self.children()
        for layer in trunk:
            x = layer(x)
        return fc(x.mean((2, 3)))


def rename_torchvision(tensors: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """torchvision's checkpoint without its auxiliary classifiers; None where it has none."""
    ours = {key: tensor for key, tensor in tensors.items() if not key.startswith(("aux1.", "aux2."))}
    return ours if len(ours) < len(tensors) else None


FOREIGN = (rename_torchvision,)
# torchvision's model rescales its input to mean and standard deviation one half, with which it was trained.
register(
    "googlenet",
    GoogLeNet,
    Cfg(),
    paper=PAPER,
    spec=PreprocessSpec(mean=HALF, std=HALF, interpolation="bilinear"),
)
register(
    "googlenet_test",
    GoogLeNet,
    Cfg(divisor=8),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64), mean=HALF, std=HALF),
    num_classes=10,
)
