"""Reads int8 back out of the artifacts of every target: integer weights, and the range of each activation.

`read(path)` gives an Int8 with {name: (lo, hi)} of the quantised activations, where a name is the graph's, as an
identifier, and the set of (shape, bytes) of the integer weights, as ONNX has them: OIHW, or (in, out).
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from edgeport.graph.pixel_cells import from_cells


@dataclass
class Int8:
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    weights: set[tuple[tuple[int, ...], bytes]] = field(default_factory=set)

    def activation(self, name: str, scale: float, lowest: int) -> None:
        """`lowest`: the smallest integer of 256, less the zero point."""
        name = re.sub("[^a-zA-Z0-9_]", "_", name).removesuffix("_q")
        self.ranges[name] = (float(scale) * lowest, float(scale) * (lowest + 255))

    def weight(self, array: np.ndarray) -> None:
        assert array.dtype == np.int8
        self.weights.add((array.shape, np.ascontiguousarray(array).tobytes()))


def read(path: Path) -> Int8:
    found = Int8()
    _READERS[next(ending for ending in _READERS if path.name.endswith(ending))](path, found)
    assert found.ranges
    assert found.weights
    return found


def _onnx(path: Path, found: Int8) -> None:
    import onnx

    graph = onnx.load(path).graph
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "QuantizeLinear":
            scale, zero_point = (constants[name] for name in node.input[1:])
            found.activation(node.output[0], scale, np.iinfo(zero_point.dtype).min - int(zero_point))
        elif node.op_type == "DequantizeLinear" and node.input[0] in constants:
            array = constants[node.input[0]]
            if array.dtype == np.int8:
                found.weight(array)


def _tflite(path: Path, found: Int8) -> None:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(str(path), experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    tensors = {tensor["index"]: tensor for tensor in interpreter.get_tensor_details()}
    to_onnx = {"CONV_2D": (0, 3, 1, 2), "DEPTHWISE_CONV_2D": (3, 0, 1, 2), "FULLY_CONNECTED": (1, 0)}  # OHWI, 1HWO, OI
    reshaped = {}  # what a RESHAPE makes, and that padded -> what it reads
    for operator in interpreter._get_ops_details():
        if operator["op_name"] == "RESHAPE":
            reshaped[operator["outputs"][0]] = operator["inputs"][0]
        elif operator["op_name"] in ("PAD", "PADV2") and operator["inputs"][0] in reshaped:
            reshaped[operator["outputs"][0]] = reshaped[operator["inputs"][0]]
        weight = operator["inputs"][1] if len(operator["inputs"]) > 1 else None
        if operator["op_name"] in to_onnx and tensors[weight]["dtype"] is np.int8:
            array = interpreter.get_tensor(weight).transpose(to_onnx[operator["op_name"]])
            pixels = reshaped.get(operator["inputs"][0])
            if operator["op_name"] == "CONV_2D" and pixels is not None:
                array = _over_pixels(array, tensors[pixels]["shape"][-1])
            found.weight(array)
        for index in operator["outputs"]:
            tensor = tensors[index]
            if tensor["dtype"] is np.int8:
                scale, zero_point = tensor["quantization"]
                found.activation(tensor["name"], scale, -128 - zero_point)


def _over_pixels(array: np.ndarray, channels: int) -> np.ndarray:
    """A weight over cells of joined pixels -> over pixels of so many channels, without the columns of zeros around."""
    o, i, h, w = array.shape
    pixels = from_cells(array, (o, channels, h, w * i // channels), 0)
    columns = np.flatnonzero(pixels.any((0, 1, 2)))
    return pixels[..., columns[0] : columns[-1] + 1]


def _openvino(path: Path, found: Int8) -> None:
    import openvino

    def constant(port) -> np.ndarray:
        return port.get_node().get_data()

    (xml,) = path.glob("*.xml")
    for operation in openvino.Core().read_model(xml).get_ordered_ops():
        kind = operation.get_type_name()
        if kind == "FakeQuantize":
            lo, hi = (float(constant(operation.input_value(i)).item()) for i in (1, 2))
            source = operation.input_value(0).get_node().get_friendly_name()
            found.activation(source, (hi - lo) / 255, round(lo / (hi - lo) * 255))
        elif kind == "Constant" and operation.get_element_type().to_string() == "i8":
            array = operation.get_data()
            if array.ndim > 1:  # the others are zero points
                found.weight(array)


def _coreml(path: Path, found: Int8) -> None:
    from edgeport.runtime.mil.package import read_package

    operations = read_package(path).operations
    made_by = {name: operation for operation in operations for name, _ in operation.outputs}

    def parameter(operation, key: str):
        (operand,) = operation.inputs[key]
        return operand.literal if not operand.name else parameter(made_by[operand.name], "val")

    linears = {operation.inputs["weight"][0].name for operation in operations if operation.type == "linear"}
    for operation in operations:
        if operation.type == "quantize":
            zero_point = int(parameter(operation, "zero_point")) if "zero_point" in operation.inputs else 0
            name = operation.name.removesuffix("_cast_fp16").removesuffix("_quantize")
            found.activation(name, parameter(operation, "scale"), -128 - zero_point)
        elif operation.type == "constexpr_affine_dequantize":
            array = parameter(operation, "quantized_data")
            found.weight(array.T if operation.outputs[0][0] in linears else array)


_READERS = {".onnx": _onnx, ".tflite": _tflite, "_openvino_model": _openvino, ".mlpackage": _coreml}
