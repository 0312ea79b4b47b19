"""MaxxViT: a MaxViT (arXiv:2204.01697) of ConvNeXt blocks (arXiv:2201.03545), by the authors of timm.

Parameter names and shapes are timm's.
"""

from dataclasses import replace

from .hybrid import Cfg, Hybrid
from .registry import register
from .spec import HALF, PreprocessSpec

PAPER = "arXiv:2204.01697"

VARIANTS = {
    "maxxvit_rmlp_nano_rw_256": Cfg(
        widths=(64, 128, 256, 512),
        depths=(1, 2, 3, 1),
        blocks="MMMM",
        stem=(32, 64),
        image=256,
        conv_next=True,
        expand_first=False,
        layer_scale=True,
        position_hidden=512,
    )
}
for _name, _cfg in VARIANTS.items():
    register(
        _name,
        Hybrid,
        _cfg,
        paper=PAPER,
        spec=PreprocessSpec(input_size=(3, _cfg.image, _cfg.image), mean=HALF, std=HALF, crop_pct=0.95),
    )
register(
    "maxxvit_test",
    Hybrid,
    replace(
        VARIANTS["maxxvit_rmlp_nano_rw_256"],
        widths=(32,),
        depths=(1,),
        blocks="M",
        strides=(2,),
        stem=(8, 8),
        image=64,
        position_hidden=16,
    ),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64), mean=HALF, std=HALF, crop_pct=0.95),
    num_classes=10,
)
