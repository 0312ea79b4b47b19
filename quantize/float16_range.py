"""Find the operators that float16 cannot compute: what they take or give leaves its range, at one end or the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..graph.edit import const_value, name_of, producer, scalar
from ..graph.fusion import VIEWS
from ..graph.half_precision import loses_much
from ..graph.qdq import constant_operand
from ..runtime.graph_session import open_graph, run
from .float16_constants import HALF, fit_constants, is_beyond

MARGIN = 2.0  # for inputs that were not seen
LARGEST = HALF / MARGIN
# Below 2**-14 float16 has fewer bits the smaller a number is. A value whose largest number is not above this has less
# than ten for any of them.
SMALLEST = 2.0**-13
SUBNORMAL = 2.0**-14
WHOLE = 2048.0  # from here on float16 does not have every whole number
NORMALIZED = (2.0**-6, LARGEST**0.5)  # LayerNormalization squares what it takes, inside

DIVISORS = {"Div": 1, "Log": 0, "Sqrt": 0, "Pow": 0}  # the operand whose small numbers have to be right
CARRY = frozenset({"Abs", "Add", "Clip", "Max", "Min", "ReduceMax", "ReduceMean", "ReduceSum", "Slice", "Sqrt"}) | VIEWS
_RELATIVE = frozenset({"Conv", "ConvTranspose", "Div", "MatMul", "Mul", "PRelu", "Pow"})


@dataclass(frozen=True)
class Extent:
    """The magnitudes that a value had on some inputs.

    Attributes:
        largest: of all.
        least: the smallest that is not 0; infinite where all are.
        weakest: the largest of the input on which that is smallest; infinite where all are 0.
    """

    largest: float = 0.0
    least: float = np.inf
    weakest: float = np.inf

    def include(self, array: np.ndarray) -> Extent:
        """With those of one more array, of one input; infinity and NaN are the same in float16."""
        magnitudes = np.abs(array[np.isfinite(array)])
        nonzero = magnitudes[magnitudes > 0]
        if not nonzero.size:
            return self
        top = float(nonzero.max())
        return Extent(max(self.largest, top), min(self.least, float(nonzero.min())), min(self.weakest, top))


def prepare_float16(
    model: ir.Model, feeds: Iterable[Mapping[str, np.ndarray]], known: Mapping[str, float] | None = None
) -> tuple[ir.Model, dict[str, str]]:
    """Make a canonical graph fit for float16.

    Args:
        model: float or with Q/DQ; it is left as it is.
        feeds: a few inputs; the graph runs once for each, in float32.
        known: {value: the largest magnitude that it reached} on more inputs, of those that were calibrated.

    Returns:
        The graph with masks and bounds in float16's range, and {an operator's first output: why it stays float32}.
    """
    feeds = list(feeds)
    extents = measure_extents(model, feeds, known)
    if any(is_beyond(const_value(value)) for node in model.graph for value in node.inputs):
        model, changed = fit_constants(model, {name: extent.largest for name, extent in extents.items()})
        extents = measure_extents(
            model, feeds, {name: top for name, top in (known or {}).items() if name not in changed}
        )
    return model, find_beyond_float16(model, extents)


def measure_extents(
    model: ir.Model, feeds: Iterable[Mapping[str, np.ndarray]], known: Mapping[str, float] | None = None
) -> dict[str, Extent]:
    """{value: its magnitudes} of every float value that is computed, and of the inputs."""
    names = [name_of(output) for node in model.graph for output in node.outputs if output.dtype == ir.DataType.FLOAT]
    session = open_graph(model, names)
    extents = {name: Extent(largest) for name, largest in (known or {}).items()}
    for feed in feeds:
        arrays = dict(zip(names, run(session, names, feed), strict=True)) | dict(feed)
        for name, array in arrays.items():
            if array.dtype == np.float32:
                extents[name] = extents.get(name, Extent()).include(array)
    return extents


def find_beyond_float16(model: ir.Model, extents: Mapping[str, Extent]) -> dict[str, str]:
    """{an operator's first output: why float16 cannot compute it}, in the graph's order."""
    reasons: dict[ir.Node, str] = {}
    for node in model.graph:
        if constant_operand(node.outputs[0]) is not None:
            continue  # a weight, which belongs to what reads it
        reason = _beyond(node, extents) or _too_small(node, extents) or _inside(node, extents)
        if reason:
            reasons.setdefault(node, reason)
        index = DIVISORS.get(node.op_type)
        if index is not None and (node.op_type != "Pow" or (scalar(node.inputs[1]) or 2.0) < 1):
            _trace(node, index, extents, reasons)
    return {name_of(node.outputs[0]): reasons[node] for node in model.graph if node in reasons}


def _beyond(node: ir.Node, extents: Mapping[str, Extent]) -> str | None:
    """Whether a number that it takes or gives is too large."""
    for value in (*node.outputs, *node.inputs):
        if value is None:
            continue
        if (extent := _extent(value, extents)) and extent.largest > LARGEST:
            return f"{value.name} reaches {extent.largest:.3g}"
        if node.op_type != "Clip" and is_beyond(numbers := const_value(value)):  # a bound may as well be infinite
            assert numbers is not None
            return f"its constant {value.name} reaches {np.abs(numbers[np.isfinite(numbers)]).max():.3g}"
        if extent and extent.largest > WHOLE and _is_whole(value):
            return f"{value.name} holds whole numbers up to {extent.largest:.0f}"
    return None


def _is_whole(value: ir.Value) -> bool:
    """Whether the value was integers a moment ago."""
    cast = producer(value, "Cast")
    before = cast.inputs[0].dtype if cast is not None and cast.inputs[0] is not None else None
    return before is not None and before.is_integer()


def _too_small(node: ir.Node, extents: Mapping[str, Extent]) -> str | None:
    """Whether all numbers of something that it takes or gives are so small that float16 has few bits for them."""
    if not any(matters(output, extents) for output in node.outputs):
        return None
    for value in (*node.outputs, *node.inputs):
        if _is_small(value, extents) and not (node.op_type in ("Add", "Sub") and value in node.inputs):
            assert value is not None
            return f"{value.name} stays below {extents[name_of(value)].largest:.3g}"
    if node.op_type in _RELATIVE:
        for value in node.inputs[:2]:
            numbers = const_value(value)
            if numbers is not None and numbers.dtype == np.float32 and loses_much(numbers):
                return f"its constant {name_of(value)} is as small as {np.abs(numbers).max():.3g}"
    return None


def _inside(node: ir.Node, extents: Mapping[str, Extent]) -> str | None:
    """Whether what is squared inside an operator leaves the range."""
    if node.op_type != "LayerNormalization" or (extent := _extent(node.inputs[0], extents)) is None:
        return None
    low, high = NORMALIZED
    if extent.largest > high or 0 < extent.largest < low:
        return f"it squares {name_of(node.inputs[0])}, whose largest number is {extent.largest:.3g}"
    return None


def _trace(node: ir.Node, index: int, extents: Mapping[str, Extent], reasons: dict[ir.Node, str]) -> None:
    """A divisor (or what a root or logarithm is taken of) that is small somewhere: all that computes it is float32."""
    value = node.inputs[index]
    extent = _extent(value, extents)
    if value is None or extent is None or extent.least >= SUBNORMAL:
        return
    reasons.setdefault(node, f"{value.name} is as small as {extent.least:.3g}")
    left: list[ir.Value] = [value]
    seen: set[ir.Node] = set()
    while left:
        maker = left.pop().producer()
        if maker is None or maker in seen or maker.op_type == "DequantizeLinear":
            continue
        seen.add(maker)
        reasons.setdefault(maker, reasons[node])
        if maker.op_type in CARRY:
            left += [each for each in maker.inputs if each is not None and _extent(each, extents) is not None]


def matters(value: ir.Value, extents: Mapping[str, Extent]) -> bool:
    """Whether a small value's bits show: not where it is only added to something larger."""
    if not _is_small(value, extents) or value.is_graph_output():
        return True
    return any(
        matters(use.node.outputs[0], extents)
        if use.node.op_type in VIEWS
        else use.node.op_type not in ("Add", "Sub") or _is_small(use.node.outputs[0], extents)
        for use in value.uses()
    )


def _is_small(value: ir.Value | None, extents: Mapping[str, Extent]) -> bool:
    extent = _extent(value, extents)
    return extent is not None and 0 < extent.largest < SMALLEST


def _extent(value: ir.Value | None, extents: Mapping[str, Extent]) -> Extent | None:
    """That of a computed float value."""
    return None if value is None or value.name is None else extents.get(value.name)
