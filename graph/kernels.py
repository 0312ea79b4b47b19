"""This file says, as data, what a target's integer kernels can do; `plan` reads it and knows no target by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import onnx_ir as ir

from ..exporters.tflite.kernels import ADD_LIMITS, GEMM_LIMITS, LEAKY_LIMITS, LEAST_ALPHA, MUL_LIMITS, SIGMOID, TANH
from ..quantize.calibration.sentinels import INFINITE, only_pooled
from ..quantize.calibration.statistics import Statistics
from ..quantize.rewrites import affine_to_depthwise, expand_hard_swish, expand_layer_norm
from .edit import attribute, scalar, shape
from .qparams import QParams


@dataclass(frozen=True)
class Kernel:
    """One kind of integer kernel. A kind is an op type, or "Linear": MatMul with a constant, with its bias Add.

    The limits bound a requantisation factor. "each": s_input / s_output for every operand; "product":
    s_a * s_b / s_output, with s_b the weight's scale for Conv and Linear. Outside [low, high) the unit runs in float.
    """

    operands: int | None = 1  # how many leading inputs are activations; None: all of them
    weight_axis: int | None = None  # the output channel's axis of a constant weight (input 1)
    epilogues: tuple[str, ...] = ()  # what the kernel does to its result at no cost, by the names in units.EPILOGUES
    # What becomes of the result. "rounded": it gets a pair, which the kernel does itself; "float": it stays float until
    # a reader rounds it; "moved": it consists of the operands' integers and needs no pair (with same_parameters).
    result: Literal["rounded", "float", "moved"] = "rounded"
    same_parameters: bool = False  # all operands and the result must have one scale and zero point
    fixed_output: QParams | None = None  # the only output parameters the kernel has
    symmetric: tuple[int, ...] = ()  # operands whose zero point must be 0
    multiplier: Literal["each", "product"] | None = None
    limits: tuple[float, float] = (0.0, float("inf"))
    light: bool = False  # so cheap in float that it joins its surroundings: float if only float units read the result
    moves_data: bool = False  # only copies: float if all its operands come from float units
    refuses: Callable[[ir.Node], str | None] = lambda node: None  # why this node cannot run on the kernel


Rewrite = Callable[[ir.Model, Statistics], tuple[ir.Model, Statistics]]


@dataclass(frozen=True)
class Scheme:
    """A target's kernels by kind; every other kind is a float island. `islands` says why, for the ones we know.

    `forms` write the float graph in ops that have kernels, before it is calibrated; `rewrites` put it, and the
    statistics of its values, into the form that the kernels like.
    """

    name: str
    kernels: Mapping[str, Kernel]
    activations: Literal["int8", "uint8"] = "int8"  # the same real numbers either way
    islands: Mapping[str, str] = field(default_factory=dict)
    symmetric_weights: bool = False  # the kernels multiply by weights whose zero point is 0 only
    integer_biases: bool = False  # the kernels add int32 numbers at s_input * s_weight only
    forms: tuple[Callable[[ir.Model], ir.Model], ...] = ()
    rewrites: tuple[Rewrite, ...] = ()
    has_float: bool = True  # else what stays float is refused

    def formed(self, model: ir.Model) -> ir.Model:
        """All forms, one after the other; `model` itself is left as it was."""
        for form in self.forms:
            model = form(model)
        return model

    def rewrite(self, model: ir.Model, stats: Statistics) -> tuple[ir.Model, Statistics]:
        """All rewrites, one after the other; `model` itself is left as it was."""
        for rewrite in self.rewrites:
            model, stats = rewrite(model, stats)
        return model, stats


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


_ACTS = ("Relu", "Relu6", "Relu0To1")
_GEMM = partial(Kernel, multiplier="product", limits=GEMM_LIMITS, epilogues=_ACTS)
_ADD = Kernel(operands=2, multiplier="each", limits=ADD_LIMITS, epilogues=("Relu", "Relu6"), light=True)
_LOOKUP = "no int8 kernel; dequantise, float, quantise is faster than the builtin"

TFLITE_XNNPACK = Scheme(
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
TFLITE_NPU = Scheme(
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

# The Neural Engine multiplies int8 by int8, from the A17 Pro on, where weights and activations are quantised; the rest
# it computes in float16 (coremltools' guide, "API Overview" of quantisation).
COREML_ANE = Scheme(
    "coreml-ane",
    kernels={
        "Conv": Kernel(weight_axis=0, epilogues=_ACTS),  # OIHW
        "Linear": Kernel(weight_axis=1, epilogues=_ACTS),  # (in, out)
    },
)

# OpenVINO's CPU plugin fuses whatever follows a convolution or a fully connected layer into it, in float, up to the
# next pair: what counts is that each such layer reads integers. The placement is NNCF's. uint8, because signed
# activations that reach a convolution through Concat are computed wrongly (2026.4 and before, AVX-512 without AMX).
_READS_INTEGERS = partial(Kernel, result="float", epilogues=_ACTS)
_COPIES = partial(Kernel, result="moved", same_parameters=True, light=True, moves_data=True)

OPENVINO_CPU = Scheme(
    "openvino-cpu",
    activations="uint8",
    kernels={
        "Conv": _READS_INTEGERS(weight_axis=0),  # OIHW
        "Linear": _READS_INTEGERS(weight_axis=1),  # (in, out)
        # Copies of integers; with one scale and zero point, because with others Concat is slow, or wrong.
        "Concat": _COPIES(operands=None),
        "MaxPool": _COPIES(),
        "Slice": _COPIES(),
    },
    islands={
        "MatMul": "attention is one fused float kernel",
        "AveragePool": "integers lose precision in it",
        "Add": "fused in float",
        "Mul": "fused in float",
        "Sigmoid": "fused in float",
        "HardSwish": "fused in float",
    },
)

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
ONNXRUNTIME_CPU = Scheme(
    "onnxruntime-cpu",
    activations="uint8",
    kernels={
        "Conv": Kernel(weight_axis=0, epilogues=_ACTS, refuses=_small_before_hard_swish),  # OIHW; QLinearConv
        "Linear": Kernel(weight_axis=1, epilogues=_ACTS, result="float"),  # (in, out); QGemm, MatMulIntegerToFloat
        "Add": Kernel(operands=2, epilogues=("Relu",), light=True),  # QLinearAdd
        "Mul": Kernel(operands=2),  # QLinearMul
        "Sigmoid": Kernel(
            fixed_output=QParams(SIGMOID.scale, SIGMOID.zero_point)
        ),  # QLinearSigmoid; the parameters are as for TFLite
        "Concat": Kernel(operands=None, same_parameters=True, light=True, moves_data=True),
        "Slice": Kernel(same_parameters=True, light=True, moves_data=True),
        "MaxPool": Kernel(same_parameters=True),
    },
    islands={
        "MatMul": "attention's operands would be rounded for no gain",
        "HardSwish": "no integer kernel",
    },
)
