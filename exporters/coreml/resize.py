"""Lower Resize: resize_bilinear, and upsample_nearest_neighbor by whole factors."""

from __future__ import annotations

import numpy as np

from ...graph.qdq import Constant
from .builder import Builder, Operand, Var
from .lowering_table import lower

_SAMPLING = {  # ONNX's coordinate_transformation_mode -> MIL's sampling_mode
    "half_pixel": "UNALIGN_CORNERS",
    "align_corners": "STRICT_ALIGN_CORNERS",
    "asymmetric": "DEFAULT",
}


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
    """(n, c, h, w) -> (n, c, h', w'), canonical: linear, or nearest by whole factors"""
    height, width = (int(size) for size in sizes.array[2:])
    if mode == "nearest":
        return mb.run(
            "upsample_nearest_neighbor",
            x=x,
            scale_factor_height=np.int32(height // x.shape[2]),
            scale_factor_width=np.int32(width // x.shape[3]),
        )
    return mb.run(
        "resize_bilinear",
        x=x,
        target_size_height=height,
        target_size_width=width,
        sampling_mode=_SAMPLING[coordinate_transformation_mode],
    )
