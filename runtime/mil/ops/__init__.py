"""The operators, one file per family; importing this package fills the table (table.py).

What each operator does is from Apple's reference of MIL operations:
https://apple.github.io/coremltools/source/coremltools.converters.mil.mil.ops.defs.html
"""

from . import (
    activation,
    constant,
    conv,
    elementwise,
    gather,
    linear,
    movement,
    normalization,
    pool,
    quantization,
    recurrence,
    reduce,
    resize,
)

__all__ = [
    "activation",
    "constant",
    "conv",
    "elementwise",
    "gather",
    "linear",
    "movement",
    "normalization",
    "pool",
    "quantization",
    "recurrence",
    "reduce",
    "resize",
]
