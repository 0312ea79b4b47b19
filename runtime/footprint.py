"""What an artifact needs on a microcontroller: operators, working memory, storage."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Quantization:
    """number = (integer - zero_point) * scale"""

    scale: float
    zero_point: int


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """What an artifact needs on a microcontroller.

    Attributes:
        runtime: what runs it there.
        operators: {operator: how often}, by the names of the format.
        calls: what registers them with the runtime, one method for each.
        arena_bytes: of working memory: activations, and what the runtime keeps beside them.
        arena_source: what found that number.
        flash_bytes: of the file, which is read in place; the code of the operators comes on top.
        inputs, outputs: how each is quantised.
        problem: why the runtime does not take it; then the rest says nothing.
    """

    runtime: str
    operators: Mapping[str, int] = field(default_factory=dict)
    calls: tuple[str, ...] = ()
    arena_bytes: int = 0
    arena_source: str = ""
    flash_bytes: int = 0
    inputs: tuple[Quantization, ...] = ()
    outputs: tuple[Quantization, ...] = ()
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """What `edgeport info --json` and a bundle say of it."""
        if self.problem:
            return {"runtime": self.runtime, "refused": self.problem}
        return {
            "runtime": self.runtime,
            "arena_bytes": self.arena_bytes,
            "arena_source": self.arena_source,
            "flash_bytes": self.flash_bytes,
            "operators": dict(self.operators),
        }
