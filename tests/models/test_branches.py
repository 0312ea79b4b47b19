"""Blocks that can be fused into plain ones do the same afterwards."""

import pytest
import torch
from edgeport.models import create_model, get_variant, redraw
from edgeport.models.weights import image_like

NAMES = ["efficientvit_msra_test", "fastvit_test", "shvit_test"]


def fuse(module):
    """Replace the blocks below `module` by what their fuse() gives; how many."""
    count = 0
    for name, child in module.named_children():
        if hasattr(child, "fuse"):
            setattr(module, name, child.fuse())
            count += 1
        else:
            count += fuse(child)
    return count


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_fused_is_equal(name):
    model, size = create_model(name), get_variant(name).input_size
    redraw(model, input_size=size)
    model.double()
    x = image_like(3, size, torch.Generator().manual_seed(1)).double()
    want, before = model(x), sum(p.numel() for p in model.parameters())
    assert fuse(model)
    got = model(x)
    assert (got - want).abs().max() < 1e-9 * want.std()
    assert sum(p.numel() for p in model.parameters()) < before
