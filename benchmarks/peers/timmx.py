"""Convert with timmx, whose models are timm's: the weights fit under their names."""

from pathlib import Path

import torch
from edgeport.pipeline.sources import torchvision_on_cpu

from benchmarks.peers.material import Material, Request


def load(material: Material) -> str:
    torchvision_on_cpu.declare()  # before timm, which timmx imports
    import timmx  # noqa: F401  # imports are no part of a conversion

    return material.model


def convert(name: str, request: Request) -> Path:
    import timmx

    options = {"checkpoint": request.material.weights, "output": request.artifact, "mode": request.precision}
    if request.precision == "int8":
        rows = request.folder / "calibration.pt"
        torch.save(torch.cat([torch.from_numpy(row) for row in request.material.calibration_rows()]), rows)
        options["calibration_data"] = rows
    timmx.export_model("litert", name, verify=False, **options)
    return request.artifact
