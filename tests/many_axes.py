"""One operator between many axes, as graphs of ONNX text: flat in, split and permuted, computed, flat out."""

from __future__ import annotations

import random
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

Made = tuple[str, dict[str, Any], list[int]]  # of `b` to `m`: nodes, constants, the shape of `m`


def _drawn(shape: list[int]) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def _resized(shape: list[int], axis: int, size: int) -> list[int]:
    return [*shape[:axis], size, *shape[axis + 1 :]]


def _constant(rng: random.Random, shape: list[int], axis: int) -> Made:
    sizes = [size if rng.random() < 0.5 else 1 for size in shape]
    return f"m = {rng.choice(['Add', 'Mul', 'Sub', 'Max'])} (b, k)", {"k": _drawn(sizes)}, shape


def _tile(rng: random.Random, shape: list[int], axis: int) -> Made:
    counts = [1] * len(shape)
    counts[rng.randrange(len(shape))] = 2
    counts[axis] = 3
    return "m = Tile (b, k)", {"k": counts}, [size * count for size, count in zip(shape, counts, strict=True)]


def _reduced(rng: random.Random, shape: list[int], axis: int) -> Made:
    axes = sorted(rng.sample(range(len(shape)), rng.randint(1, 3)))
    sizes = [1 if i in axes else size for i, size in enumerate(shape)]
    return f"m = {rng.choice(['ReduceMean', 'ReduceMax'])} <keepdims=1> (b, k)", {"k": axes}, sizes


def _slice(rng: random.Random, shape: list[int], axis: int) -> Made:
    ends = {"k": [0], "l": [shape[axis] - 1], "n": [axis]}
    return "m = Slice (b, k, l, n)", ends, _resized(shape, axis, shape[axis] - 1)


def _pad(rng: random.Random, shape: list[int], axis: int) -> Made:
    pads = [0] * (2 * len(shape))
    pads[axis], pads[len(shape) + axis] = 1, 2
    return "m = Pad (b, k)", {"k": pads}, _resized(shape, axis, shape[axis] + 3)


def _split(rng: random.Random, shape: list[int], axis: int) -> Made:
    nodes = f"m0, m1 = Split <axis={axis}> (b, k) m2 = Relu (m1) m = Concat <axis={axis}> (m2, m0)"
    return nodes, {"k": [1, shape[axis] - 1]}, shape


def _layer_norm(rng: random.Random, shape: list[int], axis: int) -> Made:
    return "m = LayerNormalization <axis=-1> (b, k)", {"k": _drawn(shape[-1:])}, shape


def _matmul(rng: random.Random, shape: list[int], axis: int) -> Made:
    return "m = MatMul (b, k)", {"k": _drawn([shape[-1], 3])}, [*shape[:-1], 3]


OPERATORS: dict[str, Callable[[random.Random, list[int], int], Made]] = {
    "scalar": lambda rng, shape, axis: ("m = Mul (b, k)", {"k": np.float32(3)}, shape),
    "unary": lambda rng, shape, axis: ("m = Sigmoid (b)", {}, shape),
    "constant": _constant,
    "broadcast": lambda rng, shape, axis: ("e = ReduceMax (b, k) m = Sub (b, e)", {"k": [axis]}, shape),
    "tile": _tile,
    "reduced": _reduced,
    "softmax": lambda rng, shape, axis: (f"m = Softmax <axis={axis}> (b)", {}, shape),
    "slice": _slice,
    "pad": _pad,
    "split": _split,
    "concat": lambda rng, shape, axis: (
        f"e = Relu (b) m = Concat <axis={axis}> (b, e)",
        {},
        _resized(shape, axis, 2 * shape[axis]),
    ),
    "gather": lambda rng, shape, axis: (
        f"m = Gather <axis={axis}> (b, k)",
        {"k": [0, shape[axis] - 1, 0]},
        _resized(shape, axis, 3),
    ),
    "layer_norm": _layer_norm,
    "matmul": _matmul,
}


def draw(operator: str, seed: int) -> tuple[str, dict[str, Any], int]:
    """(the graph's text, its constants, how many numbers it takes); five or six axes."""
    rng = random.Random(f"{operator} {seed}")
    sizes = [rng.randint(1, 4) for _ in range(rng.randint(5, 6))]
    permutation = rng.sample(range(len(sizes)), len(sizes))
    axis = rng.randrange(len(sizes))
    sizes[permutation[axis]] = rng.randint(2, 4)
    nodes, constants, shape = OPERATORS[operator](rng, [sizes[i] for i in permutation], axis)
    text = (
        f"g (float[{prod(sizes)}] x) => (float[{prod(shape)}] y) {{ a = Reshape (x, into) "
        f"b = Transpose <perm=[{','.join(map(str, permutation))}]> (a) {nodes} r = Relu (m) y = Reshape (r, out) }}"
    )
    return text, {"into": sizes, "out": [prod(shape)], **constants}, prod(sizes)
