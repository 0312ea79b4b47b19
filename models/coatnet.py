"""CoAtNet: Marrying Convolution and Attention for All Data Sizes (arXiv:2106.04803).

Parameter names and shapes are timm's. The `_rw` variants are timm's own, with published weights; those with a plain
number follow the paper's tables 3 and 11, and nobody published weights for them.
"""

from dataclasses import replace

from .hybrid import Cfg, Hybrid
from .registry import register
from .spec import HALF, PreprocessSpec

PAPER = "arXiv:2106.04803"
NARROW, WIDE, WIDEST = (96, 192, 384, 768), (128, 256, 512, 1024), (192, 384, 768, 1536)

# What timm's own variants have in common; it grew while they were trained.
NANO = Cfg(
    widths=(64, 128, 256, 512),
    depths=(3, 4, 6, 3),
    stem=(32, 64),
    conv_act="silu",
    expand_output=False,
    expand_first=False,
)
RW_0 = Cfg(
    widths=NARROW,
    depths=(2, 3, 7, 2),
    stem=(32, 64),
    conv_act="silu",
    expand_output=False,
    conv_bias=False,
    pre_act=True,
    early_excite=True,
    excite_act="relu",
    expand_first=False,
    shortcut_bias=False,
)
RW_1 = replace(RW_0, depths=(2, 6, 14, 2))

GIANT = {"depths": (2, 4, 8, 42, 2), "stem": (192, 192)}

VARIANTS = {
    "coatnet_0_224": Cfg(widths=NARROW, depths=(2, 3, 5, 2), head=768),
    "coatnet_1_224": Cfg(widths=NARROW, depths=(2, 6, 14, 2), head=768),
    "coatnet_2_224": Cfg(widths=WIDE, depths=(2, 6, 14, 2), stem=(128, 128), head=1024),
    "coatnet_3_224": Cfg(widths=WIDEST, depths=(2, 6, 14, 2), stem=(192, 192), head=1536),
    "coatnet_4_224": Cfg(widths=WIDEST, depths=(2, 12, 28, 2), stem=(192, 192), head=1536),
    "coatnet_5_224": Cfg(widths=(256, 512, 1280, 2048), depths=(2, 12, 28, 2), stem=(192, 192), head=2048),
    # The paper's fourth stage has both kinds of blocks. The last width of 6 is what its 1.47 G parameters imply.
    "coatnet_6_224": Cfg(
        widths=(192, 384, 768, 1536, 3072), blocks="CCCTT", strides=(2, 2, 2, 1, 2), head=3072, **GIANT
    ),
    "coatnet_7_224": Cfg(
        widths=(256, 512, 1024, 2048, 3072), blocks="CCCTT", strides=(2, 2, 2, 1, 2), head=3072, **GIANT
    ),
    "coatnet_0_rw_224": replace(RW_0, pool_stride=True),
    "coatnet_bn_0_rw_224": replace(RW_0, batch_norm=True),
    "coatnet_1_rw_224": RW_1,
    "coatnet_nano_rw_224": replace(NANO, pool_stride=True),
    "coatnet_rmlp_nano_rw_224": replace(NANO, position_hidden=384),
    "coatnet_rmlp_1_rw_224": replace(RW_1, pool_stride=True, max_pool=True, position_hidden=384),
    "coatnet_rmlp_2_rw_224": replace(
        RW_1,
        widths=WIDE,
        stem=(64, 128),
        early_excite=False,
        excite_act="silu",
        shortcut_bias=True,
        layer_scale=True,
        position_hidden=512,
    ),
}
SPEC = PreprocessSpec(mean=HALF, std=HALF, crop_pct=0.95)
SPECS = {
    "coatnet_nano_rw_224": replace(SPEC, crop_pct=0.9),
    "coatnet_rmlp_nano_rw_224": replace(SPEC, crop_pct=0.9),
    "coatnet_bn_0_rw_224": PreprocessSpec(crop_pct=0.95),
}
for _name, _cfg in VARIANTS.items():
    register(_name, Hybrid, _cfg, paper=PAPER, spec=SPECS.get(_name, SPEC))
SMALL = {"widths": (32, 64), "depths": (1, 2), "blocks": "CT", "strides": (2, 2), "stem": (8, 16), "image": 64}
TESTS = {
    "coatnet_test": Cfg(**{**SMALL, "widths": (16, 32)}, head=32),
    "coatnet_rw_test": replace(VARIANTS["coatnet_0_rw_224"], **{**SMALL, "depths": (1, 1)}),
    "coatnet_bn_test": replace(VARIANTS["coatnet_bn_0_rw_224"], **{**SMALL, "depths": (1, 1)}),
    "coatnet_rmlp_test": replace(
        VARIANTS["coatnet_rmlp_1_rw_224"], **{**SMALL, "depths": (1, 1)}, layer_scale=True, position_hidden=16
    ),
}
for _name, _cfg in TESTS.items():
    register(
        _name,
        Hybrid,
        _cfg,
        paper=PAPER,
        spec=PreprocessSpec(input_size=(3, 64, 64), mean=HALF, std=HALF, crop_pct=0.95),
        num_classes=10,
    )
