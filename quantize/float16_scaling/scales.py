"""Walk a graph and give each value the power of two by which it is divided, so that float16 holds it.

What an operator makes of scaled operands is a scaled result: a product's exponents add up, a root's halve, a sum's
operands need one exponent, a layer's weights change it at no cost. Where none of that will do, a Mul is put in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import ceil, floor, log, log2

import numpy as np
import onnx_ir as ir

from ...graph.edit import (
    Operand,
    array,
    attribute,
    const_value,
    constant,
    emit,
    given,
    maker,
    name_of,
    owner,
    producer,
    scalar,
    shape,
)
from ...graph.fusion import kind_of
from ...graph.layers import CONVOLUTIONS, bias_add
from ..float16_range import LARGEST, SMALLEST, SUBNORMAL, Extent
from .bounds import ANY, RELATIVE, Bounds, normalized_bounds

NEVER = -1e30  # no value is below it
TINIEST = 2.0**-24  # of float16
_MOST = 14  # of one scale's exponent
_FLUSHED = 2.0**-11  # of a weight's norm may lie in numbers that some GPUs take for zero


class Scales:
    """The state of one walk.

    Attributes:
        exponents: {value: e}, where it is not 0: the value holds what it held before over 2^e.
        inserted: the Muls that change one exponent into another.
    """

    def __init__(self, graph: ir.Graph, bounds: Mapping[str, Bounds], extents: Mapping[str, Extent]) -> None:
        self.graph = graph
        self.exponents: dict[ir.Value, int] = {}
        self.inserted: list[ir.Node] = []
        self._bounds = {value: bounds[name_of(value)] for value in _values(graph) if value.name in bounds}
        self._extents = {value: extents[name_of(value)] for value in _values(graph) if value.name in extents}
        self._versions: dict[tuple[ir.Value, int], ir.Value] = {}

    def walk(self) -> None:
        """Scale everything; the graph's outputs are what they were."""
        for node in list(self.graph):
            floats = [value for value in (*node.inputs, *node.outputs) if _is_float(value)]
            if not floats:
                continue
            exponent = RULES.get(node.op_type, unscaled)(self, node)
            if exponent and _is_float(node.outputs[0]):
                self.exponents[node.outputs[0]] = exponent
        for index, output in enumerate(self.graph.outputs):
            if self.exponent(output):
                self.graph.outputs[index] = self._restored(output)

    def exponent(self, value: Operand) -> int:
        return self.exponents.get(given(value), 0)

    def bounds(self, value: Operand) -> Bounds:
        return self._bounds.get(given(value), ANY)

    def extent(self, value: Operand) -> Extent | None:
        return self._extents.get(given(value))

    def size(self, value: Operand) -> int:
        return int(np.prod(shape(value)))

    def known(self, value: Operand, exponent: int) -> bool:
        """Whether the value is there under that exponent."""
        return exponent == self.exponent(value) or (given(value), exponent) in self._versions

    def at(self, value: Operand, exponent: int, before: ir.Node) -> ir.Value:
        """The value over 2^exponent."""
        value = given(value)
        numbers = const_value(value)
        change = self.exponent(value) - exponent
        if not change:
            return value
        if abs(change) > _MOST and numbers is None:
            value = self.at(value, exponent + change - (_MOST if change > 0 else -_MOST), before)
            return self.at(value, exponent, before)
        if (value, exponent) not in self._versions:
            factor = np.float32(2.0**change)
            if numbers is not None:
                version = constant(self.graph, numbers * factor, value.name)
            else:
                operand = constant(self.graph, np.array(factor), "scale")
                origin = value.producer() or before
                version = emit(before, "Mul", [self.apart(value, before), operand], shape(value), like=origin)
                self._enter(value, exponent, version)
            self._versions[value, exponent] = version
        return self._versions[value, exponent]

    def apart(self, value: ir.Value, before: ir.Node) -> ir.Value:
        """The value, which no product behind it can be multiplied into the weights of the layer that gives it.

        LiteRT's GPU accelerator does that, and undoes by it what keeps the layer's sum in range. It leaves a maximum
        between the two alone.
        """
        if self.exponent(value) <= 0 or not _ends_layer(value):
            return value
        bounds = [constant(self.graph, np.array(number, np.float32), "bound") for number in (NEVER, np.inf)]
        return emit(before, "Clip", [value, *bounds], shape(value), like=value.producer())

    def place(self, node: ir.Node, index: int, exponent: int) -> None:
        """Let the node read its operand over 2^exponent."""
        node.replace_input_with(index, self.at(node.inputs[index], exponent, node))

    def multiply_constant(self, node: ir.Node, index: int, factor: float) -> None:
        """Let the node read its constant times a number."""
        if factor != 1:
            numbers = array(node.inputs[index]) * np.float32(factor)
            node.replace_input_with(index, constant(self.graph, numbers, name_of(node.inputs[index])))

    def _enter(self, value: ir.Value, exponent: int, version: ir.Value) -> None:
        self.exponents[version] = exponent
        self.inserted.append(version.producer())  # pyright: ignore[reportArgumentType]
        if value in self._bounds:
            self._bounds[version] = self._bounds[value]
        if value in self._extents:
            self._extents[version] = self._extents[value]

    def _restored(self, output: ir.Value) -> ir.Value:
        """A graph output as it was, under its name."""
        node = ir.node("Identity", [output], metadata_props=dict(maker(output).metadata_props))
        self.graph.append(node)
        value = self.at(output, 0, node)
        self.graph.remove(node, safe=True)
        return value

    def name_scaled(self) -> None:
        """A value under a scale is not what its name says, unless it stands there without the scale, too."""
        for value in [value for value in _values(self.graph) if self.exponent(value)]:
            name = name_of(value)
            value.name = f"{name}_scaled"
            whole = self._versions.get((value, 0))
            if whole is not None and whole.producer() is not None:
                whole.name = name


def _values(graph: ir.Graph) -> Iterable[ir.Value]:
    yield from graph.inputs
    for node in graph:
        yield from node.outputs


def _is_float(value: Operand) -> bool:
    return value is not None and value.dtype == ir.DataType.FLOAT


def _is_computed(value: Operand) -> bool:
    return value is not None and const_value(value) is None


def _ends_layer(value: ir.Value) -> bool:
    """Whether a convolution or linear gives the value, perhaps with something constant added."""
    node = producer(value)
    while node is not None and node.op_type == "Add" and not _is_computed(node.inputs[1]):
        node = producer(node.inputs[0])
    if node is None or node.op_type == "MatMul":
        return node is not None and kind_of(node) == "Linear"
    return node.op_type in CONVOLUTIONS


def flushes(numbers: np.ndarray) -> bool:
    """Whether much of the numbers is so small that float16 has few bits for it, or none."""
    small = numbers[np.abs(numbers) < SUBNORMAL]
    return bool(np.linalg.norm(small) > _FLUSHED * np.linalg.norm(numbers))


# -- one rule for each kind of operator: it places the operands and returns the exponent of the result --------------


def unscaled(scales: Scales, node: ir.Node) -> int:
    """An operator that takes what it takes."""
    for index, value in enumerate(node.inputs):
        if _is_float(value) and _is_computed(value):
            scales.place(node, index, 0)
    return 0


def indifferent(scales: Scales, node: ir.Node) -> int:
    """An operator whose result no positive factor changes."""
    return 0


def aligned(*places: int) -> Callable[[Scales, ir.Node], int]:
    """An operator that gives the factor that its operands at these places have in common; none: all operands."""

    def rule(scales: Scales, node: ir.Node) -> int:
        at = [i for i in (places or range(len(node.inputs))) if i < len(node.inputs) and _is_float(node.inputs[i])]
        computed = [node.inputs[i] for i in at if _is_computed(node.inputs[i])]
        bounds = _common_bounds(scales, node, computed)
        exponent = _cheapest(scales, bounds, computed)
        for index in at:
            scales.place(node, index, exponent)
        if node.op_type in ("Add", "Clip", "Max"):
            _guard(scales, node, bounds, exponent)
        return exponent

    return rule


def _common_bounds(scales: Scales, node: ir.Node, computed: Sequence[Operand]) -> Bounds:
    """Of the result, which must not overflow in the operands either; what is chosen or kept must not get lost."""
    bounds = scales.bounds(node.outputs[0])
    for value in computed:
        other = scales.bounds(value)
        if node.op_type in ("Concat", "Where"):
            bounds = bounds.within(other)
        elif len(computed) > 1:
            bounds = bounds.within(Bounds(low=other.low))
    return bounds


def _cheapest(scales: Scales, bounds: Bounds, computed: Sequence[Operand]) -> int:
    """The exponent for which the fewest numbers have to be multiplied."""

    def cost(exponent: int) -> tuple[int, int]:
        changed = [value for value in computed if not scales.known(value, exponent)]
        apart = [value for value in changed if scales.exponent(value) > 0 and _ends_layer(given(value))]
        return sum(map(scales.size, changed + apart)), abs(exponent)

    candidates = sorted({scales.exponent(value) for value in computed} or {0}, key=cost)
    fine = [exponent for exponent in candidates if bounds.contains(exponent)]
    return fine[0] if fine else bounds.settle(candidates[0])


def _guard(scales: Scales, node: ir.Node, bounds: Bounds, exponent: int) -> None:
    """Keep the number that saves a divisor from being 0 above 0, where it is too small for that in float16.

    It becomes as large as changes nothing of what was seen.
    """
    number = scalar(node.inputs[1])
    least = bounds.least * 2.0**-exponent
    if number is None or number <= 0 or not np.isfinite(least):
        return
    share = RELATIVE if node.op_type == "Add" else 0.5
    enough = next((floor for floor in (SUBNORMAL, TINIEST) if floor <= least * share), None)
    if enough is not None and number < enough:
        raised = constant(scales.graph, np.full_like(array(node.inputs[1]), enough), name_of(node.inputs[1]))
        node.replace_input_with(1, raised)


def layer(scales: Scales, node: ir.Node) -> int:
    """A layer: its weights take the scale, or what it reads where they would become too small."""
    exponent = scales.exponent(node.inputs[0])
    bounds = scales.bounds(node.outputs[0])
    add = bias_add(node) if node.op_type == "MatMul" else None
    if add is not None:
        bounds = bounds.within(Bounds(low=scales.bounds(add.outputs[0]).low))
    result = bounds.settle(0)
    scaled = array(node.inputs[1]) * np.float32(2.0 ** (exponent - result))
    if exponent != result and (flushes(scaled) or np.abs(scaled).max(initial=0) > LARGEST):
        scales.place(node, 0, result)
    elif exponent != result:
        scales.multiply_constant(node, 1, 2.0 ** (exponent - result))
    if node.op_type in CONVOLUTIONS:
        scales.multiply_constant(node, 2, 2.0**-result)
    return result


def product(scales: Scales, node: ir.Node) -> int:
    """Mul and MatMul: the exponents add up."""
    a, b = node.inputs[:2]
    if node.op_type == "MatMul" and _is_computed(a) and not _is_computed(b) and array(b).ndim == 2:
        return layer(scales, node)
    if node.op_type == "Mul" and not _is_computed(b):
        return _times_constant(scales, node)
    natural = scales.exponent(a) + scales.exponent(b)
    wanted = scales.bounds(node.outputs[0]).settle(natural)
    if a is b:
        each = -(-wanted // 2)
        scales.place(node, 0, each)
        scales.place(node, 1, each)
        return 2 * each
    _spread(scales, node, wanted - natural)
    return scales.exponent(node.inputs[0]) + scales.exponent(node.inputs[1])


def _times_constant(scales: Scales, node: ir.Node) -> int:
    """x * c: the constant takes the scale as far as float16 holds it."""
    x, numbers = node.inputs[0], array(node.inputs[1])
    bounds = scales.bounds(node.outputs[0])
    wanted = bounds.settle(0)
    nonzero = np.abs(numbers[(numbers != 0) & np.isfinite(numbers)])
    if not nonzero.size:
        return 0
    low, high = ceil(log2(nonzero.max() / LARGEST)), floor(log2(nonzero.max() / SMALLEST))
    change = min(max(wanted - scales.exponent(x), low), high)
    scales.place(node, 0, wanted - change)
    node.replace_input_with(0, scales.apart(given(node.inputs[0]), node))
    scales.multiply_constant(node, 1, 2.0**-change)
    return wanted


def _spread(scales: Scales, node: ir.Node, change: int) -> None:
    """Divide the product by 2^change: in the smaller operand, as far as that allows, and the rest in the other."""
    order = sorted((0, 1), key=lambda i: scales.size(node.inputs[i]) if _is_computed(node.inputs[i]) else 0)
    for last, index in enumerate(order):
        value = node.inputs[index]
        have, bounds = scales.exponent(value), scales.bounds(value)
        wanted = have + change
        if not last and _is_computed(value) and not bounds.contains(wanted):
            nearest = min(max(wanted, bounds.low), bounds.high)
            wanted = int(nearest) if abs(nearest - have) < abs(change) and (nearest - have) * change > 0 else have
        change -= wanted - have
        if not _is_computed(value):
            scales.multiply_constant(node, index, 2.0**-wanted)
            scales.exponents[given(node.inputs[index])] = wanted
        else:
            scales.place(node, index, wanted)


def quotient(scales: Scales, node: ir.Node) -> int:
    """Div: the exponents are subtracted."""
    a, b = node.inputs
    bounds = scales.bounds(node.outputs[0])
    if not _is_computed(b) or not _is_computed(a):
        wanted = bounds.settle(0)
        if _is_computed(a):
            scales.multiply_constant(node, 1, 2.0 ** (wanted - scales.exponent(a)))
        else:
            scales.multiply_constant(node, 0, 2.0 ** -(wanted + scales.exponent(b)))
        return wanted
    if bounds.contains(0) and scales.known(a, scales.exponent(b)):
        scales.place(node, 0, scales.exponent(b))
        return 0
    natural = scales.exponent(a) - scales.exponent(b)
    wanted = bounds.settle(natural)
    if wanted != natural:
        below = scales.exponent(b) + natural - wanted
        if scales.size(b) <= scales.size(a) and scales.bounds(b).contains(below):
            scales.place(node, 1, below)
        else:
            scales.place(node, 0, wanted + scales.exponent(b))
    return wanted


def root(scales: Scales, node: ir.Node) -> int:
    return _power(scales, node, 0.5)


def power(scales: Scales, node: ir.Node) -> int:
    number = scalar(node.inputs[1])
    return (
        unscaled(scales, node) if number is None or not _is_computed(node.inputs[0]) else _power(scales, node, number)
    )


def _power(scales: Scales, node: ir.Node, number: float) -> int:
    """x^number: the exponent times the number, which has to be whole."""
    step = next((step for step in (1, 2, 4, 8) if (step * number).is_integer()), None)
    x, out = node.inputs[0], scales.bounds(node.outputs[0])
    if step is None or not number:
        return unscaled(scales, node)
    ends = sorted((out.low / number, out.high / number))
    exponent = scales.bounds(x).within(Bounds(*ends)).settle(scales.exponent(x))
    exponent = -(-exponent // step) * step
    scales.place(node, 0, exponent)
    return round(exponent * number)


def normalization(scales: Scales, node: ir.Node) -> int:
    """LayerNormalization: no factor of what it takes changes it, if epsilon has it squared."""
    x = node.inputs[0]
    exponent = normalized_bounds(scales.extent(x)).settle(scales.exponent(x))
    scales.place(node, 0, exponent)
    epsilon = attribute(node, "epsilon") * 2.0 ** (-2 * exponent)
    node.attributes["epsilon"] = ir.AttrFloat32("epsilon", epsilon)
    wanted = scales.bounds(node.outputs[0]).settle(0)
    for index in (1, 2):
        scales.multiply_constant(node, index, 2.0**-wanted)
    return wanted


def exponential(scales: Scales, node: ir.Node) -> int:
    """exp(x) / 2^e = exp(x - e * log(2))"""
    scales.place(node, 0, 0)
    wanted = scales.bounds(node.outputs[0]).settle(0)
    if wanted:
        shift = constant(scales.graph, np.array(-wanted * log(2), np.float32), "shift")
        node.replace_input_with(0, emit(node, "Add", [node.inputs[0], shift], shape(node.inputs[0])))
    return wanted


def logarithm(scales: Scales, node: ir.Node) -> int:
    """log(x) = log(x / 2^e) + e * log(2)"""
    x, y = node.inputs[0], node.outputs[0]
    exponent = scales.bounds(x).settle(scales.exponent(x))
    scales.place(node, 0, exponent)
    if exponent:
        shift = constant(scales.graph, np.array(exponent * log(2), np.float32), "shift")
        total = ir.node("Add", [y, shift], metadata_props=dict(node.metadata_props))
        owner(node).insert_after(node, total)
        value = total.outputs[0]
        value.shape, value.type = y.shape, y.type
        for reader, index in list(y.uses()):
            if reader is not total:
                reader.replace_input_with(index, value)
        for index, output in enumerate(scales.graph.outputs):
            if output is y:
                scales.graph.outputs[index] = value
        value.name, y.name = name_of(y), f"{name_of(y)}_unshifted"
    return 0


RULES: Mapping[str, Callable[[Scales, ir.Node], int]] = {
    **dict.fromkeys(("Relu", "Abs", "Neg", "LeakyRelu", "PRelu", "Identity", "Reshape", "Transpose"), aligned(0)),
    **dict.fromkeys(("Slice", "Tile", "Gather", "Resize", "MaxPool", "AveragePool", "TopK", "CumSum"), aligned(0)),
    **dict.fromkeys(("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"), aligned(0)),
    **dict.fromkeys(("Add", "Sub", "Max", "Min", "Concat", "Clip"), aligned()),
    **dict.fromkeys(("Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal"), aligned()),
    **dict.fromkeys(("ArgMax", "ArgMin", "Sign", "IsNaN"), indifferent),
    "Where": aligned(1, 2),
    "Pad": aligned(0, 2),
    "ScatterND": aligned(0, 2),
    **dict.fromkeys(("Conv", "ConvTranspose"), layer),
    **dict.fromkeys(("Mul", "MatMul"), product),
    "Div": quotient,
    "Sqrt": root,
    "Pow": power,
    "LayerNormalization": normalization,
    "Exp": exponential,
    "Log": logarithm,
}
