"""Find the lowering of an operator: its name -> the function that writes it in a target's terms.

The function's signature is the contract. Positional parameters are the inputs, in ONNX's order; keyword-only parameters
are the attributes, as the dialect has them: all are given, so none has a default. An attribute that a target does not
name is unsupported and says so.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import onnx_ir as ir

from ..artifacts.errors import UnsupportedAttribute, UnsupportedOp
from ..graph.edit import where


class LoweringTable:
    """Operator name -> lowering, for one target.

    Raises UnsupportedOp for an operator that is not in the table and UnsupportedAttribute for an attribute, or an
    input, that the lowering's signature does not name.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self._rows: dict[str, Callable[..., Any]] = {}

    def lower(self, *ops: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Decorator that enters a lowering under `ops`; a second entry for an operator raises."""

        def enter(function: Callable[..., Any]) -> Callable[..., Any]:
            for op in ops:
                if op in self._rows:
                    old = self._rows[op]
                    raise ValueError(f"{self.target}: {op} is lowered by both {_place(old)} and {_place(function)}")
                self._rows[op] = function
            return function

        return enter

    def ops(self) -> frozenset[str]:
        """The operators that have a lowering."""
        return frozenset(self._rows)

    def parameters(self, op: str) -> tuple[tuple[str, ...], frozenset[str]]:
        """The names of the inputs that a lowering takes, "*" for any number, and those of its attributes."""
        positional, named, variadic = _parameters(self._rows[op])
        return (*positional[1:], *(("*",) if variadic else ())), frozenset(named)

    def __call__(self, builder: Any, node: ir.Node, operands: Sequence[Any]) -> Any:
        """Lower `node` with `operands` (one per ONNX input, None where it is left out)."""
        function = self._rows.get(node.op_type) if node.domain in ("", "ai.onnx") else None
        if function is None:
            raise UnsupportedOp(
                f"{self.target}: no lowering for {where(node)}; known ops: {', '.join(sorted(self._rows))}"
            )
        positional, named, variadic = _parameters(function)
        operands = list(operands)
        while operands and operands[-1] is None:
            operands.pop()
        if len(operands) > len(positional) - 1 and not variadic:
            raise UnsupportedAttribute(
                f"{self.target}: {where(node)} has {len(operands)} inputs; supported are {', '.join(positional[1:])}"
            )
        attributes = {a.name: attribute_value(a) for a in node.attributes.values()}
        for name in attributes:
            if name not in named:
                raise UnsupportedAttribute(
                    f"{self.target}: {where(node)}: attribute {name} = {attributes[name]!r} is not supported; "
                    f"supported attributes: {', '.join(sorted(named)) or 'none'}"
                )
        return function(builder, *operands, **attributes)


def attribute_value(attribute: ir.Attr) -> Any:
    """An ONNX attribute as plain Python: int, float, str or a tuple of them."""
    value = attribute.value
    if isinstance(value, bytes):
        return value.decode()
    return tuple(value) if isinstance(value, list | tuple) else value


def _parameters(function: Callable[..., Any]) -> tuple[list[str], set[str], bool]:
    """The names of the inputs (the builder first), those of the attributes, and whether any number of inputs goes."""
    parameters = inspect.signature(function).parameters.values()
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    named = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
    return positional, named, any(p.kind is p.VAR_POSITIONAL for p in parameters)


def _place(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"
