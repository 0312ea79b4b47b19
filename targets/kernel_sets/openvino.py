"""The int8 kernels of OpenVINO's CPU plugin."""

from __future__ import annotations

from functools import partial

from ...graph.kernels import Kernel, KernelSet

_ACTIVATIONS = ("Relu", "Relu6", "Relu0To1")


# OpenVINO's CPU plugin fuses whatever follows a convolution or a fully connected layer into it, in float, up to the
# next pair: what counts is that each such layer reads integers. The placement is NNCF's. uint8, because signed
# activations that reach a convolution through Concat are computed wrongly (2026.4 and before, AVX-512 without AMX).
_READS_INTEGERS = partial(Kernel, result="float", epilogues=_ACTIVATIONS)
_COPIES = partial(Kernel, result="moved", same_parameters=True, light=True, moves_data=True)


OPENVINO_CPU = KernelSet(
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
