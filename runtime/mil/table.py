"""The table of operators: a MIL operator's name -> the function that computes it with torch.

The function's signature is the contract. Positional parameters are tensors (a list of them where MIL takes a tuple);
keyword-only ones are what MIL calls const parameters, given as plain Python: int, float, bool, str or a list of them.
Names and defaults are MIL's. Operators of one name but several iOS versions share one function, which has the
parameters of all.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# parameters that change no result: checks that Core ML may make, types that the outputs' declarations tell anyway
IGNORED = frozenset({"validate_indices", "output_indices_dtype"})


class OpError(ValueError):
    """An operator is asked for something that it does not do. The message completes "... (at 'name') "."""


@dataclass(frozen=True)
class Row:
    """An operator: its function, the parameters that are tensors, those that are plain, those that must be given."""

    function: Callable[..., Any]
    tensors: frozenset[str]
    plain: frozenset[str]
    required: frozenset[str]


OPS: dict[str, Row] = {}


def op(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator that enters a function under `names`; a second entry for a name raises."""

    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            enter_row(name, function)
        return function

    return enter


def rows(functions: Mapping[str, Callable[..., Any]], *tensors: str) -> None:
    """Enter operators that differ only in the function, which takes the tensors named in `tensors`, in that order."""
    for name, function in functions.items():
        _enter(name, Row(_by_name(function, tensors), frozenset(tensors), frozenset(), frozenset(tensors)))


def enter_row(name: str, function: Callable[..., Any]) -> None:
    """Enter one operator by its function's signature."""
    parameters = inspect.signature(function).parameters.values()
    _enter(
        name,
        Row(
            function,
            frozenset(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD),
            frozenset(p.name for p in parameters if p.kind is p.KEYWORD_ONLY),
            frozenset(p.name for p in parameters if p.default is p.empty),
        ),
    )


def _enter(name: str, row: Row) -> None:
    if name in OPS:
        raise ValueError(f"MIL {name} is computed by both {_place(OPS[name])} and {_place(row)}")
    OPS[name] = row


def _by_name(function: Callable[..., Any], tensors: tuple[str, ...]) -> Callable[..., Any]:
    return lambda **given: function(*(given[name] for name in tensors))


def _place(row: Row) -> str:
    return f"{row.function.__module__}.{row.function.__qualname__}"
