"""Constants, casts and the classifier's last step."""

import torch
from torch import Tensor

from ..table import OpError, op

_CASTS = {
    "bool": torch.bool,
    "fp16": torch.float32,  # rounded to float16 by the interpreter, as the output's declaration says
    "fp32": torch.float32,
    "int8": torch.int8,
    "int16": torch.int16,
    "int32": torch.int32,
    "uint8": torch.uint8,
    "uint16": torch.int32,
}


@op("const")
def const(val):
    """A literal: a tensor, a string or a list of strings."""
    return val


@op("identity")
def identity(x: Tensor) -> Tensor:
    return x


@op("cast")
def cast(x: Tensor, *, dtype: str) -> Tensor:
    """From float to integer it truncates towards zero."""
    if dtype not in _CASTS:
        raise OpError(f"casts to {dtype!r}, which this runner does not have")
    return x.to(_CASTS[dtype])


@op("constexpr_cast")
def constexpr_cast(source_val: Tensor, *, output_dtype: str) -> Tensor:
    return cast(source_val, dtype=output_dtype)


@op("classify")
def classify(probabilities: Tensor, *, classes: list) -> tuple[str | int, Tensor]:
    """(the label of the largest probability, the probabilities in the order of the labels)."""
    flat = probabilities.flatten()
    if len(classes) != flat.numel():
        raise OpError(f"has {flat.numel()} probabilities for {len(classes)} labels")
    return classes[int(flat.argmax())], flat
