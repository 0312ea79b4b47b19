"""Measure what LiteRT's GPU accelerator makes of one operator in one form: it takes it, refuses it, or is wrong.

`python -m benchmarks.gpu_probes` writes the results to targets/gpu_measured.py; a test repeats some of them. Needs
`edgeport devices setup gpu`, or a GPU with Vulkan.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from edgeport.artifacts.errors import ArtifactError
from edgeport.devices.software_gpu import installed
from edgeport.exporters.tflite.writer import Operator, Tensor, serialize
from edgeport.graph.qparams import QParams
from edgeport.runtime.child_session import Launcher
from edgeport.runtime.output_kinds import decibel
from edgeport.runtime.sessions.litert import open_interpreter
from edgeport.targets.gpu_result import Accelerated

SAME, VALID = 0, 1  # the schema's kinds of padding
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Given:
    """An input of the operator: a tensor that is computed, or a constant.

    Attributes:
        low, high: where its values are.
        values: of a constant of whole numbers (axes, sizes); None for random numbers.
        scales: of integers that stand for real numbers; several are of the slices of `axis`.
    """

    shape: Shape
    constant: bool = False
    dtype: str = "float32"
    low: float = -2.0
    high: float = 2.0
    values: tuple[int, ...] | None = None
    scales: tuple[float, ...] = ()
    axis: int | None = None

    def array(self, rng: np.random.Generator) -> np.ndarray:
        """Its numbers."""
        if self.values is not None:
            return np.array(self.values, self.dtype).reshape(self.shape)
        if self.dtype in ("int8", "int32"):
            limit = 100 if self.dtype == "int8" else 1000
            return rng.integers(-limit, limit, self.shape).astype(self.dtype)
        return rng.uniform(self.low, self.high, self.shape).astype(self.dtype)

    @property
    def quant(self) -> QParams | None:
        """Its scales, with a zero point of 0."""
        return QParams(self.scales, 0, self.axis) if self.scales else None


@dataclass(frozen=True)
class Probe:
    """One operator; `options` as in the schema, `scale` of an output of integers."""

    op: str
    inputs: tuple[Given, ...]
    output: Shape
    options: dict[str, Any] = field(default_factory=dict)
    dtype: str = "float32"
    scale: float = 0.0


def var(*shape: int, **more: Any) -> Given:
    """A computed operand."""
    return Given(shape, **more)


def const(*shape: int, **more: Any) -> Given:
    """A constant operand."""
    return Given(shape, constant=True, **more)


def whole(*values: int) -> Given:
    """A constant of whole numbers: axes, a permutation, sizes."""
    return Given((len(values),), constant=True, dtype="int32", values=values)


def form(shape: Sequence[int]) -> str:
    """A shape in words."""
    return "x".join(map(str, shape)) or "scalar"


# -- operators of two operands

RANKS: tuple[Shape, ...] = ((8,), (6, 8), (3, 6, 8), (1, 4, 6, 8), (2, 4, 6, 8), (1, 2, 4, 6, 8), (1, 2, 2, 4, 6, 8))
BOTH, SOME = ("ADD", "MUL"), ("SUB", "DIV", "MAXIMUM", "MINIMUM", "POW")


def second_shapes(shape: Shape) -> Iterator[Shape]:
    """What may be broadcast to a shape: the whole, without leading axes, one axis alone, a number."""
    seen: set[Shape] = set()
    for length in range(len(shape), -1, -1):
        tail = shape[len(shape) - length :]
        for kept in (tail, tuple(1 for _ in tail[:-1]) + tail[-1:], tail[:-1] + tuple(1 for _ in tail[-1:])):
            if kept not in seen:
                seen.add(kept)
                yield kept


def binary() -> Iterator[tuple[str, Probe]]:
    """Elementwise operators of two operands."""
    for op in (*BOTH, *SOME):
        more = {"low": 0.5} if op in POSITIVE else {}
        for shape in RANKS if op in BOTH else ((6, 8), (3, 6, 8), (1, 4, 6, 8)):
            for other in second_shapes(shape):
                for make, word in ((const, "constant"), (var, "tensor")):
                    if op in SOME and len(other) < len(shape) and other not in ((), (shape[-1],)):
                        continue
                    if make is var and not other:
                        continue
                    name = f"{op} {form(shape)}, {word} {form(other)}"
                    yield name, Probe(op, (var(*shape, **more), make(*other, **more)), shape)
        if op in ("SUB", "DIV"):
            for other in ((8,), (1, 4, 6, 8), ()):
                first = const(*other, **more)
                yield f"{op} constant {form(other)}, 1x4x6x8", Probe(op, (first, var(1, 4, 6, 8, **more)), (1, 4, 6, 8))


# -- operators of one operand

UNARY = (
    *("ABS", "NEG", "EXP", "TANH", "LOGISTIC", "GELU", "ELU", "HARD_SWISH", "RELU", "RELU6"),
    *("FLOOR", "CEIL", "ROUND", "SIN", "COS", "SIGN", "SQRT", "RSQRT", "LOG"),
)
POSITIVE = ("SQRT", "RSQRT", "LOG", "DIV", "POW")  # their operands are above zero


def unary() -> Iterator[tuple[str, Probe]]:
    """Elementwise operators of one operand, at several ranks."""
    for op in UNARY:
        more = {"low": 0.1} if op in POSITIVE else {}
        for shape in ((6, 8), (3, 6, 8), (1, 4, 6, 8), (2, 4, 6, 8), (1, 2, 4, 6, 8)):
            if len(shape) in (2, 5) and op not in ("EXP", "GELU", "RELU"):
                continue
            options = {"approximate": False} if op == "GELU" else {}
            yield f"{op} {form(shape)}", Probe(op, (var(*shape, **more),), shape, options)
    for slope in ((8,), (1, 1, 8)):
        yield f"PRELU 1x4x6x8, slope {form(slope)}", Probe("PRELU", (var(1, 4, 6, 8), const(*slope)), (1, 4, 6, 8))
    yield "LEAKY_RELU 1x4x6x8", Probe("LEAKY_RELU", (var(1, 4, 6, 8),), (1, 4, 6, 8), {"alpha": 0.1})
    for shape in ((8,), (6, 8), (3, 6, 8), (1, 4, 6, 8), (2, 4, 6, 8), (1, 2, 4, 6, 8)):
        yield f"SOFTMAX {form(shape)}", Probe("SOFTMAX", (var(*shape),), shape, {"beta": 1.0})
    yield "SOFTMAX 1x4x6x400", Probe("SOFTMAX", (var(1, 4, 6, 400),), (1, 4, 6, 400), {"beta": 1.0})
    yield "LOG_SOFTMAX 6x8", Probe("LOG_SOFTMAX", (var(6, 8),), (6, 8))


# -- sums over axes


def reductions() -> Iterator[tuple[str, Probe]]:
    """Sums, means and extremes over every set of axes."""
    for op in ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"):
        shapes = ((6, 8), (3, 6, 8), (1, 4, 6, 8), (2, 4, 6, 8), (1, 2, 4, 6, 8)) if op == "MEAN" else ((1, 4, 6, 8),)
        for shape in shapes:
            axes_sets = itertools.chain.from_iterable(itertools.combinations(range(len(shape)), n) for n in (1, 2, 3))
            for axes in axes_sets:
                if len(axes) == 3 and axes != tuple(range(len(shape) - 3, len(shape))):
                    continue
                for keep in (True, False) if op in ("MEAN", "REDUCE_MAX") else (True,):
                    kept = tuple(1 if i in axes else n for i, n in enumerate(shape))
                    out = kept if keep else tuple(n for i, n in enumerate(shape) if i not in axes)
                    word = ", axes kept" if keep else ""
                    name = f"{op} {form(shape)} over {','.join(map(str, axes))}{word}"
                    yield name, Probe(op, (var(*shape, low=0.5), whole(*axes)), out, {"keepDims": keep})
    for op in ("ARG_MAX", "ARG_MIN"):
        yield f"{op} 1x4x6x8 over 3", Probe(op, (var(1, 4, 6, 8), whole(3)), (1, 4, 6), {"outputType": 2}, "int32")
    yield "CUMSUM 1x4x6x8 over 2", Probe("CUMSUM", (var(1, 4, 6, 8), whole(2)), (1, 4, 6, 8))


# -- moving numbers


def arrangements() -> Iterator[tuple[str, Probe]]:
    """Other shapes and orders of the same numbers."""
    for source, out in (
        ((6, 8), (48,)),
        ((6, 8), (1, 6, 8)),
        ((1, 4, 6, 8), (24, 8)),
        ((1, 4, 6, 8), (4, 6, 8)),
        ((24, 8), (1, 4, 6, 8)),
        ((2, 4, 6, 8), (8, 48)),
        ((1, 4, 6, 8), (8, 3, 2, 4)),
        ((1, 4, 6, 8), (1, 2, 2, 6, 8)),
        ((1, 4, 6, 8), (1, 2, 2, 3, 2, 8)),
        ((1, 2, 2, 6, 8), (1, 4, 6, 8)),
        ((192,), (1, 4, 6, 8)),
    ):
        yield f"RESHAPE {form(source)} to {form(out)}", Probe("RESHAPE", (var(*source), whole(*out)), out)
    yield "RESHAPE constant 6x8 to 1x6x8", Probe("RESHAPE", (const(6, 8), whole(1, 6, 8)), (1, 6, 8))
    for shape in ((6, 8), (3, 6, 8), (1, 4, 6, 8), (2, 4, 6, 8)):
        for order in itertools.permutations(range(len(shape))):
            if order != tuple(range(len(shape))):
                out = tuple(shape[i] for i in order)
                name = f"TRANSPOSE {form(shape)} by {''.join(map(str, order))}"
                yield name, Probe("TRANSPOSE", (var(*shape), whole(*order)), out)
    yield (
        "TRANSPOSE 1x2x4x6x8 by 02134",
        Probe("TRANSPOSE", (var(1, 2, 4, 6, 8), whole(0, 2, 1, 3, 4)), (1, 4, 2, 6, 8)),
    )


def parts() -> Iterator[tuple[str, Probe]]:
    """Slices, and what puts parts together."""
    for shape in ((6, 8), (3, 6, 8), (1, 4, 6, 8), (2, 4, 6, 8), (1, 2, 4, 6, 8)):
        for axis in range(len(shape)):
            begin, size = [0] * len(shape), list(shape)
            if shape[axis] < 2:
                continue
            begin[axis], size[axis] = 1, shape[axis] - 1
            probe = Probe("SLICE", (var(*shape), whole(*begin), whole(*size)), tuple(size))
            yield f"SLICE {form(shape)} on axis {axis}", probe
    for count in (2, 3, 5, 8):
        out = (1, 4, 6, 8 * count)
        yield f"CONCATENATION {count} of 1x4x6x8 on axis 3", _concat([var(1, 4, 6, 8)] * count, out, 3)
    for shape in ((6, 8), (3, 6, 8), (1, 4, 6, 8), (2, 4, 6, 8), (1, 2, 4, 6, 8)):
        for axis in range(len(shape)):
            out = tuple(2 * n if i == axis else n for i, n in enumerate(shape))
            yield f"CONCATENATION 2 of {form(shape)} on axis {axis}", _concat([var(*shape)] * 2, out, axis)
    yield "CONCATENATION constant 1x1x8 and 1x6x8", _concat([const(1, 1, 8), var(1, 6, 8)], (1, 7, 8), 1)
    for axis in (1, 2, 3):
        shape = (1, 4, 6, 8)
        part = tuple(n // 2 if i == axis else n for i, n in enumerate(shape))
        probe = Probe("SPLIT", (whole(axis), var(*shape)), part, {"numSplits": 2})
        yield f"SPLIT {form(shape)} on axis {axis}", probe


def copies() -> Iterator[tuple[str, Probe]]:
    """Padding, gathering, repeating."""
    for shape in ((6, 8), (3, 6, 8), (1, 4, 6, 8), (1, 2, 4, 6, 8)):
        for axis in range(len(shape)):
            pads = [(1, 2) if i == axis else (0, 0) for i in range(len(shape))]
            out = tuple(n + sum(pad) for n, pad in zip(shape, pads, strict=True))
            amounts = Given((len(shape), 2), True, "int32", values=tuple(itertools.chain.from_iterable(pads)))
            yield f"PAD {form(shape)} on axis {axis}", Probe("PAD", (var(*shape), amounts), out)
    amounts = Given((4, 2), True, "int32", values=(0, 0, 1, 1, 1, 1, 0, 0))
    yield "PADV2 1x4x6x8", Probe("PADV2", (var(1, 4, 6, 8), amounts, const()), (1, 6, 8, 8))
    for shape, axis in (((6, 8), 0), ((6, 8), 1), ((1, 4, 6, 8), 1), ((1, 4, 6, 8), 3)):
        out = tuple(3 if i == axis else n for i, n in enumerate(shape))
        probe = Probe("GATHER", (var(*shape), whole(1, 0, 3)), out, {"axis": axis})
        yield f"GATHER {form(shape)} on axis {axis}", probe
    places = Given((2, 2), True, "int32", values=(0, 1, 2, 3))
    yield "GATHER_ND 6x8", Probe("GATHER_ND", (var(6, 8), places), (2,))
    for shape in ((6, 8), (1, 4, 6, 8)):
        counts = (1,) * (len(shape) - 2) + (2, 1)
        out = tuple(a * b for a, b in zip(shape, counts, strict=True))
        yield f"TILE {form(shape)}", Probe("TILE", (var(*shape), whole(*counts)), out)


def resizes() -> Iterator[tuple[str, Probe]]:
    """Other sizes and types."""
    for op in ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"):
        for out in ((8, 12), (2, 3), (5, 7)):
            for half, corners in ((True, False), (False, False), (False, True)):
                words = "half-pixel" if half else "corners aligned" if corners else "asymmetric"
                options = {"halfPixelCenters": half, "alignCorners": corners}
                probe = Probe(op, (var(1, 4, 6, 8), whole(*out)), (1, *out, 8), options)
                yield f"{op} 4x6 to {form(out)}, {words}", probe
    yield "CAST 1x4x6x8 to int32", Probe("CAST", (var(1, 4, 6, 8),), (1, 4, 6, 8), {"outDataType": 2}, "int32")


def _concat(parts: list[Given], out: Shape, axis: int) -> Probe:
    return Probe("CONCATENATION", tuple(parts), out, {"axis": axis})


# -- products


def products() -> Iterator[tuple[str, Probe]]:
    """Linear layers and products of two tensors."""
    for shape in ((1, 8), (6, 8), (1, 6, 8), (3, 6, 8), (1, 4, 6, 8), (2, 4, 6, 8), (1, 2, 4, 6, 8)):
        for keep in (True, False):
            out = (*shape[:-1], 5) if keep else (int(np.prod(shape[:-1])), 5)
            for bias in (True, False):
                words = f"{'kept rank' if keep else 'flattened'}{'' if bias else ', no bias'}"
                operands = (var(*shape), const(5, 8), *([const(5)] if bias else []))
                yield (
                    f"FULLY_CONNECTED {form(shape)}, {words}",
                    Probe("FULLY_CONNECTED", operands, out, {"keepNumDims": keep}),
                )
    yield (
        "FULLY_CONNECTED 6x8 by a tensor",
        Probe("FULLY_CONNECTED", (var(6, 8), var(5, 8)), (6, 5), {"keepNumDims": True}),
    )
    for batch in ((), (3,), (1, 4), (2, 4), (1, 2, 4)):
        for adj in (False, True):
            left, right = (*batch, 6, 8), (*batch, 5, 8) if adj else (*batch, 8, 5)
            for make, word in ((var, "tensor"), (const, "constant")):
                name = f"BATCH_MATMUL {form(left)} by {word} {form(right)}{' transposed' if adj else ''}"
                yield name, Probe("BATCH_MATMUL", (var(*left), make(*right)), (*batch, 6, 5), {"adjY": adj})
    for left, right in (
        ((1, 4, 6, 8), (8, 5)),
        ((1, 4, 6, 8), (1, 1, 8, 5)),
        ((4, 6, 8), (1, 8, 5)),
        ((1, 6, 8), (4, 8, 5)),
    ):
        out = (*np.broadcast_shapes(left[:-2], right[:-2]), 6, 5)
        yield (
            f"BATCH_MATMUL {form(left)} by tensor {form(right)}",
            Probe("BATCH_MATMUL", (var(*left), var(*right)), out),
        )
    yield (
        "BATCH_MATMUL 1x4x8x6 transposed",
        Probe("BATCH_MATMUL", (var(1, 4, 8, 6), var(1, 4, 8, 5)), (1, 4, 6, 5), {"adjX": True}),
    )
    yield "BATCH_MATMUL constant 1x4x6x8", Probe("BATCH_MATMUL", (const(1, 4, 6, 8), var(1, 4, 8, 5)), (1, 4, 6, 5))


# -- windows


def windows() -> Iterator[tuple[str, Probe]]:
    """Convolutions and pools."""
    for kernel, stride, dilation in (
        (1, 1, 1),
        (3, 1, 1),
        (3, 2, 1),
        (3, 1, 2),
        (7, 1, 1),
        (7, 2, 1),
        (15, 1, 1),
        (4, 4, 1),
        (3, 3, 1),
    ):
        for padding in (SAME, VALID):
            side = 16
            reach = (kernel - 1) * dilation + 1
            out = -(-side // stride) if padding == SAME else (side - reach) // stride + 1
            words = f"{kernel}x{kernel}, stride {stride}, dilation {dilation}, {'same' if padding == SAME else 'valid'}"
            steps = {"strideW": stride, "strideH": stride, "dilationWFactor": dilation, "dilationHFactor": dilation}
            options = {"padding": padding, **steps}
            operands = (var(1, side, side, 8), const(5, kernel, kernel, 8), const(5))
            yield f"CONV_2D {words}", Probe("CONV_2D", operands, (1, out, out, 5), options)
            if (stride == 1 or dilation == 1) and kernel > 1:
                operands = (var(1, side, side, 8), const(1, kernel, kernel, 8), const(8))
                yield (
                    f"DEPTHWISE_CONV_2D {words}",
                    Probe("DEPTHWISE_CONV_2D", operands, (1, out, out, 8), {**options, "depthMultiplier": 1}),
                )
    one = {"padding": SAME, "strideW": 1, "strideH": 1}
    yield "CONV_2D batch of 2", Probe("CONV_2D", (var(2, 8, 8, 8), const(5, 3, 3, 8), const(5)), (2, 8, 8, 5), one)
    yield "CONV_2D without bias", Probe("CONV_2D", (var(1, 8, 8, 8), const(5, 3, 3, 8)), (1, 8, 8, 5), one)
    for groups, reads, writes in (
        (2, 4, 4),
        (2, 8, 4),
        (2, 4, 8),
        (4, 8, 8),
        (2, 4, 3),
        (2, 3, 4),
        (4, 2, 2),
        (2, 6, 6),
        (8, 1, 2),
    ):
        operands = (var(1, 8, 8, groups * reads), const(groups * writes, 3, 3, reads), const(groups * writes))
        words = f"{groups} groups, {reads} to {writes} channels in each"
        yield f"CONV_2D in {words}", Probe("CONV_2D", operands, (1, 8, 8, groups * writes), one)
    yield "CONV_2D 1x7", Probe("CONV_2D", (var(1, 8, 8, 8), const(5, 1, 7, 8), const(5)), (1, 8, 8, 5), one)
    for times in (2, 4):
        operands = (var(1, 8, 8, 8), const(1, 3, 3, 8 * times), const(8 * times))
        yield (
            f"DEPTHWISE_CONV_2D {times} times the channels",
            Probe("DEPTHWISE_CONV_2D", operands, (1, 8, 8, 8 * times), {**one, "depthMultiplier": times}),
        )
    for kernel in (2, 3, 4):
        side = 8 * 2
        operands = (whole(1, side, side, 5), const(5, kernel, kernel, 8), var(1, 8, 8, 8), const(5))
        options = {"padding": SAME, "strideW": 2, "strideH": 2}
        yield (
            f"TRANSPOSE_CONV {kernel}x{kernel}, stride 2",
            Probe("TRANSPOSE_CONV", operands, (1, side, side, 5), options),
        )
    for op in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        for kernel, stride in ((2, 2), (3, 1), (3, 2), (7, 1), (8, 8)):
            for padding in (SAME, VALID):
                out = -(-8 // stride) if padding == SAME else (8 - kernel) // stride + 1
                options = {
                    "padding": padding,
                    "strideW": stride,
                    "strideH": stride,
                    "filterWidth": kernel,
                    "filterHeight": kernel,
                }
                words = f"{kernel}x{kernel}, stride {stride}, {'same' if padding == SAME else 'valid'}"
                yield f"{op} {words}", Probe(op, (var(1, 8, 8, 8),), (1, out, out, 8), options)


# -- integers that stand for real numbers


def quantized() -> Iterator[tuple[str, Probe]]:
    """int8 operators, and stored weights of other types."""
    shape, one = (1, 4, 6, 8), {"padding": SAME, "strideW": 1, "strideH": 1}
    x, y = var(*shape, dtype="int8", scales=(0.02,)), {"dtype": "int8", "scale": 0.05}

    def weight(*sizes: int, axis: int) -> tuple[Given, Given]:
        scales = tuple(0.01 * (1 + i) for i in range(sizes[axis]))
        bias = const(sizes[axis], dtype="int32", scales=tuple(0.02 * each for each in scales), axis=0)
        return const(*sizes, dtype="int8", scales=scales, axis=axis), bias

    yield "int8 CONV_2D", Probe("CONV_2D", (x, *weight(5, 3, 3, 8, axis=0)), (1, 4, 6, 5), one, **y)
    depthwise = {**one, "depthMultiplier": 1}
    yield "int8 DEPTHWISE_CONV_2D", Probe("DEPTHWISE_CONV_2D", (x, *weight(1, 3, 3, 8, axis=3)), shape, depthwise, **y)
    yield "int8 FULLY_CONNECTED", Probe("FULLY_CONNECTED", (x, *weight(5, 8, axis=0)), (24, 5), {}, **y)
    for op in ("ADD", "SUB", "MUL"):
        yield f"int8 {op}", Probe(op, (x, x), shape, **y)
    yield "int8 MEAN", Probe("MEAN", (x, whole(1, 2)), (1, 1, 1, 8), {"keepDims": True}, **y)
    yield "int8 MAX_POOL_2D", Probe("MAX_POOL_2D", (x,), (1, 2, 3, 8), POOL_OF_2, dtype="int8", scale=0.02)
    yield "int8 RESHAPE", Probe("RESHAPE", (x, whole(24, 8)), (24, 8), dtype="int8", scale=0.02)
    yield "int8 CONCATENATION", Probe("CONCATENATION", (x, x), (1, 4, 6, 16), {"axis": 3}, dtype="int8", scale=0.02)
    yield "QUANTIZE to int8", Probe("QUANTIZE", (var(*shape),), shape, dtype="int8", scale=0.02)
    yield "DEQUANTIZE of int8", Probe("DEQUANTIZE", (x,), shape)
    yield "DEQUANTIZE of a constant in float16", Probe("DEQUANTIZE", (const(*shape, dtype="float16"),), shape)
    stored, _ = weight(1, 4, 6, 8, axis=3)
    yield "DEQUANTIZE of a constant in int8, per channel", Probe("DEQUANTIZE", (stored,), shape)
    yield "DEQUANTIZE of a constant in int8", Probe("DEQUANTIZE", (const(*shape, dtype="int8", scales=(0.02,)),), shape)


def weights() -> Iterator[tuple[str, Probe]]:
    """Layers whose weights another operator computes, and float layers with weights of int8."""
    one = {"padding": SAME, "strideW": 1, "strideH": 1}
    image = var(1, 8, 8, 8)
    layers: tuple[tuple[str, str, tuple[int, ...], int, dict[str, Any]], ...] = (
        ("CONV_2D 3x3", "CONV_2D", (5, 3, 3, 8), 0, one),
        ("CONV_2D 3x3 in 2 groups of 4 channels", "CONV_2D", (8, 3, 3, 4), 0, one),
        ("DEPTHWISE_CONV_2D 3x3", "DEPTHWISE_CONV_2D", (1, 3, 3, 8), 3, {**one, "depthMultiplier": 1}),
        ("FULLY_CONNECTED", "FULLY_CONNECTED", (5, 8), 0, {}),
        ("FULLY_CONNECTED of one row", "FULLY_CONNECTED", (5, 8), 0, {}),
    )
    for words, op, shape, axis, options in layers:
        channels = shape[axis]
        if op == "FULLY_CONNECTED":
            x = var(1 if "one row" in words else 6, 8)
            out: Shape = (x.shape[0], channels)
        else:
            x, out = image, (1, 8, 8, channels)
        bias = const(channels)
        yield f"{words}, computed weights", Probe(op, (x, var(*shape), bias), out, options)
        stored = const(*shape, dtype="int8", scales=tuple(0.01 * (1 + i) for i in range(channels)), axis=axis)
        yield f"{words}, int8 weights", Probe(op, (x, stored, bias), out, options)
        whole_scale = const(*shape, dtype="int8", scales=(0.01,))
        yield f"{words}, int8 weights of one scale", Probe(op, (x, whole_scale, bias), out, options)


def odd_sizes() -> Iterator[tuple[str, Probe]]:
    """Rows that are no multiple of 4 values, which is what a GPU reads at once."""
    shape, one = (1, 3, 5, 7), {"padding": SAME, "strideW": 1, "strideH": 1}
    x = var(*shape)
    for op in ("MEAN", "SUM", "REDUCE_MAX"):
        for axis in (1, 2, 3):
            reduced = tuple(1 if i == axis else size for i, size in enumerate(shape))
            yield f"{op} 1x3x5x7 of axis {axis}", Probe(op, (x, whole(axis)), reduced, {"keepDims": True})
    yield "SOFTMAX 1x3x5x7", Probe("SOFTMAX", (x,), shape, {"beta": 1.0})
    yield "CUMSUM 1x3x5x7 of axis 3", Probe("CUMSUM", (x, Given((), True, "int32", values=(3,))), shape, {})
    last = Given((), True, "int32", values=(3,))
    yield "ARG_MAX 1x3x5x7", Probe("ARG_MAX", (x, last), shape[:-1], {"outputType": 2}, "int32")
    yield "FULLY_CONNECTED 3x7 by 5x7", Probe("FULLY_CONNECTED", (var(3, 7), const(5, 7), const(5)), (3, 5), {})
    yield "BATCH_MATMUL 1x3x5x7 by 1x3x7x5", Probe("BATCH_MATMUL", (x, var(1, 3, 7, 5)), (1, 3, 5, 5), {})
    yield "CONV_2D 3x3 of 7 channels", Probe("CONV_2D", (x, const(5, 3, 3, 7), const(5)), (1, 3, 5, 5), one)
    depthwise = (x, const(1, 3, 3, 7), const(7))
    yield "DEPTHWISE_CONV_2D 3x3 of 7", Probe("DEPTHWISE_CONV_2D", depthwise, shape, {**one, "depthMultiplier": 1})
    yield "CONCATENATION 1x3x5x7 on axis 3", Probe("CONCATENATION", (x, x), (1, 3, 5, 14), {"axis": 3})
    yield "TRANSPOSE 1x3x5x7 to 7, 3, 5", Probe("TRANSPOSE", (x, whole(0, 3, 1, 2)), (1, 7, 3, 5))
    yield "RESHAPE 1x3x5x7 to 1x5x7x3", Probe("RESHAPE", (x, whole(1, 5, 7, 3)), (1, 5, 7, 3))
    yield "PAD 1x3x5x7 on axis 3", Probe("PAD", (x, Given((4, 2), True, "int32", values=PADS_OF_1)), (1, 3, 5, 9))
    yield "SLICE 1x3x5x7 on axis 3", Probe("SLICE", (x, whole(0, 0, 0, 1), whole(1, 3, 5, 5)), (1, 3, 5, 5))


TOP_K: tuple[Shape, ...] = (
    *((1, 8), (5, 8), (1, 5, 8), (2, 5, 8), (1, 1, 5, 8), (1, 2, 5, 8), (2, 3, 5, 8)),
    *((1, 1000), (1, 10), (2, 5, 7)),
)
PADS_OF_1 = (0, 0, 0, 0, 0, 0, 1, 1)
POOL_OF_2 = {"padding": VALID, "strideW": 2, "strideH": 2, "filterWidth": 2, "filterHeight": 2}


# -- choices and comparisons


def integers() -> Iterator[tuple[str, Probe]]:
    """Arithmetic of indices."""
    for shape in ((3, 2), (6, 8), (1, 4, 6, 8)):
        x = Given(shape, dtype="int32", values=tuple(range(-3, math.prod(shape) - 3)))
        for op in ("ADD", "MUL", "SUB", "FLOOR_MOD", "FLOOR_DIV", "MAXIMUM"):
            second = Given((), True, "int32", values=(5,))
            yield f"int32 {op} {form(shape)}, constant scalar", Probe(op, (x, second), shape, {}, "int32")
        for op, other in itertools.product(("ADD", "FLOOR_MOD"), (shape[-1:], (1, *shape[1:]), shape)):
            second = Given(other, True, "int32", values=tuple(range(3, 3 + math.prod(other))))
            yield f"int32 {op} {form(shape)}, constant {form(other)}", Probe(op, (x, second), shape, {}, "int32")
        yield f"CAST {form(shape)} from int32", Probe("CAST", (x,), shape)


def selections() -> Iterator[tuple[str, Probe]]:
    """Between a tensor and a constant, by a constant."""
    out = (1, 4, 6, 8)
    for shape in (out, (1, 4, 6, 1), (1, 1, 6, 8), (1, 4, 1, 1), (6, 8)):
        mask = Given(shape, True, "bool", values=tuple(i % 3 == 0 for i in range(math.prod(shape))))
        tag = "" if shape == out else f" {form(shape)}"
        for name, other in (("", const()), (", constant 1x1x1x1", const(1, 1, 1, 1)), (", constant", const(*out))):
            yield f"SELECT_V2 by a constant mask{tag}{name}", Probe("SELECT_V2", (mask, var(*out), other), out)
            yield f"SELECT_V2 by a constant mask{tag}{name} first", Probe("SELECT_V2", (mask, other, var(*out)), out)


def choices() -> Iterator[tuple[str, Probe]]:
    """Comparisons, and what chooses by them."""
    for op in ("GREATER", "LESS", "EQUAL", "GREATER_EQUAL", "LESS_EQUAL", "NOT_EQUAL"):
        yield f"{op} 1x4x6x8, constant scalar", Probe(op, (var(1, 4, 6, 8), const()), (1, 4, 6, 8), {}, "bool")
    yield from selections()
    yield from integers()
    for shape in TOP_K:
        operands = (var(*shape), Given((), True, "int32", values=(3,)))
        yield f"TOPK_V2 {form(shape)}", Probe("TOPK_V2", operands, (*shape[:-1], 3))


PROBES: dict[str, Probe] = dict(
    itertools.chain.from_iterable(
        make()
        for make in (
            binary,
            unary,
            reductions,
            arrangements,
            parts,
            copies,
            resizes,
            products,
            windows,
            quantized,
            weights,
            odd_sizes,
            choices,
        )
    )
)


def content(probe: Probe) -> bytes:
    """The .tflite of a probe."""
    rng = np.random.default_rng(0)
    tensors, inputs = [], {}
    for i, given in enumerate(probe.inputs):
        data = given.array(rng) if given.constant else None
        tensors.append(Tensor(f"x{i}", given.shape, np.dtype(given.dtype), given.quant, data))
        if not given.constant:
            inputs[f"x{i}"] = i
    if not inputs:  # an operator on constants alone, and one beside it, since a file has an input
        tensors.append(Tensor("x", probe.output, np.dtype("float32")))
        inputs["x"] = len(tensors) - 1
    outputs = 2 if probe.op in ("SPLIT", "TOPK_V2") else 1
    first = len(tensors)
    for i in range(outputs):
        kind = np.dtype("int32") if probe.op == "TOPK_V2" and i else np.dtype(probe.dtype)
        scale = QParams((probe.scale,), 0) if probe.scale else None
        tensors.append(Tensor(f"y{i}", probe.output, kind, scale))
    operators = [
        Operator(probe.op, tuple(range(len(probe.inputs))), tuple(range(first, first + outputs)), probe.options)
    ]
    if "x" in inputs:
        tensors.append(Tensor("z", probe.output, np.dtype("float32")))
        options = {"fusedActivationFunction": 0}
        operators.append(Operator("ADD", (inputs["x"], first), (len(tensors) - 1,), options))
        return serialize(tensors, operators, inputs, {"z": len(tensors) - 1}, {})
    return serialize(tensors, operators, inputs, {f"y{i}": first + i for i in range(outputs)}, {})


def measure(probe: Probe) -> Accelerated:
    """What the accelerator makes of it in this process, beside LiteRT's plain kernels."""
    from edgeport.runtime.sessions.tflite_accelerated import CompiledModelSession

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "probe.tflite"
        path.write_bytes(content(probe))
        feeds, expected = _run_plainly(path, probe)
        figures: list[float] = []
        taken, reason = False, ""
        for precision in ("fp32", "fp16"):
            try:
                session = CompiledModelSession(path, accelerator="gpu", precision=precision)
                taken = session.residency.whole
                reason = "; ".join(dict.fromkeys(each.reason for each in session.residency.refused))
                got = session.raw([feeds[spec.name] for spec in session.inputs])
                session.close()
            except ArtifactError as e:
                return Accelerated(False, f"cannot be run: {str(e).partition(': ')[2]}")
            figures.append(round(_snr(expected, got), 1))
    return Accelerated(taken, reason if not taken else "", *figures)


def measure_all(names: Sequence[str]) -> Iterator[tuple[str, Accelerated]]:
    """The same of many, in another process, and in a new one after each that crashes it."""
    left = list(names)
    while left:
        with _worker() as process:
            assert process.stdin
            assert process.stdout
            while left:
                name = left.pop(0)
                process.stdin.write(f"{name}\n")
                process.stdin.flush()
                answer = process.stdout.readline()
                if not answer:
                    yield name, Accelerated(False, "crashes the accelerator")
                    break
                yield name, Accelerated(**json.loads(answer))
            process.kill()


def _worker() -> subprocess.Popen:
    launcher = installed() or Launcher()
    return subprocess.Popen(
        [*launcher.python, "-m", "benchmarks.gpu_probes.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | launcher.environment,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def _run_plainly(path: Path, probe: Probe) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    """(inputs by name, what LiteRT's kernels without a delegate give)."""
    interpreter, _ = open_interpreter(path, 1, delegates=False)
    rng = np.random.default_rng(1)
    feeds = {f"x{i}": given.array(rng) for i, given in enumerate(probe.inputs) if not given.constant}
    feeds = feeds or {"x": rng.uniform(-2, 2, probe.output).astype(np.float32)}
    for details in interpreter.get_input_details():
        interpreter.set_tensor(details["index"], feeds[details["name"]])
    interpreter.invoke()
    return feeds, [interpreter.get_tensor(details["index"]) for details in interpreter.get_output_details()]


def _snr(expected: Sequence[np.ndarray], got: Sequence[np.ndarray]) -> float:
    signal = sum(float(np.sum(each.astype(np.float64) ** 2)) for each in expected)
    apart = sum(
        float(np.sum((a.astype(np.float64) - b.astype(np.float64)) ** 2)) for a, b in zip(expected, got, strict=True)
    )
    return decibel(signal, apart) if np.isfinite(apart) else float("-inf")


def runtime() -> str:
    """What was measured with."""
    return f"ai-edge-litert {version('ai-edge-litert')}"
