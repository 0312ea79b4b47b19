"""Replace blocks that were trained with several branches by their plain equivalents."""

from torch import nn


def fuse(model: nn.Module) -> int:
    """Replace, in place, each block that has `fuse() -> nn.Module` by what that returns.

    The model computes the same, up to rounding, with fewer layers (re-parameterisation, arXiv:2101.03697 §3.3). It can
    neither be trained further nor given its checkpoint afterwards.

    Args:
        model: in eval mode, with its weights; changed in place.

    Returns:
        How many blocks were replaced; 0 for a model without such blocks.

    Example:
        >>> from edgeport.models import create_model, fuse
        >>> fuse(create_model("repvgg_test")) > 0, fuse(create_model("lenet5"))
        (True, 0)
    """
    count = 0
    for name, child in model.named_children():
        if callable(block_fuse := getattr(child, "fuse", None)):
            setattr(model, name, block_fuse())
            count += 1
        else:
            count += fuse(child)
    return count
