"""Write a convolution of few channels as one of cells of neighbouring pixels, whose channels fill a kernel's blocks."""

from __future__ import annotations

from dataclasses import replace

from ...graph.pixel_cells import count_cells, to_cells
from ...graph.qdq import Constant
from .builder import Builder


def in_cells(
    mb: Builder,
    x: int,
    weight: Constant,
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    dilations: tuple[int, int],
    block: int,
) -> tuple[int, Constant, tuple[int, int], tuple[int, int, int, int]]:
    """The NHWC tensor with pixels of a row joined to cells, and the convolution over those, OIHW, of one group.

    `block`: how many channels at one place the kernel multiplies at once. As many pixels are joined as make it multiply
    least, zeros included; none where that is no gain, where they do not divide a row and the stride, or where columns
    are dilated.
    """
    n, height, width, channels = mb.shape(x)
    _, _, kh, kw = weight.shape
    sizes = [size for size in range(1, strides[1] + 1) if strides[1] % size == 0 and width % size == 0]

    def cost(size: int) -> tuple[int, int]:
        """Products for each result, and places of a window."""
        _, count = count_cells(kw, pads[1], size)
        return kh * count * -(-size * channels // block) * block, kh * count

    best = min(sizes, key=cost) if dilations[1] == 1 else 1
    if best == 1:
        return x, weight, strides, pads
    before, count = count_cells(kw, pads[1], best)
    array = to_cells(weight.array, pads[1], best)
    across, out = strides[1] // best, (width + pads[1] + pads[3] - kw) // strides[1] + 1
    behind = max((out - 1) * across + count - before - width // best, 0)
    cells = mb.reshaped(x, (n, height, width // best, best * channels))
    return cells, replace(weight, array=array), (strides[0], across), (pads[0], before, pads[2], behind)
