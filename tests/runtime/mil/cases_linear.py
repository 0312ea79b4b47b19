"""Cases of products of matrices and of quantisation."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mil_packages import mb
from op_case import BIAS, WEIGHT, Case, X, Y, call, real, whole


def constexpr(name: str, expected: np.ndarray, target: str, **options: Any) -> Case:
    """A compressed constant, added to zeros so that it reaches the output."""
    zeros = np.zeros(expected.shape, np.float32)
    return Case(name, lambda a: mb.add(x=a, y=getattr(mb, name)(**options)), (zeros,), lambda x: expected, target)


Q = np.array([[-128, -3, 0, 127], [5, 6, 7, 8]], np.int8)

PER_ROW = np.array([0.1, 0.37], np.float32)

# in the middle between two steps, as far as float32 can say
TIES = (np.arange(-100, 100, dtype=np.float32) + 0.5) * np.float32(0.37)


def lstm(direction: str, *, every_step: bool) -> Case:
    """Against PyTorch's, whose gates are input, forget, cell, output where MIL's are input, forget, output, cell."""
    torch.manual_seed(0)
    both = direction == "bidirectional"
    net = torch.nn.LSTM(4, 5, bidirectional=both)
    weights = {name: value.detach().numpy() for name, value in net.named_parameters()}
    options = {}
    for suffix, of in (("", ""), ("_back", "_reverse")) if both else (("", ""),):
        bias = weights[f"bias_ih_l0{of}"] + weights[f"bias_hh_l0{of}"]
        arrays = {"weight_ih": weights[f"weight_ih_l0{of}"], "weight_hh": weights[f"weight_hh_l0{of}"], "bias": bias}
        for name, array in arrays.items():
            gates = array.reshape(4, 5, *array.shape[1:])[[0, 1, 3, 2]]
            options[f"{name}{suffix}"] = np.ascontiguousarray(gates.reshape(array.shape))
    directions = 2 if both else 1

    def expected(x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> list[torch.Tensor]:
        states = tuple(state.reshape(3, directions, 5).transpose(0, 1).contiguous() for state in (h, c))
        with torch.no_grad():
            y, last = net(x.flip(0) if direction == "reverse" else x, states)
        y = y.flip(0) if direction == "reverse" else y
        y = y if every_step else y[:1] if direction == "reverse" else y[-1:]
        return [y, *(state.transpose(0, 1).reshape(3, -1) for state in last)]

    return Case(
        "lstm",
        lambda a, b, c: mb.lstm(
            x=a, initial_h=b, initial_c=c, direction=direction, output_sequence=every_step, **options
        ),
        (real(6, 3, 4), real(3, directions * 5), real(3, directions * 5)[::-1].copy()),
        expected,
    )


CASES = [
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
    # quantization
    Case(
        "quantize",
        lambda a: mb.cast(
            x=mb.quantize(input=a, scale=0.37, zero_point=np.int8(-7), output_dtype="int8"), dtype="fp32"
        ),
        (TIES,),
        lambda x: np.clip(np.rint(x.numpy() / np.float32(0.37)) - 7, -128, 127),
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
    lstm("forward", every_step=True),
    lstm("reverse", every_step=True),
    lstm("reverse", every_step=False),
    lstm("bidirectional", every_step=True),
]
