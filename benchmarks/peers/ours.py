"""This file converts with edgeport."""

from pathlib import Path

from edgeport.cli import pipeline
from edgeport.cli.console import Console
from edgeport.cli.job import Job
from edgeport.cli.preparation import prepare
from edgeport.cli.subject import Subject, load_subject
from edgeport.exporters.atomic import Staging

from benchmarks.trained import networks  # noqa: F401  # makes its models known

from .material import Material, Request

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
        artifact = pipeline.made(job, request.format, prepared, staging, CONSOLE).asked.artifact
    assert artifact is not None
    return Path(artifact)
