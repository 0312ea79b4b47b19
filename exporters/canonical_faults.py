"""Find the pass, and the node, by which a graph became another function on its way into the dialect."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..graph.edit import remove_dead
from ..runtime.graph_session import evaluate
from .canonicalize import STAGES, copy_model
from .passes.stages import Pass, Stage, short_name

Differs = Callable[[np.ndarray, np.ndarray], bool]

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fault:
    """A node that computes something else after a pass than before."""

    node: ir.Node
    step: str  # the pass


class _Found(Exception):
    def __init__(self, fault: Fault) -> None:
        self.fault = fault


def first_fault(model: ir.Model, feed: Mapping[str, np.ndarray], differs: Differs) -> Fault | None:
    """The first pass after which an output differs, and the first node before it whose value does; None for none."""
    watch = _Watch(copy_model(model), feed, differs)
    current = copy_model(model)
    try:
        for stage in STAGES:
            watch.around(stage).rewrite(current)
    except _Found as found:
        return found.fault
    return None


class _Watch:
    """Keeps the graph before each pass, with the values of it, and compares those after it."""

    def __init__(self, before: ir.Model, feed: Mapping[str, np.ndarray], differs: Differs) -> None:
        self.before, self.feed, self.differs = before, feed, differs
        self.values = self._values(before)

    def around(self, step: Pass) -> Pass:
        """The same pass, or stage of passes, watched."""
        if isinstance(step, Stage):
            return Stage(step.name, tuple(self.around(each) for each in step.passes), step.often)
        return _Watched(step, self)

    def look(self, model: ir.Model, step: str) -> None:
        """Raises _Found where an output of the graph has changed."""
        values = self._values(model)
        if not values:
            return  # between two passes it need not be a graph that runs
        outputs = [value.name or "" for value in model.graph.outputs]
        if not self.values or not any(self._changed(name, values) for name in outputs):
            self.before, self.values = model.clone(), values
            return
        known = {out.name or "": node for node in self.before.graph for out in node.outputs}
        raise _Found(next(Fault(node, step) for name, node in known.items() if self._changed(name, values)))

    def _changed(self, name: str, values: Mapping[str, np.ndarray]) -> bool:
        return name in values and name in self.values and self.differs(self.values[name], values[name])

    def _values(self, model: ir.Model) -> dict[str, np.ndarray]:
        names = [out.name or "" for node in model.graph for out in node.outputs if out.uses() or out.is_graph_output()]
        try:
            return evaluate(model, names, self.feed)
        except Exception as e:  # ONNX Runtime's exceptions share no base class
            LOG.debug("between two passes: %s", e)
            return {}


class _Watched:
    """A pass after which the graph is looked at."""

    def __init__(self, step: Pass, watch: _Watch) -> None:
        self.step, self.watch = step, watch

    @property
    def __name__(self) -> str:
        return self.step.__name__

    def rewrite(self, model: ir.Model) -> int:
        count = self.step.rewrite(model)
        if count:
            remove_dead(model.graph)
            self.watch.look(model, short_name(self.step))
        return count
