"""Run passes in a fixed order, and log what each found."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import onnx_ir as ir

from ...artifacts.printable import printable
from ...graph.edit import remove_dead, where

LOG = logging.getLogger(__name__)


class Pass(Protocol):
    """A rewrite of a model: a module with the function `rewrite`, or a stage of such modules.

    `rewrite` edits the model where it stands and returns how often it applied; a second run finds nothing. What it
    needs besides, shapes or the opset, it reads from the model. The module's docstring begins `before -> after` and
    says what is left alone; `leave_alone` puts that into the log. Raises ExportError for what no target can have.
    """

    @property
    def __name__(self) -> str: ...

    def rewrite(self, model: ir.Model) -> int: ...


class Often(Enum):
    """How often the passes of a stage run, in their order."""

    ONCE = "once"
    UNTIL_NOTHING_CHANGES = "until nothing changes"
    WHILE_THE_FIRST_APPLIES = "while the first applies"


@dataclass(frozen=True)
class Stage:
    """Passes that run together."""

    name: str
    passes: Sequence[Pass]
    often: Often = Often.UNTIL_NOTHING_CHANGES

    @property
    def __name__(self) -> str:
        return self.name

    def rewrite(self, model: ir.Model) -> int:
        """Run the passes; how often they applied. What nothing reads any more goes after each."""
        counts = Counter[str]()
        while found := self._run(model):
            counts.update(found)
            if self.often is Often.ONCE:
                break
        for step in self.passes:
            LOG.debug("%s: %s applied %d times", self.name, short_name(step), counts[short_name(step)])
        return counts.total()

    def _run(self, model: ir.Model) -> dict[str, int]:
        """One turn: {pass: how often it applied}, of those that did."""
        found: Counter[str] = Counter()
        for index, step in enumerate(self.passes):
            count = step.rewrite(model)
            if count:
                remove_dead(model.graph)  # what nothing reads must not look like a second reader
                found[short_name(step)] += count
            elif index == 0 and self.often is Often.WHILE_THE_FIRST_APPLIES:
                break
        return found


def leave_alone(node: ir.Node, why: str) -> None:
    """Log why a pass does not apply to a node that looks like one for it: `return leave_alone(node, "...")`."""
    if LOG.isEnabledFor(logging.DEBUG):
        LOG.debug("%s is left alone: %s", printable(where(node)), why)


def short_name(step: Pass) -> str:
    """The name of a pass: of its module, without the package."""
    return step.__name__.rpartition(".")[2]
