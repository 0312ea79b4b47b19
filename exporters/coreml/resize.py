"""Lower Resize, and GridSample at computed places."""

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
    spread = mb.open_sizes and tuple(x.shape[2:]) == (1, 1)  # by another factor at each size, the same in any mode
    if mode == "nearest" and not spread:
        return mb.run(
            "upsample_nearest_neighbor",
            x=x,
            scale_factor_height=np.int32(height // x.shape[2]),
            scale_factor_width=np.int32(width // x.shape[3]),
        )
    if mb.open_sizes:
        return mb.run(
            "resize",
            x=x,
            shape=np.array([height, width], np.int32),
            resized_dims=np.uint32(2),
            interpolation_mode="LINEAR",
            sampling_mode="UNALIGN_CORNERS" if spread else _SAMPLING[coordinate_transformation_mode],
        )
    return mb.run(
        "resize_bilinear",
        x=x,
        target_size_height=height,
        target_size_width=width,
        sampling_mode=_SAMPLING[coordinate_transformation_mode],
    )


@lower("GridSample")
def grid_sample(mb: Builder, x: Operand, grid: Operand, *, mode: str, padding_mode: str, align_corners: int) -> Var:
    """(n, c, h, w) at (n, h', w', 2) -> (n, c, h', w'), linear or nearest; places are no half-precision numbers"""
    reflects = "reflection" if align_corners else "symmetric"  # at the centres or at the edges of the last pixels
    return mb.run_in_float32(
        "resample",
        x=x,
        coordinates=grid,
        sampling_mode={"linear": "bilinear"}.get(mode, mode),
        padding_mode={"zeros": "constant", "reflection": reflects}.get(padding_mode, padding_mode),
        padding_value=np.float32(0),
        coordinates_mode="normalized_minus_one_to_one",
        align_corners=bool(align_corners),
    )
