"""Hold the rule that gives each operator its version, with the first runtime that has it.

An older runtime refuses a version it does not know, so the number is the lowest whose kernel does what the operator
asks. Source: the versioning comments of the TFLite schema and its published table of operator versions and runtimes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

_INT8_IS_2 = frozenset(
    {"ADD", "SUB", "MUL", "MAX_POOL_2D", "AVERAGE_POOL_2D", "TRANSPOSE", "SLICE", "PAD", "PADV2"}
    | {"CONCATENATION", "SOFTMAX", "MEAN", "RELU", "RELU6", "LOGISTIC", "TANH", "BATCH_MATMUL", "DEQUANTIZE"}
    | {"RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "MAXIMUM", "MINIMUM", "SPLIT"}
    | {"GELU", "EXP", "RSQRT", "ABS", "LEAKY_RELU", "REDUCE_MAX", "REDUCE_MIN"}
)


# of int16 activations, whose kernels came later: from which runtime on they are there
_INT16: dict[str, tuple[int, tuple[int, int, int]]] = {
    **dict.fromkeys(("CONV_2D", "MAXIMUM", "MINIMUM"), (4, (2, 3, 0))),
    "DEPTHWISE_CONV_2D": (5, (2, 3, 0)),
    "FULLY_CONNECTED": (7, (2, 3, 0)),
    **dict.fromkeys(("MAX_POOL_2D", "AVERAGE_POOL_2D", "CONCATENATION", "SOFTMAX"), (3, (2, 3, 0))),
    **dict.fromkeys(("LOGISTIC", "TANH"), (3, (2, 3, 0))),
    "LEAKY_RELU": (2, (2, 3, 0)),
    "MUL": (4, (2, 3, 0)),
    "ADD": (3, (2, 4, 0)),
    "SUB": (5, (2, 4, 0)),
    **dict.fromkeys(("BATCH_MATMUL", "MEAN", "PAD", "PADV2"), (3, (2, 4, 0))),
    "TRANSPOSE": (5, (2, 4, 0)),
    "SLICE": (4, (2, 4, 0)),
    "RESIZE_NEAREST_NEIGHBOR": (4, (2, 4, 0)),
    "RESIZE_BILINEAR": (4, (2, 5, 0)),
    **dict.fromkeys(("ABS", "REDUCE_MAX", "REDUCE_MIN", "RELU", "RELU6"), (3, (2, 5, 0))),
    "EXP": (2, (2, 12, 0)),
    "RSQRT": (3, (2, 15, 0)),
    "DEQUANTIZE": (3, (2, 0, 0)),
}

_HYBRID = {"CONV_2D": 5, "FULLY_CONNECTED": 12}  # float by int8 per channel


def operator_version(op: str, inputs: Sequence[Any], output: Any, options: Mapping[str, Any]) -> int:
    """The version of `op`. `inputs` and `output` have `.shape`, `.dtype` and `.quant`; `options` as in the schema."""
    if op == "TRANSPOSE_CONV":  # its first operand is a shape; 4 is an activation fused behind a bias
        return 4 if options.get("fusedActivationFunction") else 3
    if np.int16 in (inputs[0].dtype, output.dtype) and (version := _int16_version(op, inputs, output)):
        return version
    return _version(op, inputs, output, options)


def _version(op: str, inputs: Sequence[Any], output: Any, options: Mapping[str, Any]) -> int:
    """Of what has no int16 activations."""
    int8 = inputs[0].dtype == np.int8
    if op in _HYBRID and inputs[0].dtype == np.float32 and inputs[1].dtype == np.int8:
        return _HYBRID[op]
    stored = inputs[0].quant
    if op == "DEQUANTIZE" and stored is not None and len(stored.scales) > 1:
        return 5
    rank = len(inputs[0].shape)
    if op == "CONV_2D":
        grouped = inputs[0].shape[-1] != inputs[1].shape[-1]
        return 6 if grouped else 3 if int8 else 1
    if op == "DEPTHWISE_CONV_2D":
        dilated = (options.get("dilationWFactor", 1), options.get("dilationHFactor", 1)) != (1, 1)
        return 3 if int8 else 2 if dilated else 1
    if op == "DEQUANTIZE" and inputs[0].dtype == np.float16:
        return 3
    if op == "FULLY_CONNECTED":
        return 6 if len(inputs) == 2 else 5 if options.get("keepNumDims") else 4 if int8 else 1
    if op == "MUL" and int8:
        return 3 if inputs[0].quant.scale * inputs[1].quant.scale / output.quant.scale >= 1 else 2
    if op == "TRANSPOSE" and rank > 4:
        return 6 if rank > 5 else 4
    if op == "SLICE" and rank > 4:
        return 5
    if op == "PAD" and rank > 4:
        return 4
    if op in ("SUB", "DIV", "MAXIMUM", "MINIMUM") and rank > 4 and inputs[0].shape != inputs[1].shape:
        return 2 if op == "DIV" else 3
    if op == "RESIZE_BILINEAR" and options.get("halfPixelCenters"):
        return 3
    return 2 if int8 and op in _INT8_IS_2 else 1


def _int16_version(op: str, inputs: Sequence[Any], output: Any) -> int | None:
    """The version with an int16 kernel; None where something else about the operator came later than that."""
    if op == "QUANTIZE":
        return 2 if output.dtype == np.int16 else None
    if op == "CONV_2D" and inputs[0].shape[-1] != inputs[1].shape[-1]:  # groups
        return None
    if op in ("TRANSPOSE", "SLICE", "PAD", "PADV2") and len(inputs[0].shape) > (5 if op == "TRANSPOSE" else 4):
        return None
    return _INT16[op][0] if op in _INT16 and inputs[0].dtype == np.int16 else None


# The lowest runtime in which (operator, version) exists; what is not here is in 2.0.0 and earlier.
_SINCE = {
    **{(op, version): since for op, (version, since) in _INT16.items()},
    ("CONV_2D", 6): (2, 9, 0),
    ("FULLY_CONNECTED", 6): (2, 1, 0),
    ("CONV_2D", 5): (2, 4, 0),
    ("FULLY_CONNECTED", 12): (2, 17, 0),
    ("DEQUANTIZE", 5): (2, 7, 0),
    ("LEAKY_RELU", 2): (2, 3, 0),
    ("RSQRT", 2): (2, 5, 0),
    ("ABS", 2): (2, 4, 0),
    ("EXP", 2): (2, 12, 0),
    ("GELU", 2): (2, 9, 0),
    ("SUB", 3): (2, 3, 0),
    ("DIV", 2): (2, 3, 0),
    ("TRANSPOSE", 4): (2, 3, 0),
    ("TRANSPOSE", 6): (2, 12, 0),
    ("SLICE", 5): (2, 5, 0),
    ("PAD", 4): (2, 6, 0),
    ("BATCH_MATMUL", 1): (2, 3, 0),
    ("BATCH_MATMUL", 2): (2, 3, 0),
    ("RESIZE_BILINEAR", 3): (2, 2, 0),
    ("RELU", 2): (2, 1, 0),
    ("GELU", 1): (2, 9, 0),
    ("TRANSPOSE_CONV", 3): (2, 3, 0),
    ("TRANSPOSE_CONV", 4): (2, 13, 0),
    ("MAXIMUM", 3): (2, 3, 0),
    ("MINIMUM", 3): (2, 3, 0),
    ("NON_MAX_SUPPRESSION_V4", 1): (2, 1, 0),
}


def minimum_runtime(operators: Sequence[tuple[str, int]]) -> str:
    """The first TFLite runtime that has every (operator, version); metadata `min_runtime_version`."""
    return ".".join(map(str, max((_SINCE.get(o, (2, 0, 0)) for o in operators), default=(2, 0, 0))))
