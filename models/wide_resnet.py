"""Wide ResNet: Wide Residual Networks (arXiv:1605.07146), of which §3.3's for ImageNet.

Parameter names and shapes are timm's, which are torchvision's. The trunk is ResNet's, the 3x3 convolutions are twice
as wide.
"""

from functools import partial

from .registry import register
from .resnet import Bottleneck, Cfg, ResNet
from .spec import PreprocessSpec

PAPER = "arXiv:1605.07146"
WIDE = partial(Bottleneck, base_width=128)

VARIANTS = {
    "wide_resnet50_2": (Cfg((3, 4, 6, 3), WIDE), PreprocessSpec()),
    "wide_resnet101_2": (Cfg((3, 4, 23, 3), WIDE), PreprocessSpec(interpolation="bilinear")),
}
for _name, (_cfg, _spec) in VARIANTS.items():
    register(_name, ResNet, _cfg, paper=PAPER, spec=_spec)
register(
    "wide_resnet_test",
    ResNet,
    Cfg((1, 2), WIDE, width=8),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 32, 32)),
    num_classes=10,
)
