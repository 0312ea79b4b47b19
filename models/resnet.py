"""Deep Residual Learning for Image Recognition (arXiv:1512.03385).

Parameter names and shapes are timm's, which are torchvision's. The stride of a bottleneck is in its 3x3 convolution
("v1.5"), as in both; the paper has it in the first 1x1.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from .layers import conv
from .registry import PreprocessSpec, register

PAPER = "arXiv:1512.03385"


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants, of the paper's table 1."""

    depths: tuple[int, ...]
    bottleneck: bool = True
    width: int = 64


class Basic(nn.Module):
    """Two 3x3 convolutions (fig. 5 left); (n, c_in, h, w) -> (n, width, h/stride, w/stride)."""

    expansion = 1

    def __init__(self, c_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = conv(c_in, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.act = nn.ReLU()
        self.downsample = shortcut(c_in, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.bn1(self.conv1(x)))
        return self.act(self.bn2(self.conv2(y)) + self.downsample(x))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions (fig. 5 right); (n, c_in, h, w) -> (n, 4 width, h/stride, w/stride)."""

    expansion = 4

    def __init__(self, c_in: int, width: int, stride: int) -> None:
        super().__init__()
        c_out = width * self.expansion
        self.conv1 = conv(c_in, width)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv(width, width, 3, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = conv(width, c_out)
        self.bn3 = nn.BatchNorm2d(c_out)
        self.act = nn.ReLU()
        self.downsample = shortcut(c_in, c_out, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.bn1(self.conv1(x)))
        y = self.act(self.bn2(self.conv2(y)))
        return self.act(self.bn3(self.conv3(y)) + self.downsample(x))


def shortcut(c_in: int, c_out: int, stride: int) -> nn.Module:
    """The identity where the shape stays, else a 1x1 projection (§3.3, option B)."""
    if stride == 1 and c_in == c_out:
        return nn.Identity()
    return nn.Sequential(conv(c_in, c_out, 1, stride), nn.BatchNorm2d(c_out))


class ResNet(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        block = Bottleneck if cfg.bottleneck else Basic
        self.conv1 = conv(3, cfg.width, 7, 2)
        self.bn1 = nn.BatchNorm2d(cfg.width)
        self.act1 = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        c_in = cfg.width
        for i, depth in enumerate(cfg.depths):
            width = cfg.width * 2**i
            layer = []
            for stride in (1 if i == 0 else 2, *[1] * (depth - 1)):
                layer.append(block(c_in, width, stride))
                c_in = width * block.expansion
            self.add_module(f"layer{i + 1}", nn.Sequential(*layer))
        self.layers = len(cfg.depths)
        self.fc = nn.Linear(c_in, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.act1(self.bn1(self.conv1(x))))
        for i in range(self.layers):
            x = self.get_submodule(f"layer{i + 1}")(x)
        return self.fc(x.mean((2, 3)))


VARIANTS = {
    "resnet18": Cfg((2, 2, 2, 2), bottleneck=False),
    "resnet34": Cfg((3, 4, 6, 3), bottleneck=False),
    "resnet50": Cfg((3, 4, 6, 3)),
    "resnet101": Cfg((3, 4, 23, 3)),
    "resnet152": Cfg((3, 8, 36, 3)),
}
for _name, _cfg in VARIANTS.items():
    register(_name, ResNet, _cfg, paper=PAPER, spec=PreprocessSpec(crop_pct=0.95))
register(
    "resnet_test",
    ResNet,
    Cfg((1, 2), bottleneck=True, width=8),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 32, 32), crop_pct=0.95),
    num_classes=10,
)
