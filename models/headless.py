"""Take the classifier from a model, so that it gives what the classifier reads: an embedding."""

from collections.abc import Collection

from torch import nn


def remove_classifier(model: nn.Module, keys: Collection[str]) -> None:
    """Puts nothing in the place of the layers that these tensors belong to, and of a batch norm that is theirs alone.

    Args:
        model: changed in place.
        keys: in the state dict, of the tensors whose shape depends on the number of classes.
    """
    for place in sorted({key.rpartition(".")[0] for key in keys}):
        parent = place.rpartition(".")[0]
        if parent and _is_norm_and_linear(model.get_submodule(parent)):
            place = parent
        model.set_submodule(place, nn.Identity())


def _is_norm_and_linear(module: nn.Module) -> bool:
    """Whether the two are one classifier, as in LeViT: timm takes both away, too."""
    kinds = [type(each) for each in module.children()]
    return kinds == [nn.BatchNorm1d, nn.Linear]
