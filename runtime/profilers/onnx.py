"""Profile an ONNX file: ONNX Runtime's own profiler, which writes each run's nodes to a JSON file.

The profiler takes some microseconds at each node, part of which it counts as the node's. That part is measured on a
few operators that compute one number, and taken off.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Required, TypedDict

import numpy as np

from ...artifacts.errors import ArtifactError
from ...artifacts.json_reader import convert
from ..contents.contents import Operator, Tensor
from ..sessions.onnx import OnnxSession
from .kernel import CONVERSION, FLOAT, INT8, LAYOUT, OTHER, Kernel, elements, weight_of
from .macs import count_macs
from .onnx_events import OWN_NODE, OWN_NUMBERS, Events

LAYOUTS = {
    *("Transpose", "Reshape", "Concat", "QLinearConcat", "Slice", "Split", "Pad", "ReorderInput", "ReorderOutput"),
    *("Squeeze", "Unsqueeze", "Gather", "Expand", "DepthToSpace", "SpaceToDepth", "Flatten", "Identity", "Tile"),
    "Shape",
}
CONVERSIONS = frozenset(("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Cast"))
_ADDED = re.compile(r"(_token_\d+|_nchwc|/MatMulAddFusion)+$")  # to a node's name, where its graph optimiser joins some
_INTEGERS = ("QLinear", "QGemm", "QAttention", "MatMulInteger", "ConvInteger", "DynamicQuantize")
_EIGHT_BITS = ("uint8", "int8")
OWN_STEPS = 16
SINE_US = 0.5  # what the sine of one number takes without a profiler, as a chain of them tells


class _Node(TypedDict):
    """A node as ONNX Runtime tells it: `args` has its "op_name", shapes and sizes."""

    name: str
    args: "_Args"


class _Args(TypedDict, total=False):
    op_name: Required[str]
    input_type_shape: Required[list[dict[str, list[int]]]]
    output_type_shape: Required[list[dict[str, list[int]]]]
    activation_size: int | str
    output_size: int | str
    parameter_size: int | str


@dataclass(frozen=True, kw_only=True)
class _Told:
    """What Events.finish gives."""

    nodes: list[_Node]
    us: list[float]
    counted: list[bool]
    own_us: list[float]


def open_events(path: Path, threads: int) -> Events:
    """Those of this machine's ONNX Runtime. Raises ArtifactError and RuntimeUnavailable, as OnnxSession."""

    def open_session(model: str | Path | bytes, threads: int, prefix: str) -> OnnxSession:
        return OnnxSession(model, threads=threads, profile_prefix=prefix)

    return Events(path, own_steps(), threads, open_session)


def describe(path: Path, told: Mapping[str, Any]) -> tuple[list[Kernel], np.ndarray]:
    """(the kernels in the order in which they ran, their microseconds: float64 of (kernels, runs)).

    Args:
        path: of the file.
        told: what Events.finish gives, here or on a device.

    Raises NotJson where it is something else, and ArtifactError where the runs differ in their nodes.
    """
    events = convert(told, _Told)
    if not events.nodes or len(events.us) != len(events.nodes) * len(events.counted):
        raise ArtifactError(f"{path}: ONNX Runtime's profiler has not recorded the same nodes in each run")
    # the profiler counts as a node's time what it takes itself
    own_us = max(0.0, float(np.median(events.own_us)) - SINE_US) if events.own_us else 0.0
    us = np.array(events.us, np.float64).reshape(-1, len(events.nodes)).T - own_us
    operators = _operators(path)
    return [_kernel(each, operators) for each in events.nodes], us[:, events.counted]


def own_steps() -> bytes:
    """Sines of one number, each after operators that leave the caches to it as a network's do."""
    from onnx import TensorProto, helper

    nodes = []
    for i in range(OWN_STEPS):
        nodes.append(helper.make_node("ReduceMax", [f"v{i}"], [f"max{i}"], keepdims=1))
        nodes.append(helper.make_node(OWN_NODE, [f"max{i}"], [f"sine{i}"]))
        nodes.append(helper.make_node("Mul", [f"v{i}", f"sine{i}"], [f"v{i + 1}"]))
    ends = [helper.make_tensor_value_info(f"v{i}", TensorProto.FLOAT, [OWN_NUMBERS]) for i in (0, OWN_STEPS)]
    graph = helper.make_graph(nodes, "steps", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return model.SerializeToString()


def _operators(path: Path) -> dict[str, Operator]:
    """{node: the operator} of the file, with the shapes that follow from its inputs'."""
    import onnx

    model = onnx.load(path, load_external_data=False)
    model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    graph = model.graph
    known = {value.name: _tensor(onnx, value) for value in (*graph.input, *graph.value_info, *graph.output)}
    known |= {
        each.name: Tensor(name=each.name, shape=tuple(each.dims), dtype="unknown", constant=True)
        for each in graph.initializer
    }
    return {
        node.name or node.output[0]: Operator(
            kind=node.op_type,
            inputs=tuple(known.get(name, Tensor(name=name, shape=None, dtype="unknown")) for name in node.input),
            outputs=tuple(known.get(name, Tensor(name=name, shape=None, dtype="unknown")) for name in node.output),
        )
        for node in graph.node
    }


def _tensor(onnx: Any, value: Any) -> Tensor:
    dims = value.type.tensor_type.shape.dim
    shape = tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in dims)
    known = value.type.tensor_type.HasField("shape")
    return Tensor(name=value.name, shape=shape if known else None, dtype="unknown")


def _kernel(node: _Node, operators: Mapping[str, Operator]) -> Kernel:
    told, name = node["args"], node["name"]
    kind_of_node = told["op_name"]
    operator = operators.get(name) or operators.get(_ADDED.sub("", name))
    written = [_run_tensor(each) for each in told["output_type_shape"]]
    read = [_run_tensor(each) for each in told["input_type_shape"]]
    macs = count_macs(operator) if operator else 0
    kind = _kind(kind_of_node, read, written)
    weight = operator.inputs[1] if operator and macs and len(operator.inputs) > 1 else None
    weights = elements(weight) * (1 if kind == INT8 else 4) if weight is not None else 0
    return Kernel(
        name=operator.outputs[0].name if operator and operator.outputs else name if "/" in name else "",
        operators=(operator.kind,) if operator else (),
        implementation=kind_of_node,
        kind=kind,
        shape=tuple(1 if size is None else size for size in (written[0].shape or ())) if written else (),
        macs=macs,
        bytes_moved=int(told.get("activation_size", 0))
        + int(told.get("output_size", 0))
        + max(int(told.get("parameter_size", 0)), weights),
        weight=weight_of(operator) if macs else "",
    )


def _run_tensor(told: Mapping[str, list[int]]) -> Tensor:
    """{"float": [1, 3]} as a tensor."""
    dtype, shape = next(iter(told.items()), ("unknown", []))
    return Tensor(name="", shape=tuple(shape), dtype={"float": "float32", "double": "float64"}.get(dtype, dtype))


def _kind(node: str, read: Sequence[Tensor], written: Sequence[Tensor]) -> str:
    if node in LAYOUTS:
        return LAYOUT
    if node in CONVERSIONS:
        return CONVERSION
    if node.startswith(_INTEGERS):
        return INT8
    dtypes = [tensor.dtype for tensor in (*written, *read)]
    found = next((dtype for dtype in dtypes if dtype in (*_EIGHT_BITS, "float32", "float16")), "")
    return INT8 if found in _EIGHT_BITS else FLOAT if found else OTHER
