"""Accelerator-aware Neural Network Design using AutoML (arXiv:2003.02838): EfficientNet-EdgeTPU.

EfficientNet whose first stages have fused blocks, without squeeze-and-excite. Parameter names and shapes are timm's.
"""

from torch import nn

from .efficientnet import Cfg, EfficientNet
from .mobile import Fused, Inverted, Table
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:2003.02838"


def table(layers: tuple[int, ...], first: float = 3) -> Table:
    """The searched network with so many layers in its stages.

    first: the first block's expansion of the stem's channels, which makes them 4 times those that it gives.
    """
    a, b, c, d, e, f = layers
    return (
        (Fused(24, expand=first, skip=False), *[Fused(24, skip=False)] * (a - 1)),
        (Fused(32, b, stride=2, expand=8),),
        (Fused(48, c, stride=2, expand=8),),
        (Inverted(96, d, 5, 2, expand=8),),
        (Inverted(144, e, 5, expand=8),),
        (Inverted(192, f, 5, 2, expand=8),),
    )


# https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/edgetpu
VARIANTS = {
    "efficientnet_es": Cfg(table((1, 2, 4, 5, 4, 2)), act=nn.ReLU),
    "efficientnet_em": Cfg(table((2, 3, 5, 6, 5, 3)), act=nn.ReLU),
    "efficientnet_el": Cfg(table((2, 3, 6, 7, 6, 3), 3.2), 40, 1536, 1.2, nn.ReLU),
}
SPECS = {
    "efficientnet_em": PreprocessSpec(input_size=(3, 240, 240), crop_pct=0.882),
    "efficientnet_el": PreprocessSpec(input_size=(3, 300, 300), crop_pct=0.904),
}
for _name, _cfg in VARIANTS.items():
    register(_name, EfficientNet, _cfg, paper=PAPER, spec=SPECS.get(_name))
register(
    "efficientnet_edgetpu_test",
    EfficientNet,
    Cfg(table((2, 2, 1, 1, 1, 1)), 8, 64, 0.15, nn.ReLU),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64)),
    num_classes=10,
)
