"""FBNetV3: Joint Architecture-Recipe Search using Predictor Pretraining (arXiv:2006.02049).

Parameter names and shapes are timm's.
"""

from dataclasses import replace

from .layers import make_divisible
from .mobile import Inverted, Plain, Separable, Table
from .mobilenetv3 import Cfg, MobileNetV3
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:2006.02049"


def reduced(c_in: int, squeezed: int) -> int:
    """The width of a squeeze-and-excite."""
    return make_divisible(c_in / 4, limit=0.95)


def stage(
    c: int, layers: int, kernels: tuple[int, int], expands: tuple[float, float], stride: int = 2, *, excite: bool = True
) -> tuple[Inverted, ...]:
    """A stage; the first block has the first kernel and expansion, the `layers` others the second."""
    first = Inverted(c, 1, kernels[0], stride, excite, expand=expands[0])
    return (first, Inverted(c, layers, kernels[1], 1, excite, expand=expands[1]))


# What was found.
B: Table = (
    (Separable(16, 2),),
    stage(24, 3, (5, 5), (4, 2), excite=False),
    stage(40, 4, (5, 5), (5, 3)),
    stage(72, 4, (5, 3), (5, 3), excite=False),
    stage(120, 5, (3, 5), (5, 3), 1),
    (*stage(184, 5, (3, 5), (6, 4)), Inverted(224, 1, 5, 1, True)),
    (Plain(1344, kernel=1),),
)
D: Table = (
    (Separable(16, 2),),
    stage(24, 5, (3, 3), (5, 2), excite=False),
    stage(40, 4, (5, 3), (4, 3)),
    stage(72, 4, (3, 3), (5, 3), excite=False),
    stage(128, 6, (3, 5), (5, 3), 1),
    (*stage(208, 5, (3, 5), (6, 5)), Inverted(240, 1, 5, 1, True)),
    (Plain(1440, kernel=1),),
)
G: Table = (
    (Separable(24, 3),),
    stage(40, 4, (5, 5), (4, 2), excite=False),
    stage(56, 4, (5, 5), (4, 3)),
    stage(104, 4, (5, 3), (5, 3), excite=False),
    stage(160, 8, (3, 5), (5, 3), 1),
    (*stage(264, 6, (3, 5), (6, 5)), Inverted(288, 2, 5, 1, True)),
    (Plain(1728, kernel=1),),
)
BASE = Cfg(B, head=1984, head_bias=False, excite_act=None, reduced=reduced)
VARIANTS = {
    "fbnetv3_b": BASE,
    "fbnetv3_d": replace(BASE, table=D, stem=24),
    "fbnetv3_g": replace(BASE, table=G, stem=32),
}
_SPEC = PreprocessSpec(interpolation="bilinear", crop_pct=0.95)
for _name, _cfg in VARIANTS.items():
    _side = 240 if _name == "fbnetv3_g" else 224
    register(_name, MobileNetV3, _cfg, paper=PAPER, spec=replace(_SPEC, input_size=(3, _side, _side)))
register(
    "fbnetv3_test",
    MobileNetV3,
    replace(BASE, table=(*B[:4], (Plain(64, kernel=1),)), stem=8, head=64, width=0.3),
    paper=PAPER,
    spec=replace(_SPEC, input_size=(3, 64, 64)),
    num_classes=10,
)
