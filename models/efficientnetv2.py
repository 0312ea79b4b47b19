"""EfficientNetV2: Smaller Models and Faster Training (arXiv:2104.00298).

Parameter names and shapes are timm's.
"""

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from .efficientnet import Cfg, EfficientNet, renamed_features
from .mobile import Fused, Inverted, Plain, Row
from .registry import register
from .spec import HALF, PreprocessSpec

PAPER = "arXiv:2104.00298"
# Table 4 for S, the authors' code for the others: channels, layers, stride and expansion, a stage a row; the first
# three stages are fused, the first of them without expansion; all kernels are 3x3.
S = ((24, 2, 1, 1), (48, 4, 2, 4), (64, 4, 2, 4), (128, 6, 2, 4), (160, 9, 1, 6), (256, 15, 2, 6))
M = ((24, 3, 1, 1), (48, 5, 2, 4), (80, 5, 2, 4), (160, 7, 2, 4), (176, 14, 1, 6), (304, 18, 2, 6), (512, 5, 1, 6))
L = ((32, 4, 1, 1), (64, 7, 2, 4), (96, 7, 2, 4), (192, 10, 2, 4), (224, 19, 1, 6), (384, 25, 2, 6), (640, 7, 1, 6))
XL = ((32, 4, 1, 1), (64, 8, 2, 4), (96, 8, 2, 4), (192, 16, 2, 4), (256, 24, 1, 6), (512, 32, 2, 6), (640, 8, 1, 6))


def cfg(rows: tuple[tuple[int, int, int, int], ...], head: int = 1280) -> Cfg:
    """The network of one of these tables; its stem is as wide as its first stage."""
    (c, n, stride, _), *others = rows
    table: list[Row] = [Plain(c, n, stride=stride)]
    for i, (c, n, stride, expand) in enumerate(others):
        kind = Fused(c, n, stride=stride, expand=expand) if i < 2 else Inverted(c, n, 3, stride, True, expand=expand)
        table.append(kind)
    return Cfg(tuple((row,) for row in table), rows[0][0], head)


def rename_torchvision(tensors: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """The tensors of torchvision's efficientnet_v2_s, m, l under our names; None for any other file."""
    return renamed_features(tensors, eps=1e-3)


FOREIGN = (rename_torchvision,)

VARIANTS = {
    "efficientnetv2_s": cfg(S),
    "efficientnetv2_m": cfg(M),
    "efficientnetv2_l": cfg(L),
    "efficientnetv2_xl": cfg(XL),
}
SIZES = {"s": 288, "m": 320, "l": 384, "xl": 384}
TENSORFLOW_SIZES = {"s": 300, "m": 384, "l": 384, "xl": 384}
for _name, _cfg in VARIANTS.items():
    _which = _name.rpartition("_")[2]
    _size = (3, SIZES[_which], SIZES[_which])
    register(_name, EfficientNet, _cfg, paper=PAPER, spec=PreprocessSpec(input_size=_size, crop_pct=1.0))
    # The authors' checkpoints.
    _size = (3, TENSORFLOW_SIZES[_which], TENSORFLOW_SIZES[_which])
    _spec = PreprocessSpec(input_size=_size, mean=HALF, std=HALF, crop_pct=1.0)
    register(f"tf_{_name}", EfficientNet, replace(_cfg, tensorflow=True), paper=PAPER, spec=_spec, foreign=())
register(
    "efficientnetv2_test",
    EfficientNet,
    cfg(((16, 1, 1, 1), (8, 1, 2, 4), (16, 2, 2, 4), (16, 2, 2, 4), (16, 1, 1, 6)), 64),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64)),
    num_classes=10,
)
