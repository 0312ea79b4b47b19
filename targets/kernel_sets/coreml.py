"""The int8 kernels of Apple's Neural Engine."""

from __future__ import annotations

from ...graph.kernels import Kernel, KernelSet

_ACTIVATIONS = ("Relu", "Relu6", "Relu0To1")


# The Neural Engine multiplies int8 by int8, from the A17 Pro on, where weights and activations are quantised; the rest
# it computes in float16 (coremltools' guide, "API Overview" of quantisation).
COREML_ANE = KernelSet(
    "coreml-ane",
    kernels={
        "Conv": Kernel(weight_axis=0, epilogues=_ACTIVATIONS),  # OIHW
        "Linear": Kernel(weight_axis=1, epilogues=_ACTIVATIONS),  # (in, out)
    },
)
