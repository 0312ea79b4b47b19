"""The int8 kernels of ONNX Runtime's CPU provider."""

from __future__ import annotations

import math

import onnx_ir as ir

from ...graph.edit import shape
from ...graph.kernels import Kernel, KernelSet
from ...graph.qparams import QParams

_ACTIVATIONS = ("Relu", "Relu6", "Relu0To1")


# Products per output below which Conv+HardSwish is faster in float: MobileNetV3-L takes 0.89 of float, else 1.01.
SMALLEST_UNFUSED = 50


def _small_before_hard_swish(node: ir.Node) -> str | None:
    products = math.prod(shape(node.inputs[1])[1:])  # OIHW
    if products < SMALLEST_UNFUSED and any(use.node.op_type == "HardSwish" for use in node.outputs[0].uses()):
        return f"{products} products per output do not pay for rounding around a float HardSwish"
    return None


# ONNX Runtime fuses pairs into integer kernels where they stand on both sides (QLinearConv, QLinearAdd ...), and pays
# for every other one. Fully connected layers also have a kernel with float results, which is faster and rounds less.
# uint8, because signed activations have slow paths on x86: with them MobileViT-S takes 2.0 of float's time, not 0.69.
ONNXRUNTIME_CPU = KernelSet(
    "onnxruntime-cpu",
    activations="uint8",
    kernels={
        "Conv": Kernel(weight_axis=0, epilogues=_ACTIVATIONS, refuses=_small_before_hard_swish),  # OIHW; QLinearConv
        "Linear": Kernel(
            weight_axis=1, epilogues=_ACTIVATIONS, result="float"
        ),  # (in, out); QGemm, MatMulIntegerToFloat
        "Add": Kernel(operands=2, epilogues=("Relu",), light=True),  # QLinearAdd
        "Mul": Kernel(operands=2),  # QLinearMul
        "Sigmoid": Kernel(fixed_output=QParams((1 / 256,), -128)),  # QLinearSigmoid; the same as TFLite's
        "Concat": Kernel(operands=None, same_parameters=True, light=True, moves_data=True),
        "Slice": Kernel(same_parameters=True, light=True, moves_data=True),
        "MaxPool": Kernel(same_parameters=True),
    },
    islands={
        "MatMul": "attention's operands would be rounded for no gain",
        "HardSwish": "no integer kernel",
    },
)
