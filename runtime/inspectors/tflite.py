"""Look into a .tflite: LiteRT keeps all tensors, whose names are the graph's."""

import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...artifacts.errors import ArtifactError
from ...graph.edit import STEP
from ...graph.qparams import QParams
from ..sessions.tflite import TFLiteSession
from .inspector import real

# operator -> (its weight's dimensions with the output channel first, which input the bias is)
_LAYERS = {
    "CONV_2D": ((0, 3, 1, 2), 2),  # OHWI
    "DEPTHWISE_CONV_2D": ((3, 0, 1, 2), 2),  # 1HWO
    "FULLY_CONNECTED": ((0, 1), 2),  # OI
    "TRANSPOSE_CONV": ((0, 3, 1, 2), 3),  # OHWI
}


_INTEGERS = (np.int8, np.int16)


def _qparams(tensor: Mapping[str, Any]) -> QParams:
    scale, zero_point = tensor["quantization"]
    return QParams((float(scale),), int(zero_point), dtype=np.dtype(tensor["dtype"]).name)


class TFLiteInspector:
    """A .tflite of ours. XNNPACK computes it, one operator at a time, so that nothing is fused away.

    Raises ArtifactError and RuntimeUnavailable, as TFLiteSession.
    """

    def __init__(self, path: Path):
        self._path = path
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that keeping all tensors is for debugging: it is
            self._session = TFLiteSession(path, keep=True)
        self.inputs = self._session.inputs
        self._outputs = {spec.name for spec in self._session.outputs}
        self._interpreter = self._session.interpreter
        self._tensors = {tensor["index"]: tensor for tensor in self._interpreter.get_tensor_details()}
        self._holding: dict[str, int] = {}  # value -> its tensor
        self.encodings: dict[str, QParams] = {}
        self.integer: set[str] = set()
        self.weights: dict[str, np.ndarray] = {}
        self.biases: dict[str, np.ndarray] = {}
        self._depthwise: dict[int, tuple[np.ndarray, np.ndarray | None]] = {}  # by what they make: weight and bias
        for tensor in self._interpreter.get_input_details():
            if tensor["dtype"] in _INTEGERS:
                self.encodings[tensor["name"]] = _qparams(tensor)
        for operator in self._interpreter._get_ops_details():  # there is no public way to see operators
            if operator["op_name"] != "DELEGATE":  # a second view of the ones before
                self._read(operator["op_name"], operator["inputs"].tolist(), int(operator["outputs"][0]))

    def _read(self, kind: str, inputs: list[int], output: int) -> None:
        tensor = self._tensors[output]
        name = tensor["name"]
        if kind == "DEPTHWISE_CONV_2D" and tensor["dtype"] in _INTEGERS:
            self._depthwise[output] = self._layer(kind, inputs)
        if STEP in name:
            return
        if tensor["dtype"] not in _INTEGERS:
            self._holding[name] = output
            return
        value = name.removesuffix("_q") if kind == "QUANTIZE" else self._unrenamed(name)
        found = _qparams(tensor)
        if kind == "QUANTIZE" and value in self._outputs and value in self.encodings:  # an end of the other type
            self._holding[name], value = output, f"{value}_{found.dtype}"
        self.encodings[value] = found
        if kind == "QUANTIZE":
            return
        self._holding[name] = output
        self.integer.add(value)
        if kind in _LAYERS:
            self.weights[value], bias = self._layer(kind, inputs)
            if bias is not None:
                self.biases[value] = bias
        elif kind == "CONCATENATION" and all(each in self._depthwise for each in inputs):  # of one that widens
            weights, biases = zip(*(self._depthwise[each] for each in inputs), strict=True)
            self.weights[value] = np.stack(weights, 1).reshape(-1, *weights[0].shape[1:])
            self.biases[value] = np.stack(biases, 1).reshape(-1)

    def _layer(self, kind: str, inputs: list[int]) -> tuple[np.ndarray, np.ndarray | None]:
        """The real weight, output channel first, and the bias."""
        order, bias = _LAYERS[kind]
        given = len(inputs) > bias and inputs[bias] >= 0
        return self._constant(inputs[1]).transpose(order), self._constant(inputs[bias]) if given else None

    def _unrenamed(self, name: str) -> str:
        """The graph's name: an output of int8 is a tensor called `<output>_float` before it is dequantised."""
        output = name.removesuffix("_float")
        return output if output in self._outputs else name

    def _constant(self, index: int) -> np.ndarray:
        parameters = self._tensors[index]["quantization_parameters"]
        return real(
            self._interpreter.get_tensor(index),
            parameters["scales"],
            parameters["zero_points"],
            parameters["quantized_dimension"],
        )

    def run(self, feeds: Mapping[str, np.ndarray], names: Collection[str]) -> dict[str, np.ndarray]:
        self._session.run(feeds)
        try:
            return {name: self._value(self._holding[name]) for name in names if name in self._holding}
        except ValueError as e:
            raise ArtifactError(f"{self._path}: LiteRT does not hand out its values ({e})") from e

    def _value(self, index: int) -> np.ndarray:
        array = self._interpreter.get_tensor(index)
        return array if array.dtype == np.float32 else real(array, *self._tensors[index]["quantization"])

    def close(self) -> None:
        del self._interpreter
        self._session.close()
