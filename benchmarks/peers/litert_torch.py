"""Convert with litert-torch, and quantise with ai-edge-quantizer."""

from pathlib import Path

import litert_torch
import torch
from ai_edge_quantizer import quantizer, recipe
from edgeport.models import create_model, get_variant, load_weights

from benchmarks.peers.material import Material, Request
from benchmarks.trained import networks  # noqa: F401  # makes its models known
from benchmarks.trained_tasks import networks as task_networks  # noqa: F401


def load(material: Material) -> torch.nn.Module:
    module = create_model(material.model)
    load_weights(module, material.weights)
    return module.eval()


def convert(module: torch.nn.Module, request: Request) -> Path:
    example = torch.zeros(1, *get_variant(request.material.model).input_size)
    litert_torch.convert(module, (example,)).export(str(request.artifact))
    if request.precision == "int8":
        quantise(request.artifact, request.material)
    return request.artifact


def quantise(path: Path, material: Material) -> None:
    """Static int8 in place of the float model."""
    job = quantizer.Quantizer(str(path), recipe.static_wi8_ai8())
    rows = [{"args_0": row} for row in material.calibration_rows()]
    ranges = job.calibrate({"serving_default": rows}, num_threads=1)
    path.write_bytes(bytes(job.quantize(ranges).quantized_model))
