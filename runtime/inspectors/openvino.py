"""Look into an OpenVINO IR: operations are called as in the graph, and any of them can be made a result."""

import importlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...graph.qparams import QParams
from ..sessions.openvino import OpenVINOSession

_LAYERS = {  # operation -> its weight's dimensions with the output channel first
    "Convolution": (0, 1, 2, 3),
    "GroupConvolution": (0, 1, 2, 3),
    "ConvolutionBackpropData": (1, 0, 2, 3),
    "MatMul": (1, 0),
}
_MOVES = {"Concat", "MaxPool", "Slice", "StridedSlice"}
_STEPS_OF_A_PAIR = {"Multiply", "Subtract", "Convert", "Reshape"}  # between integers and the numbers they stand for
_VIEWS = {"Reshape", "Transpose"}
_BARE = "/WithoutBiases"  # how the ONNX frontend calls a convolution whose bias is added after it


class OpenVINOInspector:
    """An OpenVINO IR of ours. Raises ArtifactError and RuntimeUnavailable, as OpenVINOSession."""

    def __init__(self, path: Path):
        self._path, session = path, OpenVINOSession(path)
        self.inputs = session.inputs
        self._session: OpenVINOSession | None = None
        self._asked: tuple[str, ...] = ()
        operations = session.model.get_ordered_ops()
        self._names = {operation.get_friendly_name() for operation in operations if operation.get_output_size() == 1}
        self.encodings: dict[str, QParams] = {}
        self.integer: set[str] = set()
        constants: dict[tuple[str, str, tuple[int, ...]], Any] = {}  # ("weight" or "bias", value, order): operation
        for operation in operations:
            kind, name = operation.get_type_name(), operation.get_friendly_name().removesuffix(_BARE)
            if kind == "FakeQuantize":
                self._read_range(operation)
            elif kind in _LAYERS:
                weight = _pair_of(operation.input_value(1).get_node(), "i8")
                if weight is not None:
                    self.integer.add(name)
                    constants["weight", name, _LAYERS[kind]] = weight
            elif kind == "Add":
                bias = _pair_of(operation.input_value(1).get_node(), "i32")
                if bias is not None:
                    constants["bias", name, (0,)] = bias
            elif kind in _MOVES and all(map(_is_rounded, _computed(operation))):
                self.integer.add(name)
        session.close()
        values = dict(zip(constants, _folded(list(constants.values())), strict=True))
        self.weights = {name: v.transpose(order) for (what, name, order), v in values.items() if what == "weight"}
        self.biases = {name: v.reshape(-1) for (what, name, _), v in values.items() if what == "bias"}

    def _read_range(self, operation: Any) -> None:
        low, high, lowest, _ = (float(_constant(operation, i).item()) for i in (1, 2, 3, 4))
        scale = (high - low) / 255
        name = operation.input_value(0).get_node().get_friendly_name()
        self.encodings[name] = QParams(
            (scale,), round(lowest - low / scale), dtype="int8" if round(lowest) else "uint8"
        )

    def run(self, feeds: Mapping[str, np.ndarray], names: Collection[str]) -> dict[str, np.ndarray]:
        wanted = tuple(name for name in names if name in self._names)
        if self._session is None or self._asked != wanted:
            self._session, self._asked = OpenVINOSession(self._path, watch=wanted), wanted
        return self._session.watched(feeds)

    def close(self) -> None:
        if self._session is not None:
            self._session.close()


def _constant(operation: Any, index: int) -> np.ndarray:
    return operation.input_value(index).get_node().get_data()


def _pair_of(operation: Any, dtype: str) -> Any | None:
    """The Multiply that makes real numbers of a constant of that type, behind the operation; None of anything else."""
    multiply = None
    while operation.get_type_name() in _STEPS_OF_A_PAIR:
        if multiply is None and operation.get_type_name() == "Multiply":
            multiply = operation
        operation = operation.input_value(0).get_node()
    is_integer = operation.get_type_name() == "Constant" and operation.get_element_type().to_string() == dtype
    return multiply if is_integer else None


def _computed(operation: Any) -> list[Any]:
    """The operations that compute its operands, seen through views."""
    found = []
    for index in range(operation.get_input_size()):
        maker = operation.input_value(index).get_node()
        while maker.get_type_name() in _VIEWS:
            maker = maker.input_value(0).get_node()
        if maker.get_type_name() != "Constant":
            found.append(maker)
    return found


def _is_rounded(operation: Any) -> bool:
    """Whether the operation ends a pair whose integers are computed."""
    while operation.get_type_name() in _STEPS_OF_A_PAIR:
        operation = operation.input_value(0).get_node()
    return operation.get_type_name() == "FakeQuantize"


def _folded(operations: list[Any]) -> list[np.ndarray]:
    """What operations on constants compute."""
    if not operations:
        return []
    ov = importlib.import_module("openvino")  # whose telemetry the session has kept out
    model = ov.Model([operation.output(0) for operation in operations], [])
    request = ov.Core().compile_model(model, "CPU").create_infer_request()
    request.infer([])
    return [np.array(request.get_output_tensor(i).data) for i in range(len(operations))]
