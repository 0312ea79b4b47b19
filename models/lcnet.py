"""PP-LCNet: A Lightweight CPU Convolutional Neural Network (arXiv:2109.15099).

Parameter names and shapes are timm's.
"""

from .mobile import Separable
from .mobilenetv3 import Cfg, MobileNetV3
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:2109.15099"
# Table 1: operator, channels, stride, squeeze-and-excite.
TABLE = (
    (Separable(32, last_act=True, skip=False),),
    (Separable(64, 2, 3, 2, last_act=True, skip=False),),
    (Separable(128, 2, 3, 2, last_act=True, skip=False),),
    (Separable(256, 1, 3, 2, last_act=True, skip=False), Separable(256, 1, 5, last_act=True, skip=False)),
    (Separable(256, 4, 5, last_act=True, skip=False),),
    (Separable(512, 2, 5, 2, True, last_act=True, skip=False),),
)


def quarter(c_in: int, squeezed: int) -> int:
    """The width of a squeeze-and-excite."""
    return squeezed // 4


VARIANTS = {
    "lcnet_035": Cfg(TABLE, 8, width=0.35, reduced=quarter),
    "lcnet_050": Cfg(TABLE, 8, width=0.5, reduced=quarter),
    "lcnet_075": Cfg(TABLE, 16, width=0.75, reduced=quarter),
    "lcnet_100": Cfg(TABLE, 16, reduced=quarter),
    "lcnet_150": Cfg(TABLE, 24, width=1.5, reduced=quarter),
}
SPECS = {name: PreprocessSpec(interpolation="bilinear") for name in ("lcnet_035", "lcnet_150")}
for _name, _cfg in VARIANTS.items():
    register(_name, MobileNetV3, _cfg, paper=PAPER, spec=SPECS.get(_name))
register(
    "lcnet_test",
    MobileNetV3,
    Cfg(TABLE, 8, 64, 0.2, reduced=quarter),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64)),
    num_classes=10,
)
