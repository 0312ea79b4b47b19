"""Find the units that a pattern names."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

import onnx_ir as ir

from ...artifacts.errors import QuantizeError
from ...graph.edit import slashed
from ..plan import Plan
from .search import unit_modules


def select(graph: ir.Graph, plan: Plan, patterns: Iterable[str]) -> frozenset[str]:
    """The outputs of the units with a pattern's (fnmatch) module path, or with a value of that name.

    In both "/" is as good as ".".
    Raises QuantizeError for a pattern that no unit has, with names that there are.
    """
    modules, found = unit_modules(graph, plan.units), set()
    for pattern in patterns:
        units = [
            unit.output
            for unit in plan.units
            if any(fnmatchcase(slashed(name), slashed(pattern)) for name in (modules[unit.output], *unit.nodes))
        ]
        if not units:
            known = dict.fromkeys(modules[u.output] or u.output for u in plan.units if u.is_integer)
            raise QuantizeError(
                f"no module or value is called {pattern!r}; there are: {', '.join([*known][:8])}"
                f"{', ...' if len(known) > 8 else ''}"
            )
        found.update(units)
    return frozenset(found)
