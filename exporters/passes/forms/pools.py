"""GlobalMaxPool(x) -> MaxPool(x, over all); LpPool(x) -> (AveragePool(|x|^p) * n)^(1/p), GlobalLpPool over all;
MaxPool(x, dilations) -> MaxPool of each phase; AveragePool(x, dilations) -> Conv; AveragePool(x, that counts part of
its pads) -> Mul(AveragePool(x, that counts them all), c); pools of one element -> Slice(x, the strides as steps); the
one window along an axis that is larger than the image -> one as large

The phases of a dilated MaxPool are batches: every d-th row and column. Leaves other pools alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np
import onnx_ir as ir

from ....graph.edit import attribute, constant, emit, given, reshape, shape, transpose
from ....graph.replacing import replace_each
from .explicit_slice import emit_slice

LOWEST = float(np.finfo(np.float32).min)


def rewrite(model: ir.Model) -> int:
    return replace_each(model.graph, REWRITES)


def _dilations(node: ir.Node) -> tuple[int, ...]:
    return attribute(node, "dilations", (1, 1))


def _global_max(node: ir.Node) -> ir.Value:
    n, c, *sizes = shape(node.inputs[0])
    h, w = (*sizes, 1)[:2] if len(sizes) < 3 else (sizes[0], prod(sizes[1:]))
    x = reshape(node.inputs[0], (n, c, h, w), node)
    attributes = {"kernel_shape": (h, w), "strides": (1, 1), "pads": (0, 0, 0, 0), "dilations": (1, 1)}
    return reshape(emit(node, "MaxPool", [x], (n, c, 1, 1), attributes), shape(node.outputs[0]), node)


def _power(x: ir.Value, p: float, node: ir.Node) -> ir.Value:
    """x^p of what is not negative where p is odd or a fraction."""
    if p == 1:
        return x
    if p == 2:
        return emit(node, "Mul", [x, x], shape(x))
    return emit(node, "Pow", [x, constant(node.graph, np.array(p, np.float32), "p")], shape(x))


def _norm(x: ir.Value, p: int, mean: Callable[[ir.Value], ir.Value], size: int, node: ir.Node) -> ir.Value:
    """(mean(|x|^p) * size)^(1/p)"""
    powers = _power(x if p % 2 == 0 else emit(node, "Abs", [x], shape(x)), p, node)
    total = mean(powers)
    total = emit(node, "Mul", [total, constant(node.graph, np.array(size, np.float32), "count")], shape(total))
    return emit(node, "Sqrt", [total], shape(total)) if p == 2 else _power(total, 1 / p, node)


def _global_lp(node: ir.Node) -> ir.Value:
    x, to = given(node.inputs[0]), shape(node.outputs[0])
    axes = constant(node.graph, np.arange(2, len(to)), "axes")
    return _norm(
        x,
        attribute(node, "p", 2),
        lambda powers: emit(node, "ReduceMean", [powers, axes], to, {"keepdims": 1}),
        prod(shape(x)[2:]),
        node,
    )


def _lp(node: ir.Node) -> ir.Value | None:
    """explicit_pads has made its pads explicit: zeros, which a sum does not see."""
    if attribute(node, "auto_pad", "NOTSET") != "NOTSET" or len(shape(node.inputs[0])) != 4:
        return None
    window = {name: attribute(node, name) for name in ("kernel_shape", "strides", "pads", "dilations")}
    return _norm(
        given(node.inputs[0]),
        attribute(node, "p", 2),
        lambda powers: emit(node, "AveragePool", [powers], shape(node.outputs[0]), {**window, "count_include_pad": 1}),
        prod(window["kernel_shape"]),
        node,
    )


def _dilated_max(node: ir.Node) -> ir.Value | None:
    x, d = given(node.inputs[0]), _dilations(node)
    indices = any(out.uses() for out in node.outputs[1:])
    if not indices and (taken := _within(node) or _every_few(node)) is not None:
        return taken
    if set(d) == {1} or indices or len(shape(x)) != 4 or "pads" not in node.attributes:
        return None
    kernel, strides, pads = (attribute(node, name) for name in ("kernel_shape", "strides", "pads"))
    n, c, *sizes = shape(x)
    ends = [pads[i + 2] + -(sizes[i] + pads[i] + pads[i + 2]) % d[i] for i in (0, 1)]  # up to a multiple of d
    x = _pad(x, (0, 0, *pads[:2], 0, 0, *ends), LOWEST, node)
    a, b = (shape(x)[2 + i] // d[i] for i in (0, 1))
    x = transpose(reshape(x, (n, c, a, d[0], b, d[1]), node), (0, 3, 5, 1, 2, 4), node)
    x = reshape(x, (n * d[0] * d[1], c, a, b), node)
    a, b = a - kernel[0] + 1, b - kernel[1] + 1
    attributes = {"kernel_shape": kernel, "strides": (1, 1), "pads": (0, 0, 0, 0), "dilations": (1, 1)}
    x = emit(node, "MaxPool", [x], (n * d[0] * d[1], c, a, b), attributes)
    x = transpose(reshape(x, (n, d[0], d[1], c, a, b), node), (0, 3, 4, 1, 5, 2), node)
    x = reshape(x, (n, c, a * d[0], b * d[1]), node)
    out = shape(node.outputs[0])
    return emit_slice(x, {2 + i: (0, (out[2 + i] - 1) * strides[i] + 1, strides[i]) for i in (0, 1)}, node)


def _every_few(node: ir.Node) -> ir.Value | None:
    """A window of one element takes every so many of them."""
    strides, dims = attribute(node, "strides", (1, 1)), shape(node.inputs[0])
    plain = not any(attribute(node, "pads", (0,))) and attribute(node, "auto_pad", "NOTSET") in ("NOTSET", "VALID")
    if len(dims) != 4 or attribute(node, "kernel_shape") != (1, 1) or not plain:
        return None
    ranges = {2 + i: (0, dims[2 + i], strides[i]) for i in (0, 1) if strides[i] > 1}
    return emit_slice(node.inputs[0], ranges, node) if ranges else given(node.inputs[0])


def _within(node: ir.Node) -> ir.Value | None:
    """The one window along an axis that goes beyond the image on both ends, or up to them, as large as the image.

    EfficientNet of transformers averages 7 x 7 places in a window of 1280 x 1280, in ceil mode.
    """
    x, to = given(node.inputs[0]), shape(node.outputs[0])
    explicit = attribute(node, "auto_pad", "NOTSET") == "NOTSET" and "kernel_shape" in node.attributes
    if len(to) != 4 or not explicit or any(out.uses() for out in node.outputs[1:]):
        return None
    window = {name: list(attribute(node, name, (0, 0, 0, 0))) for name in ("kernel_shape", "pads")}
    window["strides"], d, share = list(attribute(node, "strides", (1, 1))), _dilations(node), 1.0
    kernel, pads = window["kernel_shape"], window["pads"]
    covered = [
        i
        for i, size in enumerate(shape(x)[2:])
        if to[2 + i] == d[i] == 1 and kernel[i] > size and size <= kernel[i] - pads[i]
    ]
    if not covered:
        return None
    for i in covered:
        size = shape(x)[2 + i]
        if attribute(node, "count_include_pad", 0):
            share *= size / min(kernel[i], pads[i] + size + pads[i + 2])
        kernel[i], window["strides"][i], pads[i], pads[i + 2] = size, 1, 0, 0
    others = ("dilations", "count_include_pad", *(("ceil_mode",) if len(covered) == 1 else ()))
    kept = {name: attribute(node, name) for name in others if name in node.attributes}
    pooled = emit(node, node.op_type, [x], to, {**window, **kept})
    if share == 1:
        return pooled
    return emit(node, "Mul", [pooled, constant(node.graph, np.array(share, np.float32), "share")], to)


def _average(node: ir.Node) -> ir.Value | None:
    if (taken := _within(node) or _every_few(node)) is not None:
        return taken
    x, d, ceil = given(node.inputs[0]), _dilations(node), attribute(node, "ceil_mode", 0)
    if len(shape(x)) != 4 or attribute(node, "auto_pad", "NOTSET") != "NOTSET" or not (ceil or set(d) != {1}):
        return None
    kernel, strides = attribute(node, "kernel_shape"), attribute(node, "strides", (1, 1))
    pads, counts = attribute(node, "pads", (0, 0, 0, 0)), attribute(node, "count_include_pad", 0)
    sizes, to = shape(x)[2:], shape(node.outputs[0])
    whole, counted = list(pads), []
    for i in (0, 1):
        starts = np.arange(to[2 + i]) * strides[i] - pads[i]
        taps = starts[:, None] + d[i] * np.arange(kernel[i])
        first, last = (-pads[i], sizes[i] + pads[i + 2]) if counts else (0, sizes[i])
        counted.append(((taps >= first) & (taps < last)).sum(1))
        whole[i + 2] = max(pads[i + 2], int(taps.max()) + 1 - sizes[i])
    window = {"kernel_shape": kernel, "strides": strides, "pads": whole}
    if set(d) == {1}:
        mean = emit(node, "AveragePool", [x], to, {**window, "count_include_pad": 1})
    else:
        weight, bias = np.full((to[1], 1, *kernel), 1 / prod(kernel), np.float32), np.zeros(to[1], np.float32)
        operands = [constant(node.graph, weight, "mean.weight"), constant(node.graph, bias, "mean.bias")]
        mean = emit(node, "Conv", [x, *operands], to, {**window, "dilations": d, "group": to[1]})
    share = prod(kernel) / np.outer(*counted)  # of a window's elements those that count
    if (share == 1).all():
        return mean
    return emit(node, "Mul", [mean, constant(node.graph, share.astype(np.float32), "share")], to)


def _pad(x: ir.Value, pads: Sequence[int], value: float, node: ir.Node) -> ir.Value:
    if not any(pads):
        return x
    rank = len(pads) // 2
    to = [size + pads[i] + pads[i + rank] for i, size in enumerate(shape(x))]
    operands = [
        constant(node.graph, np.array(pads, np.int64), "pads"),
        constant(node.graph, np.array(value, np.float32), "value"),
    ]
    return emit(node, "Pad", [x, *operands], to, {"mode": "constant"})


REWRITES: dict[str, Callable[[ir.Node], ir.Value | None]] = {
    "GlobalMaxPool": _global_max,
    "GlobalLpPool": _global_lp,
    "LpPool": _lp,
    "MaxPool": _dilated_max,
    "AveragePool": _average,
}
