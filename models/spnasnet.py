"""Single-Path NAS: Designing Hardware-Efficient ConvNets in less than 4 Hours (arXiv:1904.02877).

Parameter names and shapes are timm's.
"""

from torch import nn

from .efficientnet import Cfg, EfficientNet
from .mobile import Inverted, Separable, Table
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:1904.02877"
# What was found for a Pixel 1: channels, layers, kernel, stride, expansion.
TABLE: Table = (
    (Separable(16, skip=False),),
    (Inverted(24, 3, 3, 2, expand=3),),
    (Inverted(40, 1, 5, 2), Inverted(40, 3, expand=3)),
    (Inverted(80, 1, 5, 2), Inverted(80, 3, expand=3)),
    (Inverted(96, 1, 5), Inverted(96, 3, 5, expand=3)),
    (Inverted(192, 4, 5, 2),),
    (Inverted(320, skip=False),),
)
register(
    "spnasnet_100",
    EfficientNet,
    Cfg(TABLE, act=nn.ReLU),
    paper=PAPER,
    spec=PreprocessSpec(interpolation="bilinear"),
)
register(
    "spnasnet_test",
    EfficientNet,
    Cfg(TABLE[:5], 8, 64, 0.3, nn.ReLU),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64), interpolation="bilinear"),
    num_classes=10,
)
