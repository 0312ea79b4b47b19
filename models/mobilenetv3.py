"""Searching for MobileNetV3 (arXiv:1905.02244).

Parameter names and shapes are timm's. The class builds MobileNetV4, LCNet and HardCoRe-NAS too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from torch import Tensor, nn

from .layers import conv, make_divisible
from .mobile import Inverted, Plain, Row, Separable, Style, Table, stages
from .registry import register
from .spec import HALF, PreprocessSpec
from .tensorflow import EPS, like_tensorflow, set_eps
from .torchvision_names import rename_blocks

PAPER = "arXiv:1905.02244"
RE, HS = nn.ReLU, nn.Hardswish
# Tables 1 and 2, a stage a line of blocks: kernel, expansion size, channels, squeeze-and-excite, activation, stride.
LARGE = (
    ((3, 16, 16, False, RE, 1),),
    ((3, 64, 24, False, RE, 2), (3, 72, 24, False, RE, 1)),
    ((5, 72, 40, True, RE, 2), (5, 120, 40, True, RE, 1), (5, 120, 40, True, RE, 1)),
    ((3, 240, 80, False, HS, 2), (3, 200, 80, False, HS, 1), (3, 184, 80, False, HS, 1), (3, 184, 80, False, HS, 1)),
    ((3, 480, 112, True, HS, 1), (3, 672, 112, True, HS, 1)),
    ((5, 672, 160, True, HS, 2), (5, 960, 160, True, HS, 1), (5, 960, 160, True, HS, 1)),
)
SMALL = (
    ((3, 16, 16, True, RE, 2),),
    ((3, 72, 24, False, RE, 2), (3, 88, 24, False, RE, 1)),
    ((5, 96, 40, True, HS, 2), (5, 240, 40, True, HS, 1), (5, 240, 40, True, HS, 1)),
    ((5, 120, 48, True, HS, 1), (5, 144, 48, True, HS, 1)),
    ((5, 288, 96, True, HS, 2), (5, 576, 96, True, HS, 1), (5, 576, 96, True, HS, 1)),
)
LAST_LARGE, LAST_SMALL = 960, 576  # channels of the 1x1 convolution before the mean
STEM = 16


def quarter(c_in: int, squeezed: int) -> int:
    """The width of a squeeze-and-excite: a quarter of the expansion (§5.3), rounded like all widths."""
    return make_divisible(squeezed / 4)


@dataclass(frozen=True)
class Cfg:
    """What varies between the variants."""

    table: Table
    stem: int = STEM
    head: int = 1280  # channels of the 1x1 convolution after the mean; neither is multiplied by width
    width: float = 1.0
    act: type[nn.Module] = HS
    head_bias: bool = True
    head_norm: bool = False  # a batch norm after that convolution
    excite_act: type[nn.Module] | None = RE  # of squeeze-and-excite; None: the block's
    reduced: Callable[[int, int], int] = quarter
    eps: float = 1e-5
    tensorflow: bool = False  # for checkpoints of TensorFlow


class MobileNetV3(nn.Module):
    """(n, 3, h, w) -> logits (n, num_classes)."""

    def __init__(self, cfg: Cfg, num_classes: int = 1000) -> None:
        super().__init__()
        style = Style(cfg.act, cfg.width, excite_act=cfg.excite_act, gate=nn.Hardsigmoid, reduced=cfg.reduced)
        self.conv_stem = conv(3, cfg.stem, 3, 2)
        self.bn1 = nn.BatchNorm2d(cfg.stem)
        self.act1 = cfg.act()
        self.blocks, last = stages(cfg.table, cfg.stem, style)
        self.conv_head = conv(last, cfg.head, bias=cfg.head_bias)
        self.norm_head = nn.BatchNorm2d(cfg.head) if cfg.head_norm else nn.Identity()
        self.act2 = cfg.act()
        self.classifier = nn.Linear(cfg.head, num_classes)
        set_eps(self, cfg.eps)
        if cfg.tensorflow:
            like_tensorflow(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.act1(self.bn1(self.conv_stem(x))))
        x = self.act2(self.norm_head(self.conv_head(x.mean((2, 3), keepdim=True))))
        return self.classifier(x.flatten(1))


def table(paper: tuple, last: int) -> Table:
    """One of the paper's tables as rows; it gives expansion sizes, which are relative to the input at width 1."""
    made, base = [], STEM
    for lines in paper:
        rows: list[Row] = []
        for kernel, expand, c, excite, act, stride in lines:
            size = (c, 1, kernel, stride, excite, act)
            rows.append(Separable(*size) if expand == base else Inverted(*size, expand=expand / base))
            base = c
        made.append(rows)
    return [*made, [Plain(last, kernel=1)]]


def rename_torchvision(tensors: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """The tensors of torchvision's mobilenet_v3_large and small under our names; None for any other file."""
    head = tensors.get("classifier.0.weight")
    layers = {"features.0.0": "conv_stem", "features.0.1": "bn1", "classifier.0": "conv_head"}
    layers["classifier.3"] = "classifier"
    if head is None or head.ndim != 2:
        return None
    paper = LARGE if "features.16.0.weight" in tensors else SMALL
    places = [f"blocks.{s}.{i}" for s, lines in enumerate(paper) for i in range(len(lines))]
    last = len(places) + 1
    layers |= {f"features.{last}.0": f"blocks.{len(paper)}.0.conv", f"features.{last}.1": f"blocks.{len(paper)}.0.bn1"}
    blocks = {f"features.{n}": ours for n, ours in enumerate(places, 1)}
    # Their linear is our 1x1 convolution.
    return rename_blocks({**tensors, "classifier.0.weight": head[:, :, None, None]}, blocks, layers, eps=EPS)


FOREIGN = (rename_torchvision,)

# LARGE with 1.2 of its depth, as timm distributes it.
DEEP = (
    (LARGE[0][0], LARGE[0][0]),
    (*LARGE[1], LARGE[1][1]),
    (*LARGE[2], LARGE[2][1]),
    (LARGE[3][0], LARGE[3][1], *LARGE[3][1:]),
    (*LARGE[4], LARGE[4][1]),
    (*LARGE[5], LARGE[5][1]),
)
VARIANTS = {
    "mobilenetv3_large_075": Cfg(table(LARGE, LAST_LARGE), width=0.75),
    "mobilenetv3_large_100": Cfg(table(LARGE, LAST_LARGE)),
    "mobilenetv3_small_050": Cfg(table(SMALL, LAST_SMALL), head=1024, width=0.5),
    "mobilenetv3_small_075": Cfg(table(SMALL, LAST_SMALL), head=1024, width=0.75),
    "mobilenetv3_small_100": Cfg(table(SMALL, LAST_SMALL), head=1024),
}
# timm's.
_DEEP = (*table(DEEP, LAST_LARGE)[:-1], (Plain(LAST_LARGE, 2, 1, skip=False),))
VARIANTS["mobilenetv3_large_150d"] = Cfg(_DEEP, 24, width=1.5)
VARIANTS["mobilenetv3_rw"] = Cfg(
    ((Separable(16, act=RE, skip=False),), *table(LARGE, LAST_LARGE)[1:]),
    head_bias=False,
    excite_act=None,
    reduced=lambda c_in, squeezed: squeezed // 4,
    eps=EPS,
)
# The authors' checkpoints.
VARIANTS |= {
    "tf_mobilenetv3_large_100": replace(VARIANTS["mobilenetv3_large_100"], tensorflow=True),
    "tf_mobilenetv3_small_100": replace(VARIANTS["mobilenetv3_small_100"], tensorflow=True),
}
_HALF = PreprocessSpec(mean=HALF, std=HALF, interpolation="bilinear")
SPECS = {
    "mobilenetv3_large_075": PreprocessSpec(interpolation="bilinear"),  # there are no weights of it
    "mobilenetv3_large_150d": replace(_HALF, input_size=(3, 256, 256), crop_pct=0.95),
    "tf_mobilenetv3_large_100": _HALF,
    "tf_mobilenetv3_small_100": _HALF,
}
for _name, _cfg in VARIANTS.items():
    _foreign = () if _cfg.tensorflow else FOREIGN  # torchvision pads otherwise
    register(_name, MobileNetV3, _cfg, paper=PAPER, spec=SPECS.get(_name), foreign=_foreign)
register(
    "mobilenetv3_test",
    MobileNetV3,
    Cfg(table(SMALL, 144), head=64, width=0.25),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64)),
    num_classes=10,
)
