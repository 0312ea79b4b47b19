"""This file is the way from a model's name to artifacts on disk: everything that `edgeport export` does, in order."""

import sys
import traceback
from pathlib import Path

from ..artifacts.errors import UsageError
from ..artifacts.exit_codes import BUG, DISAGREES, DONE, OVER_BUDGET, exit_code
from ..artifacts.staging import Staging
from ..cli.console import Console
from ..targets import registry
from .build import build
from .input_spec import named
from .options import ALL, BUDGETS, PROFILES, Job, Outcome, Result
from .prepare import Prepared, prepare
from .sources.source import load_subject


def run(job: Job, console: Console) -> list[Outcome]:
    """Builds, checks and publishes the artifacts of a job, one target after the other.

    Nothing is at its destination before all of one target's artifacts are whole, and nothing else is left behind.
    """
    check(job)
    subject = load_subject(
        job.model,
        console,
        weights=job.weights,
        seed=job.seed,
        num_classes=job.num_classes,
        shapes=named(job.input_shape),
    )
    with Staging(Path(job.output_dir) / subject.name) as staging:
        prepared = prepare(job, subject, console)
        job = prepared.job
        attempt = attempted if job.target == ALL else made
        return [attempt(job, name, prepared, staging, console) for name in job.targets]


def check(job: Job) -> None:
    """Raises UsageError for options of another target, RuntimeUnavailable where the one target cannot be made here."""
    if "coreml" not in job.targets:
        for option, given in (("--coreml-target", job.coreml_target), ("--image-input", job.image_input)):
            if given:
                raise UsageError(f"{option} is for --target coreml, not for {job.target}")
    if job.plain_operators and "tflite" not in job.targets:
        raise UsageError(f"--plain-operators is for --target tflite, not for {job.target}")
    if job.input == "uint8" and job.input_layout != "nhwc":
        raise UsageError("--input uint8 takes the image as it lies in memory, NHWC; leave out --input-layout")
    if job.precision != "int8":
        given = [name for name in BUDGETS if getattr(job, name) is not None] + ["keep_float"] * bool(job.keep_float)
        if given:
            raise UsageError(f"--{given[0].replace('_', '-')} is for --int8, not for --precision {job.precision}")
    if job.profile:
        known = [name for target in job.targets for name in PROFILES[target]]
        if job.profile not in known:
            raise UsageError(f"--profile {job.profile} is not of {job.target}, which has {' and '.join(known)}")
        if job.precision != "int8":
            raise UsageError(f"--profile is for --int8, not for --precision {job.precision}")
        if job.profile == "npu" and (job.budget or job.keep_float):
            raise UsageError(
                "profile npu has no float that units could return to; leave out the budget and --keep-float"
            )
    if job.budget and not job.validate:
        raise UsageError(f"--{job.budget[0].replace('_', '-')} has to be measured; leave out --no-validate")
    if job.target != ALL:
        registry.check(job.target)
        registry.refuse(job.target, job.precision)


def made(job: Job, name: str, prepared: Prepared, staging: Staging, console: Console) -> Outcome:
    """One target; its errors come through."""
    registry.refuse(name, job.precision)
    results, spent = build(job, registry.check(name), prepared, staging, console)
    if spent and not spent.budget["met"]:
        return Outcome(results, OVER_BUDGET, spent)
    return Outcome(results, DISAGREES if any(result.verdict.startswith("fail") for result in results) else DONE, spent)


def attempted(job: Job, name: str, prepared: Prepared, staging: Staging, console: Console) -> Outcome:
    """One of several targets; its error is told, and the others go on."""
    try:
        return made(job, name, prepared, staging, console)
    except Exception as e:  # even a bug in one target is none in the others
        code = exit_code(e)
        if code == BUG:
            traceback.print_exc()
            e = RuntimeError(f"a bug: {type(e).__name__}: {e}")
        sentence = str(e) if name in str(e) else f"{name}: {e}"
        print(f"edgeport: {sentence}", file=sys.stderr)
        return Outcome((failed(job, name, prepared, sentence),), code)


def failed(job: Job, name: str, prepared: Prepared, sentence: str) -> Result:
    """What is told of an artifact that could not be made."""
    weights = str(prepared.subject.weights)
    return Result(model=job.model, weights=weights, target=name, precision=job.precision, verdict=f"error: {sentence}")
