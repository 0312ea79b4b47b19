"""Static int8 (W8A8): calibrate a float graph, plan its quantisation for a target, write the plan into the graph."""

from ..artifacts.errors import QuantizeError
from ..graph.kernels import KernelSet
from ..graph.qparams import QParams
from .apply import apply
from .calibration.collect import collect
from .calibration.statistics import Statistics
from .float16_range import prepare_float16
from .float16_scaling.safety import make_float16_safe
from .mixed_precision.patterns import select
from .mixed_precision.search import Kept, Measured, Search, Step, candidates, search
from .mixed_precision.sensitivity import measure_sensitivity
from .plan import Plan, plan
from .prequantized import fit_prequantized
from .tuning.bias_correction import correct_and_compare, correct_biases
from .tuning.bias_correction_analytic import correct_for_weights
from .tuning.equalization import apply_equalization, find_equalization, find_gated, observe_gates
from .tuning.gptq import round_weights
from .tuning.held_out import HeldOut, Judged
from .tuning.output_scaling import Scaling, Scalings, fit_scalings, scale_outputs
from .tuning.transfer import transfer_weights
from .weights_only import quantize_weights

__all__ = [
    "HeldOut",
    "Judged",
    "Kept",
    "KernelSet",
    "Measured",
    "Plan",
    "QParams",
    "QuantizeError",
    "Scaling",
    "Scalings",
    "Search",
    "Statistics",
    "Step",
    "apply",
    "apply_equalization",
    "candidates",
    "collect",
    "correct_and_compare",
    "correct_biases",
    "correct_for_weights",
    "find_equalization",
    "find_gated",
    "fit_prequantized",
    "fit_scalings",
    "make_float16_safe",
    "measure_sensitivity",
    "observe_gates",
    "plan",
    "prepare_float16",
    "quantize_weights",
    "round_weights",
    "scale_outputs",
    "search",
    "select",
    "transfer_weights",
]
