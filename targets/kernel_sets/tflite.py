"""The int8 kernels of LiteRT: those of its CPU delegate (XNNPACK), and the full set that an NPU has."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import onnx_ir as ir

from ...exporters.tflite.kernels import ADD_LIMITS, GEMM_LIMITS, LEAKY_LIMITS, LEAST_ALPHA, MUL_LIMITS, SIGMOID, TANH
from ...graph.edit import attribute, scalar, shape
from ...graph.kernels import Kernel, KernelSet
from ...graph.qparams import QParams
from ...quantize.calibration.sentinels import INFINITE, only_pooled
from ...quantize.rewrites import affine_to_depthwise, expand_hard_swish, expand_layer_norm

_ACTIVATIONS = ("Relu", "Relu6", "Relu0To1")
LARGEST_DEPTHWISE = 5  # larger windows have no fast int8 kernel: 7x7 is 14-20 times slower per weight than 5x5


def _large_depthwise(node: ir.Node) -> str | None:
    kernel = shape(node.inputs[1])  # OIHW
    depthwise = node.attributes.get_int("group", 1) > 1 and kernel[1] == 1
    if depthwise and max(kernel[2:]) > LARGEST_DEPTHWISE:
        return f"depthwise {kernel[2]}x{kernel[3]} has no fast int8 kernel"
    return None


def _nonzero_pad(node: ir.Node) -> str | None:
    fill = scalar(node.inputs[2]) if len(node.inputs) > 2 else 0.0
    if not fill or (fill <= -INFINITE and only_pooled(node.outputs[0])):
        return None
    return "PAD fills with zero only"


def _flat(node: ir.Node) -> str | None:
    alpha = attribute(node, "alpha", 0.01)
    return None if alpha >= LEAST_ALPHA else f"int8 LEAKY_RELU with alpha {alpha} is not delegated"


_GEMM = partial(Kernel, multiplier="product", limits=GEMM_LIMITS, epilogues=_ACTIVATIONS)
_ADD = Kernel(operands=2, multiplier="each", limits=ADD_LIMITS, epilogues=("Relu", "Relu6"), light=True)
_LOOKUP = "no int8 kernel; dequantise, float, quantise is faster than the builtin"


TFLITE_XNNPACK = KernelSet(
    "tflite-xnnpack",
    symmetric_weights=True,
    integer_biases=True,
    kernels={
        "Conv": _GEMM(weight_axis=0, refuses=_large_depthwise),  # OIHW
        "ConvTranspose": _GEMM(weight_axis=1),  # IOHW
        "Linear": _GEMM(weight_axis=1),  # (in, out)
        # XNNPACK runs int8 BATCH_MATMUL only if the second operand's zero point is 0; the builtin is 33 times slower.
        "MatMul": Kernel(operands=2, symmetric=(1,)),
        "Add": _ADD,
        "Sub": _ADD,
        "Mul": Kernel(operands=2, multiplier="product", limits=MUL_LIMITS),
        "Sigmoid": Kernel(fixed_output=QParams(SIGMOID.scale, SIGMOID.zero_point)),  # fixed by the int8 LOGISTIC kernel
        "Tanh": Kernel(fixed_output=QParams(TANH.scale, TANH.zero_point)),  # fixed by the int8 TANH kernel
        "LeakyRelu": Kernel(multiplier="each", limits=LEAKY_LIMITS, refuses=_flat),
        "ReduceMean": Kernel(),
        "Concat": Kernel(operands=None, same_parameters=True, light=True, moves_data=True),
        "Slice": Kernel(same_parameters=True, light=True, moves_data=True),
        "MaxPool": Kernel(same_parameters=True),
        "Resize": Kernel(same_parameters=True, light=True),
        "Pad": Kernel(same_parameters=True, refuses=_nonzero_pad),
    },
    islands={
        # The int8 SOFTMAX has a fixed output scale of 1/256, about one step for a near-uniform attention row.
        "Softmax": "float softmax keeps near-uniform rows apart, and int8 SOFTMAX is not delegated",
        "LayerNormalization": "made of ops without int8 kernels",
        "Div": "int8 DIV aborts when the divisor equals its zero point",
        "AveragePool": "int8 AVERAGE_POOL_2D is not delegated, and ignores other parameters on its output",
        "Gelu": _LOOKUP,
        "HardSwish": f"{_LOOKUP}; its sixth has nowhere to go",
        "Relu": "int8 RELU on its own is not delegated",
        "Clip": "int8 RELU6 on its own is not delegated",
    },
    rewrites=(affine_to_depthwise.rewrite, expand_hard_swish.rewrite),
)


def _not_a_root(node: ir.Node) -> str | None:
    return None if scalar(node.inputs[1]) == -0.5 else "of all powers int8 has -1/2 alone (RSQRT)"


def _other_clip(node: ir.Node) -> str | None:
    return None if [scalar(v) for v in node.inputs[1:]] == [0, 6] else "int8 clips to (0, 6) alone"


_SAME = Kernel(same_parameters=True)


# Every operator of the TFLite 8-bit quantisation specification, so that nothing is float, the ends included. What is
# slow on a CPU is what an NPU has.
TFLITE_NPU = KernelSet(
    "tflite-npu",
    symmetric_weights=True,
    integer_biases=True,
    has_float=False,
    kernels={
        "Conv": _GEMM(weight_axis=0),  # OIHW
        "ConvTranspose": _GEMM(weight_axis=1),  # IOHW
        "Linear": _GEMM(weight_axis=1),  # (in, out)
        "MatMul": Kernel(operands=2),
        **dict.fromkeys(("Add", "Sub"), replace(_ADD, light=False)),
        "Mul": Kernel(operands=2, multiplier="product", limits=MUL_LIMITS),
        **dict.fromkeys(("Sigmoid", "Softmax"), Kernel(fixed_output=QParams(SIGMOID.scale, SIGMOID.zero_point))),
        "Tanh": Kernel(fixed_output=QParams(TANH.scale, TANH.zero_point)),
        **dict.fromkeys(("Gelu", "HardSwish", "LeakyRelu", "Elu", "Relu", "Exp", "Abs", "ReduceMean"), Kernel()),
        "Clip": Kernel(refuses=_other_clip),
        "Pow": Kernel(refuses=_not_a_root),
        "Concat": Kernel(operands=None, same_parameters=True),
        **dict.fromkeys(("Slice", "MaxPool", "AveragePool", "Resize", "ReduceMax", "ReduceMin"), _SAME),
        **dict.fromkeys(("Max", "Min"), replace(_SAME, operands=2)),
        "Pad": Kernel(same_parameters=True, refuses=_nonzero_pad),
    },
    islands=dict.fromkeys(("Div", "Erf", "Sqrt", "LayerNormalization"), "TFLite has no int8 kernel for it"),
    forms=(expand_layer_norm.rewrite,),
    rewrites=(affine_to_depthwise.rewrite,),
)
