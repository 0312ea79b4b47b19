"""MaxViT: Multi-Axis Vision Transformer (arXiv:2204.01697).

Parameter names and shapes are timm's. The `_tf` variants are the authors', trained in TensorFlow: hence their padding,
their epsilons and the tanh form of GELU.
"""

from dataclasses import replace

from .hybrid import Cfg, Hybrid
from .registry import register
from .spec import HALF, IMAGENET_MEAN, IMAGENET_STD, PreprocessSpec

PAPER = "arXiv:2204.01697"
TF = {"blocks": "MMMM", "same": True, "act": "tanh", "conv_act": "tanh"}

VARIANTS = {
    "maxvit_tiny_tf_224": Cfg(widths=(64, 128, 256, 512), depths=(2, 2, 5, 2), stem=(64, 64), head=512, **TF),
    "maxvit_small_tf_224": Cfg(widths=(96, 192, 384, 768), depths=(2, 2, 5, 2), stem=(64, 64), head=768, **TF),
    "maxvit_base_tf_224": Cfg(widths=(96, 192, 384, 768), depths=(2, 6, 14, 2), stem=(64, 64), head=768, **TF),
    "maxvit_large_tf_224": Cfg(widths=(128, 256, 512, 1024), depths=(2, 6, 14, 2), stem=(128, 128), head=1024, **TF),
    "maxvit_xlarge_tf_224": Cfg(widths=(192, 384, 768, 1536), depths=(2, 6, 14, 2), stem=(192, 192), head=1536, **TF),
}
for _name, _cfg in VARIANTS.items():
    _mean, _std = (HALF, HALF) if "xlarge" in _name else (IMAGENET_MEAN, IMAGENET_STD)
    register(
        _name,
        Hybrid,
        _cfg,
        paper=PAPER,
        spec=PreprocessSpec(mean=_mean, std=_std, crop_pct=0.95),
        num_classes=21843 if "xlarge" in _name else 1000,
    )
register(
    "maxvit_test",
    Hybrid,
    replace(
        VARIANTS["maxvit_tiny_tf_224"],
        widths=(32,),
        depths=(1,),
        blocks="M",
        strides=(2,),
        stem=(8, 8),
        head=32,
        image=64,
    ),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64), crop_pct=0.95),
    num_classes=10,
)
