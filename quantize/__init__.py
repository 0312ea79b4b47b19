"""Static int8 (W8A8): calibrate a float graph, plan its quantisation for a target, write the plan into the graph."""

from .apply import apply
from .calibrate import collect
from .carry import carry
from .corrections import correct_biases
from .errors import QuantizeError
from .plan import Plan, plan
from .qparams import QParams
from .rounding import round_weights
from .schemes import COREML_ANE, ONNXRUNTIME_CPU, OPENVINO_CPU, TFLITE_XNNPACK, Scheme
from .statistics import Statistics

__all__ = [
    "COREML_ANE",
    "ONNXRUNTIME_CPU",
    "OPENVINO_CPU",
    "TFLITE_XNNPACK",
    "Plan",
    "QParams",
    "QuantizeError",
    "Scheme",
    "Statistics",
    "apply",
    "carry",
    "collect",
    "correct_biases",
    "plan",
    "round_weights",
]
