"""Static int8 (W8A8): calibrate a float graph, plan its quantisation for a target, write the plan into the graph."""

from .analytic import correct_for_weights
from .apply import apply
from .budget import Kept, Measured, Search, Step, candidates, search
from .calibrate import collect
from .carry import carry
from .corrections import correct_biases
from .equalization import decide as equalization
from .equalization import equalized
from .errors import QuantizeError
from .own_error import own_errors
from .plan import Plan, plan
from .qparams import QParams
from .rounding import round_weights
from .schemes import COREML_ANE, ONNXRUNTIME_CPU, OPENVINO_CPU, TFLITE_NPU, TFLITE_XNNPACK, Scheme
from .selection import select
from .statistics import Statistics
from .tuned import retuned
from .weights_only import weights_only

__all__ = [
    "COREML_ANE",
    "ONNXRUNTIME_CPU",
    "OPENVINO_CPU",
    "TFLITE_NPU",
    "TFLITE_XNNPACK",
    "Kept",
    "Measured",
    "Plan",
    "QParams",
    "QuantizeError",
    "Scheme",
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
