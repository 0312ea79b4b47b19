"""This file holds what int8 kernels accept, as data: those of the CPU delegate (XNNPACK), and the full set.

On the CPU an operator that is not in INT8, or whose quantisation breaks its rule, is computed in float between
DEQUANTIZE and QUANTIZE: the delegate keeps such an island in its partition, where a builtin kernel would split it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..quantization import Quant

SIGMOID = Quant((1 / 256,), -128)  # fixed by the int8 LOGISTIC and SOFTMAX kernels
TANH = Quant((1 / 128,), 0)  # fixed by the int8 TANH kernel

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


def requantizes(stored: Quant, wanted: Quant) -> bool:
    """Whether QUANTIZE takes int8 under one scale to int8 under the other."""
    return QUANTIZE_LIMITS[0] <= stored.scale[0] / wanted.scale[0] <= QUANTIZE_LIMITS[1]


Rule = Callable[[Sequence[Quant], Quant], bool]


def _within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value < limits[1]


def _add(inputs: Sequence[Quant], out: Quant) -> bool:
    return all(_within(q.scale[0] / out.scale[0], ADD_LIMITS) for q in inputs)


def _mul(inputs: Sequence[Quant], out: Quant) -> bool:
    return _within(inputs[0].scale[0] * inputs[1].scale[0] / out.scale[0], MUL_LIMITS)


def _linear(inputs: Sequence[Quant], out: Quant) -> bool:
    x, weight = inputs[0], inputs[1]
    return weight.zero_point == 0 and all(s * x.scale[0] / out.scale[0] < GEMM_LIMITS[1] for s in weight.scale)


def _leaky(inputs: Sequence[Quant], out: Quant) -> bool:
    return _within(inputs[0].scale[0] / out.scale[0], LEAKY_LIMITS)


def _batch_matmul(inputs: Sequence[Quant], out: Quant) -> bool:
    return inputs[1].zero_point == 0


def _same(inputs: Sequence[Quant], out: Quant) -> bool:
    return inputs[0] == out


def _all_same(inputs: Sequence[Quant], out: Quant) -> bool:
    return all(quant == out for quant in inputs)


def _any(inputs: Sequence[Quant], out: Quant) -> bool:
    return True


# ONNX operator -> rule on the quantisation of its inputs and its output
INT8: dict[str, Rule] = {
    "Conv": _linear,
    "ConvTranspose": _linear,
    "MatMul": _linear,  # by a constant matrix; of two activations: BATCH_MATMUL
    "BatchMatMul": _batch_matmul,
    "LeakyRelu": _leaky,
    "Add": _add,
    "Sub": _add,
    "Mul": _mul,
    "Pad": _same,  # with another number than 0, which the plan wants saturated: the lowest, around a MaxPool
    "ReduceMean": _any,
    "Resize": _same,
    "Sigmoid": _any,  # requantised behind the kernel if the plan wants another output than SIGMOID
    "Tanh": _any,
}

# What a device without float has to have: each operator of the TFLite 8-bit quantisation specification, by the builtin
# kernels' own rules. https://ai.google.dev/edge/litert/models/quantization_spec
FULL_INT8: dict[str, Rule] = INT8 | {
    "BatchMatMul": _any,
    "Softmax": _any,
    **dict.fromkeys(("LeakyRelu", "Relu", "Clip", "HardSwish", "Gelu", "Elu", "Exp", "Abs", "PRelu"), _any),
    "Pow": _any,  # to the power -1/2: RSQRT
    **dict.fromkeys(("AveragePool", "ReduceMax", "ReduceMin"), _same),
    **dict.fromkeys(("Max", "Min"), _all_same),
}


@dataclass(frozen=True)
class Kernels:
    """The int8 kernels of a device: their rules, and whether it has float ones beside them, for everything else."""

    rules: Mapping[str, Rule]
    has_float: bool = True


PROFILES = {"xnnpack": Kernels(INT8), "npu": Kernels(FULL_INT8, has_float=False)}

FIXED_OUTPUT = {"Sigmoid": SIGMOID, "Softmax": SIGMOID, "Tanh": TANH}

# These only move or choose elements: int8 in, the same int8 out, whether or not a pair follows.
MOVES = frozenset({"Slice", "Concat", "Pad", "MaxPool"})
VIEWS = frozenset({"Reshape", "Transpose"})
