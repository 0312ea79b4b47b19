"""Every operator of the table: written by coremltools' builder, read back, compared with numpy or torch."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from edgeport.runtime.mil import interpreter  # noqa: F401  (fills the table)
from edgeport.runtime.mil.table import OPS
from edgeport.runtime.session import open_session
from mil_packages import mb, save


@dataclass(frozen=True)
class Case:
    op: str
    emit: Callable[..., Any]  # of the inputs as MIL values
    inputs: tuple[np.ndarray, ...]
    expected: Callable[..., Any]  # of the inputs as torch tensors
    target: str = "iOS17"
    rtol: float = 1e-5

    def __str__(self) -> str:
        return self.op


def real(*shape: int, low: float = -2.0, high: float = 2.0) -> np.ndarray:
    return np.random.default_rng(len(shape)).uniform(low, high, shape).astype(np.float32)


def whole(*shape: int, low: int = -5, high: int = 6) -> np.ndarray:
    return np.random.default_rng(len(shape)).integers(low, high, shape).astype(np.int32)


X, Y = real(2, 3, 4), real(2, 3, 4)[::-1].copy()
IMAGE = real(2, 4, 7, 6)
WEIGHT, BIAS = real(6, 4, 3, 2), real(6)
HALVES = np.array([[-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.3, -0.7]], np.float32)
PLACES = np.array([[0, 2], [1, 1]], np.int32)

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

# the sampling places of MIL's documentation for an axis of 2 elements, as values of a ramp from 0 to 1
RAMPS = {
    ("UNALIGN_CORNERS", 5): [0.0, 0.1, 0.5, 0.9, 1.0],
    ("STRICT_ALIGN_CORNERS", 5): [0.0, 0.25, 0.5, 0.75, 1.0],
    ("ALIGN_CORNERS", 5): [0.0, 0.25, 0.5, 0.75, 1.0],
    ("DEFAULT", 5): [0.0, 0.4, 0.8, 1.0, 1.0],
    ("OFFSET_CORNERS", 5): [0.1, 0.3, 0.5, 0.7, 0.9],
    ("DEFAULT", 6): [0.0, 1 / 3, 2 / 3, 1.0, 1.0, 1.0],
    ("OFFSET_CORNERS", 6): [1 / 12, 3 / 12, 5 / 12, 7 / 12, 9 / 12, 11 / 12],
    ("ALIGN_CORNERS", 1): [0.5],
    ("STRICT_ALIGN_CORNERS", 1): [0.0],
}
RAMP = np.array([[[[0.0, 1.0], [0.0, 1.0]]]], np.float32)


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


def ramp(mode: str, outputs: int) -> Case:
    return Case(
        "resize_bilinear",
        lambda a: mb.resize_bilinear(x=a, target_size_height=2, target_size_width=outputs, sampling_mode=mode),
        (RAMP,),
        lambda x: np.broadcast_to(np.array(RAMPS[mode, outputs], np.float32), (1, 1, 2, outputs)),
    )


def same_pads(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's SAME: the odd one behind."""
    total = max(0, (math.ceil(size / stride) - 1) * stride + kernel - size)
    return total // 2, total - total // 2


def conv_same(x: torch.Tensor, lower: bool = False) -> torch.Tensor:
    (top, bottom), (left, right) = same_pads(7, 3, 2), same_pads(6, 2, 2)
    pads = (right, left, bottom, top) if lower else (left, right, top, bottom)
    return F.conv2d(F.pad(x, pads), torch.tensor(WEIGHT), stride=2)


def pool(name: str, expected: Callable[..., Any], **options: Any) -> Case:
    return Case(name, lambda a: getattr(mb, name)(x=a, **options), (IMAGE,), expected)


def call(name: str, expected: Callable[..., Any], *inputs: np.ndarray, target: str = "iOS17", **options: Any) -> Case:
    """An operator whose first parameter is x and the rest constants."""
    inputs = inputs or (X,)
    return Case(name, lambda a: getattr(mb, name)(x=a, **options), inputs, expected, target)


def constexpr(name: str, expected: np.ndarray, target: str, **options: Any) -> Case:
    """A compressed constant, added to zeros so that it reaches the output."""
    zeros = np.zeros(expected.shape, np.float32)
    return Case(name, lambda a: mb.add(x=a, y=getattr(mb, name)(**options)), (zeros,), lambda x: expected, target)


def numpy_scatter(data: torch.Tensor, indices: torch.Tensor, updates: torch.Tensor, mode: str) -> np.ndarray:
    result = data.numpy().copy()
    functions = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide}
    functions |= {"max": np.maximum, "min": np.minimum, "update": lambda old, new: new}
    for i, place in enumerate(indices.tolist()):
        result[place] = functions[mode](result[place], updates.numpy()[i])
    return result


Q = np.array([[-128, -3, 0, 127], [5, 6, 7, 8]], np.int8)
PER_ROW = np.array([0.1, 0.37], np.float32)

CASES = [
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
    # conv, pool
    call("conv", conv_same, IMAGE, weight=WEIGHT, strides=[2, 2], pad_type="same"),
    call("conv", lambda x: conv_same(x, lower=True), IMAGE, weight=WEIGHT, strides=[2, 2], pad_type="same_lower"),
    call(
        "conv",
        lambda x: F.conv2d(x, torch.tensor(WEIGHT), torch.tensor(BIAS), 1, (2, 1), (2, 1)),
        IMAGE,
        weight=WEIGHT,
        bias=BIAS,
        pad_type="custom",
        pad=[2, 2, 1, 1],
        dilations=[2, 1],
    ),
    call(
        "conv",
        lambda x: F.conv2d(F.pad(x, (3, 1, 0, 2)), torch.tensor(WEIGHT[:, :2]), groups=2),
        IMAGE,
        weight=WEIGHT[:, :2],
        pad_type="custom",
        pad=[0, 2, 3, 1],
        groups=2,
    ),
    call("conv", lambda x: F.conv1d(x, torch.tensor(WEIGHT[:, :3, 0])), weight=WEIGHT[:, :3, 0], pad_type="valid"),
    call(
        "conv",
        lambda x: F.conv3d(x, torch.ones(2, 2, 1, 2, 3)),
        real(1, 2, 3, 4, 5),
        weight=np.ones((2, 2, 1, 2, 3), np.float32),
    ),
    call(
        "conv_transpose",
        lambda x: F.conv_transpose2d(x, torch.tensor(WEIGHT[:4]), torch.tensor(BIAS[:4]), stride=2, padding=1),
        IMAGE,
        weight=WEIGHT[:4],
        bias=BIAS[:4],
        strides=[2, 2],
        pad_type="custom",
        pad=[1, 1, 1, 1],
    ),
    call(
        "conv_transpose",
        lambda x: F.conv_transpose2d(x, torch.tensor(WEIGHT[:4]), stride=2, padding=1, output_padding=1, groups=2),
        IMAGE,
        weight=WEIGHT[:4],
        strides=[2, 2],
        pad_type="custom",
        pad=[1, 1, 1, 1],
        output_shape=[2, 8, 14, 11],
        groups=2,
    ),
    call(
        "conv_transpose",
        lambda x: F.conv_transpose2d(x, torch.tensor(WEIGHT[:4]), stride=2)[:, :, :14, :12],
        IMAGE,
        weight=WEIGHT[:4],
        strides=[2, 2],
        pad_type="same",
    ),
    pool(
        "max_pool",
        lambda x: F.max_pool2d(x, 3, 2, 1),
        kernel_sizes=[3, 3],
        strides=[2, 2],
        pad_type="custom",
        pad=[1] * 4,
    ),
    pool(
        "max_pool",
        lambda x: F.max_pool2d(x, 2, 2, ceil_mode=True),
        kernel_sizes=[2, 2],
        strides=[2, 2],
        pad_type="valid",
        ceil_mode=True,
    ),
    pool(
        "max_pool",
        lambda x: F.max_pool2d(F.pad(x, (0, 1, 1, 1), value=-9), 3, 2),
        kernel_sizes=[3, 3],
        strides=[2, 2],
        pad_type="same",
    ),
    pool("avg_pool", lambda x: F.avg_pool2d(x, (7, 6)), kernel_sizes=[7, 6], pad_type="valid"),
    pool(
        "avg_pool",
        lambda x: F.avg_pool2d(x, 3, 2, 1),
        kernel_sizes=[3, 3],
        strides=[2, 2],
        pad_type="custom",
        pad=[1] * 4,
    ),
    pool(
        "avg_pool",
        lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        kernel_sizes=[3, 3],
        strides=[2, 2],
        pad_type="custom",
        pad=[1] * 4,
        exclude_padding_from_average=True,
    ),
    pool(
        "avg_pool",
        lambda x: F.avg_pool2d(x, 2, 2, ceil_mode=True),
        kernel_sizes=[2, 2],
        strides=[2, 2],
        pad_type="valid",
        ceil_mode=True,
    ),
    pool(
        "avg_pool",
        lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True),
        kernel_sizes=[3, 3],
        strides=[2, 2],
        pad_type="custom",
        pad=[1] * 4,
        ceil_mode=True,
    ),
    pool("l2_pool", lambda x: F.lp_pool2d(x, 2, 3, 2), kernel_sizes=[3, 3], strides=[2, 2], pad_type="valid"),
    # linear
    call(
        "linear",
        lambda x: F.linear(x, torch.tensor(WEIGHT[:, :, 0, 0]), torch.tensor(BIAS)),
        weight=WEIGHT[:, :, 0, 0],
        bias=BIAS,
    ),
    call("linear", lambda x: F.linear(x, torch.tensor(WEIGHT[:, :, 0, 0])), weight=WEIGHT[:, :, 0, 0]),
    Case("matmul", lambda a, b: mb.matmul(x=a, y=b), (real(2, 1, 3, 4), real(5, 4, 2)), lambda x, y: x @ y),
    Case("matmul", lambda a, b: mb.matmul(x=a, y=b, transpose_y=True), (X, Y), lambda x, y: x @ y.mT),
    Case("matmul", lambda a, b: mb.matmul(x=a, y=b, transpose_x=True), (X, Y), lambda x, y: x.mT @ y),
    Case(
        "einsum",
        lambda a, b: mb.einsum(values=(a, b), equation="nchw,nwhu->nchu"),
        (real(2, 3, 4, 5), real(2, 5, 4, 6)),
        lambda x, y: torch.einsum("nchw,nwhu->nchu", x, y),
    ),
    Case(
        "scaled_dot_product_attention",
        lambda a, b, c: mb.scaled_dot_product_attention(query=a, key=b, value=c),
        (real(1, 2, 3, 4), real(1, 2, 5, 4), real(1, 2, 5, 6)),
        F.scaled_dot_product_attention,
        "iOS18",
    ),
    Case(
        "scaled_dot_product_attention",
        lambda a, b, c: mb.scaled_dot_product_attention(query=a, key=a, value=b, attn_mask=mb.greater(x=c, y=-1.0)),
        (real(1, 2, 4, 4), real(1, 2, 4, 6), real(4, 4)),
        lambda q, v, m: F.scaled_dot_product_attention(q, q, v, m > -1),
        "iOS18",
    ),
    # reduce
    *(reduction(name, *how) for name in REDUCTIONS for how in (([-1], False), ([0, 2], True))),
    reduction("reduce_sum", None, False),
    call("reduce_argmax", lambda x: x.argmax(1), axis=1),
    call("reduce_argmin", lambda x: x.argmin(-1, keepdim=True), axis=-1, keep_dims=True),
    # normalization
    call(
        "batch_norm",
        lambda x: F.batch_norm(x, *(torch.tensor(abs(BIAS[i : i + 3])) for i in range(4)), eps=1e-3),
        mean=abs(BIAS[:3]),
        variance=abs(BIAS[1:4]),
        gamma=abs(BIAS[2:5]),
        beta=abs(BIAS[3:]),
        epsilon=1e-3,
    ),
    call(
        "batch_norm",
        lambda x: F.batch_norm(x, *(torch.tensor(abs(BIAS[i : i + 3])) for i in range(2))),
        mean=abs(BIAS[:3]),
        variance=abs(BIAS[1:4]),
    ),
    call(
        "instance_norm",
        lambda x: F.instance_norm(x, weight=torch.tensor(BIAS[:3]), bias=torch.tensor(BIAS[3:])),
        gamma=BIAS[:3],
        beta=BIAS[3:],
    ),
    call(
        "layer_norm",
        lambda x: F.layer_norm(x, (4,), torch.tensor(BIAS[:4]), torch.tensor(BIAS[2:]), 1e-6),
        axes=[-1],
        gamma=BIAS[:4],
        beta=BIAS[2:],
        epsilon=1e-6,
    ),
    call("layer_norm", lambda x: F.layer_norm(x.mT, (3,), torch.tensor(BIAS[:3])).mT, axes=[1], gamma=BIAS[:3]),
    call("layer_norm", lambda x: F.layer_norm(x, (2, 3, 4)), axes=[0, 1, 2]),
    call("l2_norm", lambda x: x / torch.sqrt((x**2).sum((1, 2, 3), keepdim=True) + 0.1), IMAGE, epsilon=0.1),
    call(
        "local_response_norm",
        lambda x: F.local_response_norm(x, 3, 0.1, 0.6, 2.0),
        IMAGE,
        size=3,
        alpha=0.1,
        beta=0.6,
        k=2.0,
    ),
    # movement
    call("reshape", lambda x: x.reshape(2, 12), shape=[2, -1]),
    call("reshape", lambda x: x.reshape(1, 2, 3, 4), shape=[1, -1, 0, 0]),
    Case("reshape", lambda a, b: mb.reshape(x=a, shape=mb.shape(x=b)), (X, real(4, 6)), lambda x, y: x.reshape(4, 6)),
    Case(
        "reshape_like",
        lambda a, b: mb.reshape_like(x=a, ref_tensors=(a, b), begins=(0, 1), ends=(1, 0), end_masks=(False, True)),
        (X, real(5, 12)),
        lambda x, y: x.reshape(2, 12),
    ),
    call("transpose", lambda x: x.permute(2, 0, 1), perm=[-1, 0, 1]),
    call("expand_dims", lambda x: x[:, None, :, :, None], axes=[1, -1]),
    call("squeeze", lambda x: x.reshape(3, 4), real(1, 3, 1, 4), axes=[0, -2]),
    call("squeeze", lambda x: x.reshape(3, 4), real(1, 3, 1, 4)),
    call("flatten2d", lambda x: x.reshape(6, 4), axis=2),
    call("slice_by_index", lambda x: x[1:2, :2, 1:], begin=[1, 0, 1], end=[2, 2, 4]),
    call(
        "slice_by_index",
        lambda x: x.numpy()[:, ::2, ::-1],
        begin=[0, 0, 0],
        end=[2, 3, 0],
        stride=[1, 2, -1],
        begin_mask=[True, False, True],
        end_mask=[False, False, True],
    ),
    call(
        "slice_by_index",
        lambda x: x[:, -2, -3:-1],
        begin=[0, -2, -3],
        end=[2, 0, -1],
        squeeze_mask=[False, True, False],
    ),
    call("slice_by_size", lambda x: x[:, 1:, 1:3], begin=[0, 1, 1], size=[2, -1, 2]),
    Case(
        "slice_update",
        lambda a, b: mb.slice_update(x=a, update=b, begin=[0, 0, 1], end=[2, 3, 4], stride=[1, 2, 2]),
        (X, real(2, 2, 2)),
        lambda x, y: torch.stack(
            [
                torch.stack([y[:, i // 2, j // 2] if i % 2 == 0 and j % 2 else x[:, i, j] for j in range(4)], -1)
                for i in range(3)
            ],
            1,
        ),
        "iOS18",
    ),
    call("split", lambda x: x.split([1, 2], 1), axis=1, split_sizes=[1, 2]),
    call("split", lambda x: x.chunk(2, -1), axis=-1, num_splits=2),
    Case("concat", lambda a, b: mb.concat(values=(a, b), axis=-1), (X, Y), lambda x, y: torch.cat([x, y], -1)),
    Case(
        "concat",
        lambda a, b: mb.concat(values=(a, b), axis=1, interleave=True),
        (X, Y),
        lambda x, y: torch.stack([x, y], 2).reshape(2, 6, 4),
    ),
    Case("concat", lambda a: mb.concat(values=(a, Y), axis=0), (X,), lambda x: np.concatenate([x, Y])),
    Case("stack", lambda a, b: mb.stack(values=(a, b), axis=1), (X, Y), lambda x, y: torch.stack([x, y], 1)),
    call("pad", lambda x: F.pad(x, (1, 2, 0, 1), value=0.5), pad=[0, 1, 1, 2], constant_val=0.5),
    call("pad", lambda x: np.pad(x, ((0, 0), (2, 1), (0, 3)), mode="reflect"), pad=[2, 1, 0, 3], mode="reflect"),
    call("pad", lambda x: np.pad(x, ((0, 0), (2, 3), (1, 0)), mode="edge"), pad=[2, 3, 1, 0], mode="replicate"),
    call("crop", lambda x: x[..., 1:5, 2:6], IMAGE, crop_height=[1, 2], crop_width=[2, 0]),
    call("tile", lambda x: x.repeat(1, 2, 3), reps=[1, 2, 3]),
    call("reverse", lambda x: x.flip(0, 2), axes=[0, -1]),
    call("reverse", lambda x: x.flip(0, 1, 2)),
    call(
        "depth_to_space",
        lambda x: x.reshape(2, 2, 2, 1, 7, 6).permute(0, 3, 4, 1, 5, 2).reshape(2, 1, 14, 12),
        IMAGE,
        block_size=2,
    ),
    call(
        "space_to_depth",
        lambda x: torch.cat([x[:, :, i::2, j::2] for i in range(2) for j in range(2)], 1),
        IMAGE[:, :, :6],
        block_size=2,
    ),
    call("pixel_shuffle", lambda x: F.pixel_shuffle(x, 2), IMAGE, upscale_factor=2),
    call("pixel_unshuffle", lambda x: F.pixel_unshuffle(x, 2), IMAGE[:, :, :6], downscale_factor=np.uint32(2)),
    call(
        "space_to_batch",
        lambda x: torch.cat([F.pad(x, (0, 0, 1, 0))[:, :, i::2, j::3] for i in range(2) for j in range(3)]),
        IMAGE,
        block_shape=[2, 3],
        paddings=[[1, 0], [0, 0]],
    ),
    call("batch_to_space", lambda x: batch_to_space(x), real(4, 3, 2, 5), block_shape=[2, 2], crops=[[1, 0], [0, 2]]),
    call("sliding_windows", lambda x: x.unfold(1, 2, 1).movedim(-1, 2), axis=1, size=2),
    call("sliding_windows", lambda x: np.stack([x[:, :, 0:2], x[:, :, 2:4]], 2), axis=-1, size=2, stride=2),
    Case("shape", lambda a: mb.shape(x=a), (X,), lambda x: np.array([2, 3, 4])),
    Case("fill", lambda a: mb.add(x=a, y=mb.fill(shape=[3, 4], value=2.5)), (X,), lambda x: x + 2.5),
    Case("fill", lambda a: mb.fill(shape=mb.shape(x=a), value=2.5), (X,), lambda x: torch.full_like(x, 2.5)),
    Case("fill_like", lambda a: mb.fill_like(ref_tensor=a, value=2.5), (X,), lambda x: torch.full_like(x, 2.5)),
    Case(
        "range_1d",
        lambda a: mb.add(x=a, y=mb.range_1d(start=1.0, end=3.0, step=0.5)),
        (X,),
        lambda x: x + torch.arange(1, 3, 0.5),
    ),
    Case(
        "range_1d",
        lambda a: mb.range_1d(start=9, end=mb.squeeze(x=a), step=-2),
        (np.array([2], np.int32),),
        lambda x: np.arange(9, 2, -2),
    ),
    Case(
        "one_hot",
        lambda a: mb.one_hot(indices=a, one_hot_vector_size=3, on_value=2.0, off_value=-1.0),
        (PLACES,),
        lambda x: 3.0 * F.one_hot(x.long(), 3) - 1,
    ),
    Case(
        "one_hot",
        lambda a: mb.one_hot(indices=a, one_hot_vector_size=3, axis=1),
        (PLACES,),
        lambda x: F.one_hot(x.long(), 3).movedim(-1, 1),
    ),
    call("band_part", lambda x: np.tril(np.triu(x, -1), 2), lower=1, upper=2),
    call("band_part", lambda x: np.triu(x), lower=0),
    call("cumsum", lambda x: x.cumsum(1), axis=1),
    call("cumsum", lambda x: x.flip(2).cumsum(2).flip(2) - x, axis=2, exclusive=True, reverse=True),
    call("argsort", lambda x: np.argsort(-x, 1), axis=1),
    call("argsort", lambda x: np.argsort(x, -1), ascending=True),
    call("topk", lambda x: list(x.topk(2, 2)), k=2),
    call("topk", lambda x: list(x.topk(2, 1, largest=False)), k=2, axis=1, ascending=True),
    call("non_zero", lambda x: x.nonzero(), np.array([[0, 1.5], [2, 0]], np.float32)),
    # gather
    Case("gather", lambda a, b: mb.gather(x=a, indices=b, axis=1), (X, PLACES), lambda x, i: x[:, i.long()]),
    Case(
        "gather",
        lambda a, b: mb.gather(x=a, indices=b, axis=2, batch_dims=1),
        (X, PLACES),
        lambda x, i: torch.stack([x[n][:, i[n].long()] for n in range(2)]),
    ),
    Case("gather", lambda a: mb.gather(x=a, indices=np.int32(-1), axis=-1), (X,), lambda x: x[..., -1], "iOS16"),
    Case(
        "gather_along_axis",
        lambda a, b: mb.gather_along_axis(x=a, indices=b, axis=1),
        (X[:, :, 0], PLACES),
        lambda x, i: x.gather(1, i.long()),
    ),
    Case(
        "gather_nd",
        lambda a, b: mb.gather_nd(x=a, indices=b),
        (X, np.array([[0, 2], [1, 0], [1, 1]], np.int32)),
        lambda x, i: x[[0, 1, 1], [2, 0, 1]],
    ),
    Case(
        "gather_nd",
        lambda a, b: mb.gather_nd(x=a, indices=b, batch_dims=1),
        (X, np.array([[[2, 3]], [[0, 1]]], np.int32)),
        lambda x, i: torch.stack([x[0, 2, 3:], x[1, 0, 1:2]]),
    ),
    *(
        Case(
            "scatter",
            lambda a, b, c, mode=mode: mb.scatter(data=a, indices=b, updates=c, axis=0, mode=mode),
            (real(4, 3), np.array([2, 0], np.int32), real(2, 3, 1)[..., 0]),
            lambda d, i, u, mode=mode: numpy_scatter(d, i, u, mode),
        )
        for mode in ("add", "sub", "mul", "div", "max", "min", "update")
    ),
    Case(
        "scatter",
        lambda a, b, c: mb.scatter(data=a, indices=b, updates=c, axis=1, mode="add"),
        (real(4, 3), np.array([2, 0], np.int32), real(4, 2, 1)[..., 0]),
        lambda d, i, u: d.index_add(1, i, u),
    ),
    Case(
        "scatter_along_axis",
        lambda a, b, c: mb.scatter_along_axis(data=a, indices=b, updates=c, axis=1, mode="add"),
        (real(2, 3), PLACES, real(2, 2)),
        lambda d, i, u: d.scatter_add(1, i.long(), u),
    ),
    Case(
        "scatter_nd",
        lambda a, b, c: mb.scatter_nd(data=a, indices=b, updates=c, mode="update"),
        (X, np.array([[0, 2], [1, 0]], np.int32), real(2, 4)),
        lambda d, i, u: d.index_put(([torch.tensor([0, 1]), torch.tensor([2, 0])]), u),
    ),
    # resize
    *(ramp(mode, outputs) for mode, outputs in RAMPS),
    call(
        "resize_bilinear",
        lambda x: F.interpolate(x, (11, 4), mode="bilinear"),
        IMAGE,
        target_size_height=11,
        target_size_width=4,
        sampling_mode="UNALIGN_CORNERS",
    ),
    call(
        "resize_bilinear",
        lambda x: F.interpolate(x, (11, 4), mode="bilinear", align_corners=True),
        IMAGE,
        target_size_height=11,
        target_size_width=4,
        sampling_mode="STRICT_ALIGN_CORNERS",
    ),
    call(
        "resize_nearest_neighbor",
        lambda x: F.interpolate(x, (11, 4)),
        IMAGE,
        target_size_height=11,
        target_size_width=4,
    ),
    call(
        "upsample_bilinear",
        lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
        IMAGE,
        scale_factor_height=2,
        scale_factor_width=2,
        align_corners=False,
    ),
    call(
        "upsample_bilinear",
        lambda x: F.interpolate(x, (17, 9), mode="bilinear", align_corners=True),
        IMAGE,
        scale_factor_height=2.5,
        scale_factor_width=1.5,
    ),
    call(
        "upsample_nearest_neighbor",
        lambda x: F.interpolate(x, scale_factor=(2, 3)),
        IMAGE,
        scale_factor_height=2,
        scale_factor_width=3,
    ),
    call(
        "resize",
        lambda x: F.interpolate(x, (11, 6), mode="bilinear"),
        IMAGE,
        shape=[11, 0],
        resized_dims=np.uint32(2),
        sampling_mode="UNALIGN_CORNERS",
    ),
    call(
        "resize",
        lambda x: F.interpolate(x, (14, 3)),
        IMAGE,
        shape=[14, 3],
        resized_dims=np.uint32(2),
        interpolation_mode="NEAREST_NEIGHBOR",
    ),
    Case(
        "resample",
        lambda a, b: mb.resample(
            x=a,
            coordinates=b,
            sampling_mode="bilinear",
            padding_mode="constant",
            padding_value=0.5,
            coordinates_mode="normalized_minus_one_to_one",
            align_corners=False,
        ),
        (IMAGE, real(2, 3, 4, 2)),
        lambda x, g: F.grid_sample(x - 0.5, g, align_corners=False) + 0.5,
    ),
    Case(
        "resample",
        lambda a, b: mb.resample(
            x=a,
            coordinates=b,
            sampling_mode="nearest",
            padding_mode="border",
            padding_value=0.0,
            coordinates_mode="unnormalized",
            align_corners=True,
        ),
        (IMAGE, real(2, 3, 4, 2, low=0, high=5)),
        lambda x, g: torch.stack([x[n][:, g[n, ..., 1].round().long(), g[n, ..., 0].round().long()] for n in range(2)]),
    ),
    Case(
        "resample",
        lambda a, b: mb.resample(
            x=a,
            coordinates=b,
            sampling_mode="bilinear",
            padding_mode="border",
            padding_value=0.0,
            coordinates_mode="normalized_zero_to_one",
            align_corners=True,
        ),
        (IMAGE, real(2, 3, 4, 2)),
        lambda x, g: F.grid_sample(x, 2 * g - 1, padding_mode="border", align_corners=True),
    ),
    # quantization
    Case(
        "quantize",
        lambda a: mb.cast(x=mb.quantize(input=a, scale=0.1, zero_point=np.int8(-7), output_dtype="int8"), dtype="fp32"),
        (9 * X,),
        lambda x: np.clip(np.rint(x.numpy() / np.float32(0.1)) - 7, -128, 127),
    ),
    Case(
        "quantize",
        lambda a: mb.cast(x=mb.quantize(input=a, scale=PER_ROW, axis=0, output_dtype="uint8"), dtype="fp32"),
        (9 * X,),
        lambda x: np.clip(np.rint(x.numpy() / PER_ROW[:, None, None]), 0, 255),
    ),
    Case(
        "dequantize",
        lambda a: mb.dequantize(input=mb.cast(x=a, dtype="uint8"), scale=0.1, zero_point=np.uint8(200)),
        (whole(2, 3, low=0, high=255),),
        lambda x: np.float32(0.1) * (x.numpy().astype(np.float32) - 200),
    ),
    Case(
        "dequantize",
        lambda a: mb.dequantize(
            input=mb.cast(x=a, dtype="int8"), scale=PER_ROW, zero_point=np.array([3, -4], np.int8), axis=0
        ),
        (whole(2, 3),),
        lambda x: PER_ROW[:, None] * (x.numpy().astype(np.float32) - np.float32([[3], [-4]])),
    ),
    constexpr(
        "constexpr_affine_dequantize",
        PER_ROW[:, None] * (Q.astype(np.float32) - np.float32([[3], [-4]])),
        "iOS16",
        quantized_data=Q,
        zero_point=np.array([3, -4], np.int8),
        scale=PER_ROW,
        axis=0,
    ),
    constexpr(
        "constexpr_affine_dequantize",
        np.float32(0.1) * Q.view(np.uint8),
        "iOS17",
        quantized_data=Q.view(np.uint8),
        zero_point=np.uint8(0),
        scale=np.float32(0.1),
        axis=0,
    ),
    constexpr(
        "constexpr_blockwise_shift_scale",
        np.repeat(PER_ROW, 2)[None] * (Q.astype(np.float32) - np.float32([[1, 1, -2, -2]])),
        "iOS18",
        data=Q,
        scale=PER_ROW[None],
        offset=np.array([[1, -2]], np.int8),
    ),
    constexpr(
        "constexpr_lut_to_dense",
        np.float32([[1.5, 3.5, 2.5], [2.5, 0.5, 3.5]]),
        "iOS16",
        indices=np.array([0b10_10_11_01, 0b11_00], np.uint8),
        lut=np.float32([0.5, 1.5, 2.5, 3.5]),
        shape=np.array([2, 3], np.uint32),
    ),
    constexpr(
        "constexpr_sparse_to_dense",
        np.float32([[0, 0, 7], [8, 0, 9]]),
        "iOS16",
        nonzero_data=np.float32([7, 8, 9]),
        mask=np.array([0b101100], np.uint8),
        shape=np.array([2, 3], np.uint32),
    ),
]


def batch_to_space(x: torch.Tensor) -> torch.Tensor:
    """(4, 3, 2, 5) in blocks of 2 x 2, one row and two columns cut off."""
    result = torch.zeros(1, 3, 4, 10)
    for i in range(4):
        result[:, :, i // 2 :: 2, i % 2 :: 2] = x[i]
    return result[:, :, 1:, :-2]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_operator(tmp_path, case):
    path = save(tmp_path / "a.mlpackage", case.emit, case.inputs, target=case.target)
    session = open_session(path)
    results = list(session.run(dict(zip("abc", case.inputs, strict=False))).values())
    expected = case.expected(*map(torch.tensor, case.inputs))
    expected = list(expected) if isinstance(expected, list | tuple) else [expected]
    assert len(results) == len(expected)
    for result, want in zip(results, expected, strict=True):
        np.testing.assert_allclose(result, np.asarray(want, np.float32), rtol=case.rtol, atol=1e-5)
        assert result.shape == np.asarray(want).shape


def test_every_operator_has_a_case():
    elsewhere = {"const", "classify", "constexpr_cast"}
    assert {case.op for case in CASES} | elsewhere == OPS.keys()
