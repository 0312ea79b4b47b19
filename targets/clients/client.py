"""What a program that takes an artifact as it is makes of it."""

from dataclasses import dataclass
from math import prod

from ...artifacts.manifest import Manifest
from ...runtime.contents.contents import Tensor

NO_LABELS = "names no classes: export it with --labels"
NOT_SAID = "nobody said how a pixel is normalised: export it with --mean, --std and their like, or with --input uint8"


@dataclass(frozen=True, kw_only=True)
class Client:
    """What one program makes of an artifact.

    Attributes:
        name: of the program.
        refuses: why it does not take it, and what to export instead; empty where it takes it.
        notes: what it lacks where it takes it.
    """

    name: str
    refuses: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def is_labelled(manifest: Manifest | None) -> bool:
    """Whether the classes have names."""
    return bool(manifest and any(output.labels for output in manifest.outputs))


def count_scores(tensor: Tensor) -> int:
    """The number of scores of an output that is a row of them; 0 of any other."""
    sizes = [dim or 1 for dim in tensor.shape or ()]
    return sizes[-1] if len(sizes) in (2, 4) and prod(sizes) == sizes[-1] else 0
