"""What a runtime times as one: an operator of the file, or several that it has joined."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..contents.contents import Operator, Tensor

INT8, INT16, FLOAT, LAYOUT, CONVERSION, OTHER = "int8", "int16", "float", "layout", "conversion", "other"
KINDS = (INT8, INT16, FLOAT, LAYOUT, CONVERSION, OTHER)
_BITS = {"int4": 4, "uint4": 4, "bfloat16": 16, "bool": 8}
_EIGHT_BITS = ("int8", "uint8")


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """One row of a profile, without its times.

    Attributes:
        name: of the value that it computes, as in the file.
        operators: the file's that it computes, by the format's names; empty where the runtime has put it in itself.
        implementation: what the runtime calls it.
        kind: "int8", "int16" or "float" arithmetic, by what it computes with; "layout": moves numbers without changing
            them; "conversion": from one type or scale to another; "other": whole numbers and truth values.
        shape: of its result, in the file's order; empty where it is not known.
        macs: multiplications with an addition, of its convolutions and matrix products as the file has them.
        bytes_moved: of what it reads and writes, each tensor once, weights included.
        partition: of the delegate, counted from 0; None where none runs it.
        weight: the constant that it multiplies with, by its name in the file; "" where it has none.
    """

    name: str
    operators: tuple[str, ...]
    implementation: str
    kind: str
    shape: tuple[int, ...] = ()
    macs: int = 0
    bytes_moved: int = 0
    partition: int | None = None
    weight: str = ""


class Events(Protocol):
    """What runs an artifact with the profiler of its runtime: one class for each runtime, also copied to devices."""

    def run(self, arrays: Sequence[np.ndarray], *, counted: bool = True) -> None:
        """Runs it once and keeps what the profiler says, if it counts. `arrays`: as the session's `inward` gives."""
        ...

    def finish(self) -> dict[str, Any]:
        """What the profiler has said, as JSON would have it, for the runtime's `describe`."""
        ...

    def close(self) -> None: ...


# (artifact, what Events.finish gives) -> (the kernels in the order in which they ran, their microseconds: float64 of
# (kernels, runs)). Raises ArtifactError where no run was recorded, NotJson where it is nothing that Events gives.
Describe = Callable[[Path, Mapping[str, Any]], tuple[list[Kernel], np.ndarray]]


def size_bytes(tensor: Tensor) -> int:
    """Of its numbers; an open dimension counts as 1, and what has no rank as nothing."""
    if tensor.shape is None:
        return 0
    bits = _BITS.get(tensor.dtype)
    if bits is None:
        try:
            bits = np.dtype(tensor.dtype).itemsize * 8
        except TypeError:
            return 0
    return -(-elements(tensor) * bits // 8)


def elements(tensor: Tensor) -> int:
    """How many numbers it has."""
    return int(np.prod([1 if size is None else size for size in tensor.shape or ()], dtype=np.int64))


def bytes_of(operators: Sequence[Operator]) -> int:
    """What a kernel that computes these reads from outside of itself and writes to it, each tensor once."""
    written = {tensor.name: tensor for each in operators for tensor in each.outputs}
    read = {tensor.name: tensor for each in operators for tensor in each.inputs if tensor is not None}
    outside = [tensor for name, tensor in read.items() if name not in written]
    inner = {name for name in written if name in read}
    results = [tensor for name, tensor in written.items() if name not in inner]
    return sum(map(size_bytes, (*outside, *(results or written.values()))))


def arithmetic(operator: Operator) -> str:
    """INT8, INT16, FLOAT or OTHER: what an operator computes, by the type of its result, else of what it reads."""
    for tensor in (*operator.outputs, *operator.inputs):
        if tensor is None:
            continue
        if tensor.dtype in _EIGHT_BITS:
            return INT8
        if tensor.dtype == "int16":
            return INT16
        if tensor.dtype in ("float32", "float16", "bfloat16", "float64"):
            return FLOAT
    return OTHER


def weight_of(operator: Operator | None) -> str:
    """The name of its second operand, where that is a weight or comes from one; "" of anything but such layers."""
    if operator is None or len(operator.inputs) < 2 or operator.inputs[1] is None:
        return ""
    name = operator.inputs[1].name
    return name if "/weight" in name or operator.inputs[1].constant else ""


def shape_of(tensor: Tensor) -> tuple[int, ...]:
    """Its dimensions, an open one as 1."""
    return tuple(1 if size is None else size for size in tensor.shape or ())
