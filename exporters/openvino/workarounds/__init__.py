"""What OpenVINO's CPU plugin (2026.4) gets wrong or does slowly, written so that it does not: one file each.

They are passes as those of the canonicalizer, of a canonical graph that then leaves the dialect.
"""

from ...passes.stages import Often, Stage
from . import (
    absolute_values,
    attention_swaps,
    kernel_widths,
    masked_rows,
    number_reshapes,
    overlap_thresholds,
    place_factors,
    quantized_tokens,
    reduction_constants,
    single_steps,
    zero_points,
)

WORKAROUNDS = Stage(
    "OpenVINO's workarounds",
    (
        zero_points,
        number_reshapes,
        masked_rows,
        reduction_constants,
        absolute_values,
        quantized_tokens,
        attention_swaps,
        place_factors,
        single_steps,
        kernel_widths,
        overlap_thresholds,
    ),
    Often.ONCE,
)
