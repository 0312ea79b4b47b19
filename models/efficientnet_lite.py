"""EfficientNet-Lite: EfficientNet (arXiv:1905.11946) without what integer arithmetic finds hard.

No squeeze-and-excite, ReLU6 for SiLU; stem, head and the ends keep their size. Parameter names and shapes are timm's.
"""

from dataclasses import replace

from torch import nn

from .efficientnet import PAPER, Cfg, EfficientNet, rename_efficientnet_pytorch, table
from .registry import register
from .spec import HALF, PreprocessSpec

# https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
BASE = Cfg(table(excite=False), act=nn.ReLU6)
VARIANTS = {
    "efficientnet_lite0": BASE,
    "efficientnet_lite1": replace(BASE, table=table((1, 3, 3, 4, 4, 5, 1), excite=False)),
    "efficientnet_lite2": replace(BASE, table=table((1, 3, 3, 4, 4, 5, 1), excite=False), width=1.1),
    "efficientnet_lite3": replace(BASE, table=table((1, 3, 3, 5, 5, 6, 1), excite=False), width=1.2),
    "efficientnet_lite4": replace(BASE, table=table((1, 4, 4, 6, 6, 8, 1), excite=False), width=1.4),
}
SPECS = {
    "efficientnet_lite0": PreprocessSpec(),
    "efficientnet_lite1": PreprocessSpec(input_size=(3, 240, 240), crop_pct=0.882),
    "efficientnet_lite2": PreprocessSpec(input_size=(3, 260, 260), crop_pct=0.89),
    "efficientnet_lite3": PreprocessSpec(input_size=(3, 300, 300), crop_pct=0.904),
    "efficientnet_lite4": PreprocessSpec(input_size=(3, 380, 380), crop_pct=0.922),
}
# Of the authors' checkpoints, where it is more than another mean.
TENSORFLOW = {
    "efficientnet_lite3": {"interpolation": "bilinear"},
    "efficientnet_lite4": {"interpolation": "bilinear", "crop_pct": 0.92},
}
for _name, _cfg in VARIANTS.items():
    register(_name, EfficientNet, _cfg, paper=PAPER, spec=SPECS[_name])
    _spec = replace(SPECS[_name], mean=HALF, std=HALF, **TENSORFLOW.get(_name, {}))
    _like = replace(_cfg, tensorflow=True)
    register(f"tf_{_name}", EfficientNet, _like, paper=PAPER, spec=_spec, foreign=(rename_efficientnet_pytorch,))
register(
    "efficientnet_lite_test",
    EfficientNet,
    Cfg(table((1, 1, 1, 1, 1, 1, 1), excite=False), 8, 64, 0.15, nn.ReLU6, tensorflow=True),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64)),
    num_classes=10,
)
