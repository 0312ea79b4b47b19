"""SKNet: Selective Kernel Networks (arXiv:1903.06586).

Parameter names and shapes are timm's. The trunk is ResNet's. The paper's SKNet-50 is skresnext50_32x4d; in the
`skresnet` variants, timm's own, each path sees half of the channels instead of groups of them. The 5x5 kernel is a
3x3 one with dilation 2, as in the paper's §3.1.
"""

from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from .layers import ConvNormAct, conv, make_divisible
from .registry import register
from .resnet import Cfg, ResNet, shortcut
from .spec import PreprocessSpec

PAPER = "arXiv:1903.06586"
DILATIONS = (1, 2)  # of the two paths


@dataclass(frozen=True)
class Select:
    """How the paths of a network's selective kernels are made and weighed."""

    split: bool = True  # each path sees half of the channels
    reduction: int = 16  # r in the paper
    least: int = 8  # L in the paper; the reduced width is also a multiple of it


class Selection(nn.Module):
    """The paths weighed by a softmax over them, from their sum's channel means (eq. 2 to 6); paths -> one of them."""

    def __init__(self, channels: int, reduced: int) -> None:
        super().__init__()
        self.channels = channels
        self.fc_reduce = conv(channels, reduced)
        self.bn = nn.BatchNorm2d(reduced)
        self.act = nn.ReLU()
        self.fc_select = conv(reduced, len(DILATIONS) * channels)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        mean = (first + second).mean((2, 3), keepdim=True)  # (n, c, 1, 1)
        logits = self.fc_select(self.act(self.bn(self.fc_reduce(mean))))  # (n, 2c, 1, 1)
        weights = logits.reshape(-1, len(DILATIONS), self.channels).softmax(1).reshape(logits.shape)
        w1, w2 = weights.chunk(2, 1)
        return first * w1 + second * w2


class SelectiveKernel(nn.Module):
    """Two paths of different receptive fields, and the choice between them (fig. 1); (n, c_in, h, w) -> (n, c, ...)."""

    def __init__(self, c_in: int, c: int, stride: int, groups: int, select: Select) -> None:
        super().__init__()
        self.split = select.split
        c_path = c_in // len(DILATIONS) if select.split else c_in
        self.paths = nn.ModuleList(
            ConvNormAct(c_path, c, 3, stride, groups=groups, dilation=dilation, act=nn.ReLU) for dilation in DILATIONS
        )
        self.attn = Selection(c, make_divisible(c / select.reduction, select.least))

    def forward(self, x: Tensor) -> Tensor:
        first, second = x.chunk(2, 1) if self.split else (x, x)
        return self.attn(self.paths[0](first), self.paths[1](second))


class SKBasic(nn.Module):
    """ResNet's block of two 3x3 convolutions, the first one selective."""

    def __init__(self, c_in: int, width: int, stride: int, *, select: Select) -> None:
        super().__init__()
        self.c_out = width
        self.conv1 = SelectiveKernel(c_in, width, stride, 1, select)
        self.conv2 = ConvNormAct(width, width, 3)
        self.act = nn.ReLU()
        self.downsample = shortcut(c_in, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.conv2(self.conv1(x)) + self.downsample(x))


class SKBottleneck(nn.Module):
    """ResNet's or ResNeXt's bottleneck with a selective 3x3 convolution."""

    def __init__(
        self, c_in: int, width: int, stride: int, *, select: Select, groups: int = 1, base_width: int = 64
    ) -> None:
        super().__init__()
        self.c_out = 4 * width
        mid = width * base_width // 64 * groups
        self.conv1 = ConvNormAct(c_in, mid, act=nn.ReLU)
        self.conv2 = SelectiveKernel(mid, mid, stride, groups, select)
        self.conv3 = ConvNormAct(mid, self.c_out)
        self.act = nn.ReLU()
        self.downsample = shortcut(c_in, self.c_out, stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.conv3(self.conv2(self.conv1(x))) + self.downsample(x))


SMALL = partial(SKBasic, select=Select(reduction=8, least=16))
PAPERS = partial(SKBottleneck, select=Select(split=False, least=32), groups=32, base_width=4)
VARIANTS = {
    "skresnet18": Cfg((2, 2, 2, 2), SMALL),
    "skresnet34": Cfg((3, 4, 6, 3), SMALL),
    "skresnet50": Cfg((3, 4, 6, 3), partial(SKBottleneck, select=Select())),
    "skresnext50_32x4d": Cfg((3, 4, 6, 3), PAPERS),
}
for _name, _cfg in VARIANTS.items():
    register(_name, ResNet, _cfg, paper=PAPER)
TINY = PreprocessSpec(input_size=(3, 32, 32))
register("sknet_test", ResNet, Cfg((1, 1), SMALL, width=16), paper=PAPER, spec=TINY, num_classes=10)
_paths = partial(SKBottleneck, select=Select(split=False), groups=4, base_width=32)
register("sknext_test", ResNet, Cfg((1, 2), _paths, width=8), paper=PAPER, spec=TINY, num_classes=10)
