"""Static int8 (W8A8): calibrate a float graph, plan its quantisation for a target, write the plan into the graph."""

from ..artifacts.errors import QuantizeError
from ..graph.kernels import KernelSet
from ..graph.qparams import QParams
from .apply import apply
from .calibration.collect import collect
from .calibration.statistics import Statistics
from .mixed_precision.patterns import select
from .mixed_precision.search import Kept, Measured, Search, Step, candidates, search
from .mixed_precision.sensitivity import own_errors
from .plan import Plan, plan
from .prequantized import carry
from .tuning.bias_correction import correct_biases
from .tuning.bias_correction_analytic import correct_for_weights
from .tuning.equalization import decide as equalization
from .tuning.equalization import equalized
from .tuning.gptq import round_weights
from .tuning.transfer import retuned
from .weights_only import weights_only

__all__ = [
    "Kept",
    "KernelSet",
    "Measured",
    "Plan",
    "QParams",
    "QuantizeError",
    "Search",
    "Statistics",
    "Step",
    "apply",
    "candidates",
    "carry",
    "collect",
    "correct_biases",
    "correct_for_weights",
    "equalization",
    "equalized",
    "own_errors",
    "plan",
    "retuned",
    "round_weights",
    "search",
    "select",
    "weights_only",
]
