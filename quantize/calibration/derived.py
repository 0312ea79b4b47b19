"""Find the values whose numbers follow, one by one, from those of another value, so that nobody has to look at them.

Sigmoid, Clip, x * Sigmoid(x): what such an activation function makes of a value takes as long to look at as the value
itself, and tells nothing new. Its lowest and highest number are those of what it reads, seen through the function, and
so is a sample of its elements.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ...graph.edit import attribute, given, name_of, scalar
from ...graph.fusion import source
from .observers import FUNCTIONS, Function


@dataclass(frozen=True)
class Derived:
    """A value that is a function of another one, number by number.

    Attributes:
        of: the other value, by its name.
        function: float32 (n,) -> float32 (n,).
        valley: below it the function falls, above it it rises; None for one that never falls.
    """

    of: str
    function: Function
    valley: float | None = None

    def extremes(self, low: float, high: float, sample: np.ndarray, whole: bool) -> tuple[float, float]:
        """The lowest and highest number, by those of the other value and a `sample` of it, `function` applied.

        `whole`: the sample is all of them. Else, of those on both sides of a valley, one is taken to lie at its bottom:
        of more than ten thousand numbers the nearest one is near enough.
        """
        points = [low, high]
        if self.valley is not None and low < self.valley < high:
            points += [] if whole else [self.valley]
        ends = self.function(np.array(points, np.float32))
        return float(min(ends.min(), sample.min())), float(max(ends.max(), sample.max()))


# kind -> its valley: d/dx of x * sigmoid(x), and of x * (x + 3) / 6, is zero there
_VALLEYS = {"Silu": -1.2784645, "HardSwish": -1.5}
_RISING = ("Relu", "Sigmoid", "Tanh")


def find_derived(graph: ir.Graph, values: Collection[str], never: Collection[str]) -> dict[str, Derived]:
    """{value: what it follows from}, of the `values` that follow from another of them, in the graph's order.

    `never`: neither these nor what is made of them.
    """
    found: dict[str, Derived] = {}
    for node in graph:
        name = name_of(node.outputs[0])
        if name not in values or name in never:
            continue
        derived = _derive(node)
        if derived is not None and derived.of in values and derived.of not in never:
            found[name] = derived
    return found


def _derive(node: ir.Node) -> Derived | None:
    kind = node.op_type
    if kind == "Mul":
        return _derive_gated(node)
    if kind in _RISING:
        return Derived(_read(node), FUNCTIONS[kind])
    if kind == "HardSwish":
        return Derived(_read(node), FUNCTIONS[kind], _VALLEYS[kind])
    if kind == "Clip":
        low, high = (None if v is None else scalar(v) for v in (*node.inputs[1:], None, None)[:2])
        constant = all(v is None or n is not None for v, n in zip(node.inputs[1:], (low, high), strict=False))
        return Derived(_read(node), _clip(low, high)) if constant else None
    if kind == "LeakyRelu" and (alpha := attribute(node, "alpha", 0.01)) >= 0:
        return Derived(_read(node), _leak(alpha))
    return None


def _derive_gated(node: ir.Node) -> Derived | None:
    """x * Sigmoid(x)."""
    for x, gate in (node.inputs[:2], node.inputs[1::-1]):
        maker = given(gate).producer()
        if maker is not None and maker.op_type == "Sigmoid" and maker.inputs[0] is x:
            return Derived(name_of(source(given(x))), FUNCTIONS["Silu"], _VALLEYS["Silu"])
    return None


def _read(node: ir.Node) -> str:
    return name_of(source(given(node.inputs[0])))


def _clip(low: float | None, high: float | None) -> Function:
    return lambda x: np.clip(x, low, high) if low is not None or high is not None else x


def _leak(alpha: float) -> Function:
    slope = np.float32(alpha)
    return lambda x: np.where(x < 0, x * slope, x)
