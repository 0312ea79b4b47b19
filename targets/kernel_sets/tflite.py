"""The int8 kernels of LiteRT's CPU delegate (XNNPACK), the full set that an NPU has, and those of microcontrollers."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import onnx_ir as ir

from ...exporters.passes.expansions import expand
from ...exporters.passes.expansions.grid_sample import PLACES
from ...exporters.passes.expansions.recurrence import GROWS
from ...graph.edit import attribute, scalar, shape
from ...graph.kernels import Kernel, KernelSet
from ...graph.qparams import QParams
from ...graph.same_padding import same_pads
from ...quantize.calibration.sentinels import SENTINEL, is_only_pooled
from ...quantize.rewrites import (
    affine_to_depthwise,
    divide_by_root,
    drop_negligible,
    expand_gelu,
    expand_hard_swish,
    expand_layer_norm,
    gelu_by_sigmoid,
    separate_scales,
)
from .tflite_int16 import int16_kernels

_ACTIVATIONS = ("Relu", "Relu6", "Relu0To1")
_steps = partial(expand, ops=("LSTM", "GRU"))  # before it is calibrated: what the inputs give to them is a linear
SIGMOID = QParams((1 / 256,), -128)  # fixed by the int8 LOGISTIC and SOFTMAX kernels
TANH = QParams((1 / 128,), 0)  # fixed by the int8 TANH kernel

# [low, high) of requantisation factors, as tests/exporters/test_tflite_limits.py measures them (ai-edge-litert 2.3.0,
# x86). BATCH_MATMUL and MEAN have none.
ADD_LIMITS = (2.0**-10, 2.0**8)  # each s_input / s_output; beyond: not delegated; from 2**8 on the builtin is wrong
MUL_LIMITS = (2.0**-16, 2.0**8)  # s_a * s_b / s_output; beyond: the same
# s_input * s_weight / s_output of a convolution or fully connected layer, per channel. From 2**8 on the file does not
# load. Below 2**-32 every int32 sum rounds to zero: computed here, but a fixed-point multiplier has no bits for it.
GEMM_LIMITS = (2.0**-32, 2.0**8)
QUANTIZE_LIMITS = (2.0**-8, 2.0**7)  # s_input / s_output of int8 to int8, both ends included; beyond: not delegated

# s_input / s_output of LEAKY_RELU, whose alpha is LEAST_ALPHA or more; beyond, or where the two make less than 2**-8:
# not delegated
LEAKY_LIMITS = (0.99, 2.0**7)
LEAST_ALPHA = 2.0**-8 / LEAKY_LIMITS[0]

LARGEST_DEPTHWISE = 5  # larger windows have no fast int8 kernel: 7x7 is 14-20 times slower per weight than 5x5


def _is_depthwise(conv: ir.Node) -> bool:
    """The int8 kernels multiply depthwise windows element by element: 9 to 11 GMAC/s, float 9 to 20."""
    return conv.attributes.get_int("group", 1) > 1 and shape(conv.inputs[1])[1] == 1  # OIHW


def _large_depthwise(node: ir.Node) -> str | None:
    kernel = shape(node.inputs[1])  # OIHW
    if _is_depthwise(node) and max(kernel[2:]) > LARGEST_DEPTHWISE:
        return f"depthwise {kernel[2]}x{kernel[3]} has no fast int8 kernel"
    return None


def _nonzero_pad(node: ir.Node) -> str | None:
    fill = scalar(node.inputs[2]) if len(node.inputs) > 2 else 0.0
    if not fill or (fill <= -SENTINEL and is_only_pooled(node.outputs[0])):
        return None
    return "PAD fills with zero only"


def _flat(node: ir.Node) -> str | None:
    alpha = attribute(node, "alpha", 0.01)
    return None if alpha >= LEAST_ALPHA else f"int8 LEAKY_RELU with alpha {alpha} is not delegated"


_GEMM = partial(Kernel, multiplier="product", limits=GEMM_LIMITS, epilogues=_ACTIVATIONS)
_ADD = Kernel(operands=2, multiplier="each", limits=ADD_LIMITS, epilogues=("Relu", "Relu6"), light=True)
_LOOKUP = "no int8 kernel; dequantise, float, quantise is faster than the builtin"


# What is not among the kernels, or beyond their limits, is computed in float between DEQUANTIZE and QUANTIZE: the
# delegate keeps such an island in its partition, where a builtin kernel would split it.
TFLITE_XNNPACK = KernelSet(
    "tflite-xnnpack",
    symmetric_weights=True,
    integer_biases=True,
    channel_block=8,  # x86's kernels and those of Armv8.6's SMMLA; 4 without that
    widens_depthwise=False,  # such a one is many little matrix products: 4 to 6 times as long
    requantization=QUANTIZE_LIMITS,
    kernels={
        "Conv": _GEMM(weight_axis=0, refuses=_large_depthwise, as_fast_in_float=_is_depthwise),  # OIHW
        "ConvTranspose": _GEMM(weight_axis=1),  # IOHW
        "Linear": _GEMM(weight_axis=1),  # (in, out)
        # XNNPACK runs int8 BATCH_MATMUL only if the second operand's zero point is 0; the builtin is 33 times slower.
        "MatMul": Kernel(operands=2, symmetric=(1,)),
        "Add": _ADD,
        "Sub": _ADD,
        "Mul": Kernel(operands=2, multiplier="product", limits=MUL_LIMITS),
        "Sigmoid": Kernel(fixed_output=SIGMOID),
        "Tanh": Kernel(fixed_output=TANH),
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
    forms=(_steps,),
    rewrites=(affine_to_depthwise.rewrite, expand_hard_swish.rewrite),
)


def _not_a_root(node: ir.Node) -> str | None:
    return None if scalar(node.inputs[1]) == -0.5 else "int8 has only the power -1/2 (RSQRT)"


def _other_clip(node: ir.Node) -> str | None:
    return None if [scalar(v) for v in node.inputs[1:]] == [0, 6] else "int8 clips only to (0, 6)"


def _never(node: ir.Node) -> str | None:
    return "its slopes are not planned"


_SAME = Kernel(same_parameters=True)


def _uncounted(node: ir.Node) -> str | None:
    """Padding that an average does not count is SAME's alone in integers."""
    kernel, strides, pads = (attribute(node, name) for name in ("kernel_shape", "strides", "pads"))
    if attribute(node, "count_include_pad", 0) or not any(pads):
        return None
    for i, size in enumerate(shape(node.inputs[0])[2:]):
        is_same = shape(node.outputs[0])[2 + i] == -(-size // strides[i])
        if not is_same or pads[i] != same_pads(size, kernel[i], strides[i])[0]:
            return "int8 AVERAGE_POOL_2D leaves no padding out but SAME's"
    return None


# Every operator of the TFLite 8-bit quantisation specification, by the builtin kernels' own rules, so that nothing is
# float, the ends included. What is slow on a CPU is what an NPU has.
# https://ai.google.dev/edge/litert/models/quantization_spec
_NPU_KERNELS = {
    "Conv": _GEMM(weight_axis=0),  # OIHW
    "ConvTranspose": _GEMM(weight_axis=1),  # IOHW
    "Linear": _GEMM(weight_axis=1),  # (in, out)
    "MatMul": Kernel(operands=2),
    **dict.fromkeys(("Add", "Sub"), replace(_ADD, light=False)),
    "Mul": Kernel(operands=2, multiplier="product", limits=MUL_LIMITS),
    **dict.fromkeys(("Sigmoid", "Softmax"), Kernel(fixed_output=SIGMOID)),
    "Tanh": Kernel(fixed_output=TANH),
    **dict.fromkeys(("Gelu", "HardSwish", "LeakyRelu", "Elu", "Relu", "Exp", "Abs", "ReduceMean"), Kernel()),
    "Clip": Kernel(refuses=_other_clip),
    "Pow": Kernel(refuses=_not_a_root),
    "PRelu": Kernel(operands=2, refuses=_never),  # of models that come quantised
    "Concat": Kernel(operands=None, same_parameters=True),
    **dict.fromkeys(("Slice", "MaxPool", "Resize", "ReduceMax", "ReduceMin"), _SAME),
    "AveragePool": replace(_SAME, refuses=_uncounted),
    **dict.fromkeys(("Max", "Min"), replace(_SAME, operands=2)),
    "Pad": Kernel(same_parameters=True, refuses=_nonzero_pad),
}

TFLITE_NPU = KernelSet(
    "tflite-npu",
    symmetric_weights=True,
    integer_biases=True,
    requantization=QUANTIZE_LIMITS,
    has_float=False,
    kernels=_NPU_KERNELS,
    int16=int16_kernels(_NPU_KERNELS),
    inexact=frozenset({"RSQRT"}),  # LiteRT's interpolates between 256 places, and is off by up to 9 % near zero
    islands={
        **dict.fromkeys(("Div", "Erf", "Sqrt", "LayerNormalization"), "TFLite has no integer kernel for it"),
        **dict.fromkeys(("LSTM", "GRU"), GROWS),
        "GridSample": PLACES,
    },
    forms=(expand_layer_norm.rewrite,),
    rewrites=(affine_to_depthwise.rewrite,),
)


# {operator: how MicroMutableOpResolver registers it}, of TensorFlow Lite Micro (tflite-micro 0.dev20261023182759), as
# far as int8 files have such operators
MICRO_OPERATORS = {
    "ABS": "AddAbs",
    "ADD": "AddAdd",
    "AVERAGE_POOL_2D": "AddAveragePool2D",
    "BATCH_MATMUL": "AddBatchMatMul",
    "CONCATENATION": "AddConcatenation",
    "CONV_2D": "AddConv2D",
    "DEPTHWISE_CONV_2D": "AddDepthwiseConv2D",
    "DEPTH_TO_SPACE": "AddDepthToSpace",
    "DEQUANTIZE": "AddDequantize",
    "FULLY_CONNECTED": "AddFullyConnected",
    "HARD_SWISH": "AddHardSwish",
    "LEAKY_RELU": "AddLeakyRelu",
    "LOGISTIC": "AddLogistic",
    "MAXIMUM": "AddMaximum",
    "MAX_POOL_2D": "AddMaxPool2D",
    "MEAN": "AddMean",
    "MINIMUM": "AddMinimum",
    "MUL": "AddMul",
    "PAD": "AddPad",
    "PADV2": "AddPadV2",
    "PRELU": "AddPrelu",
    "QUANTIZE": "AddQuantize",
    "REDUCE_MAX": "AddReduceMax",
    "REDUCE_MIN": "AddReduceMin",
    "RELU": "AddRelu",
    "RELU6": "AddRelu6",
    "RESHAPE": "AddReshape",
    "RESIZE_BILINEAR": "AddResizeBilinear",
    "RESIZE_NEAREST_NEIGHBOR": "AddResizeNearestNeighbor",
    "RSQRT": "AddRsqrt",
    "SLICE": "AddSlice",
    "SOFTMAX": "AddSoftmax",
    "SPACE_TO_DEPTH": "AddSpaceToDepth",
    "SPLIT": "AddSplit",
    "SPLIT_V": "AddSplitV",
    "SQUARED_DIFFERENCE": "AddSquaredDifference",
    "SQUEEZE": "AddSqueeze",
    "STRIDED_SLICE": "AddStridedSlice",
    "SUB": "AddSub",
    "TANH": "AddTanh",
    "TRANSPOSE": "AddTranspose",
    "TRANSPOSE_CONV": "AddTransposeConv",
}

# s_input / s_output of LOGISTIC and TANH in TensorFlow Lite Micro: from 2**10 on zero comes out as the lowest number
LOOKUP_LIMITS = (0.0, 2.0**9)

# As TFLITE_NPU, without what TensorFlow Lite Micro lacks, as targets/measured.py has it. Two operators that it has are
# left out, since they are wrong without a word. FULLY_CONNECTED takes, in older releases, its first channel's scale for
# all; a 1x1 convolution is the same product. RELU6 does not requantise; RELU does, and ends where its range ends.
TFLITE_MICRO = replace(
    TFLITE_NPU,
    name="tflite-micro",
    int16=int16_kernels(_NPU_KERNELS, micro=True),
    inexact=frozenset(),
    kernels={kind: kernel for kind, kernel in TFLITE_NPU.kernels.items() if kind not in ("Gelu", "Exp", "Elu")}
    | {
        "Sigmoid": Kernel(fixed_output=SIGMOID, multiplier="each", limits=LOOKUP_LIMITS),
        "Tanh": Kernel(fixed_output=TANH, multiplier="each", limits=LOOKUP_LIMITS),
    },
    forms=(expand_layer_norm.rewrite, divide_by_root.rewrite),
    rewrites=(
        drop_negligible.rewrite,
        expand_gelu.rewrite,
        *TFLITE_NPU.rewrites,
        partial(
            separate_scales.rewrite,
            kinds=frozenset(kind for kind, kernel in TFLITE_NPU.kernels.items() if kernel.same_parameters),
        ),
    ),
    operators=frozenset(MICRO_OPERATORS) - {"FULLY_CONNECTED", "RELU6"},
)


# Precision int16x8. What has no int16 kernel is in int8 where the device has no float, and else in float. RSQRT is left
# in float, too: LiteRT's int16 kernel interpolates between 512 places, and near zero is off by up to 9 %.
TFLITE_INT16 = KernelSet(
    "tflite-int16x8",
    symmetric_weights=True,
    integer_biases=True,
    widens_depthwise=False,
    kernels={},
    int16={kind: kernel for kind, kernel in TFLITE_NPU.int16.items() if kind != "Pow"},
    islands={**TFLITE_NPU.islands, "Pow": "int16 RSQRT is off by up to 9 % near zero"},
    forms=(_steps,),
    rewrites=(affine_to_depthwise.rewrite,),
)
TFLITE_NPU_INT16 = replace(TFLITE_NPU, forms=TFLITE_MICRO.forms)
TFLITE_MICRO_INT16 = replace(
    TFLITE_MICRO,
    forms=(*TFLITE_MICRO.forms, gelu_by_sigmoid.rewrite),
)
