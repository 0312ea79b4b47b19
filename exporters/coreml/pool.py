"""Lower MaxPool and AveragePool: MIL's have the same layouts and pads."""

from __future__ import annotations

from ...artifacts.errors import UnsupportedAttribute
from .builder import Builder, Operand, Var
from .conv import window_pads
from .lowering_table import lower


@lower("MaxPool")
def max_pool(
    mb: Builder,
    x: Operand,
    *,
    kernel_shape: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    dilations: tuple[int, int],
) -> Var:
    if tuple(dilations) != (1, 1):
        raise UnsupportedAttribute(f"coreml: '{mb.target.name}' pools with dilations {tuple(dilations)}; only 1 works")
    return _pool(mb, "max_pool", x, kernel_shape, strides, pads)


@lower("AveragePool")
def average_pool(
    mb: Builder,
    x: Operand,
    *,
    kernel_shape: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    count_include_pad: int,
) -> Var:
    return _pool(mb, "avg_pool", x, kernel_shape, strides, pads, exclude_padding_from_average=not count_include_pad)


def _pool(mb: Builder, op: str, x: Operand, kernel, strides, pads, **options) -> Var:
    return mb.run(
        op,
        x=x,
        kernel_sizes=list(kernel),
        strides=list(strides),
        pad_type="custom",
        pad=window_pads(pads),
        **options,
    )
