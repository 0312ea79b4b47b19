"""A copy of a .tflite that gives values from its middle as outputs, too."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ..inspectors.accelerated import Exposed
from .tflite_ports import LARGEST, SIGNATURE, read_regular

NAME = "exposed/{}"  # of such an output
_REAL, _INTEGER = ("FLOAT32",), ("INT8", "UINT8")


def expose(path: Path, names: Collection[str], copy: Path) -> Mapping[str, Exposed]:
    """Writes the copy.

    Args:
        path: of a whole .tflite file.
        names: of the values that are wanted; those that the file does not compute as real numbers are left out.
        copy: where it goes.

    Returns:
        {name: the output that gives it}.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model: Any = schema.ModelT.InitFromObj(schema.Model.GetRootAs(read_regular(path, LARGEST), 0))
    graph = model.subgraphs[0]
    types = {value: name for name, value in vars(schema.TensorType).items() if not name.startswith("_")}
    computed = {int(index) for operator in graph.operators for index in operator.outputs}
    outputs = {
        entry.tensorIndex: entry.name.decode()
        for signature in model.signatureDefs or ()
        if signature.signatureKey == SIGNATURE.encode()
        for entry in signature.outputs
    }
    found: dict[str, Exposed] = {}
    for index in sorted(computed):
        tensor = graph.tensors[index]
        name, kind, steps = tensor.name.decode(), types[tensor.type], _steps(tensor)
        if name not in names or not (kind in _REAL or (kind in _INTEGER and steps)):
            continue
        output = outputs.get(index) or NAME.format(len(found))
        scale, zero_point = steps or (0.0, 0)
        found[name] = Exposed(output, scale, zero_point)
        if index not in outputs:
            graph.outputs = [*graph.outputs, index]
            _sign(schema, model, output, index)
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    copy.write_bytes(builder.Output())
    return found


def _steps(tensor: Any) -> tuple[float, int] | None:
    """(scale, zero point) of a tensor's integers; None where it has none."""
    found = tensor.quantization
    return None if found is None or found.scale is None else (float(found.scale[0]), int(found.zeroPoint[0]))


def _sign(schema: Any, model: Any, name: str, index: int) -> None:
    for signature in model.signatureDefs or ():
        if signature.signatureKey == SIGNATURE.encode():
            entry = schema.TensorMapT()
            entry.name, entry.tensorIndex = name, index
            signature.outputs = [*signature.outputs, entry]
