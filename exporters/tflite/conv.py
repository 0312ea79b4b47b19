"""This file lowers Conv and ConvTranspose, NHWC in and out: padded by SAME, VALID or a PAD; cut by a SLICE."""

from __future__ import annotations

import numpy as np

from ..quantization import Constant, Quant
from .builder import Builder, Operand, Value
from .linear import bias_tensor
from .table import lower
from .view import View

_NHWC = (0, 2, 3, 1)


def spatial(mb: Builder, x: Operand) -> int:
    """The tensor (n, h, w, c) of a logical (n, c, h, w)."""
    x = mb.value(x)
    return mb.laid_out(x, [x.view.of_dim(d) for d in _NHWC])


def from_spatial(tensor: int, shape: tuple[int, ...]) -> Value:
    """The logical (n, c, h, w) value in an NHWC tensor of `shape` (n, h, w, c)."""
    n, h, w, c = shape
    return Value(tensor, View.of((n, c, h, w), _NHWC))


def same_pads(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """What padding SAME puts before and after `size` elements (TensorFlow's definition)."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def pad_spatial(
    mb: Builder, x: int, kernel: tuple[int, int], strides: tuple[int, int], pads: tuple[int, int, int, int]
) -> tuple[int, int, tuple[int, int]]:
    """(tensor, Padding, height and width of the result): `kernel` is the dilated size, `pads` ONNX's (t, l, b, r).

    What the last window does not reach is not padded; only what is then neither SAME nor VALID costs a PAD.
    """
    sizes, ends, outs, same = mb.shape(x)[1:3], [], [], True
    for i in (0, 1):
        before, after, k, s = pads[i], pads[i + 2], kernel[i], strides[i]
        out = (sizes[i] + before + after - k) // s + 1
        after = (out - 1) * s + k - sizes[i] - before  # what is used; negative: the rest of the image is not read
        ends.append((before, max(after, 0)))
        outs.append(out)
        same &= same_pads(sizes[i], k, s) == ends[-1] and out == -(-sizes[i] // s)
    size = (outs[0], outs[1])
    if ends == [(0, 0), (0, 0)]:
        return x, 1, size  # VALID
    if same:
        return x, 0, size  # SAME
    (top, bottom), (left, right) = ends
    return framed(mb, x, (top, left, bottom, right)), 1, size


def framed(mb: Builder, x: int, pads: tuple[int, int, int, int], fill: np.ndarray | None = None) -> int:
    """The NHWC tensor with `pads` (top, left, bottom, right) around it: zeros, or the stored value `fill` (1,)."""
    n, h, w, c = mb.shape(x)
    top, left, bottom, right = pads
    amounts = mb.const(np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32))
    shape = (n, h + top + bottom, w + left + right, c)
    if fill is None:
        return mb.cached("PAD", [x, amounts], shape, mb.quant(x))
    return mb.cached("PADV2", [x, amounts, mb.const(fill, mb.quant(x))], shape, mb.quant(x))


@lower("Conv")
def conv(
    mb: Builder,
    x: Operand,
    weight: Constant,
    bias: Constant | None = None,
    *,
    auto_pad: str = "NOTSET",
    kernel_shape: tuple[int, ...] = (),
    strides: tuple[int, int] = (1, 1),
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilations: tuple[int, int] = (1, 1),
    group: int = 1,
) -> Value:
    """(n, c, h, w), OIHW -> (n, o, h', w')"""
    out_channels, _, kh, kw = weight.shape
    x_tensor = spatial(mb, x)
    channels = mb.shape(x_tensor)[-1]
    centred = pads[::2] == (dilations[0] * (kh // 2),) * 2 and mb.target.quant is None
    if centred and group == channels > 1 and kh in _ROWS and kw in _COLUMNS:
        return _of_rows(mb, x_tensor, weight, bias, pads, strides, dilations)
    dilated = (dilations[0] * (kh - 1) + 1, dilations[1] * (kw - 1) + 1)
    x_tensor, padding, size = pad_spatial(mb, x_tensor, dilated, strides, pads)
    options = dict(
        padding=padding,
        strideH=strides[0],
        strideW=strides[1],
        dilationHFactor=dilations[0],
        dilationWFactor=dilations[1],
        fusedActivationFunction=mb.activation(),
    )
    if group == channels and group > 1:
        w = Constant(weight.array.transpose(1, 2, 3, 0), _on_axis(weight.quant, 3))  # O1HW -> 1HWO
        op, options["depthMultiplier"] = "DEPTHWISE_CONV_2D", out_channels // channels
    else:
        w = Constant(weight.array.transpose(0, 2, 3, 1), _on_axis(weight.quant, 0))  # OIHW -> OHWI
        op = "CONV_2D"
    inputs = [x_tensor, mb.weight(w, hybrid=op == "CONV_2D"), bias_tensor(mb, bias, x, weight, out_channels)]
    shape = (mb.shape(x_tensor)[0], *size, out_channels)
    return from_spatial(mb.run(op, inputs, shape, **options), shape)


@lower("ConvTranspose")
def conv_transpose(
    mb: Builder,
    x: Operand,
    weight: Constant,
    bias: Constant | None = None,
    *,
    kernel_shape: tuple[int, ...] = (),
    strides: tuple[int, int] = (1, 1),
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    output_padding: tuple[int, int] = (0, 0),
) -> Value:
    """(n, c, h, w), weight (c, o, kh, kw) -> (n, o, h', w'); what is not SAME is computed whole and cut"""
    out_channels, kernel = weight.shape[1], weight.shape[2:]
    x_tensor = spatial(mb, x)
    n, *sizes, _ = mb.shape(x_tensor)
    full = [(sizes[i] - 1) * strides[i] + kernel[i] + output_padding[i] for i in (0, 1)]
    size = [full[i] - pads[i] - pads[i + 2] for i in (0, 1)]
    same = all(
        size[i] == sizes[i] * strides[i]
        and (pads[i], pads[i + 2] - output_padding[i]) == same_pads(size[i], kernel[i], strides[i])
        for i in (0, 1)
    )
    if same:
        full = size
    w = Constant(weight.array.transpose(1, 2, 3, 0), _on_axis(weight.quant, 0))  # IOHW -> OHWI
    shape = (n, *full, out_channels)
    inputs = [mb.const(np.array(shape, np.int32)), mb.weight(w), x_tensor]
    y = mb.run(
        "TRANSPOSE_CONV",
        [*inputs, bias_tensor(mb, bias, x, weight, out_channels)],
        shape,
        dtype=np.float32,  # the first operand is a shape
        padding=0 if same else 1,
        strideH=strides[0],
        strideW=strides[1],
        fusedActivationFunction=mb.activation(),
    )
    if full != size:
        begin, extent = np.array([0, pads[0], pads[1], 0], np.int32), np.array((n, *size, out_channels), np.int32)
        y = mb.move("SLICE", [y, mb.const(begin), mb.const(extent)], tuple(extent.tolist()), named=False)
    return from_spatial(y, (n, *size, out_channels))


# A depthwise convolution of more than 25 elements has no fast kernel: 7x7 takes 5 to 20 times as long as its rows taken
# two at a time, dilated, and their sum (ai-edge-litert 2.3.0, x86).
_FAST = 25  # elements of a window
_ROWS, _COLUMNS = (7, 9, 11), range(5, _FAST // 2 + 1)


def _of_rows(
    mb: Builder,
    x: int,
    weight: Constant,
    bias: Constant | None,
    pads: tuple[int, ...],
    strides: tuple[int, int],
    dilations: tuple[int, int],
) -> Value:
    """A depthwise Conv of an odd number of rows, padded by half of them, in float: the sum of parts that have two rows
    each, as far above the middle as below. The middle itself goes with the first two where that is fast."""
    out_channels, _, height, width = weight.shape
    middle = height // 2
    parts = [(step, 2 * step) for step in range(1, middle + 1)]  # the rows that far from the middle; from row to row
    parts[:1] = [(1, 1)] if 3 * width <= _FAST else [(0, 1), parts[0]]
    total = None
    for away, apart in parts:
        rows = weight.float()[:, :, middle - away : middle + away + 1 : apart]
        window = (dilations[0] * 2 * away + 1, dilations[1] * (width - 1) + 1)
        around = dilations[0] * away
        padded, padding, size = pad_spatial(mb, x, window, strides, (around, pads[1], around, pads[3]))
        shape = (mb.shape(x)[0], *size, out_channels)
        bias_array = np.zeros(out_channels, np.float32) if bias is None or total is not None else bias.float()
        part = mb.emit(
            "DEPTHWISE_CONV_2D",
            [padded, mb.weight(Constant(rows.transpose(1, 2, 3, 0))), mb.const(bias_array.astype(np.float32))],
            shape,
            padding=padding,
            strideH=strides[0],
            strideW=strides[1],
            dilationHFactor=dilations[0] * apart,
            dilationWFactor=dilations[1],
            fusedActivationFunction=0,
            depthMultiplier=out_channels // mb.shape(x)[-1],
        )
        if total is None:
            total = part
        elif away < middle:
            total = mb.emit("ADD", [total, part], shape, fusedActivationFunction=0)
        else:
            total = mb.run("ADD", [total, part], shape, fusedActivationFunction=mb.activation())
    assert total is not None
    return from_spatial(total, mb.shape(total))


def _on_axis(quant: Quant | None, axis: int) -> Quant | None:
    return quant and Quant(quant.scale, quant.zero_point, axis)
