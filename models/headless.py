"""Take the classifier from a model, so that it gives what the classifier reads: an embedding."""

from collections.abc import Callable

import torch
from torch import nn

Build = Callable[[int], nn.Module]


def find_class_tensors(build: Build) -> list[str]:
    """The keys in the state dict of the tensors whose shape depends on the number of classes, which `build` takes."""
    with torch.device("meta"):
        few, more = (build(classes).state_dict() for classes in (2, 3))
    return [key for key, tensor in few.items() if tensor.shape != more[key].shape]


def remove_classifier(model: nn.Module, build: Build) -> None:
    """Puts nothing in the place of the layers that depend on the number of classes, with a batch norm of their own.

    Args:
        model: changed in place.
        build: makes such a model for a number of classes.
    """
    for place in sorted({key.rpartition(".")[0] for key in find_class_tensors(build)}):
        parent = place.rpartition(".")[0]
        if parent and _is_norm_and_linear(model.get_submodule(parent)):
            place = parent
        model.set_submodule(place, nn.Identity())


def _is_norm_and_linear(module: nn.Module) -> bool:
    """Whether the two are one classifier, as in LeViT: timm takes both away, too."""
    kinds = [type(each) for each in module.children()]
    return kinds == [nn.BatchNorm1d, nn.Linear]
