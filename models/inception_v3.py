"""Rethinking the Inception Architecture for Computer Vision (arXiv:1512.00567): Inception-v3.

Parameter names and shapes are timm's, which are torchvision's without the auxiliary classifier.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .googlenet import unit
from .registry import register
from .spec import HALF, PreprocessSpec

PAPER = "arXiv:1512.00567"
ROW, COLUMN = (1, 7), (7, 1)  # kernels, height and width
SPLIT = ((1, 3), (3, 1))  # two convolutions beside each other
# Branches of a module: chains of (channels, kernel, stride). `branch_pool` is the one that begins with a pooling.
Branches = Mapping[str, tuple[tuple, ...]]


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    divisor: int = 1  # of every width


def figure_5(pool: int) -> Branches:
    return {
        "branch1x1": ((64, 1),),
        "branch5x5": ((48, 1), (64, 5)),
        "branch3x3dbl": ((64, 1), (96, 3), (96, 3)),
        "branch_pool": ((pool, 1),),
    }


def figure_6(c7: int) -> Branches:
    return {
        "branch1x1": ((192, 1),),
        "branch7x7": ((c7, 1), (c7, ROW), (192, COLUMN)),
        "branch7x7dbl": ((c7, 1), (c7, COLUMN), (c7, ROW), (c7, COLUMN), (192, ROW)),
        "branch_pool": ((192, 1),),
    }


FIGURE_7: Branches = {
    "branch1x1": ((320, 1),),
    "branch3x3": ((384, 1), (384, SPLIT)),
    "branch3x3dbl": ((448, 1), (384, 3), (384, SPLIT)),
    "branch_pool": ((192, 1),),
}
# §5 and figure 10: the size is halved by convolutions and a pooling beside each other, none of them padded.
HALVE_35: Branches = {
    "branch3x3": ((384, 3, 2),),
    "branch3x3dbl": ((64, 1), (96, 3), (96, 3, 2)),
    "branch_pool": (),
}
HALVE_17: Branches = {
    "branch3x3": ((192, 1), (320, 3, 2)),
    "branch7x7x3": ((192, 1), (192, ROW), (192, COLUMN), (192, 3, 2)),
    "branch_pool": (),
}
# Table 1.
MODULES = {
    "Mixed_5b": figure_5(32),
    "Mixed_5c": figure_5(64),
    "Mixed_5d": figure_5(64),
    "Mixed_6a": HALVE_35,
    "Mixed_6b": figure_6(128),
    "Mixed_6c": figure_6(160),
    "Mixed_6d": figure_6(160),
    "Mixed_6e": figure_6(192),
    "Mixed_7a": HALVE_17,
    "Mixed_7b": FIGURE_7,
    "Mixed_7c": FIGURE_7,
}


class Mixed(nn.Module):
    """Branches beside each other; (n, c_in, h, w) -> (n, c_out, h, w), or half the size where it halves."""

    def __init__(self, c_in: int, branches: Branches, divisor: int) -> None:
        super().__init__()
        halves = not branches["branch_pool"]
        self.pool = nn.MaxPool2d(3, stride=2) if halves else nn.AvgPool2d(3, stride=1, padding=1)
        self.chains: dict[str, list[list[str]]] = {}  # names of layers: in order, those in a list beside each other
        self.c_out = 0
        for branch, layers in branches.items():
            self.chains[branch] = []
            c = c_in
            for i, (channels, kernel, *strides) in enumerate(layers, start=1):
                stride = strides[0] if strides else 1
                c_mid, name = channels // divisor, branch if len(layers) == 1 else f"{branch}_{i}"
                parts = {f"{name}a": SPLIT[0], f"{name}b": SPLIT[1]} if kernel is SPLIT else {name: kernel}
                for part, shape in parts.items():
                    self.add_module(part, unit(c, c_mid, shape, stride, pad=stride == 1))
                self.chains[branch].append(list(parts))
                c = len(parts) * c_mid
            self.c_out += c

    def forward(self, x: Tensor) -> Tensor:
        outputs = []
        for branch, chain in self.chains.items():
            y = self.pool(x) if branch == "branch_pool" else x
            for names in chain:
                parts = [self.get_submodule(name)(y) for name in names]
                y = torch.cat(parts, 1) if len(parts) > 1 else parts[0]
            outputs.append(y)
        return torch.cat(outputs, 1)


class InceptionV3(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes); h and w at least 75."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        c1, c2, c3, c4 = (channels // cfg.divisor for channels in (32, 64, 80, 192))
        self.Conv2d_1a_3x3 = unit(3, c1, 3, 2, pad=False)
        self.Conv2d_2a_3x3 = unit(c1, c1, 3, pad=False)
        self.Conv2d_2b_3x3 = unit(c1, c2, 3)
        self.Pool1 = nn.MaxPool2d(3, stride=2)
        self.Conv2d_3b_1x1 = unit(c2, c3)
        self.Conv2d_4a_3x3 = unit(c3, c4, 3, pad=False)
        self.Pool2 = nn.MaxPool2d(3, stride=2)
        c = c4
        for name, branches in MODULES.items():
            module = Mixed(c, branches, cfg.divisor)
            self.add_module(name, module)
            c = module.c_out
        self.fc = nn.Linear(c, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        *trunk, fc = self.children()
        for layer in trunk:
            x = layer(x)
        return fc(x.mean((2, 3)))


def rename_torchvision(tensors: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """torchvision's checkpoint without its auxiliary classifier; None where it has none."""
    ours = {key: tensor for key, tensor in tensors.items() if not key.startswith("AuxLogits.")}
    return ours if len(ours) < len(tensors) else None


FOREIGN = (rename_torchvision,)
register(
    "inception_v3",
    InceptionV3,
    Cfg(),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 299, 299), mean=HALF, std=HALF),
)
register(
    "inception_v3_test",
    InceptionV3,
    Cfg(divisor=16),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 75, 75), mean=HALF, std=HALF),
    num_classes=10,
)
