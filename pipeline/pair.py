"""An artifact beside what it is compared with."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..artifacts.manifest import Manifest
from ..runtime.session import Session
from ..tasks.task import Meaning
from .data.dataset import Dataset
from .output_kinds import Kinds


@dataclass(frozen=True)
class Pair:
    """An artifact, its reference, and the inputs that they are compared on.

    Attributes:
        session: the artifact itself.
        feed: a session of the artifact -> the same, given normalised arrays whatever it takes.
        kinds: what its outputs are, where their types alone do not say it.
        model, weights: what the reference is.
        meaning: of its outputs; None where answers are not compared.
    """

    path: Path
    manifest: Manifest | None
    session: Session
    feed: Callable[[Session], Session]
    reference: Session
    kinds: Kinds
    model: str
    weights: str | None
    inputs: Dataset
    precision: str
    meaning: Meaning | None = None
