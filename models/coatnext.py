"""CoAtNeXt: a CoAtNet (arXiv:2106.04803) of ConvNeXt blocks (arXiv:2201.03545), by the authors of timm.

Parameter names and shapes are timm's.
"""

from dataclasses import replace

from .coatnet import NANO
from .hybrid import Hybrid
from .registry import register
from .spec import HALF, PreprocessSpec

PAPER = "arXiv:2106.04803"

VARIANTS = {"coatnext_nano_rw_224": replace(NANO, conv_next=True, conv_act="gelu")}
for _name, _cfg in VARIANTS.items():
    register(_name, Hybrid, _cfg, paper=PAPER, spec=PreprocessSpec(mean=HALF, std=HALF, crop_pct=0.9))
register(
    "coatnext_test",
    Hybrid,
    replace(
        VARIANTS["coatnext_nano_rw_224"],
        widths=(32, 64),
        depths=(1, 1),
        blocks="CT",
        strides=(2, 2),
        stem=(8, 32),
        image=64,
    ),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64), mean=HALF, std=HALF, crop_pct=0.9),
    num_classes=10,
)
