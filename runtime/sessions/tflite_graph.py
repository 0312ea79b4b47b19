"""Read which operators and tensors a .tflite has, without an interpreter."""

import math
import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ...artifacts.errors import ArtifactError
from ...artifacts.files import read_regular
from ..footprint import Quantization
from . import tflite_verifier
from .tflite_ports import LARGEST

TYPES = {0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 6: "bool", 7: "int16", 9: "int8"}  # TensorType
BYTES = {"float32": 4, "float16": 2, "int32": 4, "uint8": 1, "int64": 8, "bool": 1, "int16": 2, "int8": 1}


@dataclass(frozen=True)
class FileTensor:
    """A tensor: `constant` has its numbers in the file, `scales` are how many scales it is quantised with."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    constant: bool
    quantization: Quantization | None
    scales: int

    @property
    def size_bytes(self) -> int:
        return math.prod(self.shape) * BYTES.get(self.dtype, 1)


@dataclass(frozen=True)
class FileOperator:
    """An operator by its name in the schema, and the tensors that it reads and writes; -1 stands for none."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class FileGraph:
    """The first subgraph of a .tflite."""

    tensors: tuple[FileTensor, ...]
    operators: tuple[FileOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    size_bytes: int

    def count(self) -> Counter[str]:
        """{operator: how often}, in the order of their names."""
        found = Counter(operator.name for operator in self.operators)
        return Counter(dict(sorted(found.items())))

    def computed(self) -> list[FileTensor]:
        """What operators read and write, but for constants."""
        places = {place for each in self.operators for place in (*each.inputs, *each.outputs) if place >= 0}
        return [self.tensors[place] for place in sorted(places) if not self.tensors[place].constant]


def read_graph(path: Path) -> FileGraph:
    """The graph of a file. Raises ArtifactError where it is not whole."""
    try:
        content = read_regular(path, LARGEST)
        model = tflite_verifier.verify(content)
    except OSError as e:
        raise ArtifactError(f"{path}: cannot be read ({e.strerror})") from e
    except tflite_verifier.BrokenFlatbuffer as e:
        raise ArtifactError(f"{path}: is not a whole TFLite model: {e}") from e
    names, graph, buffers = _operator_names(), model.get(2)[0], model.get(4)
    codes = [max(code.scalar(0, "<b"), code.scalar(3, "<i")) for code in model.get(1)]
    return FileGraph(
        tensors=tuple(_tensor(tensor, buffers) for tensor in graph.get(0)),
        operators=tuple(
            FileOperator(names.get(codes[each.scalar(0, "<I")], "?"), tuple(each.get(1)), tuple(each.get(2)))
            for each in graph.get(3)
        ),
        inputs=tuple(graph.get(1)),
        outputs=tuple(graph.get(2)),
        size_bytes=len(content),
    )


def _operator_names() -> dict[int, str]:
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    return {code: name for name, code in vars(BuiltinOperator).items() if isinstance(code, int)}


def _tensor(tensor: tflite_verifier.Table, buffers: list[tflite_verifier.Table]) -> FileTensor:
    stored = buffers[tensor.scalar(2, "<I")]
    quantization, scales = tensor.get(4, None), b""
    zeros = b""
    if quantization is not None:
        scales, zeros = bytes(quantization.get(2, b"")), bytes(quantization.get(3, b""))
    single = None
    if len(scales) == 4:
        zero = struct.unpack("<q", zeros)[0] if len(zeros) == 8 else 0
        single = Quantization(scale=struct.unpack("<f", scales)[0], zero_point=zero)
    return FileTensor(
        name=tensor.get(3, ""),
        shape=tuple(tensor.get(0)),
        dtype=TYPES.get(tensor.scalar(1, "<b"), "?"),
        constant=bool(stored.get(0)) or stored.scalar(1, "<Q") > 1,
        quantization=single,
        scales=len(scales) // 4,
    )
