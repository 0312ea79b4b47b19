"""Artifacts that take any number of images at once: asked for, and proven by running several."""

from typing import TYPE_CHECKING

import numpy as np

from ..artifacts.errors import ArtifactError, UnsupportedOp
from ..runtime.session import Session
from ..targets.target import Target
from .open_sizes import read_dynamic
from .options import Job

if TYPE_CHECKING:
    from .prepare import Prepared

SIZES = (2, 5, 1)  # images at once, in the order in which one session takes them
EXACT, ROUNDED = 1e-3, 0.1  # of an output's standard deviation: kernels of several images add in other orders


def asks_for_any_batch(job: Job, target: Target) -> bool:
    """Whether the artifact is to take any number of images. Raises UnsupportedOp where the target has none such."""
    if not read_dynamic(job.model.dynamic).batch:
        return False
    if not target.any_batch:
        raise UnsupportedOp(
            f"{target.name}: its artifacts take one size; leave out --dynamic batch and let the application give its "
            "images one by one, or take onnx or openvino"
        )
    return True


def prove_any_batch(session: Session, prepared: "Prepared", what: str) -> None:
    """Runs several images at once, of several numbers of them: each must get what it gets alone.

    What each gets alone is what validation compares with the reference. Raises UnsupportedOp where that is not so.
    """
    feeds = [dict(feed) for feed in prepared.validation.take(max(SIZES))]
    feeds = [feeds[i % len(feeds)] for i in range(max(SIZES))]
    tolerance = ROUNDED if prepared.job.precision in ("int8", "int16x8", "dynamic") else EXACT
    try:
        alone = [session.run(feed) for feed in feeds]
        for size in SIZES:
            together = session.run({name: np.concatenate([feed[name] for feed in feeds[:size]]) for name in feeds[0]})
            for name, got in together.items():
                wanted = np.concatenate([each[name] for each in alone[:size]])
                check_rows(got, wanted, tolerance, f"{what}: --dynamic batch: output {name!r} of {size} images")
    except ArtifactError as e:
        why = str(e).partition(" (")[2].removesuffix(")") or str(e)
        raise UnsupportedOp(
            f"{what}: --dynamic batch: an operator has the shape of one image ({why}); leave it out"
        ) from e


def check_rows(got: np.ndarray, wanted: np.ndarray, tolerance: float, where: str) -> None:
    """Raises UnsupportedOp where the rows of several images are not those that each has alone."""
    if got.shape != wanted.shape:
        why = "an operator has the shape of one image"
        raise UnsupportedOp(f"{where} has shape {got.shape}, not {wanted.shape}: {why}")
    if got.dtype.kind != "f":
        apart = float((got != wanted).mean())
        limit = tolerance
    else:
        apart = float(np.abs(got.astype(np.float64) - wanted).max(initial=0))
        limit = tolerance * max(float(wanted.std()), 1e-6)
    if not apart <= limit:
        raise UnsupportedOp(
            f"{where} is {apart:.3g} off what each has alone: an operator mixes images, or goes along their axis; "
            "leave out --dynamic batch"
        )
