"""Run an ML program: bind every operation to its function once, then compute one after the other.

Numbers. A float16 value is held as float32 and rounded to float16 after the operation that makes it: float32 inside an
operator, float16 between operators. That is roughly what the Neural Engine and the GPU do, no promise of their bits.
float32 is float32 throughout. Integers under 32 bits are exact; unsigned 16 and 32 bits are held in a wider type.
An operation whose operands are all constant (weights, and their decompression) is computed when the program is loaded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ...artifacts.errors import ArtifactError, first_line
from . import ops as _ops  # noqa: F401  (fills the table)
from .program import Operand, Operation, Program, Type
from .table import IGNORED, OPS, OpError

# MIL's type -> the torch type that holds it
HELD = {
    "bool": torch.bool,
    "float16": torch.float32,
    "float32": torch.float32,
    "float64": torch.float64,
    "int4": torch.int8,
    "int8": torch.int8,
    "int16": torch.int16,
    "int32": torch.int32,
    "int64": torch.int64,
    "uint1": torch.uint8,
    "uint2": torch.uint8,
    "uint3": torch.uint8,
    "uint4": torch.uint8,
    "uint6": torch.uint8,
    "uint8": torch.uint8,
    "uint16": torch.int32,
    "uint32": torch.int64,
    "uint64": torch.int64,
}

# numpy has them, torch computes little with them
_WIDER = {"uint16": np.int32, "uint32": np.int64, "uint64": np.int64, "float16": np.float32}


@dataclass(frozen=True)
class _Step:
    """An operation ready to run: what is known, and the names of what is not."""

    operation: Operation
    known: dict[str, Any]
    tensors: dict[str, str | tuple[str | Any, ...]]
    plain: dict[str, str]
    last_used: tuple[str, ...]  # values that nothing needs afterwards


class Interpreter:
    """Runs a Program.

    Raises:
        ArtifactError: an operator is not in the table, or is asked for what it does not do; a value is used but never
            made; an operation's result is not of the shape that the file declares.
    """

    def __init__(self, program: Program):
        self._program = program
        for operation in program.operations:  # all of them first: an unknown operator is the most useful message
            if operation.type not in OPS:
                raise self._error(operation, "is an operator that this runner does not have")
        for name, kind in program.parameters:
            if kind.dtype not in HELD or kind.shape is None:
                raise ArtifactError(
                    f"{program.where}: its input {name!r} is a {kind.dtype}, which this runner cannot take"
                )
        self._values: dict[str, Any] = {}
        self._steps: list[_Step] = []
        self._types = dict(program.parameters)
        for operation in program.operations:
            self._bind(operation)
        for name in program.results:
            if name not in self._types:
                raise ArtifactError(f"{program.where}: returns {name!r}, which no operation makes")
        self._steps = _with_last_uses(self._steps, program.results)

    def __call__(self, arguments: Mapping[str, torch.Tensor]) -> dict[str, Any]:
        """{parameter: tensor} -> {result: tensor}, or what else an operator makes (classify's label is a string)."""
        values = self._values | {name: _settled(arguments[name], kind) for name, kind in self._program.parameters}
        with torch.inference_mode():
            for step in self._steps:
                given = dict(step.known)
                for parameter, name in step.tensors.items():
                    given[parameter] = values[name] if isinstance(name, str) else [_value(values, n) for n in name]
                for parameter, name in step.plain.items():
                    given[parameter] = _plain(values[name])
                values.update(self._compute(step.operation, given))
                for name in step.last_used:
                    del values[name]
        return {name: values[name] for name in self._program.results}

    def _bind(self, operation: Operation) -> None:
        """Checks an operation against its row; computes it now if all of it is known, else makes it a step."""
        row = OPS[operation.type]
        known: dict[str, Any] = {}
        tensors: dict[str, str | tuple[str | Any, ...]] = {}
        plain: dict[str, str] = {}
        for parameter, operands in operation.inputs.items():
            if parameter in IGNORED:
                continue
            if parameter not in row.tensors | row.plain:
                raise self._error(operation, f"has a parameter {parameter!r} that this runner does not know")
            resolved = [self._resolved(operation, operand) for operand in operands]
            unknown = [isinstance(value, _Later) for value in resolved]
            if len(operands) != 1:  # a tuple of tensors
                if any(unknown):
                    tensors[parameter] = tuple(v.name if isinstance(v, _Later) else v for v in resolved)
                else:
                    known[parameter] = resolved if parameter in row.tensors else [_plain(v) for v in resolved]
            elif unknown[0]:
                (tensors if parameter in row.tensors else plain)[parameter] = resolved[0].name
            else:
                known[parameter] = resolved[0] if parameter in row.tensors else _plain(resolved[0])
        missing = sorted(row.required - operation.inputs.keys())
        if missing:
            raise self._error(operation, f"lacks its parameter {missing[0]!r}")
        if tensors or plain:
            self._steps.append(_Step(operation, known, tensors, plain, ()))
        else:
            with torch.inference_mode():
                self._values.update(self._compute(operation, known))
        self._types.update(operation.outputs)

    def _resolved(self, operation: Operation, operand: Operand) -> Any:
        """The operand's value if it is known by now, else a _Later with its name."""
        if operand.literal is not None:
            return _held(operand.literal)
        if operand.name in self._values:
            return self._values[operand.name]
        if operand.name not in self._types:
            raise self._error(operation, f"uses {operand.name!r}, which nothing before it makes")
        return _Later(operand.name)

    def _compute(self, operation: Operation, given: dict[str, Any]) -> dict[str, Any]:
        """{output name: value in its declared type}."""
        try:
            result = OPS[operation.type].function(**given)
        except OpError as e:
            raise self._error(operation, str(e)) from e
        except (RuntimeError, ValueError, IndexError, TypeError, AttributeError) as e:  # operands that do not fit
            raise self._error(operation, f"cannot be computed ({first_line(e).rstrip('.')})") from e
        results = result if isinstance(result, tuple) else (result,)
        if len(results) < len(operation.outputs):
            raise self._error(operation, f"makes {len(results)} values, but the file names {len(operation.outputs)}")
        settled = {}
        for (name, kind), value in zip(operation.outputs, results, strict=False):
            if isinstance(value, torch.Tensor) and kind.shape is not None:
                if kind.dtype not in HELD:
                    raise self._error(operation, f"makes a {kind.dtype}, which this runner does not have")
                shape = tuple(value.shape)
                if len(shape) != len(kind.shape) or any(
                    w not in (None, g) for w, g in zip(kind.shape, shape, strict=True)
                ):
                    raise self._error(operation, f"makes the shape {shape}, but the file says {kind.shape}")
                value = _settled(value, kind)
            settled[name] = value
        return settled

    def _error(self, operation: Operation, what: str) -> ArtifactError:
        return ArtifactError(f"{self._program.where}: {operation} {what}")


@dataclass(frozen=True)
class _Later:
    """A value that is only known when the program runs."""

    name: str


def _value(values: dict[str, Any], name_or_value: Any) -> Any:
    return values[name_or_value] if isinstance(name_or_value, str) else name_or_value


def _held(literal: Any) -> Any:
    """A literal of the file as the interpreter holds it: arrays as tensors, strings and lists as they are."""
    if not isinstance(literal, np.ndarray):
        return literal
    return torch.from_numpy(literal.astype(_WIDER.get(literal.dtype.name, literal.dtype), copy=False))


def _settled(value: torch.Tensor, kind: Type) -> torch.Tensor:
    """In the torch type that holds `kind`, rounded to it."""
    if kind.dtype == "float16":
        return value.half().float()
    return value.to(HELD[kind.dtype])


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, torch.Tensor) else value


def _with_last_uses(steps: list[_Step], results: tuple[str, ...]) -> list[_Step]:
    """The steps, each with the values that it is the last to use, so that memory stays at what is alive."""
    needed, ordered = set(results), []
    for step in reversed(steps):
        used = {name for name in step.plain.values()} | {name for name, _ in step.operation.outputs}
        for names in step.tensors.values():
            used |= {names} if isinstance(names, str) else {name for name in names if isinstance(name, str)}
        ordered.append(_Step(step.operation, step.known, step.tensors, step.plain, tuple(sorted(used - needed))))
        needed |= used
    return ordered[::-1]
