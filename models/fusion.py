"""Replace blocks that were trained with several branches by their plain equivalents."""

from torch import nn


def fuse(model: nn.Module) -> int:
    """Replace, in place, each block that has `fuse() -> nn.Module` by what that returns; how many were replaced.

    The model computes the same, up to rounding, with fewer layers. It must be in eval mode, and can neither be trained
    further nor given its checkpoint afterwards.
    """
    count = 0
    for name, child in model.named_children():
        if callable(block_fuse := getattr(child, "fuse", None)):
            setattr(model, name, block_fuse())
            count += 1
        else:
            count += fuse(child)
    return count
