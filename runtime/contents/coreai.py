"""Read what is written in an .aimodel."""

from dataclasses import replace
from pathlib import Path

from ..sessions.coreai_program import Value, read_metadata, read_program
from .contents import Contents, Operator, Tensor

_OLDEST = "iOS 27"  # the first system with Core AI; the format has one version


def read_contents(path: Path) -> Contents:
    """The operations of the program. Raises ArtifactError and RuntimeUnavailable."""
    metadata, program = read_metadata(path), read_program(path)
    names = {value.key: operation.name for operation in program.operations for value in operation.results}
    names |= {value.key: name for name, value in (*program.inputs, *program.outputs)}

    def tensor(value: Value) -> Tensor:
        name = names.get(value.key, "")
        return Tensor(name=name, shape=value.shape, dtype=value.dtype, constant=value.is_constant)

    operators = (
        Operator(
            kind=operation.kind,
            inputs=tuple(tensor(value) for value in operation.operands),
            outputs=tuple(tensor(value) for value in operation.results),
        )
        for operation in program.operations
    )
    return Contents(
        operators=tuple(operators),
        inputs=tuple(
            replace(tensor(value), dtype="rgb image") if name in program.images else tensor(value)
            for name, value in program.inputs
        ),
        outputs=tuple(tensor(value) for _, value in program.outputs),
        minimum_runtime=_OLDEST,
        metadata=tuple(metadata),
    )
