"""Turn the protobuf message of an ML program into plain data."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...artifacts.errors import ArtifactError
from .blob import BlobFile, unpack
from .schema import ARRAY_DTYPES, BITS, COLOURS, DTYPES, MODEL, OTHER_MODELS
from .wire import BrokenProtobuf, decode

# what a literal is in Python; a list holds literals
Literal = np.ndarray | str | list


@dataclass(frozen=True)
class Type:
    """The type of a value: `dtype` as in schema.DTYPES ("float16"), or "list", "dictionary" ... with no shape.

    A dimension that the file leaves open is None; the shape is None where even the rank is.
    """

    dtype: str
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True)
class Operand:
    """What an operation's parameter is bound to: the name of a value, or the value itself."""

    name: str = ""
    literal: Literal | None = None


@dataclass(frozen=True)
class Operation:
    """One step. `inputs` maps each parameter, attributes too, to its operands: several where it takes a tuple."""

    type: str
    name: str
    inputs: Mapping[str, tuple[Operand, ...]]
    outputs: tuple[tuple[str, Type], ...]

    def __str__(self) -> str:
        return f"{self.type} (at {self.name!r})"


@dataclass(frozen=True)
class Feature:
    """An input or output of the model as the application sees it.

    Attributes:
        kind: "image", "array", or what else Core ML has ("string", "int64", "dictionary" ...).
        shape: NCHW of an image; an array's default shape; () otherwise.
        dtype: an array's, "uint8" for an image.
        colour: of an image: "rgb", "bgr", "grayscale" or "grayscale_float16".
    """

    name: str
    kind: str
    shape: tuple[int, ...] = ()
    dtype: str = ""
    colour: str = ""


@dataclass(frozen=True)
class Program:
    """An ML program with its weights.

    Attributes:
        specification: Core ML's version of the format (7 = iOS 16, 8 = iOS 17, 9 = iOS 18).
        opset: "CoreML6" for iOS 16, "CoreML7" for iOS 17 ...
        parameters: the function's inputs with their types.
        results: the names of the values that it returns.
        label_name, probabilities_name: the classifier's two outputs; empty for other models.
    """

    where: str
    specification: int
    opset: str
    inputs: tuple[Feature, ...]
    outputs: tuple[Feature, ...]
    parameters: tuple[tuple[str, Type], ...]
    operations: tuple[Operation, ...]
    results: tuple[str, ...]
    label_name: str = ""
    probabilities_name: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)

    def type_of(self, name: str) -> Type:
        """The declared type of a value; that of a dictionary or an unknown name has no shape."""
        made = (output for operation in self.operations for output in operation.outputs)
        return dict([*self.parameters, *made]).get(name, Type("unknown", None))


def parse_model(data: bytes, where: str, blob_file: Callable[[str], BlobFile]) -> Program:
    """The message Model -> Program.

    Args:
        where: the file's name, for messages.
        blob_file: the name of a weight file, as the program writes it -> the file.

    Raises:
        ArtifactError: it is no such message, not an ML program, or its weights are not what it says.
    """
    try:
        model = decode(MODEL, "Model", data)
        program = model.get("mlProgram")
        if program is None:
            kind = next((name for name in OTHER_MODELS.values() if name in model), None)
            raise ArtifactError(
                f"{where}: is a Core ML {kind}; only an ML program can be run"
                if kind
                else f"{where}: is no Core ML model"
            )
        return _Parser(where, blob_file).program(model, program)
    except (BrokenProtobuf, ValueError, OverflowError) as e:  # the latter two: a constant that its type cannot hold
        raise ArtifactError(f"{where}: is not a whole Core ML model: {e}") from e


class _Parser:
    def __init__(self, where: str, blob_file: Callable[[str], BlobFile]):
        self._where = where
        self._blob_file = blob_file

    def program(self, model: dict[str, Any], program: dict[str, Any]) -> Program:
        described = model.get("description", {})
        functions = program.get("functions", {})
        name = described.get("defaultFunctionName") or "main"
        if name not in functions:
            raise ArtifactError(f"{self._where}: its ML program has no function {name!r}")
        function = functions[name]
        opset = function.get("opset", "")
        blocks = function.get("block_specializations", {})
        if opset not in blocks:
            raise ArtifactError(f"{self._where}: its function {name!r} has no block for its opset {opset!r}")
        # a model of several functions describes each on its own
        io = next((f for f in described.get("functions", ()) if f.get("name") == name), described)
        metadata = described.get("metadata", {})
        self._check_described("inputs", io.get("input", ()), [p.get("name") for p in function.get("inputs", ())])
        self._check_described("outputs", io.get("output", ()), blocks[opset].get("outputs", ()))
        return Program(
            where=self._where,
            specification=model.get("specificationVersion", 0),
            opset=opset,
            inputs=tuple(map(_feature, io.get("input", ()))),
            outputs=tuple(map(_feature, io.get("output", ()))),
            parameters=tuple(map(_named_type, function.get("inputs", ()))),
            operations=tuple(map(self._operation, blocks[opset].get("operations", ()))),
            results=tuple(blocks[opset].get("outputs", ())),
            label_name=io.get("predictedFeatureName", ""),
            probabilities_name=io.get("predictedProbabilitiesName", ""),
            metadata={k: v for k, v in metadata.items() if isinstance(v, str)} | metadata.get("userDefined", {}),
        )

    def _check_described(self, side: str, features: Iterable[dict[str, Any]], names: Iterable[Any]) -> None:
        described, names = sorted(feature.get("name", "") for feature in features), sorted(map(str, names))
        if described != names:
            raise ArtifactError(f"{self._where}: describes the {side} {described}, but its program has {names}")

    def _operation(self, operation: dict[str, Any]) -> Operation:
        outputs = tuple(map(_named_type, operation.get("outputs", ())))
        attributes = dict(operation.get("attributes", {}))
        name = attributes.pop("name", None)
        name = self._literal(name) if name else outputs[0][0] if outputs else ""
        inputs = {
            parameter: tuple(map(self._operand, argument.get("arguments", ())))
            for parameter, argument in operation.get("inputs", {}).items()
        }
        # Apple keeps the operands of const and of iOS 16's constexpr ops among the attributes
        inputs |= {parameter: (Operand(literal=self._literal(value)),) for parameter, value in attributes.items()}
        return Operation(operation.get("type", ""), str(name), inputs, outputs)

    def _operand(self, binding: dict[str, Any]) -> Operand:
        if "value" in binding:
            return Operand(literal=self._literal(binding["value"]))
        return Operand(name=binding.get("name", ""))

    def _literal(self, value: dict[str, Any]) -> Literal:
        if "blobFileValue" in value:
            kind, blob = _type(value.get("type", {})), value["blobFileValue"]
            shape = self._literal_shape(kind)
            data = self._blob_file(blob.get("fileName", ""))
            return data.read(blob.get("offset", 0), kind.dtype, math.prod(shape)).reshape(shape)
        immediate = value.get("immediateValue", {})
        for sequence in ("list", "tuple"):
            if sequence in immediate:
                return [self._literal(element) for element in immediate[sequence].get("values", ())]
        return self._tensor(_type(value.get("type", {})), immediate.get("tensor", {}))

    def _tensor(self, kind: Type, tensor: dict[str, Any]) -> Literal:
        shape = self._literal_shape(kind)
        values = next(iter(tensor.values()), {}).get("values", [])
        if kind.dtype == "string":
            return values[0] if shape == () and values else list(values)
        count = math.prod(shape)
        if isinstance(values, bytes):
            if len(values) != (count * BITS[kind.dtype] + 7) // 8:
                raise ArtifactError(f"{self._where}: a constant has {len(values)} bytes, not {count} of {kind.dtype}")
            return unpack(np.frombuffer(values, np.uint8).copy(), kind.dtype, count).reshape(shape)
        dtype = kind.dtype if BITS[kind.dtype] >= 8 else "int8"
        if len(values) != count:
            raise ArtifactError(f"{self._where}: a constant has {len(values)} elements, but its shape is {shape}")
        return np.array(values, dtype).reshape(shape)

    def _literal_shape(self, kind: Type) -> tuple[int, ...]:
        if kind.shape is None or None in kind.shape or kind.dtype not in BITS:
            raise ArtifactError(f"{self._where}: a constant has the type {kind.dtype} {kind.shape}, which cannot be")
        return kind.shape  # type: ignore[return-value]


def _named_type(named: dict[str, Any]) -> tuple[str, Type]:
    return named.get("name", ""), _type(named.get("type", {}))


def _type(value: dict[str, Any]) -> Type:
    tensor = value.get("tensorType")
    if tensor is None:
        return Type(next(iter(value), "unknown").removesuffix("Type"), None)
    dimensions = tensor.get("dimensions", ())
    variadic = tensor.get("rank", 0) < 0 or any(d.get("unknown", {}).get("variadic") for d in dimensions)
    shape = None if variadic else tuple(d["constant"].get("size", 0) if "constant" in d else None for d in dimensions)
    code = tensor.get("dataType", 0)
    return Type(DTYPES[code][0] if code in DTYPES else f"type {code}", shape)


def _feature(description: dict[str, Any]) -> Feature:
    name, kind = description.get("name", ""), description.get("type", {})
    if "imageType" in kind:
        image = kind["imageType"]
        colour = COLOURS.get(image.get("colorSpace", 0), "unknown")
        channels = 3 if colour in ("rgb", "bgr") else 1
        return Feature(name, "image", (1, channels, image.get("height", 0), image.get("width", 0)), "uint8", colour)
    if "multiArrayType" in kind:
        array = kind["multiArrayType"]
        dtype = ARRAY_DTYPES.get(array.get("dataType", 0), "unknown")
        return Feature(name, "array", tuple(array.get("shape", ())), dtype)
    return Feature(name, next(iter(kind), "unknown").removesuffix("Type"))
