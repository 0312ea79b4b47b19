"""Models of the zoo as canonical graphs with re-drawn weights, and their int8 plans from a few photographs."""

from functools import cache

import onnx_ir as ir
import torch
from edgeport.exporters.canonicalize import canonicalize
from edgeport.exporters.frontends.torch_module import from_torch
from edgeport.graph.kernels import KernelSet
from edgeport.models import create_model, get_variant, redraw
from edgeport.quantize import Statistics, apply, collect, plan
from edgeport.quantize.plan import Plan
from edgeport.runtime.session import TensorSpec
from edgeport.runtime.sessions.torch import TorchSession
from photographs import CALIBRATION, VALIDATION, crops


@cache
def built(name: str) -> tuple[torch.nn.Module, ir.Model]:
    """(module, canonical graph)"""
    torch.set_num_threads(1)
    variant = get_variant(name)
    module = create_model(name)
    redraw(module, seed=0, input_size=variant.input_size)
    return module, canonicalize(from_torch(module, (torch.zeros(1, *variant.input_size),)))


@cache
def reference(name: str) -> TorchSession:
    """PyTorch itself, as a session."""
    return TorchSession(built(name)[0], [TensorSpec("image", (1, *get_variant(name).input_size), "float32")])


@cache
def statistics(name: str) -> Statistics:
    """Of four photographs."""
    return collect(built(name)[1], ({"image": x} for x in crops(CALIBRATION, 4, get_variant(name))))


def planned(name: str, kernels: KernelSet) -> tuple[Plan, ir.Model]:
    """(plan, graph with Q/DQ)"""
    graph = built(name)[1]
    decided = plan(graph, statistics(name), kernels)
    return decided, apply(graph, decided)


def pictures(name: str, count: int = 1) -> list[dict]:
    """Other photographs, as feeds."""
    return [{"image": x} for x in crops(VALIDATION, count, get_variant(name))]
