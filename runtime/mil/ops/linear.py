"""Products of matrices."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..table import op


@op("linear")
def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x (*, in), weight (out, in), bias (out) -> (*, out)."""
    return F.linear(x, weight, bias)


@op("matmul")
def matmul(x: Tensor, y: Tensor, *, transpose_x: bool = False, transpose_y: bool = False) -> Tensor:
    """Batch dimensions broadcast; transposing has no effect on a vector."""
    x = x.mT if transpose_x and x.ndim > 1 else x
    y = y.mT if transpose_y and y.ndim > 1 else y
    return x @ y


@op("einsum")
def einsum(values: list[Tensor], *, equation: str) -> Tensor:
    return torch.einsum(equation, *values)


@op("scaled_dot_product_attention")
def scaled_dot_product_attention(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None) -> Tensor:
    """softmax(query @ key^T / sqrt(e) + mask) @ value; a boolean mask says what takes part. (b, *, l, e), (b, *, s, e)."""
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -math.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
    return scores.softmax(-1) @ value
