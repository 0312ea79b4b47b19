"""Write a computation of many steps in front of the node that it stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from ....graph.edit import STEP, constant, emit, maker, name_of, owner, shape

Number = ir.Value | np.ndarray | float | int

FLOAT, INT32 = ir.DataType.FLOAT, ir.DataType.INT32


class Steps:
    """Operators in front of a node, each named as a step on the way to the node's first output.

    `marks`: what each operator is marked with, as EXACT and FLOATING. `named`: False leaves the names to the graph.
    """

    def __init__(self, node: ir.Node, marks: Mapping[str, str] | None = None, *, named: bool = True) -> None:
        self.node, self.marks, self.is_named = node, marks or {}, named
        self.count = 0

    def run(
        self, op_type: str, *operands: Number | None, to: Sequence[int] | None = None, dtype: Any = None, **options: Any
    ) -> ir.Value:
        """One operator: its result has the shape `to`, by default that of its operands broadcast to one another, and
        the type of its first operand."""
        first = next(value for value in operands if isinstance(value, ir.Value))
        values = [None if value is None else self.value(value, first.dtype) for value in operands]
        if to is None:
            to = np.broadcast_shapes(*(shape(value) for value in values if value is not None))
        made = emit(self.node, op_type, values, to, options, dtype=dtype or first.dtype)
        return self.named(made)

    def named(self, made: ir.Value) -> ir.Value:
        """The value under the name of the next step."""
        if self.is_named:
            made.name = f"{name_of(self.node.outputs[0])}{STEP}{self.count}"
            self.count += 1
        maker(made).metadata_props.update(self.marks)
        return made

    def value(self, number: Number, dtype: ir.DataType | None = FLOAT) -> ir.Value:
        """A constant as an operand; what is one already as it is."""
        if isinstance(number, ir.Value):
            return number
        return self._constant(np.asarray(number, np.int32 if dtype == INT32 else np.float32))

    def sizes(self, *numbers: int) -> ir.Value:
        """A shape, axes or bounds as an operand."""
        return self._constant(np.array(numbers, np.int64))

    def _constant(self, array: np.ndarray) -> ir.Value:
        return constant(self.node.graph, array, f"{name_of(self.node.outputs[0])}{STEP}constant")

    def add(self, a: ir.Value, b: Number) -> ir.Value:
        return self.run("Add", a, b)

    def mul(self, a: ir.Value, b: Number) -> ir.Value:
        return self.run("Mul", a, b)

    def sub(self, a: Number, b: Number) -> ir.Value:
        return self.run("Sub", a, b)

    def limited(self, x: ir.Value, low: Number, high: Number) -> ir.Value:
        """x, at least low and at most high."""
        return self.run("Min", self.run("Max", x, low), high)

    def reshape(self, x: ir.Value, *to: int) -> ir.Value:
        return x if shape(x) == to else self.run("Reshape", x, self.sizes(*to), to=to)

    def transpose(self, x: ir.Value, *perm: int) -> ir.Value:
        return self.run("Transpose", x, to=[shape(x)[p] for p in perm], perm=list(perm))

    def part(self, x: ir.Value, axis: int, start: int, end: int) -> ir.Value:
        """x from start to end along an axis."""
        dims = list(shape(x))
        if (start, end) == (0, dims[axis]):
            return x
        dims[axis] = end - start
        bounds = (self.sizes(number) for number in (start, end, axis, 1))
        return self.run("Slice", x, *bounds, to=dims)

    def concat(self, values: Sequence[ir.Value], axis: int) -> ir.Value:
        if len(values) == 1:
            return values[0]
        dims = list(shape(values[0]))
        dims[axis] = sum(shape(value)[axis] for value in values)
        return self.run("Concat", *values, to=dims, axis=axis)

    def gather(self, x: ir.Value, indices: Number, axis: int) -> ir.Value:
        indices = self.value(indices, INT32)
        to = (*shape(x)[:axis], *shape(indices), *shape(x)[axis + 1 :])
        return self.run("Gather", x, indices, to=to, axis=axis)

    def top_k(self, x: ir.Value, k: int) -> tuple[ir.Value, ir.Value]:
        """The k largest along the last axis, and where they are."""
        options = {"axis": len(shape(x)) - 1, "largest": 1, "sorted": 1}
        node = ir.node("TopK", [x, self.sizes(k)], options, num_outputs=2, metadata_props=dict(self.marks))
        owner(self.node).insert_before(self.node, node)
        for value, dtype in zip(node.outputs, (x.dtype, ir.DataType.INT64), strict=True):
            value.shape, value.dtype = ir.Shape((*shape(x)[:-1], k)), dtype or FLOAT
            self.named(value)
        return node.outputs[0], node.outputs[1]

    def cast(self, x: ir.Value, dtype: ir.DataType) -> ir.Value:
        return self.named(emit(self.node, "Cast", [x], shape(x), {"to": dtype}, dtype=dtype))
