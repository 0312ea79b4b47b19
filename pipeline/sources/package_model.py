"""What a package gives of one of its models."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..input_spec import InputSpec

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class PackageModel:
    """A model of a package.

    Attributes:
        module: in eval mode.
        spec: its input, and how an image becomes it, where the package says that.
        weights: the file with its trained weights, where it is on this machine already.
        is_loaded: whether these are in the module.
        of_one_image: the same of one image, as random weights are drawn for it; None where it takes such itself.
        labels: the names of its classes, where the package has them and the module has not.
    """

    module: "torch.nn.Module"
    spec: InputSpec
    weights: Path | None = None
    is_loaded: bool = False
    of_one_image: "torch.nn.Module | None" = None
    labels: tuple[str, ...] = ()
