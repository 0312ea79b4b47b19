"""What a core reaches, which a kernel's own figures are compared with."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Peaks:
    """The best that a probe has reached with the same threads.

    Attributes:
        int8_gmacs_per_s, float_gmacs_per_s: 10^9 multiply-accumulates in a second, in chains of large convolutions
            that the same runtime runs: 1x1, in int8 also 3x3.
        memory_gbytes_per_s, cache_gbytes_per_s: 10^9 bytes in a second, read and written, of a copy of 64 MiB and of
            one of 256 KiB.
        instructions: of this CPU that matrix products have: "AMX, AVX-512 VNNI"; "" where that is not known.
    """

    int8_gmacs_per_s: float
    float_gmacs_per_s: float
    memory_gbytes_per_s: float
    cache_gbytes_per_s: float
    instructions: str
