"""This file converts with edgeport."""

from pathlib import Path

from edgeport.artifacts.staging import Staging
from edgeport.cli.console import Console
from edgeport.pipeline import export
from edgeport.pipeline.options import Job
from edgeport.pipeline.prepare import prepare
from edgeport.pipeline.sources.source import Subject, load_subject

from benchmarks.peers.material import Material, Request
from benchmarks.trained import networks  # noqa: F401  # makes its models known

CONSOLE = Console(quiet=True)


def load(material: Material) -> Subject:
    return load_subject(material.model, CONSOLE, weights=str(material.weights))


def convert(subject: Subject, request: Request) -> Path:
    """What `edgeport export` does, but for loading the model, checking the artifact and timing it."""
    job = Job(
        model=request.material.model,
        target=request.format,
        precision=request.precision,
        calibration_data=str(request.material.calibration) if request.precision == "int8" else None,
        output_dir=str(request.folder),
        validate=False,
        benchmark=False,
    )
    prepared = prepare(job, subject, CONSOLE)
    with Staging(request.folder) as staging:
        artifact = export.made(job, request.format, prepared, staging, CONSOLE).asked.artifact
    assert artifact is not None
    return Path(artifact)
