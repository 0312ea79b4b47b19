"""Gather, scatter and selection. Indices may be negative, as in iOS 15 and 16."""

import torch
from torch import Tensor

from ..table import OpError, op

# scatter's mode -> torch's scatter_reduce
_REDUCE = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


@op("gather")
def gather(x: Tensor, indices: Tensor, *, axis: int = 0, batch_dims: int = 0) -> Tensor:
    """x[:axis] + indices[batch_dims:] + x[axis + 1:] in shapes; the first `batch_dims` axes go in step."""
    axis = axis % x.ndim
    indices = _positive(indices, x.shape[axis])
    if batch_dims:
        pairs = zip(x, indices, strict=True)
        return torch.stack([gather(a, i, axis=axis - 1, batch_dims=batch_dims - 1) for a, i in pairs])
    taken = x.index_select(axis, indices.flatten())
    return taken.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


@op("gather_along_axis")
def gather_along_axis(x: Tensor, indices: Tensor, *, axis: int = 0) -> Tensor:
    return torch.take_along_dim(x, _positive(indices, x.shape[axis]), axis)


@op("gather_nd")
def gather_nd(x: Tensor, indices: Tensor, *, batch_dims: int = 0) -> Tensor:
    """The last axis of `indices` indexes into x."""
    if batch_dims:
        pairs = zip(x, indices, strict=True)
        return torch.stack([gather_nd(a, i, batch_dims=batch_dims - 1) for a, i in pairs])
    return x[indices.long().unbind(-1)]


@op("scatter")
def scatter(data: Tensor, indices: Tensor, updates: Tensor, *, axis: int = 0, mode: str = "add") -> Tensor:
    """Slices of `updates` go to the places `indices` (1-D) of `axis`."""
    axis = axis % data.ndim
    places = indices.reshape(*[1] * axis, -1, *[1] * (data.ndim - axis - 1)).expand(updates.shape)
    return scatter_along_axis(data, places, updates, axis=axis, mode=mode)


@op("scatter_along_axis")
def scatter_along_axis(data: Tensor, indices: Tensor, updates: Tensor, *, axis: int = 0, mode: str = "add") -> Tensor:
    places = _positive(indices, data.shape[axis])
    if mode == "update":
        return data.scatter(axis, places, updates)
    if mode == "sub":
        updates = -updates
    elif mode == "div":
        updates = 1 / updates
    return data.scatter_reduce(axis, places, updates, _reduction(mode))


@op("scatter_nd")
def scatter_nd(data: Tensor, indices: Tensor, updates: Tensor, *, mode: str = "add") -> Tensor:
    """The last axis of `indices` indexes into data."""
    depth = indices.shape[-1]
    leading, rest = data.shape[:depth], data.shape[depth:]
    place = torch.zeros(indices.shape[:-1], dtype=torch.long)
    for size, index in zip(leading, indices.unbind(-1), strict=True):  # as one index into the flattened leading axes
        place = place * size + _positive(index, size)
    flat = scatter(data.reshape(-1, *rest), place.flatten(), updates.reshape(-1, *rest), axis=0, mode=mode)
    return flat.reshape(data.shape)


def _reduction(mode: str) -> str:
    reduce = _REDUCE.get({"sub": "add", "div": "mul"}.get(mode, mode))
    if reduce is None:
        raise OpError(f"has the mode {mode!r}, which does not exist")
    return reduce


def _positive(indices: Tensor, size: int) -> Tensor:
    indices = indices.long()
    return torch.where(indices < 0, indices + size, indices)


@op("non_maximum_suppression")
def non_maximum_suppression(
    boxes: Tensor, scores: Tensor, *, iou_threshold: float, max_boxes: int, per_class_suppression: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """As iOS 17 has it: (n, 4, b) centres and sizes, (n, k, b) -> (n, 4, most), (n, k, most), (n, most).

    Behind the last box coordinates and scores are 0 and indices -1. Source: NonMaximumSuppressionLayerParams in Core
    ML's NeuralNetwork.proto.
    """
    if per_class_suppression:
        raise OpError("selects within each class by itself")
    of_images = [_selected(*image, iou_threshold, max_boxes) for image in zip(boxes, scores, strict=True)]
    corners, kept, places = (torch.stack(list(each)) for each in zip(*of_images, strict=True))
    return corners, kept, places


def _selected(boxes: Tensor, scores: Tensor, iou_threshold: float, most: int) -> tuple[Tensor, Tensor, Tensor]:
    """The same of one image."""
    low, high = boxes[:2] - boxes[2:] / 2, boxes[:2] + boxes[2:] / 2
    areas, left = boxes[2] * boxes[3], scores.amax(0)
    chosen: list[int] = []
    while len(chosen) < most and bool((left > -torch.inf).any()):
        best = int(left.argmax())
        chosen.append(best)
        sides = torch.minimum(high, high[:, best, None]) - torch.maximum(low, low[:, best, None])
        shared = sides.clamp(min=0).prod(0)
        left = left.masked_fill(shared > iou_threshold * (areas + areas[best] - shared), -torch.inf)
        left[best] = -torch.inf
    blank = most - len(chosen)
    places = torch.tensor(chosen, dtype=torch.int32)
    pad = torch.nn.functional.pad
    return (
        pad(boxes[:, places.long()], (0, blank)),
        pad(scores[:, places.long()], (0, blank)),
        pad(places, (0, blank), value=-1),
    )
