"""Profile an OpenVINO IR: the CPU plugin's own counters, by node of the graph that it executes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...artifacts.errors import ArtifactError
from ...artifacts.json_reader import NotJson, convert
from ..backends import openvino
from ..contents.contents import Operator, Tensor
from ..sessions.openvino import OpenVINOSession, xml_of
from .kernel import CONVERSION, FLOAT, INT8, LAYOUT, OTHER, Kernel, size_bytes
from .macs import count_macs
from .openvino_events import CUT_US, Events

LAYOUTS = {
    *("Reorder", "Transpose", "Reshape", "Concatenation", "Concat", "Split", "StridedSlice", "Slice", "Pad", "Gather"),
    *("Broadcast", "Tile", "ShuffleChannels", "DepthToSpace", "SpaceToDepth", "Unsqueeze", "Squeeze", "Result"),
    *("Input", "Output"),
}
CONVERSIONS = frozenset(("Convert", "FakeQuantize"))
_BARE = "/WithoutBiases"  # how the ONNX frontend calls a convolution whose bias is added after it
_FUSED = "/DequantizationMultiply"  # how the plugin calls a MatMul whose scales it applies at its end
_DTYPES = {"f32": "float32", "f16": "float16", "bf16": "bfloat16", "u8": "uint8", "i8": "int8", "i32": "int32"}
_DTYPES |= {"i64": "int64", "boolean": "bool"}


@dataclass(frozen=True, kw_only=True)
class _Node:
    """A node of the executed graph, as openvino_events.py tells it."""

    name: str
    info: dict[str, str]
    inputs: list[tuple[str, list[int | None] | None, str]]
    outputs: list[tuple[list[int | None] | None, str]]


@dataclass(frozen=True, kw_only=True)
class _Told:
    """What Events.finish gives."""

    nodes: list[_Node]
    us: list[list[float]]


def open_events(path: Path, threads: int) -> Events:
    """Those of this machine's CPU plugin. Raises ArtifactError and RuntimeUnavailable, as OpenVINOSession."""
    return Events(lambda: OpenVINOSession(path, threads=threads, profile=True))


def describe(path: Path, told: Mapping[str, Any]) -> tuple[list[Kernel], np.ndarray]:
    """(the kernels in the order in which they ran, their microseconds: float64 of (kernels, runs)).

    Args:
        path: of the IR.
        told: what Events.finish gives, here or on a device.

    Raises NotJson where it is something else, and ArtifactError where no node was recorded.
    """
    events = convert(told, _Told)
    if len({len(events.nodes), len(events.us)}) > 1 or len(set(map(len, events.us))) > 1:
        raise NotJson("not a time of each node in each run")
    ran = [i for i, times in enumerate(events.us) if any(each > 2 * CUT_US for each in times)]
    if not ran:
        raise ArtifactError(f"{path}: OpenVINO's profiler has recorded no node")
    operators = _operators(openvino().Core().read_model(xml_of(path)))
    return [_kernel(events.nodes[i], operators) for i in ran], np.array([events.us[i] for i in ran], np.float64)


def _operators(model: Any) -> dict[str, Operator]:
    """{name: operator} of the file."""
    return {
        each.get_friendly_name(): Operator(
            kind=each.get_type_name(),
            inputs=tuple(
                _tensor(value.get_node().get_friendly_name(), _dims(value.get_partial_shape()), "")
                for value in each.input_values()
            ),
            outputs=tuple(
                _tensor(each.get_friendly_name(), _dims(out.get_partial_shape()), "") for out in each.outputs()
            ),
        )
        for each in model.get_ordered_ops()
    }


def _dims(shape: Any) -> list[int | None] | None:
    return [dim.get_length() if dim.is_static else None for dim in shape] if shape.rank.is_static else None


def _tensor(name: str, dims: Sequence[int | None] | None, precision: str) -> Tensor:
    return Tensor(name=name, shape=None if dims is None else tuple(dims), dtype=_DTYPES.get(precision, "unknown"))


def _kernel(node: _Node, operators: Mapping[str, Operator]) -> Kernel:
    said = node.info
    originals = [each for each in said.get("originalLayersNames", "").split(",") if each]
    computed = [
        operators[each]
        for each in dict.fromkeys(part for original in originals for part in (original.removesuffix(_FUSED), original))
        if each in operators
    ]
    read = [_tensor(*each) for each in node.inputs]
    written = [_tensor("", *each) for each in node.outputs]
    heavy = max(computed, key=count_macs, default=None)
    main = heavy.outputs[0].name if heavy is not None and count_macs(heavy) else (originals or [""])[-1]
    shape = written[0].shape if written else None
    return Kernel(
        name=main.removesuffix(_BARE),
        operators=tuple(each.kind for each in computed),
        implementation=f"{said.get('layerType', '')} {said.get('primitiveType', '')}".strip(),
        kind=_kind(said, computed, read, written),
        shape=tuple(1 if size is None else size for size in shape or ()),
        macs=sum(map(count_macs, computed)),
        bytes_moved=sum(map(size_bytes, (*read, *written))),
    )


def _kind(
    said: Mapping[str, str], computed: Sequence[Operator], read: Sequence[Tensor], written: Sequence[Tensor]
) -> str:
    layer, precision = said.get("layerType", ""), said.get("runtimePrecision", "")
    kinds = {each.kind for each in computed}
    before, after = read[0].dtype if read else "", written[0].dtype if written else ""
    if layer in LAYOUTS:
        return LAYOUT if before == after else CONVERSION
    if layer in CONVERSIONS or (kinds and kinds <= CONVERSIONS):
        return CONVERSION
    if layer == "Subgraph" and not kinds and before != after:
        return CONVERSION
    if precision in ("i8", "u8") or said.get("primitiveType", "").endswith("_I8"):
        return INT8
    return FLOAT if precision in ("f32", "f16", "bf16") else OTHER
