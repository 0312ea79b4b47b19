"""Compute every int8 unit of an artifact in isolation: on the float graph's values, beside that graph.

What the unit reads comes from the float graph, what it multiplies by are the numbers that the artifact's integers stand
for, and what it rounds it rounds as the artifact does. Each rounding is counted once, where it happens: a unit's result
in that unit; a value that stays float until an integer kernel reads it in each reader.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from ...graph.edit import array, constant, given, maker, name_of, shape
from ...graph.fusion import Unit, source
from ...graph.kernels import KernelSet
from ...graph.qparams import QParams, asymmetric, float32, per_channel, symmetric16
from ...runtime.inspectors.inspector import Inspector
from ..calibration.observers import with_zero
from ..plan import BIASES, HEADROOM, Plan, read_as
from .stored_weights import weight_of

ISOLATED = "{}_isolated"  # the name of what a unit gives in isolation, by its output's


def match_artifact(units: Sequence[Unit], inspector: Inspector, kernels: KernelSet) -> list[Unit]:
    """`units` with the precision that each has in the artifact, and why it is float among others in int8."""
    built = []
    for unit in units:
        if precision := _integers_of(unit, inspector, kernels):
            built.append(replace(unit, precision=precision, why=""))
        else:
            why = (unit.why or "float in the artifact") if inspector.encodings else ""
            built.append(replace(unit, precision="float", why=why))
    return built


def _integers_of(unit: Unit, inspector: Inspector, kernels: KernelSet) -> str:
    """ "int8" or "int16", by the unit's result; "" where it runs in float."""
    made = inspector.encodings.get(unit.output)
    precision = "int16" if made is not None and made.dtype == "int16" else "int8"
    kernel = kernels.of_type(precision).get(unit.kind)
    if kernel is None or not any(name in inspector.integer for name in unit.nodes):
        return ""
    if unit.weight is not None and weight_of(unit, inspector) is None:
        return ""
    return precision if kernel.result != "rounded" or made is not None else ""


def add_isolated_units(
    model: ir.Model,
    units: Sequence[Unit],
    inspector: Inspector,
    weights: Mapping[str, np.ndarray],
    kernels: KernelSet,
) -> tuple[ir.Model, dict[str, str]]:
    """(a copy of the float graph in which each int8 unit stands a second time, {a unit's output: what that gives}).

    `units` as `match_artifact` gives them, `weights` as `read_weights`.
    """
    model = model.clone()
    writer = _IsolatedUnits(model.graph, inspector, weights, *_parameters(model.graph, units, inspector, kernels))
    moved_or_rounded = {u.output for u in units if u.is_integer and u.result != "float"}
    for unit in units:
        if unit.is_integer:
            writer.write(unit, kernels.of_type(unit.precision)[unit.kind].operands, moved_or_rounded)
    return model, writer.isolated


def rebuild_plan(model: ir.Model, units: Sequence[Unit], inspector: Inspector, kernels: KernelSet) -> Plan:
    """A plan that writes the artifact's Q/DQ into the float graph again, for who needs to lower it as it was lowered.

    Weights keep the float graph's numbers.
    """
    activations, requantized = _parameters(model.graph, units, inspector, kernels)
    weights, biases = {}, {}
    for unit in units:
        if not unit.is_integer or unit.weight is None:
            continue
        weights[unit.weight] = per_channel(
            array(model.graph.initializers[unit.weight]), kernels.of_type(unit.precision)[unit.kind].weight_axis or 0
        )
        if unit.accumulates is not None:
            step = read_as(unit.precision, unit.operands[0], activations, requantized).scale
            scales = tuple(float32(step * scale) for scale in weights[unit.weight].scales)
            biases[unit.accumulates] = QParams(scales, axis=0, dtype=BIASES.get(unit.precision, "int32"))
    ends = "int16" if inspector.inputs and all(spec.dtype == "int16" for spec in inspector.inputs) else "int8"
    return Plan(kernels.name, tuple(units), activations, weights, biases, requantized, ends)


def _parameters(
    graph: ir.Graph, units: Sequence[Unit], inspector: Inspector, kernels: KernelSet
) -> tuple[dict[str, QParams], dict[str, QParams]]:
    """The parameters of all values that integer units read and make, and of those that are requantised for units of the
    other type: the artifact's; of a constant as `plan` has them."""
    parameters, requantized = {}, {}
    for unit in units:
        if not unit.is_integer:
            continue
        for name in (*unit.operands, *([unit.output] if unit.result != "float" else [])):
            if name in inspector.encodings:
                parameters[name] = inspector.encodings[name]
                for other in ("int8", "int16"):
                    if (key := f"{name}_{other}") in inspector.encodings:
                        requantized[name] = inspector.encodings[key]
            elif name in graph.initializers:
                numbers, kernel = array(graph.initializers[name]), kernels.of_type(unit.precision)[unit.kind]
                if kernel.same_parameters and unit.output in inspector.encodings:
                    found = inspector.encodings[unit.output]
                else:
                    extremes = with_zero(float(numbers.min()), float(numbers.max()))
                    found = _of_constant(*extremes, unit.precision, kernels)
                other = parameters.setdefault(name, found)
                if (other.dtype == "int16") != (found.dtype == "int16"):
                    requantized[name] = found
    return parameters, requantized


def _of_constant(low: float, high: float, precision: str, kernels: KernelSet) -> QParams:
    if precision == "int16":
        return symmetric16(low * HEADROOM, high * HEADROOM)
    found = asymmetric(low, high)
    return found.unsigned() if kernels.activations == "uint8" else found


class _IsolatedUnits:
    def __init__(
        self,
        graph: ir.Graph,
        inspector: Inspector,
        weights: Mapping[str, np.ndarray],
        parameters: Mapping[str, QParams],
        requantized: Mapping[str, QParams],
    ) -> None:
        self.graph, self.inspector, self.weights = graph, inspector, weights
        self.parameters, self.requantized = parameters, requantized
        self.values = {name_of(v): v for v in (*graph.inputs, *graph.initializers.values())}
        self.values |= {name_of(o): o for n in graph for o in n.outputs}
        self.rounded: dict[tuple[ir.Value, QParams], ir.Value] = {}
        self.isolated: dict[str, str] = {}

    def write(self, unit: Unit, operands: int | None, as_they_are: set[str]) -> None:
        """Appends the unit's second copy; `as_they_are` are the values that another unit has rounded."""
        made: dict[ir.Value, ir.Value] = {}
        for position, name in enumerate(unit.nodes):
            node = maker(self.values[name])
            inputs = [value if value is None else made.get(value, value) for value in node.inputs]
            if position == 0:
                count = len(inputs) if operands is None else operands
                for i, value in enumerate(inputs[:count]):
                    if value is not None and value.dtype == ir.DataType.FLOAT:
                        inputs[i] = self.operand(unit, value, as_they_are)
                if unit.output in self.weights:
                    inputs[1] = self.constant(self.weights[unit.output])
            if name == unit.accumulates:
                bias = next((self.inspector.biases[n] for n in unit.nodes if n in self.inspector.biases), None)
                if bias is not None:
                    inputs[unit.bias_input] = self.constant(bias.reshape(shape(inputs[unit.bias_input])))
            made[node.outputs[0]] = self.append(node.op_type, inputs, node.attributes.values(), node.outputs[0])
        result = made[self.values[unit.output]]
        if unit.result == "rounded":
            result = self.round(result, self.parameters[unit.output])
        result.name = self.isolated[unit.output] = ISOLATED.format(unit.output)

    def operand(self, unit: Unit, value: ir.Value, as_they_are: set[str]) -> ir.Value:
        name = name_of(source(value))
        if name not in self.parameters:
            return value
        own = self.parameters[name]
        same = (own.dtype == "int16") == (unit.precision == "int16")
        if same and name in as_they_are:
            return value
        read = own if same else self.requantized.get(name, own)
        if (value, read) not in self.rounded:
            self.rounded[value, read] = self.round(value, read)
        return self.rounded[value, read]

    def round(self, value: ir.Value, parameters: QParams) -> ir.Value:
        """QuantizeLinear and DequantizeLinear."""
        scale = self.constant(np.array(parameters.scale, np.float32))
        zero_point = self.constant(np.array(parameters.zero_point, parameters.dtype))
        integers = self.append("QuantizeLinear", [value, scale, zero_point], (), value)
        integers.dtype = ir.DataType.from_numpy(np.dtype(parameters.dtype))
        return self.append("DequantizeLinear", [integers, scale, zero_point], (), value)

    def append(self, op_type: str, inputs: Sequence[ir.Value | None], attributes, like: ir.Value) -> ir.Value:
        node = ir.Node("", op_type, inputs, list(attributes))
        node.outputs[0].shape, node.outputs[0].dtype = ir.Shape(shape(like)), ir.DataType.FLOAT
        self.graph.append(node)
        return given(node.outputs[0])

    def constant(self, numbers: np.ndarray) -> ir.Value:
        return constant(self.graph, numbers, "isolated")
