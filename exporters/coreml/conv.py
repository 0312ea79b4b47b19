"""Lower Conv and ConvTranspose: MIL's have the same layouts, groups and dilations."""

from __future__ import annotations

from ...graph.qdq import Constant
from .builder import Builder, Operand, Var
from .lowering_table import lower


def window_pads(pads: tuple[int, int, int, int]) -> list[int]:
    """ONNX's (top, left, bottom, right) -> MIL's [top, bottom, left, right]"""
    top, left, bottom, right = pads
    return [top, bottom, left, right]


@lower("Conv")
def conv(
    mb: Builder,
    x: Operand,
    weight: Constant,
    bias: Constant,
    *,
    kernel_shape: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    dilations: tuple[int, int],
    group: int,
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


@lower("ConvTranspose")
def conv_transpose(
    mb: Builder,
    x: Operand,
    weight: Constant,
    bias: Constant,
    *,
    kernel_shape: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    output_padding: tuple[int, int],
) -> Var:
    """(n, c, h, w), (c, o, kh, kw) -> (n, o, h', w')"""
    n, _, *sizes = x.shape
    spatial = [
        (sizes[i] - 1) * strides[i] + weight.shape[2 + i] + output_padding[i] - pads[i] - pads[i + 2] for i in (0, 1)
    ]
    ends = [pads[2 + i] - output_padding[i] for i in (0, 1)]
    if mb.open_sizes and min(ends) >= 0:  # which then follow from the input's
        pads, spatial = (pads[0], pads[1], ends[0], ends[1]), []
    return mb.run(
        "conv_transpose",
        x=x,
        weight=mb.weight(weight),
        bias=bias,
        strides=list(strides),
        pad_type="custom",
        pad=window_pads(pads),
        output_shape=[n, weight.shape[1], *spatial] if spatial else None,
    )
