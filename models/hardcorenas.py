"""HardCoRe-NAS: Hard Constrained diffeRentiable Neural Architecture Search (arXiv:2102.11646).

Parameter names and shapes are timm's.
"""

from dataclasses import replace

from torch import nn

from .mobile import Inverted, Plain, Separable, Table
from .mobilenetv3 import Cfg, MobileNetV3
from .registry import register
from .spec import PreprocessSpec

PAPER = "arXiv:2102.11646"
# The search space: channels, stride of the first block and activation of the searched stages.
STAGES = ((24, 2, nn.ReLU), (40, 2, nn.ReLU), (80, 2, nn.Hardswish), (112, 1, nn.Hardswish), (192, 2, nn.Hardswish))
# What was found: kernel, expansion, squeeze-and-excite of the blocks, a stage a line.
FOUND = {
    "hardcorenas_a": (
        ((5, 3, False), (5, 3, True)),
        ((5, 3, False), (5, 6, True)),
        ((5, 6, True), (5, 6, True)),
        ((5, 6, True), (5, 6, True)),
        ((5, 6, True), (5, 6, True)),
    ),
    "hardcorenas_b": (
        ((5, 3, False), (5, 3, True), (3, 3, False)),
        ((5, 3, False), (5, 3, False), (5, 3, False)),
        ((5, 3, False), (5, 3, False), (3, 3, False), (3, 3, False)),
        ((5, 3, False), (3, 3, False), (3, 3, False), (3, 3, False)),
        ((5, 6, True), (5, 6, True), (3, 3, True)),
    ),
    "hardcorenas_c": (
        ((5, 3, False), (5, 3, True)),
        ((5, 3, False), (5, 3, False), (5, 3, False), (5, 3, False)),
        ((5, 4, False), (5, 6, True), (3, 3, False), (3, 3, False)),
        ((5, 6, True), (3, 3, False), (3, 3, False), (3, 3, False)),
        ((5, 6, True), (5, 6, True), (3, 3, True)),
    ),
    "hardcorenas_d": (
        ((5, 3, True), (5, 3, True)),
        ((5, 3, True), (5, 4, True), (3, 3, True)),
        ((5, 4, True), (3, 3, True), (3, 3, True), (3, 3, True)),
        ((3, 4, True), (5, 4, True), (3, 3, True), (5, 3, True)),
        ((5, 6, True), (5, 6, True), (5, 6, True), (3, 6, True)),
    ),
    "hardcorenas_e": (
        ((5, 3, True), (5, 3, True)),
        ((5, 6, True), (5, 4, True), (5, 4, True), (3, 3, True)),
        ((5, 4, True), (3, 6, True)),
        ((5, 6, True), (5, 6, True), (5, 6, True), (5, 3, True)),
        ((5, 6, True), (5, 6, True), (5, 6, True), (3, 6, True)),
    ),
    "hardcorenas_f": (
        ((5, 3, True), (5, 3, True)),
        ((5, 6, True), (5, 6, True)),
        ((5, 6, True), (5, 6, True), (3, 3, True), (3, 3, True)),
        ((3, 6, True), (5, 6, True), (5, 6, True), (3, 3, True)),
        ((5, 6, True), (5, 6, True), (3, 6, True), (3, 6, True)),
    ),
}


def table(found: tuple) -> Table:
    """The whole network's rows."""
    made: list[list] = [[Separable(16, act=nn.ReLU)]]
    for (c, stride, act), blocks in zip(STAGES, found, strict=True):
        rows = [Inverted(c, 1, kernel, 1, excite, act, expand=expand) for kernel, expand, excite in blocks]
        made.append([replace(rows[0], stride=stride), *rows[1:]])
    return [*made, [Plain(960, kernel=1)]]


for _name, _found in FOUND.items():
    register(_name, MobileNetV3, Cfg(table(_found), 32), paper=PAPER, spec=PreprocessSpec(interpolation="bilinear"))
register(
    "hardcorenas_test",
    MobileNetV3,
    Cfg(table(tuple(blocks[:1] for blocks in FOUND["hardcorenas_e"])), 8, 64, 0.16),
    paper=PAPER,
    spec=PreprocessSpec(input_size=(3, 64, 64), interpolation="bilinear"),
    num_classes=10,
)
