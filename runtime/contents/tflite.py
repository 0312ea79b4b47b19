"""Read what is written in a .tflite."""

import struct
from functools import cache
from pathlib import Path

from ...artifacts.errors import ArtifactError, RuntimeUnavailable
from ...artifacts.files import read_regular
from ..sessions import tflite_verifier
from ..sessions.tflite_ports import LARGEST
from ..sessions.tflite_verifier import BrokenFlatbuffer, Table
from .contents import Contents, Operator, Tensor

# TensorType of the schema
_DTYPES = {
    **{0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 5: "string", 6: "bool", 7: "int16"},
    **{8: "complex64", 9: "int8", 10: "float64", 11: "complex128", 12: "uint64", 15: "uint32", 16: "uint16"},
    **{17: "int4", 18: "bfloat16"},
}
MIN_RUNTIME, STANDARD_METADATA = "min_runtime_version", "TFLITE_METADATA"


def read_contents(path: Path) -> Contents:
    """The operators of the first graph, which is the model. Raises ArtifactError and RuntimeUnavailable."""
    try:
        model = tflite_verifier.verify(read_regular(path, LARGEST))
    except OSError as e:
        raise ArtifactError(f"{path}: cannot be read ({e.strerror})") from e
    except BrokenFlatbuffer as e:
        raise ArtifactError(f"{path}: is not a whole TFLite model: {e}") from e
    graph, buffers = model.get(2)[0], model.get(4)
    tensors = [_tensor(table, buffers) for table in graph.get(0)]
    kinds = [_kind(code) for code in model.get(1)]
    entries = tflite_verifier.metadata(model)
    return Contents(
        operators=tuple(
            Operator(
                kind=kinds[operator.scalar(0, "<I")],
                inputs=tuple(None if i < 0 else tensors[i] for i in operator.get(1)),
                outputs=tuple(tensors[i] for i in operator.get(2)),
            )
            for operator in graph.get(3)
        ),
        inputs=tuple(tensors[i] for i in graph.get(1)),
        outputs=tuple(tensors[i] for i in graph.get(2)),
        minimum_runtime=_minimum_runtime(entries.get(MIN_RUNTIME, b"")),
        metadata=tuple(entries),
    )


def _minimum_runtime(content: bytes) -> str | None:
    version = content.rstrip(b"\0").decode("ascii", "replace")
    return f"TensorFlow Lite {version}" if version else None


def _tensor(table: Table, buffers: list[Table]) -> Tensor:
    stored = buffers[table.scalar(2, "<I")]
    scale, zero_point = _quantization(table.get(4, None))
    open_shape = table.get(7, None)
    dims = table.get(0) if open_shape is None or len(open_shape) != len(table.get(0)) else open_shape
    return Tensor(
        name=table.get(3, ""),
        shape=tuple(None if dim < 0 else dim for dim in dims),
        dtype=_DTYPES.get(table.scalar(1, "<b"), "unknown"),
        scale=scale,
        zero_point=zero_point,
        constant=bool(len(stored.get(0, b""))) or stored.scalar(1, "<Q") > 1,
    )


def _quantization(table: Table | None) -> tuple[float | None, int | None]:
    """(scale, zero point) of a tensor that has one of each."""
    scales, zero_points = (b"", b"") if table is None else (table.get(2, b""), table.get(3, b""))
    if len(scales) != 4:
        return None, None
    return struct.unpack("<f", scales)[0], struct.unpack("<q", zero_points)[0] if len(zero_points) == 8 else 0


def _kind(code: Table) -> str:
    custom = code.get(1, "")
    if custom:
        return custom
    number = max(code.scalar(0, "<b"), code.scalar(3, "<i"))
    return _names().get(number, f"operator {number}")


@cache
def _names() -> dict[int, str]:
    try:
        from ai_edge_litert.schema_py_generated import BuiltinOperator
    except ImportError as e:
        raise RuntimeUnavailable("TFLite models need LiteRT: pip install 'edgeport[tflite]'") from e
    return {number: name for name, number in vars(BuiltinOperator).items() if isinstance(number, int)}
