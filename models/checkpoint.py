"""Public weights of a model: where they lie, their licence, and what they want otherwise than the model."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .registry import get_variant
from .spec import Variant


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Public weights of one model.

    Attributes:
        model: the name of the model.
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
