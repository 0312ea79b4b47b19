"""This file knows which public weights there are of each model, and fetches them. It imports nothing heavy."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..artifacts.errors import UnknownCheckpoint, UnknownModel
from .registry import Variant, get_variant


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Public weights of one model.

    Attributes:
        tag: which training, in the words of whoever published it.
        source: a repository of the Hugging Face hub ("timm/resnet18.a1_in1k"), or the URL of a file.
        licence: SPDX identifier in lower case, or "not stated".
        file: which file of the repository.
        sha256: of the file, hexadecimal, or as many of its first digits as are known; "" where the hub says it.
        differs: fields of the Variant that this training has otherwise: {"crop_pct": 0.875}.
    """

    model: str
    tag: str
    source: str
    licence: str
    file: str = "model.safetensors"
    sha256: str = ""
    differs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What `--weights` and `edgeport weights fetch` call it."""
        return f"{self.model}.{self.tag}" if self.tag else self.model

    @property
    def on_hub(self) -> bool:
        """Whether `source` is a repository of the hub."""
        return "://" not in self.source

    @property
    def variant(self) -> Variant:
        """The model as these weights want it: class count and preprocessing."""
        return dataclasses.replace(get_variant(self.model), **self.differs)


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


def is_checkpoint(name: str) -> bool:
    """Whether public weights have that name."""
    try:
        return bool(get_checkpoint(name))
    except (UnknownCheckpoint, UnknownModel):
        return False


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
