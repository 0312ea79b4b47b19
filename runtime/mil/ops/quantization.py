"""Quantisation of activations, and the decompression of weights (constexpr_*), which happens when a program is loaded."""

import torch
from torch import Tensor

from ..table import OpError, op

_RANGES = {"int8": (-128, 127), "uint8": (0, 255)}


@op("quantize")
def quantize(
    input: Tensor, scale: Tensor, zero_point: Tensor | None = None, *, output_dtype: str, axis: int | None = None
) -> Tensor:
    """clip(round(input / scale) + zero_point), in float32, a half rounds to even."""
    if output_dtype not in _RANGES:
        raise OpError(f"quantises to {output_dtype!r}, which this runner does not have")
    scaled = torch.round(input / _along(scale, input, axis))
    if zero_point is not None:
        scaled = scaled + _along(zero_point, input, axis).float()
    return scaled.clamp(*_RANGES[output_dtype]).to(getattr(torch, output_dtype))


@op("dequantize")
def dequantize(input: Tensor, scale: Tensor, zero_point: Tensor | None = None, *, axis: int | None = None) -> Tensor:
    """scale * (input - zero_point), the difference in float32, where it is exact."""
    difference = input.float()
    if zero_point is not None:
        difference = difference - _along(zero_point, input, axis).float()
    return _along(scale, input, axis) * difference


@op("constexpr_affine_dequantize")
def constexpr_affine_dequantize(quantized_data: Tensor, zero_point: Tensor, scale: Tensor, *, axis: int) -> Tensor:
    return dequantize(quantized_data, scale, zero_point, axis=axis)


@op("constexpr_blockwise_shift_scale")
def constexpr_blockwise_shift_scale(data: Tensor, scale: Tensor, offset: Tensor | None = None) -> Tensor:
    """scale * (data - offset), each element of scale and offset for a block of data."""
    shifted = data.float() if offset is None else data.float() - _repeated(offset, data.shape).float()
    return _repeated(scale, data.shape) * shifted


@op("constexpr_lut_to_dense")
def constexpr_lut_to_dense(
    indices: Tensor, lut: Tensor, *, shape: list[int] | None = None, vector_axis: int | None = None
) -> Tensor:
    """Each index replaced by its entry of the table.

    iOS 16: lut (entries), indices packed in bytes, `shape` that of the result. iOS 18: indices one by one, in the shape of
    the result, and lut (*groups, entries, vector): a table for each group of elements, entries that are vectors along
    `vector_axis`.
    """
    if shape is not None:
        bits = (lut.numel() - 1).bit_length()
        return lut[_unpacked(indices, bits, shape).long()]
    *groups, entries, vector = lut.shape
    group = torch.arange(lut.numel() // (entries * vector)).reshape(groups)
    rows = _repeated(group, indices.shape) * entries + indices.long()
    dense = lut.reshape(-1, vector)[rows]  # (*indices, vector)
    if vector == 1:
        return dense.squeeze(-1)
    if vector_axis is None:
        raise OpError("has a table of vectors, but no axis for them")
    axis = vector_axis % indices.ndim
    return dense.movedim(-1, axis + 1).flatten(axis, axis + 1)


@op("constexpr_sparse_to_dense")
def constexpr_sparse_to_dense(nonzero_data: Tensor, mask: Tensor, *, shape: list[int] | None = None) -> Tensor:
    """Zeros, and where the mask is set the data in order. iOS 16 packs the mask in bytes and gives the `shape`."""
    places = (mask if shape is None else _unpacked(mask, 1, shape)).bool()
    return torch.zeros(places.shape, dtype=nonzero_data.dtype).masked_scatter(places, nonzero_data)


def _along(vector: Tensor, x: Tensor, axis: int | None) -> Tensor:
    """A scalar as it is; a vector with its elements along `axis` of x."""
    if vector.ndim == 0:
        return vector
    if axis is None:
        raise OpError("has a vector of scales or zero points, but no axis for them")
    shape = [1] * x.ndim
    shape[axis] = -1
    return vector.reshape(shape)


def _repeated(blocks: Tensor, shape: torch.Size) -> Tensor:
    """Each element of `blocks` for its block of a tensor of `shape`."""
    for axis, size in enumerate(shape):
        if size % blocks.shape[axis]:
            raise OpError(f"has {blocks.shape[axis]} blocks over {size} elements")
        blocks = blocks.repeat_interleave(size // blocks.shape[axis], axis)
    return blocks


def _unpacked(packed: Tensor, bits: int, shape: list[int]) -> Tensor:
    """Numbers of `bits` bits, packed from the least significant bit of the first byte on -> uint8 of `shape`."""
    digits = (packed[:, None] >> torch.arange(8, dtype=torch.uint8)) & 1
    count = torch.Size(shape).numel()
    digits = digits.reshape(-1)[: count * bits].reshape(count, bits)
    return (digits << torch.arange(bits, dtype=torch.uint8)).sum(1).to(torch.uint8).reshape(shape)
