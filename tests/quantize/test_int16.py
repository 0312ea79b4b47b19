"""Precision int16x8: every operator case with int16 activations and int8 weights, in the runtimes' own kernels."""

from functools import cache

from edgeport.quantize import apply, collect, plan
from edgeport.targets.kernel_sets.tflite import TFLITE_INT16, TFLITE_MICRO_INT16, TFLITE_NPU_INT16
from graphs import canonical_case, feeds

SETS = {"cpu": TFLITE_INT16, "npu": TFLITE_NPU_INT16, "micro": TFLITE_MICRO_INT16}


@cache
def quantized(name: str, kind: str):
    """(the float graph, the plan, the quantised graph) of a case, by the ranges of a few inputs."""
    kernels = SETS[kind]
    model = canonical_case(name)
    formed = kernels.apply_forms(model)
    formed, statistics = kernels.apply_rewrites(formed, collect(formed, [feeds(model, seed) for seed in range(1, 5)]))
    made = plan(formed, statistics, kernels, int16="all")
    return model, made, apply(formed, made)
