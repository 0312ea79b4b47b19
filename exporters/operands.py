"""What each value of a graph is in a converter's terms, while it walks over the nodes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Generic, Protocol, TypeVar

import onnx_ir as ir

from ..artifacts.errors import ExportError
from ..graph.edit import shape, where
from ..graph.qdq import Constant, constant_operand


class Shaped(Protocol):
    """What a converter has computed."""

    @property
    def shape(self) -> Sequence[int]: ...


T = TypeVar("T", bound=Shaped)


class Operands(Generic[T]):
    """{value: what it is}; of a constant the numbers, which are read where they are asked for.

    Args:
        target: the converter's name, for errors.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._known: dict[ir.Value, T | Constant] = {}

    def __setitem__(self, value: ir.Value, operand: T | Constant) -> None:
        self._known[value] = operand

    def __getitem__(self, value: ir.Value | None) -> T | Constant:
        """Raises ExportError where it is not computed yet."""
        assert value is not None, "only trailing inputs are left out"
        if value not in self._known:
            constant = constant_operand(value)
            if constant is None:
                raise ExportError(f"{self._target}: value '{value.name}' is read before it is computed")
            self._known[value] = constant
        return self._known[value]

    def get(self, value: ir.Value) -> T | Constant | None:
        """None where it is not computed yet."""
        return self._known.get(value)

    def inputs(self, node: ir.Node) -> list[T | Constant | None]:
        """What a node reads; None for an input that is left out."""
        return [None if value is None else self[value] for value in node.inputs]

    def items(self) -> Iterable[tuple[ir.Value, T | Constant]]:
        """Each value that was computed or read."""
        return self._known.items()

    def keep(
        self, node: ir.Node, output: ir.Value, given: T | Constant | tuple[T | Constant, ...]
    ) -> tuple[T | Constant, ...]:
        """Takes in what a node's lowering gave, and returns it; `output`: its first, or the last of what is fused.

        Raises ExportError where a shape is not the graph's.
        """
        results = given if isinstance(given, tuple) else (given,)
        for value, result in zip([output, *node.outputs[1:]], results, strict=False):
            if tuple(result.shape) != shape(value):
                found = f"{self._target}: {where(node)} gave shape {result.shape}"
                raise ExportError(f"{found}, the graph says {shape(value)}")
            self._known[value] = result
        return results
