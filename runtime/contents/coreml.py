"""Read what is written in an .mlpackage."""

from pathlib import Path

from ..mil.package import read_package
from ..mil.program import Feature, Operand, Program, Type
from .contents import Contents, Operator, Tensor

_SYSTEMS = {6: "iOS 15", 7: "iOS 16", 8: "iOS 17", 9: "iOS 18", 10: "iOS 26"}


def read_contents(path: Path) -> Contents:
    """The operators of the program. Raises ArtifactError."""
    program = read_package(path)
    types = dict(program.parameters)
    operators = []
    for operation in program.operations:
        types |= dict(operation.outputs)
        if operation.type == "const":
            continue
        named = [operand for operands in operation.inputs.values() for operand in operands if operand.name]
        operators.append(
            Operator(
                kind=operation.type,
                inputs=tuple(_operand(operand, types) for operand in named),
                outputs=tuple(_tensor(name, kind) for name, kind in operation.outputs),
            )
        )
    return Contents(
        operators=tuple(operators),
        inputs=tuple(_port(feature) for feature in program.inputs),
        outputs=tuple(_output(feature, program) for feature in program.outputs),
        minimum_runtime=_SYSTEMS.get(program.specification, f"Core ML specification {program.specification}"),
        metadata=tuple(program.metadata),
    )


def _operand(operand: Operand, types: dict[str, Type]) -> Tensor:
    return _tensor(operand.name, types.get(operand.name, Type("unknown", None)))


def _tensor(name: str, kind: Type) -> Tensor:
    return Tensor(name=name, shape=kind.shape, dtype=kind.dtype)


def _port(feature: Feature) -> Tensor:
    dtype = f"{feature.colour} image" if feature.kind == "image" else feature.dtype or feature.kind
    return Tensor(name=feature.name, shape=feature.shape, dtype=dtype)


def _output(feature: Feature, program: Program) -> Tensor:
    """An output; the shape of an array is often in the program alone."""
    kind = program.type_of(feature.name)
    if feature.kind == "array" and not feature.shape and kind.shape:
        return Tensor(name=feature.name, shape=kind.shape, dtype=feature.dtype or kind.dtype)
    return _port(feature)
