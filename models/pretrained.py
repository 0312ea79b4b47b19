"""List and fetch the public weights of each model. Importing it imports nothing heavy."""

from collections.abc import Callable
from pathlib import Path

from ..artifacts.errors import UnknownCheckpoint
from .checkpoint import Checkpoint
from .registry import get_variant


def list_checkpoints(model: str | None = None) -> list[Checkpoint]:
    """All public weights, or one model's, the one that `--weights pretrained` takes first.

    Raises UnknownModel for a model that does not exist.
    """
    from .checkpoints import CHECKPOINTS
    from .official import OFFICIAL

    if model is not None:
        get_variant(model)
    return [each for each in (*CHECKPOINTS, *OFFICIAL) if model in (None, each.model)]


def get_checkpoint(name: str) -> Checkpoint:
    """The public weights called `name`: "model.tag", or a model's first. Raises UnknownCheckpoint, UnknownModel."""
    model, _, tag = name.partition(".")
    found = list_checkpoints(model)
    if not found:
        raise UnknownCheckpoint(f"there are no public weights of {model}; give a file, or --weights random")
    for each in found:
        if not tag or each.tag == tag:
            return each
    tags = ", ".join(each.name for each in found)
    raise UnknownCheckpoint(f"there are no public weights {name!r}; there are: {tags}")


def fetch(checkpoint: Checkpoint, *, progress: Callable[[int, int | None], None] | None = None) -> Path:
    """The file with these weights: from the cache, or else downloaded into it.

    `progress` is called with (bytes so far, bytes in all or None). Raises DownloadError.
    """
    from . import download, hub

    if cached := find(checkpoint):
        return cached
    path = _path(checkpoint)
    if not checkpoint.on_hub:
        download.download(checkpoint.source, path, sha256=checkpoint.sha256, progress=progress)
        return path
    found = hub.locate(checkpoint.source, checkpoint.file)
    sha256 = found.sha256 or checkpoint.sha256
    download.download(found.url, path, sha256=sha256, size=found.size, headers=found.headers, progress=progress)
    return path


def find(checkpoint: Checkpoint) -> Path | None:
    """The file with these weights where it is in the cache, ours or the hub's own; nothing is sent anywhere."""
    from . import hub

    if (path := _path(checkpoint)).is_file():
        return path
    return hub.cached(checkpoint.source, checkpoint.file) if checkpoint.on_hub else None


def _path(checkpoint: Checkpoint) -> Path:
    """Where our cache keeps it: <cache>/timm/resnet18.a1_in1k/model.safetensors, <cache>/<host>/<path of the URL>."""
    from .download import cache_folder

    if checkpoint.on_hub:
        return cache_folder() / checkpoint.source / checkpoint.file
    return cache_folder() / checkpoint.source.partition("://")[2]
