"""This file lowers Conv: MIL's conv has the same layout, groups and dilations."""

from __future__ import annotations

from ..quantization import Constant
from .builder import Builder, Operand, Var
from .table import lower


def window_pads(pads: tuple[int, int, int, int]) -> list[int]:
    """ONNX's (top, left, bottom, right) -> MIL's [top, bottom, left, right]"""
    top, left, bottom, right = pads
    return [top, bottom, left, right]


@lower("Conv")
def conv(
    mb: Builder,
    x: Operand,
    weight: Constant,
    bias: Constant | None = None,
    *,
    kernel_shape: tuple[int, ...] = (),
    strides: tuple[int, int] = (1, 1),
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilations: tuple[int, int] = (1, 1),
    group: int = 1,
) -> Var:
    """(n, c, h, w), OIHW -> (n, o, h', w')"""
    return mb.run(
        "conv",
        x=x,
        weight=mb.weight(weight),
        bias=bias,
        strides=list(strides),
        pad_type="custom",
        pad=window_pads(pads),
        dilations=list(dilations),
        groups=group,
    )
