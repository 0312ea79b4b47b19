"""SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size (arXiv:1602.07360).

Parameter names and shapes are torchvision's. 1.1 is the authors' later release: a smaller stem, pooled earlier.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .layers import conv
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:1602.07360"
# Table 1: squeeze and expand widths of fire2 to fire9; expand is that of each of the two halves.
FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    stem: int  # channels
    kernel: int  # of the stem
    pools: tuple[int, ...]  # numbers of the fire modules before which the maps are pooled; 2 follows the stem
    fires: tuple[tuple[int, int], ...] = FIRES


class Fire(nn.Module):
    """1x1 squeeze, then 1x1 and 3x3 expand beside each other (fig. 1); (n, c_in, h, w) -> (n, 2 expand, h, w)."""

    def __init__(self, c_in: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = conv(c_in, squeeze, bias=True)
        self.expand1x1 = conv(squeeze, expand, bias=True)
        self.expand3x3 = conv(squeeze, expand, 3, bias=True)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.squeeze(x))
        return torch.cat((self.act(self.expand1x1(x)), self.act(self.expand3x3(x))), 1)


class SqueezeNet(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes), none below zero: a ReLU ends the network."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, cfg.stem, cfg.kernel, stride=2), nn.ReLU()]
        c_in = cfg.stem
        for number, (squeeze, expand) in enumerate(cfg.fires, start=2):
            if number in cfg.pools:
                layers.append(nn.MaxPool2d(3, stride=2, ceil_mode=True))
            layers.append(Fire(c_in, squeeze, expand))
            c_in = 2 * expand
        self.features = nn.Sequential(*layers)
        # 0 is the dropout of training
        self.classifier = nn.Sequential(nn.Identity(), conv(c_in, num_classes, bias=True), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x)).mean((2, 3))


VARIANTS = {
    "squeezenet1_0": Cfg(stem=96, kernel=7, pools=(2, 5, 9)),
    "squeezenet1_1": Cfg(stem=64, kernel=3, pools=(2, 4, 6)),
}
for _name, _cfg in VARIANTS.items():
    register(_name, SqueezeNet, _cfg, paper=PAPER, spec=PreprocessSpec(interpolation="bilinear"))
register(
    "squeezenet_test",
    SqueezeNet,
    Cfg(stem=16, kernel=3, pools=(2, 3), fires=((8, 16), (8, 16))),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 32, 32)),
    num_classes=10,
)
