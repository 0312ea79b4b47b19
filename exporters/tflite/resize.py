"""Lower Resize: RESIZE_BILINEAR, and copies side by side for nearest."""

from __future__ import annotations

import numpy as np

from ...graph.qdq import Constant
from .builder import Builder, Operand, Value
from .lowering_table import lower
from .movement import MAX_CONCAT
from .windows import from_spatial, spatial


@lower("Resize")
def resize(
    mb: Builder,
    x: Operand,
    roi: None,
    scales: None,
    sizes: Constant,
    *,
    mode: str,
    coordinate_transformation_mode: str,
    nearest_mode: str,
) -> Value:
    """(n, c, h, w) -> (n, c, h', w'), canonical: linear, or nearest by whole factors"""
    n, c, height, width = (int(size) for size in sizes.array)
    tensor = spatial(mb, x)
    if mode == "nearest" and mb.plain:
        size = mb.const(np.array([height, width], np.int32))
        options = {"alignCorners": False, "halfPixelCenters": False}
        y = mb.move("RESIZE_NEAREST_NEIGHBOR", [tensor, size], (n, height, width, c), **options)
        return from_spatial(y, (n, height, width, c))
    if mode == "nearest":
        return from_spatial(_repeated(mb, tensor, height, width), (n, height, width, c))
    y = mb.run(
        "RESIZE_BILINEAR",
        [tensor, mb.const(np.array([height, width], np.int32))],
        (n, height, width, c),
        alignCorners=coordinate_transformation_mode == "align_corners",
        halfPixelCenters=coordinate_transformation_mode == "half_pixel",
    )
    return from_spatial(y, (n, height, width, c))


def _repeated(mb: Builder, x: int, height: int, width: int) -> int:
    """(n, h, w, c) with every row and every column repeated. The delegate has no RESIZE_NEAREST_NEIGHBOR."""
    n, h, w, c = mb.shape(x)
    x = _copies(mb, mb.reshaped(x, (n * h * w, 1, c)), width // w)
    x = _copies(mb, mb.reshaped(x, (n * h, 1, width * c)), height // h)
    return mb.reshaped(x, (n, height, width, c))


def _copies(mb: Builder, x: int, count: int) -> int:
    """(a, 1, b) -> (a, count, b); the concatenation takes a few operands at a time."""
    done, have = x, 1
    while have < count:
        parts = [done] + [x] * min(MAX_CONCAT - 1, count - have)
        have += len(parts) - 1
        a, _, b = mb.shape(x)
        done = mb.move("CONCATENATION", parts, (a, have, b), named=have == count, axis=1, fusedActivationFunction=0)
    return done
