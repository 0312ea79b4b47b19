"""Runs a PyTorch module as a session: the reference."""

import contextlib
import copy
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ...artifacts.errors import UsageError, first_line, foreign_code
from ..backends import torch_threads
from ..session import TensorSpec, check_feeds

HALVES = (torch.float16, torch.bfloat16)


class Widened(TorchDispatchMode):
    """Within it what asks for half precision, as `.half()` and autocast do, gets `dtype`; `count` is how often."""

    def __init__(self, dtype: torch.dtype = torch.float32):
        super().__init__()
        self.dtype, self.count = dtype, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        values = [*args, *(kwargs or {}).values()]
        if not any(value in HALVES for value in values if isinstance(value, torch.dtype)):
            return func(*args, **(kwargs or {}))
        self.count += 1
        return func(*map(self._widen, args), **{name: self._widen(value) for name, value in (kwargs or {}).items()})

    def _widen(self, value: Any) -> Any:
        return self.dtype if isinstance(value, torch.dtype) and value in HALVES else value


@contextlib.contextmanager
def kept_buffers(module: torch.nn.Module, names: Sequence[str]) -> Iterator[None]:
    """Within it the module may change those of its buffers; they are as before then."""
    places = [(module.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2]) for name in names]
    saved = [(part, name, part._buffers[name], copy.deepcopy(part._buffers[name])) for part, name in places]
    try:
        yield
    finally:
        for part, name, buffer, value in saved:
            part._buffers[name] = buffer
            if buffer is not None and value is not None:
                buffer.copy_(value)


class TorchSession:
    """A module in eval mode, run in inference mode on the CPU.

    Args:
        module: any nn.Module that takes its inputs in the order of `inputs`.
        inputs: the specs of its inputs (NCHW).
        output_names: names for its outputs: a tensor, a tuple or list of tensors, or a dict's values in order.
        threads: PyTorch's intra-op threads while this session runs.
        widens: whether it computes in half precision in part, and shall not: artifacts are made in float32.
        changes: names of the buffers that a run changes; each run begins with the same values.
    """

    emulated = False
    dtype = torch.float32  # of what floats it is given and computes

    def __init__(
        self,
        module: torch.nn.Module,
        inputs: Sequence[TensorSpec],
        output_names: Sequence[str] = ("logits",),
        *,
        threads: int = 1,
        widens: bool = False,
        changes: Sequence[str] = (),
    ):
        start = time.perf_counter()
        self.module = module.eval()
        self.inputs = tuple(inputs)
        self.threads = threads
        self._widens, self._changes = widens, tuple(changes)
        self.runtime = f"torch {torch.__version__}"
        zeros = [torch.zeros([1 if dim is None else dim for dim in spec.shape]) for spec in self.inputs]
        tensors = self._forward(zeros)
        if len(tensors) != len(output_names):
            raise ValueError(
                f"the module returns {len(tensors)} tensors, but {len(output_names)} output names were given"
            )
        self.outputs = tuple(
            TensorSpec(name, tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))
            for name, tensor in zip(output_names, tensors, strict=True)
        )
        self.load_ms = (time.perf_counter() - start) * 1e3

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        tensors = self._forward([torch.from_numpy(array) for array in check_feeds(self.inputs, feeds)])
        return {spec.name: tensor.numpy() for spec, tensor in zip(self.outputs, tensors, strict=True)}

    def double(self) -> "TorchSession":
        """The same in float64, on the same float32 feeds: what the module gives without float32's rounding."""
        twin = copy.copy(self)
        twin.module, twin.dtype = copy.deepcopy(self.module).double(), torch.float64
        return twin

    def close(self) -> None:
        del self.module

    def _forward(self, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
        # copies: a forward may change what it is given, and the arrays belong to whoever compares
        types = [getattr(torch, spec.dtype) for spec in self.inputs]
        types = [self.dtype if each.is_floating_point else each for each in types]
        given = [tensor.to(each, copy=True) for tensor, each in zip(tensors, types, strict=True)]
        widened = Widened(self.dtype) if self._widens else contextlib.nullcontext()
        kept = kept_buffers(self.module, self._changes)
        with foreign_code(_failed), torch_threads(self.threads), torch.inference_mode(), widened, kept:
            result = self.module(*given)
        if isinstance(result, Mapping):
            return list(result.values())
        return [result] if isinstance(result, torch.Tensor) else list(result)


def _failed(error: BaseException) -> UsageError:
    words = first_line(error, "no message")
    return UsageError(f"the model fails when it is run: {type(error).__name__}: {words}")
