"""Blocks that can be fused into plain ones do the same afterwards."""

import pytest
import torch
from edgeport.models import create_model, fuse, get_variant, redraw
from edgeport.models.weights import image_like

# Parameters after fusing, as the reference counts them.
COUNTS = {
    "ghostnetv3_050": 2_853_176,
    "ghostnetv3_100": 6_147_588,
    "lcnetv2_base": 6_624_232,
    "mobileone_s0": 2_078_504,
    "mobileone_s1": 4_764_840,
    "mobileone_s4": 14_838_352,
    "repvgg_a0": 8_309_384,
    "repvit_m0_9": 5_067_056,
    "repvit_m1": 5_067_056,
    "repvit_m2_3": 22_926_792,
}
KEPT = {"ghostnetv3_050", "ghostnetv3_100", "lcnetv2_base"}
NAMES = [
    "efficientvit_msra_test",
    "fastvit_test",
    "ghostnetv3_test",
    "lcnetv2_test",
    "mobileone_test",
    "repghostnet_test",
    "repvgg_test",
    "repvit_m1",
    "repvit_test",
    "shvit_test",
]


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
    assert not fuse(model)


@pytest.mark.parametrize("name", COUNTS)
def test_fused_size(name):
    """The reference's count has each batch norm that is left folded into its convolution, as our exporters do.

    But for those KEPT, where it folds none.
    """
    with torch.device("meta"):
        model = create_model(name)
        fuse(model)
    left = sum(norm.num_features for norm in model.modules() if isinstance(norm, torch.nn.BatchNorm2d))
    folded = 0 if name in KEPT else left
    assert sum(p.numel() for p in model.parameters()) - folded == COUNTS[name]
