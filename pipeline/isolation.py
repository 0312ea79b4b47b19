"""Keeps what belongs to the caller's process as it was: PyTorch's generator and modes, warnings, the import path."""

import contextlib
import functools
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def isolated(function: Callable[P, R]) -> Callable[P, R]:
    """The same function; when it ends, however it ends, the process's global state is as it was before."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with preserve_global_state():
            return function(*args, **kwargs)

    return call


@contextlib.contextmanager
def preserve_global_state() -> Iterator[None]:
    """Restores, at its end, what edgeport or a library below it sets for the whole process while it works.

    PyTorch's threads are set, and set back, around each single use: runtime.backends.torch_threads.
    """
    path = list(sys.path)
    with warnings.catch_warnings():
        try:
            if "torch" in sys.modules:
                with _preserve_torch():
                    yield
            else:
                yield
        finally:
            sys.path[:] = path


@contextlib.contextmanager
def _preserve_torch() -> Iterator[None]:
    """Random numbers, default type and whether gradients are recorded."""
    import torch

    dtype, generator, gradients = torch.get_default_dtype(), torch.get_rng_state(), torch.is_grad_enabled()
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_rng_state(generator)
        torch.set_grad_enabled(gradients)
