"""Lower Resize: interpolate, whose coordinates are (i + 1/2 - offset) / scale - 1/2."""

from __future__ import annotations

import numpy as np

from ...graph.qdq import Constant
from .builder import Builder, Operand, Var
from .lowering_table import lower

_LINEAR, _NEAREST = "linear", "nearest_neighbor"


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
) -> Var:
    """(n, c, h, w) -> (n, c, h', w'), canonical: linear, or nearest by whole factors, as half pixels find it"""
    places = "half_pixel" if mode == "nearest" else coordinate_transformation_mode
    size = [int(each) for each in sizes.array]
    along = [_mapping(old, new, places) for old, new in zip(x.shape, size, strict=True)]
    factors, offsets = (np.array(each, np.float32) for each in zip(*along, strict=True))
    kind = _NEAREST if mode == "nearest" else _LINEAR
    return mb.run("interpolate", x, np.array(size, np.int32), factors, offsets, kind)


def _mapping(old: int, new: int, places: str) -> tuple[float, float]:
    """(scale, offset) of one dimension."""
    if places == "align_corners" and new > 1 and old > 1:
        scale = (new - 1) / (old - 1)
    elif places == "align_corners" and new == 1:
        return 1.0, 0.0
    else:
        scale = new / old
    return scale, 0.0 if places == "half_pixel" else 0.5 - 0.5 * scale
