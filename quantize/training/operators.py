"""Compute the dialect's operators in PyTorch, differentiably: one function each, its signature the specification.

What decides a shape (axes, sizes, pads, bounds) comes as Python numbers, everything else as tensors. Each function
takes tensors of the graph's own static shapes, so that `torch.vmap` can run it on many samples at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# of each operator the inputs that are Python numbers: they say how it computes, and are never trained
STATIC: dict[str, frozenset[int]] = {
    **dict.fromkeys(("Reshape", "Tile", "TopK", "CumSum"), frozenset({1})),
    **{f"Reduce{kind}": frozenset({1}) for kind in ("Mean", "Sum", "Max", "Min", "Prod")},
    **dict.fromkeys(("Clip", "Pad"), frozenset({1, 2})),
    "Slice": frozenset({1, 2, 3, 4}),
    "Resize": frozenset({3}),
}

_TYPES = {
    **{1: torch.float32, 2: torch.uint8, 3: torch.int8, 5: torch.int16, 6: torch.int32, 7: torch.int64},
    **{9: torch.bool, 10: torch.float16, 11: torch.float64, 16: torch.bfloat16},
}  # onnx.TensorProto.DataType -> PyTorch's


def conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    *,
    kernel_shape: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    group: int,
) -> Tensor:
    x, around = _padded(x, pads, kernel_shape, 0.0)
    return F.conv2d(x, weight, bias, tuple(strides), around, tuple(dilations), group)


def conv_transpose(
    x: Tensor,
    weight: Tensor,  # (in, out, kh, kw)
    bias: Tensor,
    *,
    kernel_shape: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
    output_padding: Sequence[int],
) -> Tensor:
    top, left, bottom, right = pads
    padding = (top, left) if (top, left) == (bottom, right) else (0, 0)
    y = F.conv_transpose2d(x, weight, bias, tuple(strides), padding, tuple(output_padding))
    if padding == (top, left):
        return y
    return y[:, :, top : y.shape[2] - bottom, left : y.shape[3] - right]


def _padded(x: Tensor, pads: Sequence[int], kernel: Sequence[int], fill: float) -> tuple[Tensor, tuple[int, int]]:
    """(x with the pads that PyTorch's own argument cannot say, that argument)."""
    top, left, bottom, right = pads
    if (top, left) == (bottom, right) and 2 * top <= kernel[0] and 2 * left <= kernel[1]:
        return x, (top, left)
    return F.pad(x, (left, right, top, bottom), value=fill), (0, 0)


def max_pool(
    x: Tensor, *, kernel_shape: Sequence[int], strides: Sequence[int], pads: Sequence[int], dilations: Sequence[int]
) -> Tensor:
    x, around = _padded(x, pads, kernel_shape, float("-inf"))
    return F.max_pool2d(x, tuple(kernel_shape), tuple(strides), around, tuple(dilations))


def average_pool(
    x: Tensor,
    *,
    kernel_shape: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
    count_include_pad: int,
) -> Tensor:
    window = (tuple(kernel_shape), tuple(strides))
    padded, around = _padded(x, pads, kernel_shape, 0.0)
    if padded is x or count_include_pad:
        return F.avg_pool2d(padded, *window, around, count_include_pad=bool(count_include_pad))
    ones, _ = _padded(torch.ones_like(x[:1, :1]), pads, kernel_shape, 0.0)
    return F.avg_pool2d(padded, *window) / F.avg_pool2d(ones, *window)


def resize(
    x: Tensor,
    _roi: None,
    _scales: None,
    sizes: Sequence[int],
    *,
    mode: str,
    coordinate_transformation_mode: str,
    nearest_mode: str,
) -> Tensor:
    height, width = sizes[2:]
    if mode == "nearest":  # by whole factors, each element as often as its factor says
        return F.interpolate(x, (height, width), mode="nearest")
    if coordinate_transformation_mode == "asymmetric":
        return _between(_between(x, 2, height), 3, width)
    aligned = coordinate_transformation_mode == "align_corners"
    return F.interpolate(x, (height, width), mode="bilinear", align_corners=aligned)


def _between(x: Tensor, axis: int, size: int) -> Tensor:
    """x sampled along `axis` at i * old / new, linearly between its elements."""
    old = x.shape[axis]
    places = torch.arange(size, device=x.device, dtype=x.dtype) * (old / size)
    low = places.floor().long().clamp(max=old - 1)
    high = (low + 1).clamp(max=old - 1)
    share = (places - low).reshape(-1, *[1] * (x.ndim - 1 - axis))
    return torch.lerp(x.index_select(axis, low), x.index_select(axis, high), share)


def grid_sample(x: Tensor, grid: Tensor, *, mode: str, padding_mode: str, align_corners: int) -> Tensor:
    modes = {"linear": "bilinear", "cubic": "bicubic"}
    return F.grid_sample(x, grid, modes.get(mode, mode), padding_mode, bool(align_corners))


def layer_normalization(x: Tensor, weight: Tensor, bias: Tensor, *, axis: int, epsilon: float) -> Tensor:
    return F.layer_norm(x, x.shape[axis:], weight, bias, epsilon)


def prelu(x: Tensor, slope: Tensor) -> Tensor:
    return torch.where(x >= 0, x, x * slope)


def divide(a: Tensor, b: Tensor) -> Tensor:
    return a / b if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


def modulo(a: Tensor, b: Tensor, *, fmod: int) -> Tensor:
    return torch.fmod(a, b) if fmod else torch.remainder(a, b)


def cumulate(x: Tensor, axis: int | Sequence[int], *, exclusive: int, reverse: int) -> Tensor:
    (along,) = (axis,) if isinstance(axis, int) else axis
    x = x.flip(along) if reverse else x
    total = x.cumsum(along, dtype=x.dtype)
    if exclusive:
        total = total - x
    return total.flip(along) if reverse else total


def _arg(choose: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Of equals the first, as ONNX has it."""
    return lambda x, *, axis, **_: choose(x, axis, keepdim=True)


def top_k(x: Tensor, k: Sequence[int], *, axis: int, **_: Any) -> tuple[Tensor, Tensor]:
    values, places = torch.topk(x, k[0], axis)
    return values, places


def gather(x: Tensor, indices: Tensor, *, axis: int) -> Tensor:
    size, rank = x.shape[axis], indices.ndim
    indices = torch.where(indices < 0, indices + size, indices)
    taken = x.movedim(axis, 0)[indices.long()]
    return taken.movedim(tuple(range(rank)), tuple(range(axis, axis + rank))) if rank else taken


def _reduce(total: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda x, axes, **_: total(x, tuple(axes), keepdim=True)


def product(x: Tensor, axes: Sequence[int], **_: Any) -> Tensor:
    for axis in axes:
        x = x.prod(axis, keepdim=True, dtype=x.dtype)
    return x


def slice_(x: Tensor, starts: Sequence[int], ends: Sequence[int], axes: Sequence[int], steps: Sequence[int]) -> Tensor:
    places = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        places[axis] = slice(start, end, step)
    return x[tuple(places)]


def pad(x: Tensor, pads: Sequence[int], fill: float, *, mode: str) -> Tensor:
    half = len(pads) // 2
    pairs = [pair for axis in reversed(range(half)) for pair in (pads[axis], pads[half + axis])]
    return F.pad(x, pairs, value=fill)


def clip(x: Tensor, low: float, high: float) -> Tensor:
    return x.clamp(low, high)


def cast(x: Tensor, *, to: int) -> Tensor:
    return x.to(_TYPES[to])


def hard_sigmoid(x: Tensor, *, alpha: float, beta: float) -> Tensor:
    return (x * alpha + beta).clamp(0, 1)


OPERATORS: dict[str, Callable[..., Any]] = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "MatMul": torch.matmul,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "Resize": resize,
    "GridSample": grid_sample,
    "LayerNormalization": layer_normalization,
    # element by element
    "Add": torch.add,
    "Sub": torch.sub,
    "Mul": torch.mul,
    "Div": divide,
    "Mod": modulo,
    "Pow": torch.pow,
    "Max": torch.maximum,
    "Min": torch.minimum,
    "Clip": clip,
    "HardSigmoid": hard_sigmoid,
    "Gelu": lambda x, *, approximate: F.gelu(x, approximate=approximate),
    "LeakyRelu": lambda x, *, alpha: F.leaky_relu(x, alpha),
    "Elu": lambda x, *, alpha: F.elu(x, alpha),
    "PRelu": prelu,
    "Relu": torch.relu,
    "Sigmoid": torch.sigmoid,
    "HardSwish": F.hardswish,
    "Tanh": torch.tanh,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Sqrt": torch.sqrt,
    "Softplus": F.softplus,
    "Mish": F.mish,
    "Log": torch.log,
    "Sin": torch.sin,
    "Cos": torch.cos,
    "Atan": torch.atan,
    "Floor": torch.floor,
    "Ceil": torch.ceil,
    "Round": torch.round,
    "Neg": torch.neg,
    "Abs": torch.abs,
    "Sign": torch.sign,
    # truth values and types
    "Greater": torch.gt,
    "GreaterOrEqual": torch.ge,
    "Less": torch.lt,
    "LessOrEqual": torch.le,
    "Equal": torch.eq,
    "And": torch.logical_and,
    "Or": torch.logical_or,
    "Xor": torch.logical_xor,
    "Not": torch.logical_not,
    "IsNaN": torch.isnan,
    "Where": torch.where,
    "Cast": cast,
    # along axes
    "Softmax": lambda x, *, axis: x.softmax(axis),
    "LogSoftmax": lambda x, *, axis: x.log_softmax(axis),
    "ReduceMean": _reduce(torch.mean),
    "ReduceSum": lambda x, axes, **_: x.sum(tuple(axes), keepdim=True, dtype=x.dtype),
    "ReduceMax": _reduce(torch.amax),
    "ReduceMin": _reduce(torch.amin),
    "ReduceProd": product,
    "CumSum": cumulate,
    "ArgMax": _arg(torch.argmax),
    "ArgMin": _arg(torch.argmin),
    "TopK": top_k,
    "Gather": gather,
    # order and shape
    "Reshape": lambda x, shape: x.reshape(shape),
    "Transpose": lambda x, *, perm: x.permute(perm),
    "Slice": slice_,
    "Concat": lambda *parts, axis: torch.cat(parts, axis),
    "Tile": lambda x, repeats: x.tile(tuple(repeats)),
    "Identity": lambda x: x,
    "Pad": pad,
}

# What cannot be trained through here: recurrences (torch.vmap has no rule for PyTorch's own, and their loop is as slow
# as it is long), and what chooses boxes or writes into places, which no gradient passes.
UNTRAINED = frozenset({"LSTM", "GRU", "NonMaxSuppression", "ScatterND"})
