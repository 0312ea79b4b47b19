"""This file converts with timmx, whose models are timm's: the weights fit under their names."""

import importlib
import sys
from pathlib import Path

import torch

from .material import Material, Request

sys.path.append(str(Path(__file__).parents[2] / "tests"))
importlib.import_module("torchvision_on_cpu")  # before timm, which timmx imports
timmx = importlib.import_module("timmx")


def load(material: Material) -> str:
    return material.model


def convert(name: str, request: Request) -> Path:
    options = {"checkpoint": request.material.weights, "output": request.artifact, "mode": request.precision}
    if request.precision == "int8":
        rows = request.folder / "calibration.pt"
        torch.save(torch.cat([torch.from_numpy(row) for row in request.material.calibration_rows()]), rows)
        options["calibration_data"] = rows
    timmx.export_model("litert", name, verify=False, **options)
    return request.artifact
