"""Multiply-accumulates of operators, from their shapes in the file."""

from collections.abc import Callable
from math import prod

from ..contents.contents import Operator
from .kernel import shape_of

Shapes = tuple[list[tuple[int, ...]], tuple[int, ...]]  # of the inputs, of the first output


def count_macs(operator: Operator) -> int:
    """How many; 0 for what is neither a convolution nor a matrix product, and where a shape is not known.

    TFLite keeps weights as OHWI, 1HWO and OI; ONNX and OpenVINO as OIHW, and OpenVINO a grouped one as GOIHW.
    """
    rule = _RULES.get(operator.kind)
    if rule is None or not operator.outputs or operator.outputs[0].shape is None:
        return 0
    inputs = [shape_of(tensor) for tensor in operator.inputs if tensor is not None]
    try:
        return rule(inputs, shape_of(operator.outputs[0]))
    except (IndexError, ZeroDivisionError):  # a shape that the file does not tell
        return 0


def _window(weight: int, first: int) -> Callable[[list[tuple[int, ...]], tuple[int, ...]], int]:
    """Each number of the result costs the weight's dimensions from `first` on."""
    return lambda inputs, output: prod(output) * prod(_known(inputs[weight])[first:])


def _depthwise(inputs: list[tuple[int, ...]], output: tuple[int, ...]) -> int:
    return prod(output) * prod(_known(inputs[1])[1:3])  # 1HWO


def _scattered(weight: int, data: int, channels: int) -> Callable[[list[tuple[int, ...]], tuple[int, ...]], int]:
    """Each number that a transposed convolution reads costs its weight without the axis of the input's channels."""
    return lambda inputs, output: prod(inputs[data]) * prod(_known(inputs[weight])) // inputs[weight][channels]


def _product(inputs: list[tuple[int, ...]], output: tuple[int, ...]) -> int:
    """(..., m, k) by (..., k, n), whichever of them is transposed: k is what the first has beside the result's rows."""
    first, second = _known(inputs[0]), _known(inputs[1])
    if len(first) == 1:
        return prod(output) * first[0]
    if len(second) == 1:
        return prod(output) * second[0]
    rows = output[-2] if len(output) > 1 else 1
    return prod(output) * (first[-1] * first[-2] // rows)


def _fully_connected(inputs: list[tuple[int, ...]], output: tuple[int, ...]) -> int:
    return prod(output) * inputs[1][1]  # OI


def _gemm(inputs: list[tuple[int, ...]], output: tuple[int, ...]) -> int:
    return prod(output) * (prod(inputs[0]) // output[0])


def _known(shape: tuple[int, ...]) -> tuple[int, ...]:
    if not shape:
        raise IndexError("no shape")
    return shape


_RULES: dict[str, Callable[[list[tuple[int, ...]], tuple[int, ...]], int]] = {
    # TFLite
    "CONV_2D": _window(1, 1),
    "CONV_3D": lambda inputs, output: prod(output) * prod(_known(inputs[1])[:4]),  # DHWIO
    "DEPTHWISE_CONV_2D": _depthwise,
    "TRANSPOSE_CONV": _scattered(weight=1, data=2, channels=3),  # the first input is the shape of the result
    "FULLY_CONNECTED": _fully_connected,
    "BATCH_MATMUL": _product,
    # OpenVINO
    "Convolution": _window(1, 1),
    "GroupConvolution": _window(1, 2),
    "ConvolutionBackpropData": _scattered(weight=1, data=0, channels=0),
    "GroupConvolutionBackpropData": lambda inputs, output: prod(inputs[0]) * prod(_known(inputs[1])[2:]),  # GIOHW
    # ONNX
    "Conv": _window(1, 1),
    "ConvInteger": _window(1, 1),
    "ConvTranspose": _scattered(weight=1, data=0, channels=0),
    "Gemm": _gemm,
    "MatMul": _product,
    "MatMulInteger": _product,
}
