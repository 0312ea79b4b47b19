"""Decide, from statistics and a kernel set, what runs in integers and with which parameters; it edits nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod

import numpy as np
import onnx_ir as ir

from ..artifacts.errors import QuantizeError, UnsupportedOp
from ..graph.edit import array, name_of, shape, where
from ..graph.fusion import Int16, Unit, find_units, source
from ..graph.kernels import Kernel, KernelSet
from ..graph.qparams import QParams, asymmetric, float32, per_channel, symmetric, symmetric16
from .calibration.observers import FUNCTIONS, OBSERVERS, Function, Observer, min_max, with_zero
from .calibration.statistics import Statistics

BIASES = {"int16": "int64"}  # else int32
MAX_BIAS = 2**30  # half of int32: the other half is left to the products (127 * 128 * 66,000 inputs)


# A value may lose one bit to the scale it shares (a Concat's, say). Beyond that its other readers pay: in an untrained
# MobileViT-S one such Concat made 97 % of the whole model's error.
MAX_COARSENING = 2.0
MAX_COARSENING_INT16 = 2.0**6  # of the bits that int16 has more it may lose more

# What calibration has not seen may go so far beyond: of sixteen bits a half costs nothing, and nothing is clipped.
HEADROOM = 1.5


# So cheap that rounding a float value before them is a loss.
AFTER_FLOAT = frozenset({"Add", "Sub", "Mul", "ReduceMean"})


@dataclass(frozen=True)
class Plan:
    """Every decision of a quantisation, by name; `apply` carries it out and `str` prints it."""

    kernels: str
    units: tuple[Unit, ...]
    activations: dict[str, QParams]  # per value of integers; constant operands of integer units too
    weights: dict[str, QParams]  # per initializer, per output channel
    biases: dict[str, QParams]  # per node that adds one, by its output; int32 or int64, scale = s_input * s_weight
    # What a value of one type becomes for those that read the other: int8 for int8 units, say, that int16 units made.
    requantized: dict[str, QParams] = field(default_factory=dict)
    ends: str = "int8"  # the type of integers of inputs and outputs, whatever reads and makes them

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [("unit", "kind", "runs", "scale", "zero", "why float")]
        made = {unit.output for unit in self.units}
        for name in (name for name in self.activations if name not in made):
            params = self.activations[name]
            rows.append((name, "input or constant", "", f"{params.scale:.6g}", str(params.zero_point), ""))
        for unit in self.units:
            params = self.activations.get(unit.output)
            shown = (f"{params.scale:.6g}", str(params.zero_point)) if params else ("", "")
            rows.append((unit.output, "+".join((unit.kind, *_extras(unit))), unit.precision, *shown, unit.why))
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        return "\n".join(
            "  ".join([cell.ljust(width) for cell, width in zip(row, widths, strict=False)] + [row[5]]).rstrip()
            for row in rows
        )


def _extras(unit: Unit) -> list[str]:
    biased = unit.kind == "Linear" and unit.bias is not None
    return ["bias"] * biased + ["act"] * (len(unit.nodes) > 1 + biased)


def plan(
    model: ir.Model,
    stats: Statistics,
    kernels: KernelSet,
    *,
    observer: str | Observer = "minmax",
    int16: Int16 = (),
    keep_float: Collection[str] = (),
    known: Mapping[str, tuple[float, float]] | None = None,
) -> Plan:
    """Decide the quantisation of a canonical float graph.

    A value gets parameters if an integer unit writes it or, through views, reads it. `int16` names units (by their
    output) whose activations are int16, where the kernels have that: its zero point is 0, and what the units read that
    is int8 is requantised. With "all" they are the rule, and so are the ends; else the ends are int8. `keep_float`
    names units that stay float whatever the kernels can do. `known`: {value: (lowest, highest)} of those that need no
    statistics. Raises QuantizeError if another value has none, UnsupportedOp if a node cannot be int8 where the device
    has no float.
    """
    observe = OBSERVERS[observer] if isinstance(observer, str) else observer
    graph = model.graph
    units = [
        replace(u, precision="float", why="asked for") if u.output in keep_float and u.is_integer else u
        for u in find_units(graph, kernels, int16)
    ]
    functions = {name: FUNCTIONS[function] for name, function in seen_through(units, graph).items()}
    ranges = {
        "int8": _Ranges(graph, stats, observe, functions, known or {}),
        "int16": _Ranges(graph, stats, min_max, {}, known or {}),
    }
    ends = _Ends(
        "int16" if int16 == "all" else "int8",
        frozenset(name_of(source(value)) for value in graph.inputs),
        frozenset(name_of(source(value)) for value in graph.outputs),
    )
    activations: dict[str, QParams] = {}
    requantized: dict[str, QParams] = {}
    weights: dict[str, QParams] = {}
    tried: dict[str, set[str]] = defaultdict(set)
    others: list[list[Unit]] = []  # as all units were, if they could, in int16, and in int8
    while True:  # each round takes a type from units, and leaves them another or float, so it ends
        units = _settle(units, graph, kernels)
        groups, conflicts = _groups(units, kernels, ranges, ends)
        if not conflicts:
            activations, requantized = _activations(units, groups, ranges, ends)
            weights, conflicts = _weights(units, kernels, activations, requantized, graph)
        if not conflicts:
            conflicts = outside_limits(units, kernels, activations, weights, requantized)
        if not conflicts:
            break
        others = others or [find_units(graph, kernels, every) for every in ("all", ())]
        for unit in units:
            tried[unit.output].add(unit.precision)
        units = [
            _retreat(u, [found[i] for found in others], conflicts[u.output], tried[u.output], kernels)
            if u.output in conflicts
            else u
            for i, u in enumerate(units)
        ]
    if not kernels.has_float:
        _refuse_float(units, graph, kernels, "int16 or int8" if int16 == "all" else "int8")
    biases = _biases(units, activations, requantized, weights)
    if kernels.activations == "uint8":
        activations = {name: params.unsigned() for name, params in activations.items()}
    return Plan(kernels.name, tuple(units), activations, weights, biases, requantized, ends.type)


def _retreat(unit: Unit, others: Sequence[Unit], why: str, tried: Collection[str], kernels: KernelSet) -> Unit:
    """The unit in the other type of integers, int16 where there is no float alone, if that may work; else in float."""
    for other in others:
        if other.is_integer and other.precision not in tried and (other.precision == "int8" or not kernels.has_float):
            return replace(other, why=why)
    return replace(unit, precision="float", why=why)


def read_as(
    precision: str, name: str, activations: Mapping[str, QParams], requantized: Mapping[str, QParams]
) -> QParams:
    """The parameters under which units of a precision read a value."""
    own = activations[name]
    return own if (own.dtype == "int16") == (precision == "int16") else requantized[name]


def _refuse_float(units: list[Unit], graph: ir.Graph, kernels: KernelSet, wanted: str) -> None:
    nodes = {name_of(output): node for node in graph for output in node.outputs}
    for unit in units:
        node = nodes[unit.nodes[0]]
        if unit.precision == "float" and any(out.dtype == ir.DataType.FLOAT for out in node.outputs):
            raise UnsupportedOp(
                f"{kernels.name}: {where(node)} cannot be {wanted}: {unit.why}; another profile keeps it float"
            )


def _settle(units: list[Unit], graph: ir.Graph, kernels: KernelSet) -> list[Unit]:
    """Light units take the precision of their surroundings: a residual stream that only float units read stays float
    (and is never rounded), and data is moved before it is quantised, not after; so are sums, products and means. So do
    units between float ones that are as fast in float."""
    units = list(units)
    position = {u.output: i for i, u in enumerate(units)}
    nodes = {name_of(output): node for node in graph for output in node.outputs}
    readers, whole = _readers(units), _largest_operands(units, graph)
    changed = True
    while changed:
        changed = False
        for i in reversed(range(len(units))):
            unit = units[i]
            if unit.precision == "float":
                continue
            kernel, read = kernels.of_type(unit.precision)[unit.kind], readers[unit.output]
            only_float_reads = all(units[r].precision == "float" for r in read)
            made = [units[position[name]].precision for name in unit.operands if name in position]
            given = any(v.name in unit.operands for v in graph.inputs)
            if kernel.light and only_float_reads:
                why = "cheap, and only float units read it"
            elif kernel.moves_data and made and not given and all(precision == "float" for precision in made):
                why = "moves float data; quantised after it"
            elif unit.kind in AFTER_FLOAT and _are_float(whole[unit.output], units, position):
                why = "it reads float; quantised after it"
            elif read and only_float_reads and set(made) == {"float"} and kernel.as_fast_in_float(nodes[unit.nodes[0]]):
                why = "between float units, and as fast in float"
            else:
                continue
            units[i] = replace(unit, precision="float", why=why)
            changed = True
    return units


def _largest_operands(units: Sequence[Unit], graph: ir.Graph) -> dict[str, list[str]]:
    """{output of a unit in AFTER_FLOAT: its computed operands, without those that are spread over a larger one}."""
    sizes = {name_of(v): prod(shape(v)) for n in graph for v in n.outputs if v.dtype == ir.DataType.FLOAT}
    found = {}
    for unit in units:
        if unit.kind in AFTER_FLOAT:
            computed = [name for name in unit.operands if name not in graph.initializers]
            largest = max((sizes.get(name, 0) for name in computed), default=0)
            found[unit.output] = [name for name in computed if sizes.get(name, largest) == largest]
    return found


def _are_float(names: Collection[str], units: Sequence[Unit], position: Mapping[str, int]) -> bool:
    """Whether float units make all of the values, at least one."""
    return bool(names) and all(name in position and units[position[name]].precision == "float" for name in names)


def seen_through(units: Sequence[Unit], graph: ir.Graph) -> dict[str, str]:
    """{value: the function, by its name in FUNCTIONS, through which alone it is seen}: only Gelu reads it, say, or it
    is the x of x * Sigmoid(x)."""
    readers = _readers(units)
    leaving = {source(value).name for value in graph.outputs}
    found = {}
    for name in readers.keys() - leaving:
        kinds = {units[i].kind: units[i] for i in readers[name]}
        if len(readers[name]) == 1:
            (found[name],) = kinds
        elif len(readers[name]) == 2 and kinds.keys() == {"Sigmoid", "Mul"}:
            gate, product = kinds["Sigmoid"].output, kinds["Mul"]
            if set(product.operands) == {name, gate} and len(readers[gate]) == 1 and gate not in leaving:
                found[name] = "Silu"
    return {name: function for name, function in found.items() if function in FUNCTIONS}


def _readers(units: Sequence[Unit]) -> dict[str, list[int]]:
    """Which units read each value, by position."""
    readers = defaultdict(list)
    for i, unit in enumerate(units):
        for operand in unit.operands:
            readers[operand].append(i)
    return readers


class _Ranges:
    """The (lo, hi) of a value or constant, each observed once."""

    def __init__(
        self,
        graph: ir.Graph,
        stats: Statistics,
        observe: Observer,
        functions: dict[str, Function],
        known: Mapping[str, tuple[float, float]],
    ) -> None:
        self._graph, self._stats, self._observe, self._functions = graph, stats, observe, functions
        self._known = dict(known)

    def __getitem__(self, name: str) -> tuple[float, float]:
        if name not in self._known:
            constant = self._graph.initializers.get(name)
            if constant is not None:
                numbers = array(constant)
                self._known[name] = with_zero(float(numbers.min()), float(numbers.max()))
            else:
                self._known[name] = self._observe(self._stats[name], *filter(None, [self._functions.get(name)]))
        return self._known[name]

    def union(self, names: Iterable[str]) -> tuple[float, float]:
        lows, highs = zip(*(self[name] for name in names), strict=True)
        return min(lows), max(highs)


@dataclass(frozen=True)
class _Ends:
    """What goes in and comes out: the type of its integers, and the values."""

    type: str
    inputs: frozenset[str]
    outputs: frozenset[str]


@dataclass
class _Group:
    """Values that share one pair of parameters, in integers of one type."""

    values: list[str]
    type: str = "int8"
    fixed: QParams | None = None
    symmetric: bool = False


def _groups(
    units: list[Unit], kernels: KernelSet, ranges: Mapping[str, _Ranges], ends: _Ends
) -> tuple[list[_Group], dict[str, str]]:
    """The quantised values, grouped by shared parameters, those at the `ends` in that type, too; and the units that
    cannot have the parameters they need."""
    group_of: dict[tuple[str, str], _Group] = {}  # by the type of its integers, and the value
    for unit, kernel in _integer(units, kernels):
        for name in (*unit.operands, *([unit.output] if kernel.result != "float" else [])):
            group_of.setdefault((unit.precision, name), _Group([name], unit.precision))
            if name in ends.inputs or name in ends.outputs:
                group_of.setdefault((ends.type, name), _Group([name], ends.type))
        if kernel.same_parameters:
            for name in unit.operands:
                _merge(group_of, (unit.precision, unit.output), (unit.precision, name))
    for unit, kernel in _integer(units, kernels):
        for index in kernel.symmetric:
            group_of[unit.precision, unit.operands[index]].symmetric = True
    conflicts = {}
    for unit, kernel in _integer(units, kernels):
        fixed = kernel.fixed_output if unit.clips_to is None else symmetric16(-unit.clips_to, unit.clips_to)
        if fixed is None:
            continue
        group = group_of[unit.precision, unit.output]
        if group.symmetric and fixed.zero_point != 0:
            conflicts[unit.output] = "its fixed zero point is not 0, which a reader of it needs"
        elif (group.fixed or fixed) != fixed or not _covers(fixed, ranges[unit.precision].union(group.values)):
            conflicts[unit.output] = "its fixed parameters do not suit the values that share them"
        else:
            group.fixed = fixed
    conflicts |= _spoilers(units, kernels, group_of, ranges)
    unique = {id(group): group for group in group_of.values()}
    return list(unique.values()), conflicts


def _spoilers(
    units: list[Unit],
    kernels: KernelSet,
    group_of: Mapping[tuple[str, str], _Group],
    ranges: Mapping[str, _Ranges],
) -> dict[str, str]:
    """Units that share one scale among values of very different size, where something else reads the smaller one."""
    readers, conflicts = _readers(units), {}
    for unit, kernel in _integer(units, kernels):
        if not kernel.same_parameters:
            continue
        of, most = ranges[unit.precision], MAX_COARSENING_INT16 if unit.precision == "int16" else MAX_COARSENING
        shared = _span(of.union(group_of[unit.precision, unit.output].values))
        for name in unit.operands:
            if len(readers[name]) > 1 and shared > most * _span(of[name]):
                conflicts[unit.output] = f"one scale for all would be {shared / _span(of[name]):.1f} times {name!r}'s"
    return conflicts


def _span(range_: tuple[float, float]) -> float:
    return range_[1] - range_[0]


def _integer(units: Sequence[Unit], kernels: KernelSet) -> list[tuple[Unit, Kernel]]:
    return [(u, kernels.of_type(u.precision)[u.kind]) for u in units if u.is_integer]


def _merge(group_of: dict[tuple[str, str], _Group], a: tuple[str, str], b: tuple[str, str]) -> None:
    kept, gone = group_of[a], group_of[b]
    if kept is gone:
        return
    kept.values += gone.values
    for name in gone.values:
        group_of[gone.type, name] = kept


def _covers(params: QParams, wanted: tuple[float, float]) -> bool:
    lo, hi = params.range
    room = params.scale * 1.01  # a step; a runtime's sigmoid may give 1.0000001
    return lo - room <= wanted[0] and wanted[1] <= hi + room


def _activations(
    units: list[Unit], groups: list[_Group], ranges: Mapping[str, _Ranges], ends: _Ends
) -> tuple[dict[str, QParams], dict[str, QParams]]:
    """(the parameters of each value as it is made, those under which the units of the other type read it)."""
    params: dict[str, dict[str, QParams]] = defaultdict(dict)  # by value and type
    for group in groups:
        low, high = ranges[group.type].union(group.values)
        if group.fixed is not None:
            shared = group.fixed
        elif group.type == "int16":
            shared = symmetric16(low * HEADROOM, high * HEADROOM)
        else:
            shared = (symmetric if group.symmetric else asymmetric)(low, high)
        for name in group.values:
            params[name][group.type] = shared
    made = dict.fromkeys(ends.inputs, ends.type)
    made |= {unit.output: unit.precision for unit in units if unit.is_integer and unit.result != "float"}
    own, others = {}, {}
    for name in dict.fromkeys(name for unit in units for name in (*unit.operands, unit.output) if name in params):
        first = made.get(name) or ("int8" if "int8" in params[name] else "int16")
        own[name] = params[name][first]
        for type_ in params[name].keys() - {first}:
            others[name] = params[name][type_]
    return own, others


def _weights(
    units: list[Unit],
    kernels: KernelSet,
    activations: Mapping[str, QParams],
    requantized: Mapping[str, QParams],
    graph: ir.Graph,
) -> tuple[dict[str, QParams], dict[str, str]]:
    """Per-channel weight parameters, and the units whose weight another unit has quantised along another axis.

    A channel's scale is max|w| / 127, but large enough that (a) its bias fits in 30 bits at s_input * s_weight, unless
    it has 64, and (b) the requantisation factor s_input * s_weight / s_output reaches the kernel's lower limit.
    """
    floors: dict[str, np.ndarray] = {}
    axes: dict[str, int] = {}
    conflicts = {}
    for unit, kernel in _integer(units, kernels):
        if kernel.weight_axis is None or unit.weight is None:
            continue
        if axes.setdefault(unit.weight, kernel.weight_axis) != kernel.weight_axis or unit.weight in activations:
            conflicts[unit.output] = f"its weight {unit.weight!r} is also quantised in another way"
            continue
        weight = _constant(graph, unit.weight)
        if not np.isfinite(weight).all():
            raise QuantizeError(f"plan: weight {unit.weight!r} holds NaN or infinity; check the model's weights")
        s_in = read_as(unit.precision, unit.operands[0], activations, requantized).scale
        s_out = activations[unit.output].scale if kernel.multiplier else 0.0
        floor = np.full(weight.shape[kernel.weight_axis], kernel.limits[0] * s_out / s_in)
        if unit.bias is not None and unit.precision != "int16":
            floor = np.maximum(floor, np.abs(_constant(graph, unit.bias).astype(np.float64)) / (MAX_BIAS * s_in))
        floors[unit.weight] = np.maximum(floor, floors.get(unit.weight, 0.0))
    weights = {name: per_channel(_constant(graph, name), axes[name], floor) for name, floor in floors.items()}
    return weights, conflicts


def outside_limits(
    units: Sequence[Unit],
    kernels: KernelSet,
    activations: Mapping[str, QParams],
    weights: Mapping[str, QParams],
    requantized: Mapping[str, QParams] | None = None,
) -> dict[str, str]:
    """{output of an integer unit: why its kernel cannot requantise as these parameters ask}"""
    conflicts = {}
    for unit, kernel in _integer(units, kernels):
        if kernel.multiplier is None:
            continue
        inputs = [read_as(unit.precision, name, activations, requantized or {}) for name in unit.operands]
        inputs += [weights[unit.weight]] if unit.weight is not None else []
        low, high = kernel.limits
        beyond = [f for f in kernel.factors(inputs, activations[unit.output]) if not low <= f < high]
        if beyond:
            conflicts[unit.output] = f"requantisation factor {beyond[0]:.3g} is outside [{low:.3g}, {high:.3g})"
    return conflicts


def _biases(
    units: list[Unit],
    activations: Mapping[str, QParams],
    requantized: Mapping[str, QParams],
    weights: Mapping[str, QParams],
) -> dict[str, QParams]:
    biases = {}
    for unit in units:
        if unit.is_integer and unit.weight is not None and unit.accumulates is not None:
            s_in = read_as(unit.precision, unit.operands[0], activations, requantized).scale
            scales = tuple(float32(s_in * s_w) for s_w in weights[unit.weight].scales)
            biases[unit.accumulates] = QParams(scales, axis=0, dtype=BIASES.get(unit.precision, "int32"))
    return biases


def _constant(graph: ir.Graph, name: str) -> np.ndarray:
    return array(graph.initializers[name])
