"""Reductions over axes; without axes over all."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..table import enter_row, op

_REDUCTIONS: dict[str, Callable[[Tensor, list[int], bool], Tensor]] = {
    "reduce_l1_norm": lambda x, axes, keep: x.abs().sum(axes, keep),
    "reduce_l2_norm": lambda x, axes, keep: x.square().sum(axes, keep).sqrt(),
    "reduce_log_sum": lambda x, axes, keep: x.sum(axes, keep).log(),
    "reduce_log_sum_exp": torch.logsumexp,
    "reduce_max": torch.amax,
    "reduce_mean": torch.mean,
    "reduce_min": torch.amin,
    "reduce_sum": torch.sum,
    "reduce_sum_square": lambda x, axes, keep: x.square().sum(axes, keep),
}


def _reduction(function: Callable[[Tensor, list[int], bool], Tensor]) -> Callable[..., Tensor]:
    def reduce(x: Tensor, *, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
        return function(x, list(range(x.ndim)) if axes is None else axes, keep_dims)

    return reduce


for _name, _function in _REDUCTIONS.items():
    enter_row(_name, _reduction(_function))


@op("reduce_prod")
def reduce_prod(x: Tensor, *, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """torch multiplies along one axis at a time."""
    axes = list(range(x.ndim)) if axes is None else [axis % x.ndim for axis in axes]
    for axis in sorted(axes, reverse=True):
        x = x.prod(axis, keep_dims)
    return x


@op("reduce_argmax")
def reduce_argmax(x: Tensor, *, axis: int = -1, keep_dims: bool = False, output_dtype: str = "int32") -> Tensor:
    return x.argmax(axis, keep_dims)


@op("reduce_argmin")
def reduce_argmin(x: Tensor, *, axis: int = -1, keep_dims: bool = False, output_dtype: str = "int32") -> Tensor:
    return x.argmin(axis, keep_dims)
