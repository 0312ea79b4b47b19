"""Profile an OpenVINO IR: the CPU plugin's own counters (PERF_COUNT), by node of the graph that it executes.

The plugin tells a node's mean over all runs since it was compiled, in whole microseconds. What run n took is therefore
n * mean(n) - (n - 1) * mean(n - 1), less exactly the more runs there were: the artifact is compiled again after a few.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...artifacts.errors import ArtifactError
from ..contents.contents import Operator, Tensor
from ..sessions.openvino import OpenVINOSession
from .kernel import CONVERSION, FLOAT, INT8, LAYOUT, OTHER, Kernel, size_bytes
from .macs import count_macs

LAYOUTS = {
    *("Reorder", "Transpose", "Reshape", "Concatenation", "Concat", "Split", "StridedSlice", "Slice", "Pad", "Gather"),
    *("Broadcast", "Tile", "ShuffleChannels", "DepthToSpace", "SpaceToDepth", "Unsqueeze", "Squeeze", "Result"),
    *("Input", "Output"),
}
CONVERSIONS = frozenset(("Convert", "FakeQuantize"))
RUNS = 16  # of one compiled model: run 16 is known to some 7 us
_CUT_US = 0.5  # what the mean has lost, on average
_BARE = "/WithoutBiases"  # how the ONNX frontend calls a convolution whose bias is added after it
_FUSED = "/DequantizationMultiply"  # how the plugin calls a MatMul whose scales it applies at its end
_DTYPES = {"f32": "float32", "f16": "float16", "bf16": "bfloat16", "u8": "uint8", "i8": "int8", "i32": "int32"}
_DTYPES |= {"i64": "int64", "boolean": "bool"}


class OpenVINOProfiler:
    """The CPU plugin with its counters. Raises ArtifactError and RuntimeUnavailable, as OpenVINOSession."""

    def __init__(self, path: Path, threads: int):
        self._path, self._threads = path, threads
        self._session, self._done, self._sum = self._open(), 0, {}
        self._nodes = _nodes(self._session)
        self._taken: list[dict[str, float]] = []

    def run(self, arrays: Sequence[np.ndarray], *, counted: bool = True) -> None:
        if self._done == RUNS:
            self._session.close()
            self._session, self._done, self._sum = self._open(), 0, {}
        self._session.raw(arrays)
        self._done += 1
        total = {name: mean * self._done for name, mean in self._session.profiled().items()}
        if counted and self._done > 1:  # the first one fills caches and makes kernels
            self._taken.append({name: us - self._sum.get(name, 0.0) + _CUT_US for name, us in total.items()})
        self._sum = total

    def finish(self) -> tuple[list[Kernel], np.ndarray]:
        us = {name: [run.get(name, 0.0) for run in self._taken] for name in self._nodes}
        ran = [name for name, times in us.items() if any(each > 2 * _CUT_US for each in times)]
        if not ran:
            raise ArtifactError(f"{self._path}: OpenVINO's profiler has recorded no node")
        operators = _operators(self._session.model)
        return [_kernel(name, self._nodes[name], operators) for name in ran], np.array([us[name] for name in ran])

    def close(self) -> None:
        self._session.close()

    def _open(self) -> OpenVINOSession:
        return OpenVINOSession(self._path, threads=self._threads, profile=True)


def _nodes(session: OpenVINOSession) -> dict[str, Any]:
    """{name: node} of the executed graph, in the order of execution."""
    nodes = session.executed_graph().get_ordered_ops()
    return {node.get_friendly_name(): node for node in sorted(nodes, key=lambda node: int(_said(node, "execOrder")))}


def _said(node: Any, name: str) -> str:
    """An entry of its rt_info; "" where it has none."""
    info = node.get_rt_info()
    return info[name].astype(str) if name in info else ""


def _operators(model: Any) -> dict[str, Operator]:
    """{name: operator} of the file."""
    return {
        each.get_friendly_name(): Operator(
            kind=each.get_type_name(),
            inputs=tuple(
                _tensor(value.get_node().get_friendly_name(), value.get_partial_shape(), "")
                for value in each.input_values()
            ),
            outputs=tuple(_tensor(each.get_friendly_name(), out.get_partial_shape(), "") for out in each.outputs()),
        )
        for each in model.get_ordered_ops()
    }


def _tensor(name: str, shape: Any, precision: str) -> Tensor:
    dims = tuple(dim.get_length() if dim.is_static else None for dim in shape) if shape.rank.is_static else None
    return Tensor(name=name, shape=dims, dtype=_DTYPES.get(precision, "unknown"))


def _kernel(name: str, node: Any, operators: Mapping[str, Operator]) -> Kernel:
    originals = [each for each in _said(node, "originalLayersNames").split(",") if each]
    computed = [
        operators[each]
        for each in dict.fromkeys(part for original in originals for part in (original.removesuffix(_FUSED), original))
        if each in operators
    ]
    read = [_tensor_of(value) for value in node.input_values()]
    precisions = _said(node, "outputPrecisions").split(",")
    written = [_tensor("", out.get_partial_shape(), precisions[i]) for i, out in enumerate(node.outputs())]
    heavy = max(computed, key=count_macs, default=None)
    main = heavy.outputs[0].name if heavy is not None and count_macs(heavy) else (originals or [""])[-1]
    shape = written[0].shape if written else None
    return Kernel(
        name=main.removesuffix(_BARE),
        operators=tuple(each.kind for each in computed),
        implementation=f"{_said(node, 'layerType')} {_said(node, 'primitiveType')}".strip(),
        kind=_kind(node, computed, read, written),
        shape=tuple(1 if size is None else size for size in shape or ()),
        macs=sum(map(count_macs, computed)),
        bytes_moved=sum(map(size_bytes, (*read, *written))),
    )


def _tensor_of(value: Any) -> Tensor:
    """What a node of the executed graph reads."""
    maker, precisions = value.get_node(), _said(value.get_node(), "outputPrecisions").split(",")
    index = value.get_index()
    precision = precisions[index] if index < len(precisions) else precisions[-1]
    return _tensor(maker.get_friendly_name(), value.get_partial_shape(), precision)


def _kind(node: Any, computed: Sequence[Operator], read: Sequence[Tensor], written: Sequence[Tensor]) -> str:
    layer, precision = _said(node, "layerType"), _said(node, "runtimePrecision")
    kinds = {each.kind for each in computed}
    before, after = read[0].dtype if read else "", written[0].dtype if written else ""
    if layer in LAYOUTS:
        return LAYOUT if before == after else CONVERSION
    if layer in CONVERSIONS or (kinds and kinds <= CONVERSIONS):
        return CONVERSION
    if layer == "Subgraph" and not kinds and before != after:
        return CONVERSION
    if precision in ("i8", "u8") or _said(node, "primitiveType").endswith("_I8"):
        return INT8
    return FLOAT if precision in ("f32", "f16", "bf16") else OTHER
