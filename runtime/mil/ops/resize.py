"""Resizing of the last two axes, (..., h, w), and sampling at given places.

Bilinear resizing samples each axis at a row of places between 0 and size - 1; MIL's `sampling_mode` is how these places
are laid out.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..table import OpError, op


def _places(size: int, outputs: int, mode: str) -> Tensor:
    """Where along an axis of `size` elements the `outputs` samples lie, (outputs,)."""
    steps = torch.arange(outputs, dtype=torch.float64)
    if mode == "DEFAULT":
        places = steps * size / outputs
    elif mode in ("STRICT_ALIGN_CORNERS", "ALIGN_CORNERS"):
        places = steps * ((size - 1) / (outputs - 1) if outputs > 1 else 0)
        if outputs == 1 and mode == "ALIGN_CORNERS":
            places = places + (size - 1) / 2
    elif mode == "UNALIGN_CORNERS":
        places = (steps + 0.5) * size / outputs - 0.5
    elif mode == "OFFSET_CORNERS":
        places = (steps + 0.5) * max(1, size - 1) / outputs
    else:
        raise OpError(f"has the sampling mode {mode!r}, which does not exist")
    return places.clamp(0, size - 1)


def _linear(x: Tensor, axis: int, places: Tensor) -> Tensor:
    """x sampled along `axis` between its elements."""
    low = places.floor().long()
    high = (low + 1).clamp(max=x.shape[axis] - 1)
    weight = (places - low).to(x.dtype)
    weight = weight.reshape(-1, *[1] * (-axis - 1))
    return torch.lerp(x.index_select(axis, low), x.index_select(axis, high), weight)


def _bilinear(x: Tensor, height: int, width: int, mode: str) -> Tensor:
    x = _linear(x, -2, _places(x.shape[-2], height, mode))
    return _linear(x, -1, _places(x.shape[-1], width, mode))


def _nearest(x: Tensor, height: int, width: int) -> Tensor:
    """Element floor(i * size / outputs)."""
    rows, columns = (torch.arange(n) * size // n for n, size in zip((height, width), x.shape[-2:], strict=True))
    return x.index_select(-2, rows).index_select(-1, columns)


@op("resize_bilinear")
def resize_bilinear(
    x: Tensor, *, target_size_height: int = 1, target_size_width: int = 1, sampling_mode: str = "DEFAULT"
) -> Tensor:
    return _bilinear(x, target_size_height, target_size_width, sampling_mode)


@op("resize_nearest_neighbor")
def resize_nearest_neighbor(x: Tensor, *, target_size_height: int, target_size_width: int) -> Tensor:
    return _nearest(x, target_size_height, target_size_width)


@op("upsample_bilinear")
def upsample_bilinear(
    x: Tensor,
    *,
    scale_factor_height: float = 1,
    scale_factor_width: float = 1,
    align_corners: bool = True,
    half_pixel_centers: bool | None = None,
) -> Tensor:
    """The scale that counts is the one between the sizes, as in PyTorch with recompute_scale_factor."""
    half_pixel_centers = not align_corners if half_pixel_centers is None else half_pixel_centers
    if align_corners and half_pixel_centers:
        raise OpError("asks for both aligned corners and half pixel centers")
    mode = "STRICT_ALIGN_CORNERS" if align_corners else "UNALIGN_CORNERS" if half_pixel_centers else "DEFAULT"
    return _bilinear(x, *_scaled(x, scale_factor_height, scale_factor_width), mode)


@op("upsample_nearest_neighbor")
def upsample_nearest_neighbor(x: Tensor, *, scale_factor_height: float = 1, scale_factor_width: float = 1) -> Tensor:
    return _nearest(x, *_scaled(x, scale_factor_height, scale_factor_width))


def _scaled(x: Tensor, height: float, width: float) -> tuple[int, int]:
    return math.floor(x.shape[-2] * height), math.floor(x.shape[-1] * width)


@op("resize")
def resize(
    x: Tensor,
    *,
    shape: list[int],
    resized_dims: int,
    interpolation_mode: str = "LINEAR",
    sampling_mode: str = "DEFAULT",
) -> Tensor:
    """The last `resized_dims` of `shape` are the new sizes; 0 keeps a size."""
    if resized_dims > 2:
        raise OpError(f"resizes {resized_dims} axes; this runner resizes two")
    sizes = list(x.shape[-2:])
    for axis in range(-resized_dims, 0):
        sizes[axis] = shape[axis] or sizes[axis]
    if interpolation_mode == "LINEAR":
        return _bilinear(x, sizes[0], sizes[1], sampling_mode)
    if interpolation_mode != "NEAREST_NEIGHBOR" or sampling_mode != "DEFAULT":  # how it rounds there is not documented
        raise OpError(f"interpolates by {interpolation_mode} with {sampling_mode}, which this runner does not have")
    return _nearest(x, sizes[0], sizes[1])


@op("resample")
def resample(
    x: Tensor,
    coordinates: Tensor,  # (b, h, w, 2), each (x, y)
    *,
    sampling_mode: str,
    padding_mode: str,
    padding_value: float = 0.0,
    coordinates_mode: str,
    align_corners: bool,
) -> Tensor:
    grid = coordinates.float()
    if coordinates_mode == "unnormalized":
        align_corners = True
        grid = grid / torch.tensor([x.shape[-1] - 1, x.shape[-2] - 1]) * 2 - 1
    elif coordinates_mode == "normalized_zero_to_one":
        grid = grid * 2 - 1
    elif coordinates_mode != "normalized_minus_one_to_one":
        raise OpError(f"has the coordinates mode {coordinates_mode!r}, which does not exist")
    options = {"mode": sampling_mode, "align_corners": align_corners}
    if padding_mode == "constant":
        return F.grid_sample(x - padding_value, grid, padding_mode="zeros", **options) + padding_value
    # torch reflects at the pixels' edges or centres by align_corners, MIL by its mode
    if padding_mode == ("reflection" if align_corners else "symmetric"):
        return F.grid_sample(x, grid, padding_mode="reflection", **options)
    if padding_mode != "border":
        raise OpError(f"has the padding mode {padding_mode!r}, which this runner does not have")
    return F.grid_sample(x, grid, padding_mode="border", **options)
