"""Inception-v4, Inception-ResNet and the Impact of Residual Connections (arXiv:1602.07261): Inception-ResNet v1 and v2.

Parameter names and shapes of v1 are pytorchcv's, of v2 timm's; both descend from the authors' TensorFlow checkpoints,
which differ from the paper's text in depth, widths and the head.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .googlenet import unit
from .inception_v4 import Beside, chain, mean_then
from .layers import conv
from .registry import register
from .spec import HALF, PreprocessSpec

PAPER = "arXiv:1602.07261"
ROW_7, COLUMN_7, ROW_3, COLUMN_3 = (1, 7), (7, 1), (1, 3), (3, 1)  # kernels
HALVE = 2  # a stride; such layers have no padding
SCALES = (0.17, 0.10, 0.20)  # §3.3: of the residuals of blocks A, B and C


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    depths: tuple[int, int, int]  # blocks A, B and C
    divisor: int = 1  # of every width


# Branches as chains of (channels, kernel, stride); none is a pooling that halves.
# Figures 10 to 14 and table 1.
V1 = {
    "A": (((32, 1),), ((32, 1), (32, 3)), ((32, 1), (32, 3), (32, 3))),
    "halve A": (((384, 3, HALVE),), ((192, 1), (192, 3), (256, 3, HALVE)), ()),
    "B": (((128, 1),), ((128, 1), (128, ROW_7), (128, COLUMN_7))),
    "halve B": (
        ((256, 1), (384, 3, HALVE)),
        ((256, 1), (256, 3, HALVE)),
        ((256, 1), (256, 3), (256, 3, HALVE)),
        (),
    ),
    "C": (((192, 1),), ((192, 1), (192, ROW_3), (192, COLUMN_3))),
}
# Figures 16 to 19 and table 1, with the widths of the published weights.
V2 = {
    "A": (((32, 1),), ((32, 1), (32, 3)), ((32, 1), (48, 3), (64, 3))),
    "halve A": (((384, 3, HALVE),), ((256, 1), (256, 3), (384, 3, HALVE)), ()),
    "B": (((192, 1),), ((128, 1), (160, ROW_7), (192, COLUMN_7))),
    "halve B": (
        ((256, 1), (384, 3, HALVE)),
        ((256, 1), (288, 3, HALVE)),
        ((256, 1), (288, 3), (320, 3, HALVE)),
        (),
    ),
    "C": (((192, 1),), ((192, 1), (224, ROW_3), (256, COLUMN_3))),
}


def narrowed(table: Mapping[str, tuple], divisor: int) -> dict[str, tuple]:
    """The table with every width divided."""
    return {
        name: tuple(tuple((c // divisor, *rest) for c, *rest in layers) for layers in branches)
        for name, branches in table.items()
    }


def c_out(branches: tuple, c_in: int = 0) -> int:
    """The channels of all branches, of which a pooling keeps c_in."""
    return sum(layers[-1][0] if layers else c_in for layers in branches)


class Residual(nn.Module):
    """Adds to the input a scaled projection of what the branches give together; (n, c, h, w) -> same.

    `projection` is the name of the 1x1 convolution; its bias, and no norm, precede the addition (§3.2).
    """

    def __init__(
        self, c: int, c_mid: int, branches: Mapping[str, nn.Module], projection: str, scale: float, last: bool
    ) -> None:
        super().__init__()
        for name, branch in branches.items():
            self.add_module(name, branch)
        self.branches_and_projection = (tuple(branches), projection)
        self.add_module(projection, conv(c_mid, c, bias=True))
        self.act = nn.Identity() if last else nn.ReLU()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        names, projection = self.branches_and_projection
        outputs = [self.get_submodule(name)(x) for name in names]
        y = torch.cat(outputs, 1) if len(outputs) > 1 else outputs[0]
        return self.act(x + self.scale * self.get_submodule(projection)(y))


def branches_v1(c_in: int, branches: tuple, *, wrap: bool) -> Beside:
    """pytorchcv's names; `wrap`: of its reductions, where a lone convolution is a list too."""
    modules = {}
    for i, layers in enumerate(branches, start=1):
        branch: OrderedDict[str, nn.Module]
        if not layers:
            branch = OrderedDict(pool=nn.MaxPool2d(3, stride=2))
        elif len(layers) == 1 and not wrap:
            branch = OrderedDict(conv=unit(c_in, *layers[0]))
        else:
            branch = OrderedDict(conv_list=chain(c_in, *layers, names="conv{1}"))
        modules[f"branch{i}"] = nn.Sequential(branch)
    return Beside(**modules)


class InceptionResNetV1(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes); h and w at least 75."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        d, table = cfg.divisor, narrowed(V1, cfg.divisor)
        c1, c2, c3, c4, c = 32 // d, 64 // d, 80 // d, 192 // d, 256 // d
        self.features = nn.Sequential(
            OrderedDict(
                init_block=nn.Sequential(
                    OrderedDict(
                        conv1=unit(3, c1, 3, 2, pad=False),
                        conv2=unit(c1, c1, 3, pad=False),
                        conv3=unit(c1, c2, 3),
                        pool=nn.MaxPool2d(3, stride=2),
                        conv4=unit(c2, c3),
                        conv5=unit(c3, c4, 3, pad=False),
                        conv6=unit(c4, c, 3, 2, pad=False),
                    )
                )
            )
        )
        for stage, (kind, halve) in enumerate((("A", ""), ("B", "halve A"), ("C", "halve B"))):
            units: list[nn.Module] = []
            if halve:
                units.append(nn.Sequential(OrderedDict(branches=branches_v1(c, table[halve], wrap=True))))
                c = c_out(table[halve], c)
            for i in range(cfg.depths[stage]):
                last = kind == "C" and i == cfg.depths[2] - 1  # neither scaled nor activated
                inner = {"branches": branches_v1(c, table[kind], wrap=False)}
                units.append(Residual(c, c_out(table[kind]), inner, "conv", 1.0 if last else SCALES[stage], last))
            named = OrderedDict((f"unit{i}", module) for i, module in enumerate(units, start=1))
            self.features.add_module(f"stage{stage + 1}", nn.Sequential(named))
        hidden = 512 // d
        self.output = nn.Sequential(
            OrderedDict(
                fc1=nn.Linear(c, hidden, bias=False),
                bn=nn.BatchNorm1d(hidden, eps=1e-3),
                fc2=nn.Linear(hidden, num_classes),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.features(x).mean((2, 3)))


def branches_v2(c_in: int, branches: tuple) -> dict[str, nn.Module]:
    """timm's names."""
    modules = {}
    for i, layers in enumerate(branches):
        if not layers:
            modules[f"branch{i}"] = nn.MaxPool2d(3, stride=2)
            continue
        branch = chain(c_in, *layers)
        modules[f"branch{i}"] = branch[0] if len(layers) == 1 else branch
    return modules


class InceptionResNetV2(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes); h and w at least 75."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        d, table = cfg.divisor, narrowed(V2, cfg.divisor)
        c1, c2, c3, c4 = 32 // d, 64 // d, 80 // d, 192 // d
        self.conv2d_1a = unit(3, c1, 3, 2, pad=False)
        self.conv2d_2a = unit(c1, c1, 3, pad=False)
        self.conv2d_2b = unit(c1, c2, 3)
        self.maxpool_3a = nn.MaxPool2d(3, stride=2)
        self.conv2d_3b = unit(c2, c3)
        self.conv2d_4a = unit(c3, c4, 3, pad=False)
        self.maxpool_5a = nn.MaxPool2d(3, stride=2)
        self.mixed_5b = Beside(
            branch0=unit(c4, 96 // d),
            branch1=chain(c4, (48 // d, 1), (64 // d, 5)),
            branch2=chain(c4, (64 // d, 1), (96 // d, 3), (96 // d, 3)),
            branch3=mean_then(c4, 64 // d),
        )
        c = 320 // d

        def blocks(kind: str, count: int, scale: float, last: bool = False) -> list[nn.Module]:
            branches, c_mid = table[kind], c_out(table[kind])
            return [Residual(c, c_mid, branches_v2(c, branches), "conv2d", scale, last) for _ in range(count)]

        a, b, last_blocks = cfg.depths
        self.repeat = nn.Sequential(*blocks("A", a, SCALES[0]))
        self.mixed_6a = Beside(**branches_v2(c, table["halve A"]))
        c = c_out(table["halve A"], c)
        self.repeat_1 = nn.Sequential(*blocks("B", b, SCALES[1]))
        self.mixed_7a = Beside(**branches_v2(c, table["halve B"]))
        c = c_out(table["halve B"], c)
        self.repeat_2 = nn.Sequential(*blocks("C", last_blocks - 1, SCALES[2]))
        (self.block8,) = blocks("C", 1, 1.0, last=True)
        self.conv2d_7b = unit(c, 1536 // d)
        self.classif = nn.Linear(1536 // d, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        *trunk, classif = self.children()
        for layer in trunk:
            x = layer(x)
        return classif(x.mean((2, 3)))


V1_SPEC = PreprocessSpec(input_size=(3, 299, 299), interpolation="bilinear")
V2_SPEC = PreprocessSpec(input_size=(3, 299, 299), mean=HALF, std=HALF, crop_pct=0.8975)
TINY = PreprocessSpec(input_size=(3, 75, 75))
register("inception_resnet_v1", InceptionResNetV1, Cfg((5, 10, 6)), paper=PAPER, spec=V1_SPEC)
register("inception_resnet_v2", InceptionResNetV2, Cfg((10, 20, 10)), paper=PAPER, spec=V2_SPEC)
register("inception_resnet_v1_test", InceptionResNetV1, Cfg((1, 1, 2), 16), paper=PAPER, spec=TINY, num_classes=10)
register("inception_resnet_v2_test", InceptionResNetV2, Cfg((1, 1, 2), 16), paper=PAPER, spec=TINY, num_classes=10)
