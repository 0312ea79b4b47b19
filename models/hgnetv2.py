"""PP-HGNetV2, the backbone of RT-DETR's small models (arXiv:2304.08069 and PaddlePaddle's release).

Parameter names and shapes are timm's.
"""

from dataclasses import dataclass

from torch import Tensor, cat, nn, ones, zeros
from torch.nn.functional import pad

from .layers import conv
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:2304.08069"
HEAD = 2048
Stage = tuple[int, int, int]  # channels of the blocks' layers and of their outputs, blocks


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    stem: tuple[int, int]
    stages: tuple[Stage, Stage, Stage, Stage]
    layers: int  # of a block
    head: int = HEAD


class LearnableAffine(nn.Module):
    """One factor and one summand for all channels; (n, c, h, w) -> same."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(ones(1))
        self.bias = nn.Parameter(zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x + self.bias


class ConvNorm(nn.Module):
    """Convolution, batch norm, and with `act` ReLU and an affine; (n, c_in, h, w) -> (n, c_out, h/stride, w/stride).

    An even kernel is not padded.
    """

    def __init__(
        self, c_in: int, c_out: int, kernel: int = 1, stride: int = 1, *, groups: int = 1, act: bool = True
    ) -> None:
        super().__init__()
        padding = kernel // 2 if kernel % 2 else 0
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(c_out)
        self.act = nn.ReLU() if act else nn.Identity()
        self.lab = LearnableAffine() if act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.lab(self.act(self.bn(self.conv(x))))


class LightConv(nn.Module):
    """1x1, then 5x5 depthwise; (n, c_in, h, w) -> (n, c_out, h, w)."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(c_in, c_out, act=False)
        self.conv2 = ConvNorm(c_out, c_out, 5, groups=c_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(x))


class Stem(nn.Module):
    """(n, 3, h, w) -> (n, c_out, h/4, w/4)"""

    def __init__(self, mid: int, c_out: int) -> None:
        super().__init__()
        self.stem1 = ConvNorm(3, mid, 3, 2)
        self.stem2a = ConvNorm(mid, mid // 2, 2)
        self.stem2b = ConvNorm(mid // 2, mid, 2)
        self.pool = nn.MaxPool2d(2, stride=1)
        self.stem3 = ConvNorm(2 * mid, mid, 3, 2)
        self.stem4 = ConvNorm(mid, c_out)

    def forward(self, x: Tensor) -> Tensor:
        x = pad(self.stem1(x), (0, 1, 0, 1))  # right and bottom, for the even kernels
        y = self.stem2b(pad(self.stem2a(x), (0, 1, 0, 1)))
        return self.stem4(self.stem3(cat((self.pool(x), y), dim=1)))


class Block(nn.Module):
    """All layers' outputs joined, with a residual in all but a stage's first; (n, c_in, h, w) -> (n, c_out, h, w)."""

    def __init__(self, c_in: int, mid: int, c_out: int, layers: int, *, light: bool, residual: bool) -> None:
        super().__init__()
        inputs = [c_in] + [mid] * (layers - 1)
        self.layers = nn.ModuleList(LightConv(c, mid) if light else ConvNorm(c, mid, 3) for c in inputs)
        self.aggregation = nn.Sequential(
            ConvNorm(c_in + layers * mid, c_out // 2),
            ConvNorm(c_out // 2, c_out),
        )
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        outputs = [x]
        for layer in self.layers:
            outputs.append(layer(outputs[-1]))
        y = self.aggregation(cat(outputs, dim=1))
        return x + y if self.residual else y


class Blocks(nn.Module):
    """A stage: depthwise convolution of stride 2 (not in the first stage), then blocks."""

    def __init__(self, i: int, c_in: int, stage: Stage, layers: int) -> None:
        super().__init__()
        mid, c_out, depth = stage
        self.downsample = ConvNorm(c_in, c_in, 3, 2, groups=c_in, act=False) if i else nn.Identity()
        self.blocks = nn.Sequential(
            *(Block(c_out if j else c_in, mid, c_out, layers, light=i >= 2, residual=j > 0) for j in range(depth))
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.downsample(x))


class Head(nn.Module):
    """Mean over the pixels, 1x1 convolution, linear; (n, c, h, w) -> (n, num_classes)."""

    def __init__(self, channels: int, hidden: int, num_classes: int) -> None:
        super().__init__()
        self.last_conv = nn.Sequential(conv(channels, hidden), nn.ReLU(), LearnableAffine())
        self.fc = nn.Linear(hidden, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.last_conv(x.mean((2, 3), keepdim=True)).flatten(1))


class HGNetV2(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        self.stem = Stem(*cfg.stem)
        c_in = cfg.stem[1]
        stages = []
        for i, stage in enumerate(cfg.stages):
            stages.append(Blocks(i, c_in, stage, cfg.layers))
            c_in = stage[1]
        self.stages = nn.Sequential(*stages)
        self.head = Head(c_in, cfg.head, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stages(self.stem(x)))


VARIANTS = {
    "hgnetv2_b0": Cfg((16, 16), ((16, 64, 1), (32, 256, 1), (64, 512, 2), (128, 1024, 1)), 3),
    "hgnetv2_b1": Cfg((24, 32), ((32, 64, 1), (48, 256, 1), (96, 512, 2), (192, 1024, 1)), 3),
    "hgnetv2_b2": Cfg((24, 32), ((32, 96, 1), (64, 384, 1), (128, 768, 3), (256, 1536, 1)), 4),
    "hgnetv2_b3": Cfg((24, 32), ((32, 128, 1), (64, 512, 1), (128, 1024, 3), (256, 2048, 1)), 5),
}
for _name, _cfg in VARIANTS.items():
    register(_name, HGNetV2, _cfg, paper=PAPER, spec=PreprocessSpec(crop_pct=0.965))
register(
    "hgnetv2_test",
    HGNetV2,
    Cfg((8, 8), ((8, 16, 1), (8, 16, 1), (8, 32, 2), (8, 32, 1)), 2, head=64),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64), crop_pct=0.965),
    num_classes=10,
)
