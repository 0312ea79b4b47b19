"""List and fetch the public weights of each model. Importing it imports nothing heavy."""

from collections.abc import Callable
from pathlib import Path

from ..artifacts.errors import UnknownCheckpoint
from .checkpoint import Checkpoint
from .registry import get_variant


def list_checkpoints(model: str | None = None) -> list[Checkpoint]:
    """List all public weights, or one model's. Nothing is sent anywhere.

    Args:
        model: the name of a model; None: all of them.

    Returns:
        The checkpoints; of one model's, the first is the one that `get_checkpoint(model)` gives.

    Raises:
        UnknownModel: there is no such model; the message names the nearest.

    Example:
        >>> from edgeport.models import list_checkpoints
        >>> [checkpoint.name for checkpoint in list_checkpoints("mobilevit_s")]
        ['mobilevit_s.cvnets_in1k']
    """
    from .checkpoints import CHECKPOINTS
    from .official import OFFICIAL

    if model is not None:
        get_variant(model)
    return [each for each in (*CHECKPOINTS, *OFFICIAL) if model in (None, each.model)]


def get_checkpoint(name: str) -> Checkpoint:
    """Look up public weights by name. Nothing is sent anywhere.

    Args:
        name: "MODEL.TAG", or "MODEL" for the first of that model.

    Returns:
        Where the weights lie, their licence, and the preprocessing that they want.

    Raises:
        UnknownModel: there is no such model; the message names the nearest.
        UnknownCheckpoint: the model has no such weights, or none that are public.

    Example:
        >>> from edgeport.models import get_checkpoint
        >>> get_checkpoint("mobilevit_s").source
        'timm/mobilevit_s.cvnets_in1k'
    """
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
    """Download weights, unless the cache has them already.

    Args:
        checkpoint: what `get_checkpoint` or `list_checkpoints` gave.
        progress: called with (bytes so far, bytes in all or None).

    Returns:
        The file in the cache: a safetensors file, or a torch file of tensors.

    Raises:
        DownloadError: offline, no answer, refused, broken off, no room, or other bytes than the checksum says.

    Example:
        >>> from edgeport.models import create_model, fetch, get_checkpoint, load_weights
        >>> model = create_model("mobilevit_s")
        >>> load_weights(model, fetch(get_checkpoint("mobilevit_s")))  # doctest: +SKIP
        []
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
    """Find the file with these weights in the cache, ours or the hub's own; nothing is sent anywhere.

    Args:
        checkpoint: what `get_checkpoint` or `list_checkpoints` gave.

    Returns:
        The file, or None where it would have to be downloaded.
    """
    from . import hub

    if (path := _path(checkpoint)).is_file():
        return path
    return hub.find_cached(checkpoint.source, checkpoint.file) if checkpoint.on_hub else None


def _path(checkpoint: Checkpoint) -> Path:
    """Where our cache keeps it: <cache>/timm/resnet18.a1_in1k/model.safetensors, <cache>/<host>/<path of the URL>."""
    from .download import cache_folder

    if checkpoint.on_hub:
        return cache_folder() / checkpoint.source / checkpoint.file
    return cache_folder() / checkpoint.source.partition("://")[2]
