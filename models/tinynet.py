"""TinyNet: Model Rubik's Cube: Twisting Resolution, Depth and Width for TinyNets (arXiv:2010.14819).

EfficientNet made smaller. Parameter names and shapes are timm's.
"""

from .efficientnet import Cfg, EfficientNet, table
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:2010.14819"
# Table 6 (width, resolution); the layers are the depths of that table times EfficientNet-B0's, rounded.
VARIANTS = {
    "tinynet_a": (Cfg(table((1, 2, 2, 4, 4, 5, 1))), 192),
    "tinynet_b": (Cfg(table((1, 2, 2, 3, 3, 4, 1)), width=0.75), 188),
    "tinynet_c": (Cfg(table((1, 2, 2, 3, 3, 3, 1)), width=0.54), 184),
    "tinynet_d": (Cfg(table((1, 1, 1, 2, 2, 3, 1)), width=0.54), 152),
    "tinynet_e": (Cfg(table((1, 1, 1, 2, 2, 2, 1)), width=0.51), 106),
}
for _name, (_cfg, _size) in VARIANTS.items():
    register(_name, EfficientNet, _cfg, paper=PAPER, spec=PreprocessSpec(input_size=(3, _size, _size)))
register(
    "tinynet_test",
    EfficientNet,
    Cfg(table((1, 1, 1, 1, 1, 1, 1)), 8, 64, 0.15),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 53, 53)),
    num_classes=10,
)
