"""ResNeXt: Aggregated Residual Transformations for Deep Neural Networks (arXiv:1611.05431).

Parameter names and shapes are timm's, which are torchvision's. The trunk is ResNet's.
"""

from functools import partial

from .registry import register
from .resnet import Bottleneck, Cfg, ResNet
from .spec import PreprocessSpec

PAPER = "arXiv:1611.05431"
NEW, OLD = PreprocessSpec(crop_pct=0.95), PreprocessSpec(interpolation="bilinear")  # timm's own training; others'


def cfg(depths: tuple[int, ...], groups: int, base_width: int) -> Cfg:
    """`depths` of ResNet's table 1; `groups` paths (the cardinality) of `base_width` channels in the first stage."""
    return Cfg(depths, partial(Bottleneck, groups=groups, base_width=base_width))


VARIANTS = {
    "resnext50_32x4d": (cfg((3, 4, 6, 3), 32, 4), NEW),
    "resnext101_32x4d": (cfg((3, 4, 23, 3), 32, 4), OLD),
    "resnext101_32x8d": (cfg((3, 4, 23, 3), 32, 8), OLD),
    "resnext101_32x16d": (cfg((3, 4, 23, 3), 32, 16), OLD),
    "resnext101_32x32d": (cfg((3, 4, 23, 3), 32, 32), OLD),
    "resnext101_64x4d": (cfg((3, 4, 23, 3), 64, 4), NEW),
}
for _name, (_cfg, _spec) in VARIANTS.items():
    register(_name, ResNet, _cfg, paper=PAPER, spec=_spec)
register(
    "resnext_test",
    ResNet,
    Cfg((1, 2), partial(Bottleneck, groups=4, base_width=32), width=8),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 32, 32)),
    num_classes=10,
)
