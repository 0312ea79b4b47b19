"""SENet: Squeeze-and-Excitation Networks (arXiv:1709.01507).

Parameter names and shapes are timm's. The trunk is ResNet's or ResNeXt's. The `legacy_` variants are of the authors'
time: a first pooling without padding at the top and left, and other names.
"""

from collections import OrderedDict
from functools import partial

from torch import Tensor, nn

from .layers import conv
from .registry import register
from .resnet import Basic, Bottleneck, Cfg, ResNet
from .spec import PreprocessSpec

PAPER = "arXiv:1709.01507"
REDUCTION = 16  # table 10


class SqueezeExcite(nn.Module):
    """Scales each channel by a sigmoid gate computed from the channel means (§3.1, §3.2); (n, c, h, w) -> same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = conv(channels, channels // REDUCTION, bias=True)
        self.act = nn.ReLU()
        self.fc2 = conv(channels // REDUCTION, channels, bias=True)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((2, 3), keepdim=True)  # (n, c, 1, 1)
        return x * self.gate(self.fc2(self.act(self.fc1(mean))))


class LegacyBasic(Basic):
    """Basic with a squeeze-and-excite called `se_module`, and an activation before it."""

    def __init__(self, c_in: int, width: int, stride: int) -> None:
        super().__init__(c_in, width, stride)
        self.se_module = SqueezeExcite(width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.bn1(self.conv1(x)))
        y = self.se_module(self.act(self.bn2(self.conv2(y))))
        return self.act(y + self.downsample(x))


class LegacySENet(nn.Module):
    """ResNet's trunk under other names; (n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        trunk = ResNet(cfg, num_classes)
        self.layer0 = nn.Sequential(OrderedDict(conv1=trunk.conv1, bn1=trunk.bn1, relu1=trunk.act1))
        self.pool0 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        for i in range(1, trunk.layers + 1):
            self.add_module(f"layer{i}", trunk.get_submodule(f"layer{i}"))
        self.layers = trunk.layers
        self.last_linear = trunk.fc

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool0(self.layer0(x))
        for i in range(1, self.layers + 1):
            x = self.get_submodule(f"layer{i}")(x)
        return self.last_linear(x.mean((2, 3)))


def excited(depths: tuple[int, ...], groups: int = 1, base_width: int = 64) -> Cfg:
    """A ResNet or ResNeXt with a squeeze-and-excite at the end of each block (fig. 3)."""
    return Cfg(depths, partial(Bottleneck, groups=groups, base_width=base_width, attention=SqueezeExcite))


VARIANTS = {
    "seresnet50": (excited((3, 4, 6, 3)), PreprocessSpec(crop_pct=0.95)),
    "seresnet101": (excited((3, 4, 23, 3)), PreprocessSpec()),
    "seresnet152": (excited((3, 8, 36, 3)), PreprocessSpec()),
    "seresnext50_32x4d": (excited((3, 4, 6, 3), 32, 4), PreprocessSpec()),
    "seresnext101_32x4d": (excited((3, 4, 23, 3), 32, 4), PreprocessSpec()),
    "seresnext101_32x8d": (excited((3, 4, 23, 3), 32, 8), PreprocessSpec(crop_pct=0.95)),
    "seresnext101_64x4d": (excited((3, 4, 23, 3), 64, 4), PreprocessSpec()),
}
LEGACY = {
    "legacy_seresnet18": (Cfg((2, 2, 2, 2), LegacyBasic), PreprocessSpec()),
    "legacy_seresnet34": (Cfg((3, 4, 6, 3), LegacyBasic), PreprocessSpec(interpolation="bilinear")),
}
TINY = PreprocessSpec(input_size=(3, 32, 32))
for _name, (_cfg, _spec) in VARIANTS.items():
    register(_name, ResNet, _cfg, paper=PAPER, spec=_spec)
for _name, (_cfg, _spec) in LEGACY.items():
    register(_name, LegacySENet, _cfg, paper=PAPER, spec=_spec)
_test = Cfg((1, 1), partial(Bottleneck, attention=SqueezeExcite), width=16)
register("senet_test", ResNet, _test, paper=PAPER, spec=TINY, num_classes=10)
