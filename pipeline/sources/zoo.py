"""The weights of a zoo model: a file, public ones by name, or what there is of them."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...artifacts.digest import sha256_of_file
from ...artifacts.manifest import Weights
from ...models import Checkpoint, fetch, get_checkpoint, list_checkpoints
from ..progress import Progress

if TYPE_CHECKING:
    import torch

AUTO, PRETRAINED, RANDOM = "auto", "pretrained", "random"


@dataclass(frozen=True)
class ChosenWeights:
    """A file of weights; `checkpoint` says what it is where it is public."""

    path: Path
    checkpoint: Checkpoint | None = None


def choose_weights(model: str, weights: str, progress: Progress) -> ChosenWeights | None:
    """The file that `weights` means for a zoo model; None for random ones.

    "pretrained" is the model's first public checkpoint, "auto" that one where it is cached or can be downloaded.
    Anything else is a file, or a checkpoint by its name or source. Raises UnknownCheckpoint, DownloadError.
    """
    known = list_checkpoints(model)
    if weights == RANDOM or (weights == AUTO and not known):
        return None
    if weights == AUTO:
        return try_to_fetch(known[0], progress)
    named = [each for each in known if weights in (each.name, each.source)]
    if weights == PRETRAINED or (named and not os.path.exists(weights)):
        return fetch_weights(named[0] if named else get_checkpoint(model), progress)
    return ChosenWeights(Path(weights))


def try_to_fetch(checkpoint: Checkpoint, progress: Progress) -> ChosenWeights | None:
    """The checkpoint's file; None, and a note why, where it does not come."""
    from ...artifacts.errors import DownloadError

    try:
        return fetch_weights(checkpoint, progress)
    except DownloadError as e:
        progress.note(f"no public weights: {e}")
        return None


def fetch_weights(checkpoint: Checkpoint, progress: Progress) -> ChosenWeights:
    """The checkpoint's file, from the cache or downloaded."""
    with progress.stage(f"download {checkpoint.source}", {}, "download") as advance:
        return ChosenWeights(fetch(checkpoint, progress=lambda done, total: advance(done)), checkpoint)


def load_chosen(
    module: "torch.nn.Module",
    model: str,
    chosen: ChosenWeights,
    progress: Progress,
    *,
    key: str | None,
    num_classes: int | None,
    seed: int,
) -> tuple[Weights, tuple[str, ...]]:
    """Puts a file's weights in, those under `key`. Where `num_classes` was asked for, heads that do not fit are redrawn
    and named; with 0 they are of no use.

    Returns what the weights are, and what has to be said of them.
    """
    from ...models.weights import draw, fit_weights, head_keys

    loaded = fit_weights(module, chosen.path, remade=() if num_classes is None else head_keys(model), key=key)
    for note in loaded.notes:
        progress.note(note)
    said = loaded.warnings
    if remade := loaded.kept if num_classes else ():
        draw(module, remade, seed=seed)
        said += (
            f"{model} has a new classifier head for {num_classes} classes, with RANDOM weights (seed {seed}) in "
            f"{', '.join(remade)}: its answers mean nothing before it is trained",
        )
    source = chosen.checkpoint.source if chosen.checkpoint else str(chosen.path)
    digest = sha256_of_file(chosen.path)
    return Weights(source=source, sha256=digest, seed=seed if remade else None, key=loaded.key), said
