"""Look into an ONNX file: a copy of it gives more of its values."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...artifacts.errors import ArtifactError
from ...graph.qparams import QParams
from ..sessions.onnx import OnnxSession
from .inspector import real

_FLOAT = 1  # onnx.TensorProto.FLOAT
_VIEWS = {"Reshape", "Transpose"}
_BIASED = {"Conv": 2, "ConvTranspose": 2, "Add": 1}  # which input a bias is
# layer -> its weight's dimensions with the output channel first
_LAYERS = {"Conv": (0, 1, 2, 3), "ConvTranspose": (1, 0, 2, 3), "MatMul": (1, 0)}


class OnnxInspector:
    """An ONNX file of ours, int8 as QuantizeLinear and DequantizeLinear. Raises ArtifactError and RuntimeUnavailable.

    Where a value is rounded, the rounded one is handed out: the pair stays whole, and with it the kernel that fuses it.
    """

    def __init__(self, path: Path):
        session = OnnxSession(path)  # says what is wrong with a file
        self.inputs = session.inputs
        session.close()
        import onnx

        self._path, self._model = path, onnx.load(path)
        graph = self._model.graph
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self._made_by = {name: node for node in graph.node for name in node.output}
        self._outputs = [output.name for output in graph.output]
        self._holding = {name: name for name in self._made_by}  # value -> what is handed out for it
        self._session: OnnxSession | None = None
        self._asked: tuple[str, ...] = ()
        self.encodings: dict[str, QParams] = {}
        renamed = self._read_pairs()
        self.integer = {renamed.get(n.output[0], n.output[0]) for n in graph.node if self._reads_integers(n)}
        self.weights: dict[str, np.ndarray] = {}
        self.biases: dict[str, np.ndarray] = {}
        for node in graph.node:
            self._read_layer(node, renamed.get(node.output[0], node.output[0]))

    def _read_pairs(self) -> dict[str, str]:
        """Fills `encodings`; {what a kernel computes: the output of the graph that it is after rounding}."""
        rounded = {
            node.input[0]: node.output[0] for node in self._model.graph.node if node.op_type == "DequantizeLinear"
        }
        renamed = {}
        for node in self._model.graph.node:
            if node.op_type != "QuantizeLinear" or node.output[0] not in rounded:
                continue
            name, dequantized = node.input[0], rounded[node.output[0]]
            if dequantized in self._outputs:
                renamed[name] = name = dequantized
            scale, zero_point = (self._array(constant) for constant in node.input[1:3])
            self.encodings[name] = QParams((float(scale),), int(zero_point), dtype=zero_point.dtype.name)
            self._holding[name] = dequantized
        return renamed

    def _reads_integers(self, node: Any) -> bool:
        """Whether all that it computes with has just been dequantised."""
        if node.op_type in _VIEWS or node.op_type.endswith("Linear"):
            return False
        makers = list(self._makers(node))
        return bool(makers) and all(maker is not None and maker.op_type == "DequantizeLinear" for maker in makers)

    def _makers(self, node: Any) -> Iterator[Any]:
        """What computes each operand, seen through views; None for an input, and for a float constant."""
        for name in filter(None, node.input):
            while name in self._made_by and self._made_by[name].op_type in _VIEWS:
                name = self._made_by[name].input[0]
            constant = self._constants.get(name)
            if constant is None:
                yield self._made_by.get(name)
            elif constant.data_type == _FLOAT and np.prod(constant.dims, dtype=int) > 1:  # a limit is no operand
                yield None

    def _read_layer(self, node: Any, name: str) -> None:
        if node.op_type in _LAYERS:
            weight = self._dequantized(node.input[1])
            if weight is not None:
                self.weights[name] = weight.transpose(_LAYERS[node.op_type])
        index = _BIASED.get(node.op_type)
        if index is not None and len(node.input) > index:
            bias = self._dequantized(node.input[index], dtype=np.int32)
            if bias is not None:
                self.biases[name] = bias

    def _dequantized(self, name: str, dtype: type = np.int8) -> np.ndarray | None:
        """The real numbers of a constant of that type behind a DequantizeLinear, None of anything else."""
        node = self._made_by.get(name)
        if node is None or node.op_type != "DequantizeLinear" or node.input[0] not in self._constants:
            return None
        integers, scales, zero_points = (self._array(constant) for constant in node.input)
        axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)
        return real(integers, scales, zero_points, axis) if integers.dtype == dtype else None

    def _array(self, name: str) -> np.ndarray:
        import onnx

        if name not in self._constants:
            raise ArtifactError(f"{self._path}: its scale {name!r} is not a constant")
        return onnx.numpy_helper.to_array(self._constants[name])

    def run(self, feeds: Mapping[str, np.ndarray], names: Collection[str]) -> dict[str, np.ndarray]:
        wanted = {name: self._holding[name] for name in names if name in self._holding}
        if self._session is None or self._asked != tuple(wanted):
            self._session, self._asked = self._giving(set(wanted.values())), tuple(wanted)
        values = self._session.run(feeds)
        return {name: values[held] for name, held in wanted.items()}

    def _giving(self, values: set[str]) -> OnnxSession:
        """A session on a copy of the file that returns these values, too."""
        copy = type(self._model)()
        copy.CopyFrom(self._model)
        for name in sorted(values.difference(self._outputs)):
            copy.graph.output.add().name = name
        return OnnxSession(copy.SerializeToString())

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
