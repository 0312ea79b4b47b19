"""The zoo: names, preprocessing and PyTorch code of every model. Importing it imports neither torch nor numpy nor PIL.

    create_model(name)          the model, in eval mode
    get_variant(name)           its input size, mean, std, interpolation, crop, paper
    list_models(family=None)    the names
    load_weights(model, path)   a checkpoint, strictly
    list_checkpoints(name)      its public weights; fetch(checkpoint) is the path of the file
    redraw(model)               seeded random weights in which every tensor matters
    imagenet_classes()          the names of the classes that most of its public weights tell apart
    fuse(model)                 plain blocks for those that were trained with several branches

A small network for a test: `create_model("mobilevit_test")`, one such name a family; or of any size,
`mobilevit.MobileViT(mobilevit.Cfg(...), num_classes).eval()`: every family's class is called with its Cfg and the
number of classes. Images are the matter of `edgeport.models.preprocess`.
"""

from typing import TYPE_CHECKING, Any

from ..artifacts.errors import UnknownCheckpoint, UnknownModel
from .checkpoint import Checkpoint
from .imagenet import imagenet_classes
from .pretrained import fetch, get_checkpoint, list_checkpoints
from .registry import create_model, get_variant, list_models, register
from .spec import PreprocessSpec, Variant

if TYPE_CHECKING:
    from ..artifacts.errors import WeightsError
    from .fusion import fuse
    from .weights import load_weights, redraw

__all__ = [
    "Checkpoint",
    "PreprocessSpec",
    "UnknownCheckpoint",
    "UnknownModel",
    "Variant",
    "WeightsError",
    "create_model",
    "fetch",
    "fuse",
    "get_checkpoint",
    "get_variant",
    "imagenet_classes",
    "list_checkpoints",
    "list_models",
    "load_weights",
    "redraw",
    "register",
]


def __getattr__(name: str) -> Any:
    """Import what needs torch when it is first asked for."""
    if name in ("WeightsError", "load_weights", "redraw"):  # these files import torch
        from . import weights

        return getattr(weights, name)
    if name == "fuse":
        from .fusion import fuse

        return fuse
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
