"""Operators that move elements or make new ones, and compute nothing."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..table import OpError, op

_PAD_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "replicate"}


@op("reshape")
def reshape(x: Tensor, *, shape: list[int]) -> Tensor:
    """0 takes the dimension of x that is as far from the end (iOS 17; the same as before where the ranks agree)."""
    shift = x.ndim - len(shape)
    sizes = [
        size if size else (x.shape[axis + shift] if 0 <= axis + shift < x.ndim else 1)
        for axis, size in enumerate(shape)
    ]
    return x.reshape(sizes)


@op("reshape_like")
def reshape_like(x: Tensor, ref_tensors: list[Tensor], *, begins, ends, end_masks) -> Tensor:
    """The shape is put together from pieces of the shapes of `ref_tensors`."""
    refs = ref_tensors if isinstance(ref_tensors, list) else [ref_tensors]
    begins, ends, masks = (v if isinstance(v, list) else [v] for v in (begins, ends, end_masks))
    pieces = zip(refs, begins, ends, masks, strict=True)
    return x.reshape([size for ref, begin, end, mask in pieces for size in ref.shape[begin : None if mask else end]])


@op("transpose")
def transpose(x: Tensor, *, perm: list[int]) -> Tensor:
    return x.permute(perm)


@op("expand_dims")
def expand_dims(x: Tensor, *, axes: list[int]) -> Tensor:
    """Axes are those of the result."""
    rank = x.ndim + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = x.unsqueeze(axis)
    return x


@op("squeeze")
def squeeze(x: Tensor, *, axes: list[int] | None = None) -> Tensor:
    """Axes that are longer than 1 stay."""
    return x.squeeze() if axes is None else x.squeeze(axes)


@op("flatten2d")
def flatten2d(x: Tensor, *, axis: int = 1) -> Tensor:
    axis = axis % x.ndim if axis < 0 else axis
    return x.reshape(math.prod(x.shape[:axis]), -1)


@op("slice_by_index")
def slice_by_index(
    x: Tensor,
    *,
    begin: list[int],
    end: list[int],
    stride: list[int] | None = None,
    begin_mask: list[bool] | None = None,
    end_mask: list[bool] | None = None,
    squeeze_mask: list[bool] | None = None,
) -> Tensor:
    indices, squeezed = _slices(x, begin, end, stride, begin_mask, end_mask, squeeze_mask)
    for axis, index in enumerate(indices):
        x = x.index_select(axis, index) if isinstance(index, Tensor) else x.narrow(axis, *index)
    return x.squeeze(squeezed) if squeezed else x


@op("slice_update")
def slice_update(
    x: Tensor,
    update: Tensor,
    *,
    begin: list[int],
    end: list[int],
    stride: list[int] | None = None,
    begin_mask: list[bool] | None = None,
    end_mask: list[bool] | None = None,
    squeeze_mask: list[bool] | None = None,
) -> Tensor:
    """x with the slice replaced by `update`."""
    indices, squeezed = _slices(x, begin, end, stride, begin_mask, end_mask, squeeze_mask)
    places = [i if isinstance(i, Tensor) else torch.arange(i[0], i[0] + i[1]) for i in indices]
    for axis in squeezed:
        update = update.unsqueeze(axis)
    result = x.clone()
    result[torch.meshgrid(*places, indexing="ij")] = update
    return result


def _slices(x, begin, end, stride, begin_mask, end_mask, squeeze_mask):
    """Each axis as (start, length) or, where it is stepped over, as a tensor of indices; and the axes to squeeze.

    A masked end is the end in the direction of the stride, as in x[::-1].
    """
    indices, squeezed = [], []
    for axis, size in enumerate(x.shape):
        step = stride[axis] if stride else 1
        if squeeze_mask and squeeze_mask[axis]:
            start = begin[axis] % size
            indices.append((start, 1))
            squeezed.append(axis)
            continue
        first = None if begin_mask and begin_mask[axis] else begin[axis]
        last = None if end_mask and end_mask[axis] else end[axis]
        taken = range(*slice(first, last, step).indices(size))
        indices.append((taken.start, len(taken)) if step == 1 else torch.tensor(list(taken), dtype=torch.long))
    return indices, squeezed


@op("slice_by_size")
def slice_by_size(x: Tensor, *, begin: list[int], size: list[int]) -> Tensor:
    """A size of -1 takes all that is left."""
    for axis, (start, length) in enumerate(zip(begin, size, strict=True)):
        start = start % x.shape[axis] if start < 0 else start
        x = x.narrow(axis, start, x.shape[axis] - start if length == -1 else length)
    return x


@op("split")
def split(x: Tensor, *, axis: int, num_splits: int | None = None, split_sizes: list[int] | None = None):
    if split_sizes is not None:
        return tuple(x.split(split_sizes, axis))
    if not num_splits or x.shape[axis] % num_splits:
        raise OpError(f"splits {x.shape[axis]} elements into {num_splits} equal parts")
    return tuple(x.split(x.shape[axis] // num_splits, axis))


@op("concat")
def concat(values: list[Tensor], *, axis: int, interleave: bool = False) -> Tensor:
    values = values if isinstance(values, list) else [values]
    if not interleave:
        return torch.cat(values, axis)
    axis = axis % values[0].ndim
    return torch.stack(values, axis + 1).flatten(axis, axis + 1)


@op("stack")
def stack(values: list[Tensor], *, axis: int) -> Tensor:
    return torch.stack(values if isinstance(values, list) else [values], axis)


@op("pad")
def pad(x: Tensor, *, pad: list[int], mode: str = "constant", constant_val: float = 0.0) -> Tensor:
    """`pad` holds (before, after) of the last axes, in their order."""
    if mode not in _PAD_MODES:
        raise OpError(f"has the mode {mode!r}, which does not exist")
    pairs = list(zip(pad[::2], pad[1::2], strict=True))
    if mode == "constant":
        return F.pad(x, [amount for pair in reversed(pairs) for amount in pair], value=constant_val)
    for axis, (before, after) in enumerate(pairs, start=x.ndim - len(pairs)):  # torch pads the last three axes only
        size = x.shape[axis]
        places = torch.arange(-before, size + after)
        if mode == "replicate":
            places = places.clamp(0, size - 1)
        else:
            places = places.abs()
            places = torch.where(places >= size, 2 * (size - 1) - places, places)
        x = x.index_select(axis, places)
    return x


@op("crop")
def crop(x: Tensor, *, crop_height: list[int], crop_width: list[int]) -> Tensor:
    (top, bottom), (left, right) = crop_height, crop_width
    return x[..., top : x.shape[-2] - bottom, left : x.shape[-1] - right]


@op("tile")
def tile(x: Tensor, *, reps: list[int]) -> Tensor:
    return x.repeat(reps)


@op("reverse")
def reverse(x: Tensor, *, axes: list[int] | None = None) -> Tensor:
    return x.flip(list(range(x.ndim)) if axes is None else axes)


@op("depth_to_space")
def depth_to_space(x: Tensor, *, block_size: int) -> Tensor:
    """(n, b * b * c, h, w) -> (n, c, h * b, w * b): the blocks' places are the outer part of the channels."""
    n, depth, h, w = x.shape
    b, c = block_size, depth // block_size**2
    return x.reshape(n, b, b, c, h, w).permute(0, 3, 4, 1, 5, 2).reshape(n, c, h * b, w * b)


@op("space_to_depth")
def space_to_depth(x: Tensor, *, block_size: int) -> Tensor:
    """The inverse of depth_to_space."""
    n, c, h, w = x.shape
    b = block_size
    return x.reshape(n, c, h // b, b, w // b, b).permute(0, 3, 5, 1, 2, 4).reshape(n, c * b * b, h // b, w // b)


@op("pixel_shuffle")
def pixel_shuffle(x: Tensor, *, upscale_factor: int) -> Tensor:
    """(n, c * f * f, h, w) -> (n, c, h * f, w * f): the places are the inner part of the channels."""
    return F.pixel_shuffle(x, upscale_factor)


@op("pixel_unshuffle")
def pixel_unshuffle(x: Tensor, *, downscale_factor: int) -> Tensor:
    return F.pixel_unshuffle(x, downscale_factor)


@op("space_to_batch")
def space_to_batch(x: Tensor, *, block_shape: list[int], paddings: list[list[int]]) -> Tensor:
    """(n, c, h, w) -> (bh * bw * n, c, h / bh, w / bw), after padding."""
    (top, bottom), (left, right) = paddings
    x = F.pad(x, (left, right, top, bottom))
    (n, c, h, w), (bh, bw) = x.shape, block_shape
    x = x.reshape(n, c, h // bh, bh, w // bw, bw).permute(3, 5, 0, 1, 2, 4)
    return x.reshape(bh * bw * n, c, h // bh, w // bw)


@op("batch_to_space")
def batch_to_space(x: Tensor, *, block_shape: list[int], crops: list[list[int]]) -> Tensor:
    """The inverse of space_to_batch."""
    (b, c, h, w), (bh, bw) = x.shape, block_shape
    n = b // (bh * bw)
    x = x.reshape(bh, bw, n, c, h, w).permute(2, 3, 4, 0, 5, 1).reshape(n, c, h * bh, w * bw)
    return crop(x, crop_height=crops[0], crop_width=crops[1])


@op("sliding_windows")
def sliding_windows(x: Tensor, *, axis: int, size: int, stride: int = 1) -> Tensor:
    """The windows' places are a new axis behind `axis`."""
    axis = axis % x.ndim
    return x.unfold(axis, size, stride).movedim(-1, axis + 1)


@op("shape")
def shape(x: Tensor) -> Tensor:
    return torch.tensor(x.shape, dtype=torch.int32)


@op("fill")
def fill(*, shape: list[int], value: float = 0.0) -> Tensor:
    return torch.full(shape, value)


@op("fill_like")
def fill_like(ref_tensor: Tensor, *, value: float = 0.0) -> Tensor:
    return torch.full(ref_tensor.shape, value)


@op("range_1d")
def range_1d(*, start: float, end: float, step: float) -> Tensor:
    return torch.arange(start, end, step)


@op("one_hot")
def one_hot(
    indices: Tensor, *, one_hot_vector_size: int, axis: int = -1, on_value: float = 1, off_value: float = 0
) -> Tensor:
    hot = F.one_hot(indices.long(), one_hot_vector_size).movedim(-1, axis)
    return torch.where(hot.bool(), on_value, off_value)


@op("band_part")
def band_part(x: Tensor, *, lower: int = -1, upper: int = -1) -> Tensor:
    """The innermost matrices with zeros outside of a band; negative keeps that whole side."""
    x = x if upper < 0 else x.tril(upper)
    return x if lower < 0 else x.triu(-lower)


@op("cumsum")
def cumsum(x: Tensor, *, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Tensor:
    x = x.flip(axis) if reverse else x
    result = x.cumsum(axis)
    result = result - x if exclusive else result
    return result.flip(axis) if reverse else result


@op("argsort")
def argsort(x: Tensor, *, axis: int = -1, ascending: bool = False) -> Tensor:
    return x.sort(dim=axis, descending=not ascending, stable=True).indices


@op("topk")
def topk(
    x: Tensor,
    *,
    k: int = 1,
    axis: int = -1,
    ascending: bool = False,
    sort: bool = True,
    return_indices: bool = True,
):
    """Of equal elements the first comes first."""
    values, indices = (part.narrow(axis, 0, k) for part in x.sort(dim=axis, descending=not ascending, stable=True))
    return (values, indices) if return_indices else values


@op("non_zero")
def non_zero(x: Tensor) -> Tensor:
    return x.nonzero()
