"""MobileNet-EdgeTPU (arXiv:2003.02838) and its second version (arXiv:2204.14007).

Parameter names and shapes are timm's.
"""

from torch import nn

from .efficientnet import Cfg, EfficientNet
from .mobile import Fused, Inverted, Plain, Table
from .registry import register
from .spec import HALF, PreprocessSpec

PAPER, PAPER_V2 = "arXiv:2003.02838", "arXiv:2204.14007"
V1: Table = (
    (Plain(16, kernel=1, skip=False),),
    (Fused(32, stride=2, expand=8), Fused(32, 3)),
    (Fused(48, stride=2, expand=8), Fused(48, 3)),
    (Inverted(96, stride=2, expand=8), Inverted(96, 3, expand=4)),
    (Inverted(96, expand=8, skip=False), Inverted(96, 3, expand=4)),
    (Inverted(160, 1, 5, 2, expand=8), Inverted(160, 3, 5, expand=4)),
    (Inverted(192, expand=8),),
)


def v2(channels: tuple[int, ...], group: int = 64) -> Table:
    """The second version with these channels of the stages; group: the fused blocks' Fused.group."""
    a, b, c, d, e, f, g = channels
    return (
        (Plain(a, kernel=1, skip=False),),
        (Fused(b, stride=2, expand=8), Fused(b, group=group)),
        (Fused(c, stride=2, expand=8), Fused(c, group=group), Fused(c), Fused(c, group=group)),
        (Fused(d, stride=2, expand=8), Inverted(d, 3, expand=4)),
        (Inverted(e, expand=8), Inverted(e, 3, expand=4)),
        (Inverted(f, stride=2, expand=8), Inverted(f, 3, expand=4)),
        (Inverted(g, expand=8),),
    )


# https://github.com/tensorflow/models/tree/master/official/projects/edgetpu/vision
VARIANTS = {
    "mobilenet_edgetpu_100": Cfg(V1, act=nn.ReLU),
    "mobilenet_edgetpu_v2_xs": Cfg(v2((16, 32, 48, 96, 144, 160, 192)), act=nn.ReLU),
    "mobilenet_edgetpu_v2_s": Cfg(v2((24, 48, 64, 128, 160, 192, 256)), 64, act=nn.ReLU, stem_kernel=5),
    "mobilenet_edgetpu_v2_m": Cfg(v2((32, 64, 80, 160, 192, 240, 320)), 64, 1344, act=nn.ReLU, stem_kernel=5),
    "mobilenet_edgetpu_v2_l": Cfg(v2((32, 64, 96, 192, 240, 256, 384), 128), 64, 1408, act=nn.ReLU, stem_kernel=7),
}
for _name, _cfg in VARIANTS.items():
    _spec = PreprocessSpec(crop_pct=0.9)
    if _name == "mobilenet_edgetpu_v2_m":  # the one with public weights
        _spec = PreprocessSpec(mean=HALF, std=HALF, crop_pct=0.9)
    register(_name, EfficientNet, _cfg, paper=PAPER_V2 if "v2" in _name else PAPER, spec=_spec)
register(
    "mobilenet_edgetpu_test",
    EfficientNet,
    Cfg(v2((8, 8, 16, 16, 24, 24, 32), 16)[:5], 16, 64, act=nn.ReLU, stem_kernel=5),
    paper=PAPER_V2,
    spec=PreprocessSpec(input_size=(3, 64, 64), crop_pct=0.9),
    num_classes=10,
)
