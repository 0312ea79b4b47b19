"""Cases of operators on single elements, and of reductions."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mil_packages import mb
from op_case import BIAS, IMAGE, Case, X, Y, call, whole

HALVES = np.array([[-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.3, -0.7]], np.float32)

UNARY = {
    "abs": (np.abs, X),
    "acos": (np.arccos, X / 2),
    "asin": (np.arcsin, X / 2),
    "atan": (np.arctan, X),
    "atanh": (np.arctanh, X / 2.1),
    "ceil": (np.ceil, X),
    "cos": (np.cos, X),
    "cosh": (np.cosh, X),
    "erf": (np.vectorize(math.erf), X),
    "exp": (np.exp, X),
    "exp2": (np.exp2, X),
    "floor": (np.floor, X),
    "identity": (np.array, X),
    "relu": (lambda x: np.maximum(x, 0), X),
    "relu6": (lambda x: np.clip(x, 0, 6), 5 * X),
    "round": (np.rint, HALVES),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), X),
    "sign": (np.sign, np.concatenate([X, 0 * X])),
    "silu": (lambda x: x / (1 + np.exp(-x)), X),
    "sin": (np.sin, X),
    "sinh": (np.sinh, X),
    "softplus": (lambda x: np.log1p(np.exp(x.astype(np.float64))), 15 * X),
    "softsign": (lambda x: x / (1 + np.abs(x)), X),
    "sqrt": (np.sqrt, np.abs(X)),
    "square": (np.square, X),
    "tan": (np.tan, X / 2),
    "tanh": (np.tanh, X),
}

BINARY = {
    "add": np.add,
    "equal": np.equal,
    "floor_div": np.floor_divide,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "mod": np.mod,
    "mul": np.multiply,
    "not_equal": np.not_equal,
    "real_div": np.divide,
    "sub": np.subtract,
}

REDUCTIONS = {
    "reduce_l1_norm": lambda x, axes, keep: np.abs(x).sum(axes, keepdims=keep),
    "reduce_l2_norm": lambda x, axes, keep: np.sqrt(np.square(x).sum(axes, keepdims=keep)),
    "reduce_log_sum": lambda x, axes, keep: np.log(x.sum(axes, keepdims=keep)),
    "reduce_log_sum_exp": lambda x, axes, keep: np.log(np.exp(x).sum(axes, keepdims=keep)),
    "reduce_max": lambda x, axes, keep: x.max(axes, keepdims=keep),
    "reduce_mean": lambda x, axes, keep: x.mean(axes, keepdims=keep),
    "reduce_min": lambda x, axes, keep: x.min(axes, keepdims=keep),
    "reduce_prod": lambda x, axes, keep: x.prod(axes, keepdims=keep),
    "reduce_sum": lambda x, axes, keep: x.sum(axes, keepdims=keep),
    "reduce_sum_square": lambda x, axes, keep: np.square(x).sum(axes, keepdims=keep),
}


def unary(name: str) -> Case:
    function, x = UNARY[name]
    return Case(name, lambda a: getattr(mb, name)(x=a), (x,), lambda x: function(x.numpy()))


def binary(name: str, x: np.ndarray = X, y: np.ndarray = Y[:1, :, :1]) -> Case:
    return Case(
        name,
        lambda a, b: getattr(mb, name)(x=a, y=b),
        (x, y),
        lambda x, y: BINARY[name](x.numpy(), y.numpy()),
    )


def logical(name: str, expected: Callable[..., Any]) -> Case:
    def emit(a: Any, b: Any) -> Any:
        return getattr(mb, name)(x=mb.greater(x=a, y=0.0), y=mb.greater(x=b, y=0.0))

    return Case(name, emit, (X, Y), lambda x, y: expected(x > 0, y > 0))


def reduction(name: str, axes: list[int] | None, keep: bool) -> Case:
    x = np.abs(X) + 0.1
    given = {} if axes is None else {"axes": axes}
    return Case(
        name,
        lambda a: getattr(mb, name)(x=a, keep_dims=keep, **given),
        (x,),
        lambda x: REDUCTIONS[name](x.numpy(), None if axes is None else tuple(axes), keep),
    )


CASES = [
    # elementwise
    *map(unary, UNARY),
    *map(binary, BINARY),
    binary("floor_div", whole(2, 3), np.array([[3, -2, 2]], np.int32)),
    binary("mod", whole(2, 3), np.array([[3, -2, 2]], np.int32)),
    binary("equal", whole(2, 3), whole(2, 3)),
    Case("pow", lambda a, b: mb.pow(x=a, y=b), (np.abs(X), Y), lambda x, y: np.power(x, y)),
    logical("logical_and", torch.logical_and),
    logical("logical_or", torch.logical_or),
    logical("logical_xor", torch.logical_xor),
    Case("logical_not", lambda a: mb.logical_not(x=mb.greater(x=a, y=0.0)), (X,), lambda x: ~(x > 0)),
    Case("select", lambda a, b: mb.select(cond=mb.less(x=a, y=b), a=a, b=b), (X, Y), lambda x, y: np.minimum(x, y)),
    call("clip", lambda x: np.clip(x, -0.5, 1.0), alpha=-0.5, beta=1.0),
    call("threshold", lambda x: np.maximum(x, 0.3), alpha=0.3),
    call("inverse", lambda x: 1 / (x + 0.25), np.abs(X), epsilon=0.25),
    call("log", lambda x: np.log(x + 0.25), np.abs(X), epsilon=0.25),
    call("log", np.log, np.abs(X)),
    call("rsqrt", lambda x: 1 / np.sqrt(x + 0.25), np.abs(X), epsilon=0.25),
    # activation
    call("gelu", lambda x: F.gelu(x)),
    call("gelu", lambda x: F.gelu(x, approximate="tanh"), mode="TANH_APPROXIMATION"),
    call("gelu", lambda x: x * torch.sigmoid(1.702 * x), mode="SIGMOID_APPROXIMATION"),
    call("softmax", lambda x: F.softmax(x, 1), axis=1),
    call("softmax", lambda x: F.softmax(x, -1)),
    call("leaky_relu", lambda x: F.leaky_relu(x, 0.2), alpha=0.2),
    call("elu", lambda x: F.elu(x, 0.7), alpha=0.7),
    call("prelu", lambda x: F.prelu(x, torch.tensor(BIAS[:4])), IMAGE, alpha=BIAS[:4]),
    call("clamped_relu", lambda x: F.leaky_relu(x, 0.2).clamp(max=1), alpha=0.2, beta=1.0),
    call("thresholded_relu", lambda x: x * (x >= 0.5), alpha=0.5),
    call("linear_activation", lambda x: 0.3 * x - 1, alpha=0.3, beta=-1.0),
    call("scaled_tanh", lambda x: 0.3 * np.tanh(2 * x), alpha=0.3, beta=2.0),
    call("sigmoid_hard", lambda x: F.hardsigmoid(x), 3 * X, alpha=1 / 6, beta=0.5),
    call(
        "softplus_parametric",
        lambda x: torch.tensor(BIAS[:4, None, None]) * torch.log1p(torch.exp(torch.tensor(BIAS[2:, None, None]) * x)),
        IMAGE,
        alpha=BIAS[:4],
        beta=BIAS[2:],
    ),
    # constant
    call("cast", lambda x: x.to(torch.int32), 3 * X, dtype="int32"),
    call("cast", lambda x: x != 0, np.array([[0.0, 0.4, -1.0]], np.float32), dtype="bool"),
    call("cast", lambda x: x.half(), dtype="fp16"),
    Case("cast", lambda a: mb.cast(x=mb.cast(x=a, dtype="uint8"), dtype="fp32"), (np.abs(9 * X),), np.floor),
    # reduce
    *(reduction(name, *how) for name in REDUCTIONS for how in (([-1], False), ([0, 2], True))),
    reduction("reduce_sum", None, False),
    call("reduce_argmax", lambda x: x.argmax(1), axis=1),
    call("reduce_argmin", lambda x: x.argmin(-1, keepdim=True), axis=-1, keep_dims=True),
]
