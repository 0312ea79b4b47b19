"""Convert with edgeport."""

from pathlib import Path

import edgeport

from benchmarks.peers.material import Material, Request
from benchmarks.trained import networks  # noqa: F401  # makes its models known


def load(material: Material) -> edgeport.ModelSource:
    return edgeport.load(material.model, weights=str(material.weights))


def convert(source: edgeport.ModelSource, request: Request) -> Path:
    """An export without checking the artifact and timing it; the model is loaded already."""
    result = edgeport.export(
        source,
        request.format,
        precision=request.precision,
        calibration=request.material.calibration if request.precision == "int8" else None,
        validate=False,
        benchmark=False,
        output_dir=request.folder,
    )
    return result.path
