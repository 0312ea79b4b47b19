"""The kernels of int16 activations and int8 weights, TensorFlow's 16x8, of LiteRT and TensorFlow Lite Micro.

Activations have the zero point 0, biases are int64 (https://ai.google.dev/edge/litert/models/quantization_spec, and
https://www.tensorflow.org/model_optimization, "16x8"). What is here is what the runtimes' own kernels were seen to
take, as targets/measured.py has it, and what they compute rightly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import onnx_ir as ir

from ...graph.edit import array, scalar, shape
from ...graph.kernels import Kernel
from ...graph.qparams import QParams

UNIT = QParams((2.0**-15,), dtype="int16")  # fixed by the int16 LOGISTIC, TANH and SOFTMAX kernels

# s_input / s_output of ADD and SUB: they shift by 15 bits, and abort where what is left is not below one
ADD_LIMITS = (2.0**-15, 2.0**13)

MUL_LIMITS = (2.0**-31, 2.0**8)  # s_a * s_b / s_output: products of 30 bits leave room for small factors

# s_input / s_output of LOGISTIC and TANH: they take their input in steps of 1 / 12288, and overflow from 2.67 on
LOOKUP_LIMITS = (0.0, 2.0**16)

# MEAN adds up in 32 bits, of which each number takes 15
MOST_ADDED = 2**16


def _below_zero(node: ir.Node) -> str | None:
    return None if scalar(node.inputs[1]) == 0 and scalar(node.inputs[2]) else "int16 clips only to (0, h)"


def _too_many(node: ir.Node) -> str | None:
    dims, count = shape(node.inputs[0]), 1
    for axis in array(node.inputs[1]).tolist():
        count *= dims[axis]
    return f"int16 MEAN overflows over {count} numbers" if count >= MOST_ADDED else None


def _of_int16(kernel: Kernel) -> Kernel:
    """The same kernel with int16 activations, where it is the same but for the type."""
    return replace(kernel, fixed_output=UNIT if kernel.fixed_output else None)


# The kinds of the int8 set that are not here: ELU and PRELU take int8 and float alone. So does HARD_SWISH, which is
# written as a sum and two products. EXP interpolates between 512 places, which is wrong where a range is wide. So do
# GELU, RSQRT and the exponent of SOFTMAX, which stay: GELU is within 3 steps; RSQRT of LiteRT is off by up to 9 % below
# a 64th of its range, and corrected behind it; SOFTMAX takes what is 10 below a row's largest number, and more, for 10
# below.
_SAME_BUT_FOR_TYPE = """
Conv ConvTranspose Linear MatMul Softmax Gelu HardSwish LeakyRelu Relu Abs Pow Concat Slice MaxPool
AveragePool Resize ReduceMax ReduceMin Max Min Pad
"""
_MISSING_IN_MICRO = frozenset({"Gelu", "Resize", "ReduceMax", "ReduceMin"})


def int16_kernels(int8: Mapping[str, Kernel], *, micro: bool = False) -> dict[str, Kernel]:
    """The int16 kernels beside the int8 ones of a device that has all of them: LiteRT's, or TensorFlow Lite Micro's."""
    kernels = {kind: _of_int16(int8[kind]) for kind in _SAME_BUT_FOR_TYPE.split() if kind in int8}
    kernels["Clip"] = Kernel(refuses=_below_zero)
    for kind in ("Add", "Sub"):
        kernels[kind] = replace(int8[kind], limits=ADD_LIMITS)
    kernels["Mul"] = replace(int8["Mul"], limits=MUL_LIMITS)
    for kind in ("Sigmoid", "Tanh"):
        kernels[kind] = Kernel(fixed_output=UNIT, multiplier="each", limits=LOOKUP_LIMITS)
    kernels["ReduceMean"] = Kernel(refuses=_too_many)
    return {kind: kernel for kind, kernel in kernels.items() if not (micro and kind in _MISSING_IN_MICRO)}
