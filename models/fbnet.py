"""FBNet: Hardware-Aware Efficient ConvNet Design via Differentiable Neural Architecture Search (arXiv:1812.03443).

Parameter names and shapes are timm's.
"""

from torch import nn

from .efficientnet import Cfg, EfficientNet
from .mobile import Inverted, Table
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:1812.03443"
# Fig. 4, FBNet-C: channels, layers, kernel, stride, expansion.
C: Table = (
    (Inverted(16, expand=1),),
    (Inverted(24, stride=2), Inverted(24, 2, expand=1)),
    (Inverted(32, 1, 5, 2), Inverted(32, 1, 5, expand=3), Inverted(32, 1, 5), Inverted(32)),
    (Inverted(64, 1, 5, 2), Inverted(64, 1, 5, expand=3), Inverted(64, 2, 5)),
    (Inverted(112, 3, 5), Inverted(112, 1, 5, expand=3)),
    (Inverted(184, 4, 5, 2),),
    (Inverted(352),),
)
register(
    "fbnetc_100",
    EfficientNet,
    Cfg(C, 16, 1984, act=nn.ReLU),
    paper=PAPER,
    spec=PreprocessSpec(interpolation="bilinear"),
)
register(
    "fbnet_test",
    EfficientNet,
    Cfg(C[:4], 8, 64, 0.5, nn.ReLU),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64), interpolation="bilinear"),
    num_classes=10,
)
