"""Write a convolution of few channels as one of cells of neighbouring pixels, whose channels fill a kernel's blocks."""

from __future__ import annotations

from dataclasses import replace

from ...graph.pixel_cells import count_cells, to_cells
from .builder import Builder
from .windows import Convolution


def in_cells(mb: Builder, of_pixels: Convolution, block: int) -> Convolution:
    """A convolution of one group as one over cells of joined pixels of a row.

    `block`: how many channels at one place the kernel multiplies at once. As many pixels are joined as make it multiply
    least, zeros included; none where that is no gain, where they do not divide a row and the stride, or where columns
    are dilated.
    """
    n, height, width, channels = mb.shape(of_pixels.x)
    (down, across), (top, left, bottom, right) = of_pixels.strides, of_pixels.pads
    kh, kw = of_pixels.weight.shape[2:]
    sizes = [size for size in range(1, across + 1) if across % size == 0 and width % size == 0]

    def cost(size: int) -> tuple[int, int]:
        """Products for each result, and places of a window."""
        _, count = count_cells(kw, left, size)
        return kh * count * -(-size * channels // block) * block, kh * count

    best = min(sizes, key=cost) if of_pixels.dilations[1] == 1 else 1
    if best == 1:
        return of_pixels
    before, count = count_cells(kw, left, best)
    step, out = across // best, (width + left + right - kw) // across + 1
    behind = max((out - 1) * step + count - before - width // best, 0)
    return replace(
        of_pixels,
        x=mb.reshaped(of_pixels.x, (n, height, width // best, best * channels)),
        weight=replace(of_pixels.weight, array=to_cells(of_pixels.weight.array, left, best)),
        strides=(down, step),
        pads=(top, before, bottom, behind),
    )
