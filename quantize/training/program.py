"""A quantised graph as a list of steps in PyTorch: which operator, on which values, and what may be forgotten then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import onnx_ir as ir
from torch import Tensor

from ...artifacts.errors import UnsupportedOp
from ...graph.edit import array, name_of, where
from ...graph.qdq import const_value
from ..apply import Place
from .operators import OPERATORS, STATIC


@dataclass(frozen=True)
class Static:
    """An operand that is Python numbers: sizes, axes, bounds."""

    value: Any


@dataclass(frozen=True)
class Step:
    """One node.

    Attributes:
        op: of the dialect; "QuantizeLinear" rounds, and the DequantizeLinear behind it changes nothing more.
        operands: names of values, numbers, or None for what is left out.
        results: the names of what it gives.
        key: of a QuantizeLinear: the value of the plan that it rounds.
        forgotten: values that no later step reads.
    """

    op: str
    operands: tuple[str | Static | None, ...]
    results: tuple[str, ...]
    attributes: Mapping[str, Any]
    key: str = ""
    forgotten: tuple[str, ...] = ()


@dataclass(frozen=True)
class Program:
    """The steps of a graph, and what it reads beside its inputs.

    Attributes:
        constants: the names of initializers that steps read as they are.
        quantized: {value that steps read: the decision of the plan by which a constant is rounded to it}
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    steps: tuple[Step, ...]
    constants: tuple[str, ...]
    quantized: Mapping[str, Place]

    def run(self, values: dict[str, Tensor], quantize: Callable[[str, Tensor], Tensor]) -> tuple[Tensor, ...]:
        """The outputs; `values` holds the inputs and all constants, `quantize(key, x)` rounds a value of the plan."""
        for step in self.steps:
            operands: list[Any] = [
                each.value if isinstance(each, Static) else None if each is None else values[each]
                for each in step.operands
            ]
            made: Any
            if step.op == "QuantizeLinear":
                made = quantize(step.key, operands[0])
            elif step.op == "DequantizeLinear":
                made = operands[0]
            else:
                made = OPERATORS[step.op](*operands, **step.attributes)
            values.update(zip(step.results, made if isinstance(made, tuple) else (made,), strict=False))
            for name in step.forgotten:
                del values[name]
        return tuple(values[name] for name in self.outputs)


def write_program(model: ir.Model, carried_out: Mapping[ir.Node, Place]) -> Program:
    """The program of a graph that a plan was written into (`apply_with_places`).

    Raises UnsupportedOp for an operator that cannot be trained through.
    """
    graph = model.graph
    steps: list[Step] = []
    constants: dict[str, None] = {}
    quantized: dict[str, Place] = {}
    for node in graph:
        results = tuple(name_of(output) for output in node.outputs)
        place = carried_out.get(node)
        if node.op_type == "DequantizeLinear" and const_value(node.inputs[0]) is not None and place:
            quantized[results[0]] = place
            continue
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            key = place[1] if place and node.op_type == "QuantizeLinear" else ""
            steps.append(Step(node.op_type, (name_of(node.inputs[0]),), results, {}, key))
            continue
        if node.op_type not in OPERATORS:
            raise UnsupportedOp(f"prepare_qat: {where(node)} cannot be trained through; leave it behind the model.")
        operands: list[str | Static | None] = []
        for index, value in enumerate(node.inputs):
            if value is not None and index in STATIC.get(node.op_type, ()):
                operands.append(Static(array(value).tolist()))
                continue
            operands.append(value and name_of(value))
            if value is not None and value.is_initializer():
                constants[name_of(value)] = None
        attributes = {name: _python(attribute) for name, attribute in node.attributes.items()}
        steps.append(Step(node.op_type, tuple(operands), results, attributes))
    inputs, outputs = (tuple(map(name_of, values)) for values in (graph.inputs, graph.outputs))
    constants |= {name: None for name in outputs if name in graph.initializers}
    return Program(inputs, outputs, _forgetting(steps, {*constants, *quantized, *outputs}), (*constants,), quantized)


def _python(attribute: ir.Attr) -> Any:
    return tuple(attribute.value) if isinstance(attribute.value, list | tuple) else attribute.value


def _forgetting(steps: list[Step], kept: set[str]) -> tuple[Step, ...]:
    """The steps, each with the values that are not read behind it."""
    seen, found = set(kept), []
    for step in reversed(steps):
        touched = {each for each in (*step.operands, *step.results) if isinstance(each, str)}
        forgotten = tuple(sorted(touched - seen))
        seen |= touched
        found.append(Step(step.op, step.operands, step.results, step.attributes, step.key, forgotten))
    return tuple(reversed(found))
