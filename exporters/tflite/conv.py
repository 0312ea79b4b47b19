"""Lower Conv and ConvTranspose, NHWC in and out: padded by SAME, VALID or a PAD; cut by a SLICE."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from ...graph.qdq import Constant
from ...graph.same_padding import same_pads
from .builder import Builder, Operand, Run, Value
from .fast_conv import of_parts, of_tiles, parts_are_faster, tiles_are_faster
from .linear import bias_tensor
from .lowering_table import lower
from .movement import MAX_CONCAT
from .pixel_cells import in_cells
from .view import View
from .windows import Convolution, from_spatial, pad_spatial, spatial


@lower("Conv")
def conv(
    mb: Builder,
    x: Operand,
    weight: Constant,
    bias: Constant,
    *,
    kernel_shape: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    dilations: tuple[int, int],
    group: int,
) -> Value:
    """(n, c, h, w), OIHW -> (n, o, h', w')"""
    value, weight = _channels_as_stored(mb.value(x), weight, group)
    whole = Convolution(spatial(mb, value), weight, bias, strides, pads, dilations)
    channels, outputs = mb.shape(whole.x)[-1], weight.shape[0]
    depthwise = group == channels > 1
    if not depthwise:
        whole = replace(whole, weight=_fewer_groups(weight, group))
    elif not mb.plain and not mb.kernels.widens_depthwise and 1 < outputs // channels <= MAX_CONCAT:
        return _widened(mb, x, whole)
    elif weight.shape[2:] == (1, 1) and outputs > channels:
        whole = _higher(whole, same_pads(mb.shape(whole.x)[1], 3, strides[0])[0])
    if mb.target.quant is None and not depthwise:
        exact = weight.quant is None and not mb.half_weights  # sums of rounded weights are rounded again
        tiles = exact and (*strides, *dilations, group) == (1, 1, 1, 1, 1) and not mb.plain
        if tiles and tiles_are_faster(mb.shape(whole.x), weight.shape, pads):
            return of_tiles(mb, whole)
    if group == 1 and not mb.plain and not mb.stores(weight):
        whole = in_cells(mb, whole, block=1 if mb.target.quant is None else mb.kernels.channel_block)
    tensor = _convolution(mb, x, whole, depthwise, mb.run)
    return from_spatial(tensor, mb.shape(tensor))


def _convolution(mb: Builder, x: Operand, whole: Convolution, depthwise: bool, run: Run) -> int:
    """One operator; of a large depthwise window in float several. `x`: what the graph reads, whose scale says the
    bias's."""
    weight, strides, dilations = whole.weight, whole.strides, whole.dilations
    channels, (out_channels, inner, kh, kw) = mb.shape(whole.x)[-1], weight.shape
    if depthwise and mb.target.quant is None and parts_are_faster((kh, kw), whole.pads, dilations):
        return of_parts(mb, whole, run)
    dilated = (dilations[0] * (kh - 1) + 1, dilations[1] * (kw - 1) + 1)
    x_tensor, padding, size = pad_spatial(mb, whole.x, dilated, strides, whole.pads)
    options = dict(
        padding=padding,
        strideH=strides[0],
        strideW=strides[1],
        dilationHFactor=dilations[0],
        dilationWFactor=dilations[1],
        fusedActivationFunction=mb.activation(),
    )
    if depthwise:
        w = Constant(weight.array.transpose(1, 2, 3, 0), weight.quant and weight.quant.along(3))  # O1HW -> 1HWO
        op, options["depthMultiplier"] = "DEPTHWISE_CONV_2D", out_channels // channels
    else:
        w = Constant(weight.array.transpose(0, 2, 3, 1), weight.quant and weight.quant.along(0))  # OIHW -> OHWI
        op = "CONV_2D"
    w_tensor = mb.weight(w, hybrid=op == "CONV_2D", computed=depthwise or inner == channels)
    inputs = [x_tensor, w_tensor, bias_tensor(mb, whole.bias, x, weight, out_channels)]
    return run(op, inputs, (mb.shape(x_tensor)[0], *size, out_channels), **options)


def _channels_as_stored(x: Value, weight: Constant, group: int) -> tuple[Value, Constant]:
    """The same convolution of channels in the order in which they lie in memory, where they lie innermost."""
    inside = x.view.of_dim(1)
    stored = x.view.order[len(x.view.order) - len(inside) :]
    if group != 1 or stored == inside or set(stored) != set(inside):
        return x, weight
    factors = x.view.dims[1]
    order = [inside.index(k) for k in stored]
    o, _, kh, kw = weight.shape
    array = weight.array.reshape(o, *factors, kh, kw)
    array = array.transpose(0, *(1 + i for i in order), len(factors) + 1, len(factors) + 2).reshape(weight.shape)
    dims = (x.view.dims[0], tuple(factors[i] for i in order), *x.view.dims[2:])
    places = {k: inside[i] for i, k in enumerate(stored)}
    view = View(dims, tuple(places.get(k, k) for k in x.view.order))
    return Value(x.tensor, view), Constant(array, weight.quant)


def _widened(mb: Builder, x: Operand, whole: Convolution) -> Value:
    """A depthwise convolution that makes several channels of each as several that make one, side by side: the first of
    each, then the second of each."""
    channels = mb.shape(whole.x)[-1]
    times = whole.weight.shape[0] // channels
    run = partial(mb.emit, quant=mb.target.quant)
    parts = [
        replace(whole, weight=_each(whole.weight, i, times), bias=_each(whole.bias, i, times)) for i in range(times)
    ]
    tensors = [_convolution(mb, x, part, True, run) for part in parts]
    n, h, w, _ = mb.shape(tensors[0])
    joined = mb.run("CONCATENATION", tensors, (n, h, w, times * channels), axis=3, fusedActivationFunction=0)
    view = View.of((n, channels, times, h, w), (0, 3, 4, 2, 1))
    dims = (view.dims[0], view.dims[1] + view.dims[2], *view.dims[3:])
    return Value(joined, View(dims, view.order))


def _each(constant: Constant, first: int, step: int) -> Constant:
    """Every so many of its rows, with their scales."""
    quant = constant.quant
    if quant is not None and quant.axis == 0:
        quant = replace(quant, scales=quant.scales[first::step])
    return Constant(constant.array[first::step], quant)


def _higher(whole: Convolution, row: int) -> Convolution:
    """A depthwise 1x1 as a 3x1 of zeros but for that row: of a 1x1 LiteRT's GPU delegate makes no more channels than
    there were."""
    weight, (top, left, bottom, right) = whole.weight, whole.pads
    array = np.zeros((*weight.shape[:2], 3, 1), weight.array.dtype)
    array[:, :, row] = weight.array[:, :, 0]
    return replace(whole, weight=Constant(array, weight.quant), pads=(top + row, left, bottom + 2 - row, right))


def _fewer_groups(weight: Constant, group: int) -> Constant:
    """The same convolution with so many groups as one that each has multiples of 4 channels, in and out: LiteRT's GPU
    delegate computes others wrongly."""
    out, inside = weight.shape[0] // group, weight.shape[1]
    joined = next((n for n in range(1, group) if group % n == 0 and n * inside % 4 == n * out % 4 == 0), group)
    if group == 1 or joined == 1:
        return weight
    blocks = weight.array.reshape(group // joined, joined, out, inside, *weight.shape[2:])
    array = np.zeros((group // joined, joined, out, joined, inside, *weight.shape[2:]), weight.array.dtype)
    for i in range(joined):
        array[:, i, :, i] = blocks[:, i]
    return Constant(array.reshape(weight.shape[0], joined * inside, *weight.shape[2:]), weight.quant)


@lower("ConvTranspose")
def conv_transpose(
    mb: Builder,
    x: Operand,
    weight: Constant,
    bias: Constant,
    *,
    kernel_shape: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    output_padding: tuple[int, int],
) -> Value:
    """(n, c, h, w), weight (c, o, kh, kw) -> (n, o, h', w'); what is not SAME is computed whole and cut"""
    out_channels, kernel = weight.shape[1], weight.shape[2:]
    x_tensor = spatial(mb, x)
    n, *sizes, _ = mb.shape(x_tensor)
    full = [(sizes[i] - 1) * strides[i] + kernel[i] + output_padding[i] for i in (0, 1)]
    size = [full[i] - pads[i] - pads[i + 2] for i in (0, 1)]
    ends = [(pads[i], pads[i + 2] - output_padding[i]) for i in (0, 1)]
    same = full != size and all(  # LiteRT's GPU delegate cuts off in front what SAME adds to x for a convolution
        size[i] == sizes[i] * strides[i]
        and ends[i] == same_pads(size[i], kernel[i], strides[i])
        and ends[i][0] == ends[i][1] == same_pads(sizes[i], kernel[i], strides[i])[0]
        for i in (0, 1)
    )
    if same:
        full = size
    w = Constant(weight.array.transpose(1, 2, 3, 0), weight.quant and weight.quant.along(0))  # IOHW -> OHWI
    shape = (n, *full, out_channels)
    inputs = [mb.const(np.array(shape, np.int32)), mb.weight(w), x_tensor]
    activation = mb.activation()
    fused = not (activation and mb.plain)  # LiteRT's GPU delegate fuses none
    y = (mb.run if fused else mb.emit)(
        "TRANSPOSE_CONV",
        [*inputs, bias_tensor(mb, bias, x, weight, out_channels)],
        shape,
        dtype=np.float32,  # the first operand is a shape
        padding=0 if same else 1,
        strideH=strides[0],
        strideW=strides[1],
        fusedActivationFunction=activation if fused else 0,
    )
    if not fused:
        y = mb.run(mb.target.activation, [y], shape)
    if full != size:
        begin, extent = np.array([0, pads[0], pads[1], 0], np.int32), np.array((n, *size, out_channels), np.int32)
        y = mb.move("SLICE", [y, mb.const(begin), mb.const(extent)], tuple(extent.tolist()), named=False)
    return from_spatial(y, (n, *size, out_channels))
