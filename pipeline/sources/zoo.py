"""This file fills a zoo model by `--weights`: a file, or public weights by name, or what is there of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...artifacts.manifest import Weights, sha256
from ...cli.console import Console
from ...models import Checkpoint, fetch, get_checkpoint, list_checkpoints

if TYPE_CHECKING:
    import torch

AUTO, PRETRAINED, RANDOM = "auto", "pretrained", "random"


@dataclass(frozen=True)
class Chosen:
    """A file of weights; `checkpoint` says what it is where it is public."""

    path: Path
    checkpoint: Checkpoint | None = None


def choose(model: str, weights: str, console: Console) -> Chosen | None:
    """The file that `weights` means for a zoo model; None for random ones.

    "pretrained" is the model's first public checkpoint, "auto" that one where it is cached or can be downloaded.
    Anything else is a file, or a checkpoint by its name or source. Raises UnknownCheckpoint, DownloadError.
    """
    known = list_checkpoints(model)
    if weights == RANDOM or (weights == AUTO and not known):
        return None
    if weights == AUTO:
        return attempt(known[0], console)
    named = [each for each in known if weights in (each.name, each.source)]
    if weights == PRETRAINED or (named and not Path(weights).exists()):
        return download(named[0] if named else get_checkpoint(model), console)
    return Chosen(Path(weights))


def attempt(checkpoint: Checkpoint, console: Console) -> Chosen | None:
    """The checkpoint's file; None, and why on stderr, where it does not come."""
    from ...artifacts.errors import DownloadError

    try:
        return download(checkpoint, console)
    except DownloadError as e:
        console.note(f"no public weights: {e}")
        return None


def download(checkpoint: Checkpoint, console: Console) -> Chosen:
    """The checkpoint's file, from the cache or downloaded with a bar."""
    with console.stage(f"download {checkpoint.source}", {}, "download") as advance:
        return Chosen(fetch(checkpoint, progress=lambda done, total: advance(done)), checkpoint)


def load(
    module: "torch.nn.Module", model: str, chosen: Chosen, num_classes: int | None, seed: int, console: Console
) -> Weights:
    """Puts a file's weights in. Where `num_classes` was asked for, heads that do not fit are redrawn and named."""
    from ...models.weights import draw, head_keys, load_weights

    remade = load_weights(module, chosen.path, remade=() if num_classes is None else head_keys(model))
    if remade:
        draw(module, remade, seed=seed)
        console.warn(
            f"{model} has a new head for {num_classes} classes, with RANDOM weights (seed {seed}) in "
            f"{', '.join(remade)}: its answers mean nothing before it is trained"
        )
    source = chosen.checkpoint.source if chosen.checkpoint else str(chosen.path)
    return Weights(source=source, sha256=sha256(chosen.path), seed=seed if remade else None)
