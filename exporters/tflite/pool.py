"""Lower MaxPool and AveragePool: NHWC in and out; how to pad is where they differ from TFLite."""

from __future__ import annotations

import numpy as np

from ...artifacts.errors import UnsupportedAttribute
from .builder import Builder, Operand, Value
from .lowering_table import lower
from .windows import framed, from_spatial, pad_spatial, spatial


@lower("MaxPool")
def max_pool(
    mb: Builder,
    x: Operand,
    *,
    kernel_shape: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    dilations: tuple[int, int],
) -> Value:
    """Padding with zeros is right for a maximum over what is never negative."""
    if tuple(dilations) != (1, 1):
        raise UnsupportedAttribute(f"tflite: '{mb.target.name}' pools with dilations {tuple(dilations)}; only 1 works")
    return _pool(mb, "MAX_POOL_2D", spatial(mb, x), kernel_shape, strides, pads, mb.non_negative(x))


@lower("AveragePool")
def average_pool(
    mb: Builder,
    x: Operand,
    *,
    kernel_shape: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    count_include_pad: int,
) -> Value:
    """Padding with zeros is right for an average that counts them."""
    return _pool(mb, "AVERAGE_POOL_2D", spatial(mb, x), kernel_shape, strides, pads, bool(count_include_pad))


def _pool(
    mb: Builder,
    op: str,
    x: int,
    kernel: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    zeros: bool,
) -> Value:
    """`zeros`: whether zeros around the image give the right result. Padding SAME never counts what it adds.

    LiteRT's GPU delegate makes one of a PAD and a pool, which never counts it either: the model's own stands apart.
    """
    if mb.quant(x) is None and mb.producer(x) == "PAD":
        x = mb.emit("ADD", [x, mb.const(np.zeros((), np.float32))], mb.shape(x), fusedActivationFunction=0)
    padded, padding, size = pad_spatial(mb, x, kernel, strides, pads)
    shape = (mb.shape(x)[0], *size, mb.shape(x)[-1])
    if op == "AVERAGE_POOL_2D":
        floats = mb.target.quant is None
        if floats and any(pads) and (zeros or padded != x):
            return _counting_average(mb, x, kernel, strides, pads, zeros)
        if padding == 0 and zeros:
            padded, padding = framed(mb, x, pads), 1
        elif padded != x and not zeros:
            raise UnsupportedAttribute(
                f"tflite: '{mb.target.name}' averages without its padding, which int8 has for SAME alone"
            )
    elif padded != x and not zeros:
        padded = _around(mb, x, pads)
    y = mb.run(
        op,
        [padded],
        shape,
        padding=padding,
        strideH=strides[0],
        strideW=strides[1],
        filterHeight=kernel[0],
        filterWidth=kernel[1],
        fusedActivationFunction=mb.activation(),
    )
    return from_spatial(y, shape)


def _counting_average(
    mb: Builder, x: int, kernel: tuple[int, int], strides: tuple[int, int], pads: tuple[int, int, int, int], zeros: bool
) -> Value:
    """A depthwise convolution that multiplies by 1 / the number of elements, and with `zeros` False by the share of the
    image in them: LiteRT's GPU delegate makes one of a PAD and an AVERAGE_POOL_2D, which counts no zeros."""
    padded, padding, size = pad_spatial(mb, x, kernel, strides, pads)
    n, channels = mb.shape(x)[0], mb.shape(x)[-1]
    weight = np.full((1, *kernel, channels), 1 / (kernel[0] * kernel[1]), np.float32)
    activation = mb.activation()
    y = (mb.run if zeros else mb.emit)(
        "DEPTHWISE_CONV_2D",
        [padded, mb.const(weight), mb.const(np.zeros(channels, np.float32))],
        (n, *size, channels),
        padding=padding,
        strideH=strides[0],
        strideW=strides[1],
        depthMultiplier=1,
        dilationHFactor=1,
        dilationWFactor=1,
        fusedActivationFunction=activation if zeros else 0,
    )
    if not zeros:
        share = mb.const(_share(mb.shape(x)[1:3], size, kernel, strides, pads)[None, :, :, None])
        y = mb.run("MUL", [y, share], (n, *size, channels), fusedActivationFunction=activation)
    return from_spatial(y, (n, *size, channels))


def _share(
    image: tuple[int, ...], size: tuple[int, ...], kernel: tuple[int, int], strides: tuple[int, int], pads
) -> np.ndarray:
    """(h', w'): by what an average that counts zeros around the image is multiplied, so that it does not count them."""
    inside = []
    for i in (0, 1):
        starts = np.arange(size[i]) * strides[i] - pads[i]
        inside.append(np.minimum(starts + kernel[i], image[i]) - np.maximum(starts, 0))
    return (kernel[0] * kernel[1] / np.outer(*inside)).astype(np.float32)


def _around(mb: Builder, x: int, pads: tuple[int, int, int, int]) -> int:
    """The image with what no maximum takes around it (which the delegate does not run)."""
    quant = mb.quant(x)
    lowest = np.finfo(np.float32).min if quant is None else quant.limits[0]
    return framed(mb, x, pads, np.array([lowest], mb.tensors[x].dtype))
