"""This file is the way from a model's name to artifacts on disk: everything that `edgeport export` does, in order."""

from pathlib import Path

from ..exporters.atomic import Staging
from . import targets
from .build import build
from .console import Console
from .job import Job, Result
from .preparation import prepare
from .subject import load_subject


def run(job: Job, console: Console) -> list[Result]:
    """Builds, checks and publishes the artifacts of a job; the one that was asked for comes last.

    Nothing is at its destination before all of it is whole, and nothing else is left behind.
    """
    target = targets.check(job.target)
    subject = load_subject(
        job.model,
        console,
        weights=job.weights,
        seed=job.seed,
        num_classes=job.num_classes,
        input_shape=job.input_shape,
    )
    with Staging(Path(job.output_dir) / subject.name) as staging:
        return build(job, target, prepare(job, subject, console), staging, console)
