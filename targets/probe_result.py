"""What one probe of a runtime's kernels came to, as measured.py records it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """What a runtime made of a probe.

    Attributes:
        integer: an integer kernel computes it.
        delegated: of TFLite, whether the CPU delegate runs it; else None.
        steps: the largest difference from ONNX Runtime's arithmetic as written, in steps of the output.
        swept: the same over input scales from 1e-5 to 100 and zero points in the middle and at both ends; what a
            runtime or a converter refuses is left out. None where all of it is.
    """

    integer: bool
    delegated: bool | None = None
    steps: float | None = None
    swept: float | None = None
