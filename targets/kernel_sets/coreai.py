"""The int8 kernels of Apple's Neural Engine, as Core AI programs it."""

from __future__ import annotations

from ...graph.kernels import Kernel, KernelSet

_ACTIVATIONS = ("Relu", "Relu6", "Relu0To1")


# Apple's guide: the Neural Engine takes float16, int8 and int16, int8 where a layer's weights and what it reads are
# quantised. In the program both stand as quantize and dequantize: conv2d itself takes no integers. Weights have a scale
# for each channel (several in one channel are computed wrongly there), biases are float.
COREAI_ANE = KernelSet(
    "coreai-ane",
    kernels={
        "Conv": Kernel(weight_axis=0, epilogues=_ACTIVATIONS),  # OIHW
        "Linear": Kernel(weight_axis=1, epilogues=_ACTIVATIONS),  # (in, out)
    },
)
