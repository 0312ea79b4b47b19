"""Read what is written in an .onnx."""

from pathlib import Path
from typing import Any

from ...artifacts.errors import ArtifactError, first_line
from .contents import Contents, Operator, Tensor

# opset of ONNX's own operators -> the first ONNX Runtime with it (its table of compatibility)
_RUNTIMES = {16: "1.11", 17: "1.12", 18: "1.14", 19: "1.15", 20: "1.17", 21: "1.18", 22: "1.20", 23: "1.22"}


def read_contents(path: Path) -> Contents:
    """The operators of the main graph. Raises ArtifactError."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path, load_external_data=False)
    except (OSError, DecodeError, ValueError) as e:
        raise ArtifactError(f"{path}: is no ONNX model that can be read ({first_line(e)[:200]})") from e
    graph = model.graph
    known = {value.name: _tensor(onnx, value) for value in (*graph.input, *graph.value_info, *graph.output)}
    for value in graph.initializer:
        known[value.name] = Tensor(
            name=value.name, shape=tuple(value.dims), dtype=_dtype(onnx, value.data_type), constant=True
        )
    constants = {value.name for value in graph.initializer}

    def tensor(name: str) -> Tensor:
        return known.get(name) or Tensor(name=name, shape=None, dtype="unknown")

    opset = next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), 0)
    runtime = _RUNTIMES.get(opset)
    return Contents(
        operators=tuple(
            Operator(
                kind=node.op_type,
                inputs=tuple(tensor(name) if name else None for name in node.input),
                outputs=tuple(tensor(name) for name in node.output if name),
            )
            for node in graph.node
            if node.op_type != "Constant"
        ),
        inputs=tuple(tensor(value.name) for value in graph.input if value.name not in constants),
        outputs=tuple(tensor(value.name) for value in graph.output),
        minimum_runtime=f"ONNX Runtime {runtime} (opset {opset})" if runtime else f"opset {opset}",
        metadata=tuple(entry.key for entry in model.metadata_props),
    )


def _dtype(onnx: Any, number: int) -> str:
    name = onnx.TensorProto.DataType.Name(number).lower() if number in onnx.TensorProto.DataType.values() else ""
    return {"float": "float32", "double": "float64"}.get(name, name)


def _tensor(onnx: Any, value: Any) -> Tensor:
    kind = value.type.tensor_type
    shape = tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim)
    return Tensor(name=value.name, shape=shape if kind.HasField("shape") else None, dtype=_dtype(onnx, kind.elem_type))
