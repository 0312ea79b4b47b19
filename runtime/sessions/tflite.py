"""Runs a .tflite model with LiteRT's interpreter (XNNPACK delegate, CPU)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...artifacts.errors import ArtifactError
from ..session import check_feeds, with_sizes
from .litert import open_interpreter, runtime_name, why
from .tflite_ports import Ports, of_ports, read_facts

MICRO_KERNELS = "tflite-micro"  # the kernel set that a file for TensorFlow Lite Micro names


class TFLiteSession:
    """A TFLite model. Quantised inputs and outputs are converted by their scale and zero point.

    Args:
        keep: keep every tensor, for whoever asks the `interpreter` for it: slower, and with more memory.
        reference: LiteRT's reference kernels compute it, without a delegate; so they do where the file says that it is
            for TensorFlow Lite Micro, whose arithmetic they have.

    Raises:
        ArtifactError: the file is not a whole TFLite model, or the interpreter refuses it.
        RuntimeUnavailable: LiteRT is not installed.
    """

    emulated = False

    def __init__(self, path: str | Path, *, threads: int = 1, keep: bool = False, reference: bool = False):
        self._path = Path(path)
        facts = read_facts(self._path)
        self.reference = reference or facts.kernels == MICRO_KERNELS
        self.interpreter, self.load_ms = open_interpreter(self._path, threads, keep=keep, reference=self.reference)
        self.threads = threads
        self.runtime = f"{runtime_name()}, reference kernels" if self.reference else runtime_name()
        self._ports = Ports(self.interpreter, of_ports(facts), resizes=facts.sizes is not None)
        self.inputs, self.outputs = with_sizes(self._ports.inputs, facts.sizes), self._ports.outputs
        self._shapes = {port.index: port.physical for port in self._ports.ins}

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return self.outward(self.raw(self.inward(feeds)))

    def inward(self, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        return self._ports.inward(check_feeds(self.inputs, feeds))

    def raw(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        try:
            self._resize([array.shape for array in arrays])
            for port, array in zip(self._ports.ins, arrays, strict=True):
                self.interpreter.set_tensor(port.index, array)
            self.interpreter.invoke()
            return [self.interpreter.get_tensor(port.index) for port in self._ports.outs]
        except (ValueError, RuntimeError) as e:
            raise ArtifactError(f"{self._path}: LiteRT cannot run it ({why(e)})") from e

    def _resize(self, shapes: Sequence[tuple[int, ...]]) -> None:
        """Gives the inputs these sizes, where they have others."""
        wanted = {port.index: tuple(shape) for port, shape in zip(self._ports.ins, shapes, strict=True)}
        if wanted == self._shapes:
            return
        for index, shape in wanted.items():
            self.interpreter.resize_tensor_input(index, shape, strict=True)
        self.interpreter.allocate_tensors()
        self._shapes = wanted

    def outward(self, arrays: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        return self._ports.outward(arrays)

    def close(self) -> None:
        del self.interpreter

    def delegate_partitions(self) -> int:
        """Into how many parts the XNNPACK delegate takes the graph; `undelegated` tells whether that is all of it."""
        return sum(operator["op_name"] == "DELEGATE" for operator in operators(self.interpreter))

    def undelegated(self) -> list[str]:
        """The names of the operators that no delegate took, in order."""
        taken = {index for partition in self.partitions() for index in partition}
        listed = [operator["op_name"] for operator in operators(self.interpreter) if operator["op_name"] != "DELEGATE"]
        return [name for index, name in enumerate(listed) if index not in taken]

    def partitions(self) -> list[list[int]]:
        """The indices of the file's operators that each partition of the delegate replaces, in order."""
        return partitions_of(operators(self.interpreter))


def partitions_of(listed: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """The same, of the operators that an interpreter lists."""
    original = [operator for operator in listed if operator["op_name"] != "DELEGATE"]
    writer = {index: i for i, operator in enumerate(original) for index in operator["outputs"]}
    found: list[list[int]] = []
    seen: set[int] = set()
    for partition in (operator for operator in listed if operator["op_name"] == "DELEGATE"):
        # what lies between the partition's outputs and its inputs
        inputs, wanted, taken = set(partition["inputs"]), list(partition["outputs"]), set()
        while wanted:
            index = wanted.pop()
            if index not in inputs and index in writer and writer[index] not in seen:
                seen.add(writer[index])
                taken.add(writer[index])
                wanted.extend(original[writer[index]]["inputs"])
        found.append(sorted(taken))
    return found


def operators(interpreter: Any) -> list[dict[str, Any]]:
    """The file's operators, and after them one DELEGATE for each partition that replaces some."""
    return interpreter._get_ops_details()  # there is no public way to see what was delegated
