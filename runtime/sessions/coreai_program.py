"""Read what an .aimodel folder holds: its metadata, and the operations of its program with the names of their values.

The program is MLIR bytecode, which only coreai-core reads; it ends the process on what is no such bytecode. So the
digest that lies beside the program is compared first.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...artifacts.digest import sha256_of_file
from ...artifacts.embedded import Embedded, read_embedded
from ...artifacts.errors import ArtifactError, RuntimeUnavailable, first_line
from ...artifacts.files import open_regular, read_regular
from ...artifacts.json_reader import LARGEST, NotJson, parse_json
from ..backends import native_stderr

METADATA_KEY = "com.edgeport"  # of our facts, as JSON, in the asset's own metadata
PROGRAM, DIGEST, METADATA = "main.mlirb", "main.hash", "metadata.json"
FUNCTION = "main"
_CUSTOM = "creatorDefinedMetadata"
_IDENTIFIER = "op_id"  # what the library adds to the names of an operation
_WORDS = {"f": "float", "si": "int", "ui": "uint", "bf": "bfloat"}


@dataclass(frozen=True)
class Value:
    """An operand or result. `constant`: its numbers, where they are written into the program."""

    key: int  # its place among the values of the program
    shape: tuple[int | None, ...]
    dtype: str
    constant: np.ndarray | None = None
    is_constant: bool = False
    native: Any = None


@dataclass(frozen=True)
class Operation:
    """One operation. `name`: of the value that it computes, in the model that was exported; "" where it has none."""

    kind: str
    name: str
    operands: tuple[Value, ...]
    results: tuple[Value, ...]


@dataclass(frozen=True)
class Program:
    """The function "main". `outputs`: the names of the outputs, with the values that they are. `images`: which inputs
    are images in the file; here they are tensors of the pixels, uint8 (h, w, 3)."""

    operations: tuple[Operation, ...]
    inputs: tuple[tuple[str, Value], ...]
    outputs: tuple[tuple[str, Value], ...]
    images: frozenset[str]
    native: Any  # coreai.authoring.AIProgram


def check_asset(path: Path) -> None:
    """Raises ArtifactError unless the folder holds a program that is the one of its digest."""
    try:
        digest = read_regular(path / DIGEST, LARGEST)
        open_regular(path / PROGRAM).close()
        whole = sha256_of_file(path / PROGRAM) == digest.hex()
    except OSError as e:
        if isinstance(e, FileNotFoundError):
            raise ArtifactError(f"{path}: is not a whole .aimodel (it has no {Path(e.filename).name})") from e
        raise ArtifactError(f"{e.filename or path}: cannot be read ({e.strerror})") from e
    if not whole:
        raise ArtifactError(f"{path}: is damaged ({PROGRAM} is not the one of {DIGEST})")


def read_metadata(path: Path) -> dict[str, Any]:
    """The asset's metadata, the custom entries under their own key. Raises ArtifactError."""
    try:
        found = parse_json(read_regular(path / METADATA, LARGEST))
    except (NotJson, OSError) as e:
        raise ArtifactError(f"{path}: its {METADATA} cannot be read ({e})") from e
    if not isinstance(found, dict):
        raise ArtifactError(f"{path}: its {METADATA} is no JSON object")
    return found


def read_facts(path: Path) -> Embedded:
    """What edgeport says of the asset in its metadata. Raises ArtifactError."""
    custom = read_metadata(path).get(_CUSTOM)
    text = custom.get(METADATA_KEY) if isinstance(custom, dict) else None
    try:
        return read_embedded(text if isinstance(text, str) else None)
    except NotJson as e:
        raise ArtifactError(f"{path}: its {METADATA_KEY!r} metadata is damaged ({e})") from e


def library() -> Any:
    """coreai.authoring. Raises RuntimeUnavailable where it is not installed."""
    try:
        import coreai.authoring
    except ImportError as e:
        raise RuntimeUnavailable("Core AI models need coreai-core: pip install 'edgeport[coreai]'") from e
    return coreai.authoring


def read_program(path: Path) -> Program:
    """The program. Raises ArtifactError and RuntimeUnavailable."""
    check_asset(path)
    authoring = library()
    try:
        with native_stderr():
            program = authoring.AIProgram._load_bytecode(path / PROGRAM)
        graph = program._get_graph(FUNCTION)
        if graph is None:
            raise ArtifactError(f"{path}: has no function {FUNCTION!r}")
        return _program(program, graph)
    except (RuntimeError, ValueError) as e:
        raise ArtifactError(f"{path}: coreai-core cannot read it ({first_line(e).rstrip('.')})") from e


def save(program: Program, path: Path) -> None:
    """Writes the program as a new asset, whose inputs are tensors."""
    from coreai.authoring import DebugInfo

    with program.native._module._context, DebugInfo.unknown().activate():
        program.native.save_asset(path)


def save_with_outputs(program: Program, extra: dict[str, Value], path: Path) -> None:
    """Writes the program with these values as further outputs; `program` itself has them from then on, too."""
    from coreai.authoring import DebugInfo

    graph = program.native._get_graph(FUNCTION)
    with program.native._module._context, DebugInfo.unknown().activate():
        graph.outputs_spec = [*graph.outputs_spec, *((name, value.native) for name, value in extra.items())]
    save(program, path)


def _program(program: Any, graph: Any) -> Program:
    reader, images = _Reader(), _take_pixels(program, graph)
    inputs = [
        (_name_of(attributes), reader.value(each))
        for attributes, each in zip(graph.arg_attrs, graph.arguments, strict=True)
    ]
    outputs: tuple[Value, ...] = ()
    operations = []
    for operation in graph.entry_block.operations:
        if operation.name == "coreai.constant":
            reader.constant(operation)
        elif operation.name == "coreai.output":
            outputs = tuple(reader.value(each) for each in operation.operands)
        else:
            operations.append(reader.operation(operation))
    names = [name for name, _ in graph.outputs_spec]
    return Program(tuple(operations), tuple(inputs), tuple(zip(names, outputs, strict=True)), images, program)


def _take_pixels(program: Any, graph: Any) -> frozenset[str]:
    """Puts a tensor in the place of each image that the program takes, and all else stays; the names of the images."""
    from coreai._compiler.ir import FunctionType, TypeAttr

    found = set()
    with program._module._context:
        for operation in [each for each in graph.entry_block.operations if each.name == "coreai.image_to_tensor"]:
            (pixels,) = operation.results
            for attributes, argument in zip(graph.arg_attrs, graph.arguments, strict=True):
                if argument == operation.operands[0]:
                    found.add(_name_of(attributes))
                    argument.set_type(pixels.type)
                    pixels.replace_all_uses_with(argument)
                    operation.operation.erase()
                    break
        if found:
            kinds = [argument.type for argument in graph.arguments], graph.function_type.value.results
            graph.operation.attributes["function_type"] = TypeAttr.get(FunctionType.get(*kinds))
    return frozenset(found)


class _Reader:
    """Numbers values in the order in which they come."""

    def __init__(self) -> None:
        self._values: dict[Any, Value] = {}

    def value(self, value: Any) -> Value:
        if value not in self._values:
            kind = value.type
            shape = tuple(None if kind.is_dynamic_dim(i) else size for i, size in enumerate(kind.shape))
            dtype = _numpy_name(str(kind.element_type))
            self._values[value] = Value(len(self._values), shape, dtype, native=value)
        return self._values[value]

    def constant(self, operation: Any) -> None:
        """Its numbers, where they are written into the program and do not lie beside it."""
        from coreai._compiler.ir import DenseElementsAttr

        attribute, (result,) = operation.attributes["value"], operation.results
        numbers = np.array(attribute) if DenseElementsAttr.isinstance(attribute) else None
        self._values[result] = replace(self.value(result), constant=numbers, is_constant=True)

    def operation(self, operation: Any) -> Operation:
        from coreai.authoring import DebugInfo

        entries = [entry.name for entry in DebugInfo._from_mlir(operation.location)._metadata]
        return Operation(
            operation.name.rpartition(".")[2],  # "coreai.relu", "coreai.decomposable.broadcasting_add"
            next((entry for entry in entries if entry != _IDENTIFIER), ""),
            tuple(self.value(each) for each in operation.operands),
            tuple(self.value(each) for each in operation.results),
        )


def _name_of(attributes: Any) -> str:
    return attributes["coreai.name"].value if "coreai.name" in attributes else ""


def _numpy_name(kind: str) -> str:
    """f16, si32, ui8, i1 -> float16, int32, uint8, bool"""
    if kind == "i1":
        return "bool"
    word = kind.rstrip("0123456789")
    return f"{_WORDS.get(word, word)}{kind[len(word) :]}"
