"""Open the height and width of what was lowered for one size, by what the same graph is lowered to at others.

Operators are the same at every size, and so are their constants, but for shapes and places: these are computed by SHAPE
of a tensor that has the length, which the interpreter knows before it runs (its kernels for SHAPE, GATHER, MUL, RANGE
and CONCATENATION compute what they can when memory is allocated), so no tensor's size is unknown then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...artifacts.errors import UnsupportedOp
from ..lengths import ADVICE, Column, Length, find_length, no_length, open_axes
from .builder import Builder
from .writer import Operator, Tensor


@dataclass(frozen=True)
class Lowered:
    """A graph of one size in the builder's terms; `operators` are those on which the outputs depend."""

    builder: Builder
    operators: Sequence[Operator]
    inputs: Sequence[int]
    outputs: Sequence[int]


def open_sizes(lowered: Lowered, others: Sequence[Lowered]) -> list[Operator]:
    """The operators of `lowered` for every size; its tensors get the axes that are open, and those that compute shapes.

    Raises UnsupportedOp where another size has other operators, options or weights; it names the operator.
    """
    walk = _Walk([lowered, *others])
    for k, operator in enumerate(lowered.operators):
        walk.open(operator, [each.operators[k] if k < len(each.operators) else None for each in others])
    for each in others:
        if len(each.operators) != len(lowered.operators):
            raise UnsupportedOp("tflite: --dynamic size: there are other operators at other sizes; leave it out")
    walk.sign()
    return walk.operators


class _Walk:
    """The state of one walk: which tensors of each size are the same, and what was computed of their shapes."""

    def __init__(self, sizes: Sequence[Lowered]) -> None:
        self.builder = sizes[0].builder
        self.sizes = sizes
        self.twins: dict[int, tuple[int, ...]] = {}  # computed tensor -> itself at each size
        self.operators: list[Operator] = []
        self.lengths: dict[Column, int] = {}  # what it is at each size -> a tensor (1,) that holds it
        self.shapes: dict[int, int] = {}
        for tensors in zip(*(each.inputs for each in sizes), strict=True):
            self.twins[tensors[0]] = tensors

    def open(self, operator: Operator, others: Sequence[Operator | None]) -> None:
        """The operator, and in front of it what computes its operands."""
        name = self.builder.tensors[operator.outputs[0]].name
        all_sizes = [operator, *(each for each in others if each is not None)]
        same = {(each.op, len(each.inputs), str(_options(each))) for each in all_sizes}
        if len(all_sizes) != len(self.sizes) or len(same) > 1:
            ops = " and ".join(sorted({each.op for each in all_sizes}))
            raise UnsupportedOp(
                f"tflite: --dynamic size: {ops} for '{name}' is another operator, or of other options, at other sizes"
                f"{ADVICE}"
            )
        places = zip(*(each.inputs for each in all_sizes), strict=True)
        inputs = [self._operand(operator, name, each) for each in places]
        self.operators.append(replace(operator, inputs=tuple(inputs), options=_options(operator)))
        for tensors in zip(*(each.outputs for each in all_sizes), strict=True):
            self.twins[tensors[0]] = tensors

    def _operand(self, operator: Operator, name: str, tensors: tuple[int, ...]) -> int:
        own = tensors[0]
        if own < 0 or own in self.twins:
            if own >= 0 and self.twins[own] != tensors:
                raise UnsupportedOp(f"tflite: --dynamic size: {operator.op} for '{name}' reads others at other sizes")
            return own
        arrays = [self._tensor(i, tensor).data for i, tensor in enumerate(tensors)]
        first, *rest = (array for array in arrays if array is not None)
        if len(rest) + 1 == len(tensors) and all(_equal(first, each) for each in rest):
            return own
        if len(rest) + 1 < len(tensors) or first.dtype != np.int32 or any(first.shape != each.shape for each in rest):
            dims = "x".join(map(str, first.shape))
            raise UnsupportedOp(
                f"tflite: --dynamic size: {operator.op} for '{name}' has a constant of {dims} that is of one size alone"
                f"{ADVICE}"
            )
        columns = [tuple(int(each) for each in column) for column in zip(*map(np.ravel, (first, *rest)), strict=True)]
        following = [len(set(column)) > 1 for column in columns]
        if operator.op == "RESHAPE" and sum(following) == 1:
            open_one = [-1 if follows else column[0] for follows, column in zip(following, columns, strict=True)]
            return self._ints(open_one)
        parts = [self._length(column, operator, name) for column in columns]
        return self._emit("CONCATENATION", parts, (len(parts),), axis=0, fusedActivationFunction=0)

    def _length(self, column: Column, operator: Operator, name: str) -> int:
        """A tensor (1,) that holds the number."""
        if len(set(column)) == 1:
            return self._ints([column[0]])
        if column not in self.lengths:
            found = find_length(column, {own: self._shapes(own) for own in self.twins})
            if found is None:
                raise no_length("tflite", f"{operator.op} for '{name}'", column)
            self.lengths[column] = self._computed(found)
        return self.lengths[column]

    def _computed(self, found: Length[int]) -> int:
        """(times * length + more) / over, (1,). A sum or quotient is how long a RANGE is: of what adds and divides, its
        kernel alone computes before anything runs."""
        if found.value not in self.shapes:
            rank = len(self.builder.shape(found.value))
            self.shapes[found.value] = self._emit("SHAPE", [found.value], (rank,), outType=_INT32)
        ranged = bool(found.more) or found.over > 1
        place = self._ints(found.axis if ranged else [found.axis])  # a RANGE takes scalars
        dims = () if ranged else (1,)
        length = self._emit("GATHER", [self.shapes[found.value], place], dims, axis=0, batchDims=0)
        if found.times > 1:
            factor = self._ints(found.times if ranged else [found.times])
            length = self._emit("MUL", [length, factor], dims, fusedActivationFunction=0)
        if not ranged:
            return length
        numbers = self._emit("RANGE", [self._ints(-found.more), length, self._ints(found.over)], (1,))
        self.builder.tensors[numbers].signature = (-1,)
        return self._emit("SHAPE", [numbers], (1,), outType=_INT32)

    def _ints(self, numbers: int | list[int]) -> int:
        return self.builder.const(np.array(numbers, np.int32))

    def _emit(self, op: str, inputs: Sequence[int], shape: tuple[int, ...], **options: object) -> int:
        tensor = self.builder.add(shape, np.int32, f"sizes/{op.lower()}_{len(self.builder.tensors)}")
        self.operators.append(Operator(op, tuple(inputs), (tensor,), dict(options)))
        return tensor

    def _shapes(self, own: int) -> list[tuple[int, ...]]:
        """A computed tensor's shape at each size."""
        return [self._tensor(i, tensor).shape for i, tensor in enumerate(self.twins[own])]

    def _tensor(self, size: int, tensor: int) -> Tensor:
        return self.sizes[size].builder.tensors[tensor]

    def sign(self) -> None:
        """Each computed tensor's axes whose length is another at another size are open."""
        for own in self.twins:
            axes, tensor = open_axes(self._shapes(own)), self.builder.tensors[own]
            if axes:
                tensor.signature = tuple(-1 if axis in axes else dim for axis, dim in enumerate(tensor.shape))


_INT32 = 2  # TensorType.INT32 of the schema


def _options(operator: Operator) -> dict[str, object]:
    """Without the shape that a RESHAPE has again as an operand."""
    return {key: value for key, value in operator.options.items() if key != "newShape"}


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and bool(np.array_equal(a, b))
