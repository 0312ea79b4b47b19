"""Say by which powers of two a value may be divided so that float16 holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, floor, inf, log2

import onnx_ir as ir

from ...graph.edit import const_value, name_of, producer, scalar, sole_consumer
from ...graph.fusion import VIEWS
from ..float16_range import CARRY, DIVISORS, LARGEST, NORMALIZED, SMALLEST, SUBNORMAL, Extent, matters
from .measure import REDUCED, Measured

HEADROOM = 4  # more that what is scaled is scaled by, for inputs that were not seen: it costs nothing
FINE = 2.0**-4  # a value that is as large as that has ten bits more above float16's subnormal numbers
_SUBNORMAL_BITS = 10  # how much smaller than normal ones float16's smallest numbers are
ROUNDING = 1e-6  # of a logarithm
RELATIVE = 2.0**-20  # a change that is lost in float32's own rounding of a sum


@dataclass(frozen=True)
class Bounds:
    """The exponents e for which float16 holds v / 2^e: from `low`, so that nothing overflows, to `high`.

    `unit`: the one for which the largest number is about 1. `least`: of what is divided by, or what a root is taken of,
    the smallest number.
    """

    low: float = -inf
    high: float = inf
    unit: float = 0
    least: float = inf

    @property
    def contradict(self) -> bool:
        """Whether what keeps the largest in range leaves nothing of the smallest that is divided by."""
        return self.low > self.high + _SUBNORMAL_BITS

    def contains(self, exponent: int) -> bool:
        return self.contradict or self.low <= exponent <= self.high

    def settle(self, exponent: int) -> int:
        """The exponent, or another that will do; what is too small comes near 1, and overflow is the worse evil."""
        if self.contradict:
            return exponent
        if exponent < self.low:
            return ceil(self.low) + floor(min(HEADROOM, max(0, self.high - ceil(self.low))))
        if exponent > self.high:
            return ceil(max(self.low, min(floor(self.high), self.unit)))
        return exponent

    def within(self, other: Bounds) -> Bounds:
        """Both bounds at once."""
        return replace(self, low=max(self.low, other.low), high=min(self.high, other.high))


ANY = Bounds()


def find_bounds(model: ir.Model, measured: Measured) -> dict[str, Bounds]:
    """{value: its bounds}, of the float values that are computed."""
    found: dict[str, Bounds] = {}
    extents = measured.extents
    for node in model.graph:
        for output in node.outputs:
            extent = extents.get(name_of(output))
            if extent is not None and extent.largest and not _masks(node):
                small = matters(output, extents)
                high = _high(extent.weakest, SMALLEST) if small else inf
                found[name_of(output)] = Bounds(
                    _low(measured.reach(name_of(output))), high, round(log2(extent.largest))
                )
    for node in reversed(list(model.graph)):
        _narrow_divisors(node, extents, found)
        _raise_summed(node, found)
    return found


def drowns(inputs: Measured, both: Measured) -> bool:
    """Whether the scales that keep noise in range would take from the inputs what float16 tells apart.

    In a product of products noise may be millions of times larger than images are, and nothing holds both.
    """
    for name, extent in inputs.extents.items():
        needed = _low(both.reach(name)) if both.extents[name].largest else 0
        if extent.largest and needed > max(0, _low(inputs.reach(name)), log2(extent.weakest / FINE)):
            return True
    return False


def normalized_bounds(extent: Extent | None) -> Bounds:
    """For what a LayerNormalization takes, and squares."""
    if extent is None or not extent.largest:
        return ANY
    low, high = NORMALIZED
    return Bounds(ceil(log2(extent.largest / high)), floor(log2(extent.largest / low)), round(log2(extent.largest)))


def _low(largest: float) -> int:
    return ceil(log2(largest / LARGEST) - ROUNDING)


def _high(number: float, least: float) -> int:
    return floor(log2(number / least))


def _narrow_divisors(node: ir.Node, extents: Mapping[str, Extent], found: dict[str, Bounds]) -> None:
    """What is divided by needs its smallest numbers, too, and so does what it is made of."""
    value = _divisor(node)
    known = found.get(name_of(value)) if value is not None else None
    if value is not None and known is not None:
        least = extents[name_of(value)].least
        saved = _least_saved(value, extents)
        high = min(known.high, _high(saved * RELATIVE if saved else least, SUBNORMAL))
        least = saved or least
        found[name_of(value)] = replace(known, high=high, least=min(known.least, least))
    result = found.get(name_of(node.outputs[0]))
    if node.op_type in CARRY - DIVISORS.keys() and result is not None:
        for operand in node.inputs:
            known = found.get(operand.name or "") if operand is not None else None
            if operand is not None and known is not None:
                found[name_of(operand)] = replace(known, high=min(known.high, result.high))


def _least_saved(value: ir.Value, extents: Mapping[str, Extent]) -> float | None:
    """The smallest number but 0 in front of an epsilon, where that had to save a 0; None where it had not."""
    add = producer(value, "Add")
    epsilon, extent = (scalar(add.inputs[1]), extents.get(name_of(add.inputs[0]))) if add is not None else (None, None)
    if epsilon is None or extent is None or not 0 < extents[name_of(value)].least <= 2 * epsilon:
        return None
    return extent.least if epsilon < RELATIVE * extent.least < inf else None


def _raise_summed(node: ir.Node, found: dict[str, Bounds]) -> None:
    """What is made for a sum alone has the scale that the sum needs."""
    result, value = found.get(name_of(node.outputs[0])), node.inputs[0] if node.inputs else None
    known = found.get(value.name or "") if value is not None else None
    if node.op_type in REDUCED | VIEWS and result is not None and known is not None and sole_consumer(value):
        found[name_of(value)] = replace(known, low=max(known.low, result.low))


def _divisor(node: ir.Node) -> ir.Value | None:
    """What the node divides by, or takes a root or logarithm of."""
    index = DIVISORS.get(node.op_type)
    if index is None or (node.op_type == "Pow" and (scalar(node.inputs[1]) or 2.0) >= 1):
        return None
    return node.inputs[index]


def _masks(node: ir.Node) -> bool:
    """Whether the node puts a number that stands for infinity in front of a Softmax, where float16's infinity does."""
    readers = [use.node.op_type for use in node.outputs[0].uses()]
    constants = [const_value(value) for value in node.inputs]
    infinite = any(numbers is not None and (numbers < -LARGEST).any() for numbers in constants)
    return node.op_type in ("Add", "Where") and {*readers} == {"Softmax"} and infinite
