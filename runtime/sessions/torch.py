"""Runs a PyTorch module as a session: the reference."""

import copy
import time
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from ...artifacts.errors import UsageError, first_line, foreign_code
from ..backends import torch_threads
from ..session import TensorSpec, check_feeds


class TorchSession:
    """A module in eval mode, run in inference mode on the CPU.

    Args:
        module: any nn.Module that takes its inputs in the order of `inputs`.
        inputs: the specs of its inputs (NCHW).
        output_names: names for its outputs: a tensor, a tuple or list of tensors, or a dict's values in order.
        threads: PyTorch's intra-op threads while this session runs.
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
    ):
        start = time.perf_counter()
        self.module = module.eval()
        self.inputs = tuple(inputs)
        self.threads = threads
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
        given = [t.to(self.dtype, copy=True) if t.is_floating_point() else t.clone() for t in tensors]
        with foreign_code(_failed), torch_threads(self.threads), torch.inference_mode():
            result = self.module(*given)
        if isinstance(result, Mapping):
            return list(result.values())
        return [result] if isinstance(result, torch.Tensor) else list(result)


def _failed(error: BaseException) -> UsageError:
    words = first_line(error, "no message")
    return UsageError(f"the model fails when it is run: {type(error).__name__}: {words}")
