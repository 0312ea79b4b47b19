"""Checkpoints of torchvision and of the authors become ours."""

import importlib

import pytest
import torch
from edgeport.models import convnext, convnextv2, redraw
from edgeport.models.weights import image_like

CFG = convnext.Cfg((8, 16, 24, 32), (1, 2, 1, 1))
SIZE = (3, 64, 64)


@torch.no_grad()
def test_torchvision(timm):  # the fixture makes torchvision importable
    theirs = importlib.import_module("torchvision.models.convnext")
    stages = zip(CFG.channels, (*CFG.channels[1:], None), CFG.depths, strict=True)
    settings = [theirs.CNBlockConfig(c, c_next, depth) for c, c_next, depth in stages]
    model = theirs.ConvNeXt(settings, num_classes=10).eval()
    redraw(model, input_size=SIZE)
    ours = convnext.ConvNeXt(CFG, 10).eval()
    ours.load_state_dict(convnext.rename_torchvision(model.state_dict()), strict=True)
    x = image_like(2, SIZE, torch.Generator().manual_seed(1)).double()
    assert torch.allclose(ours.double()(x), model.double()(x), rtol=0, atol=1e-12)


# The authors' names of a block's tensors, and of those outside the blocks.
NAMES = {
    "downsample_layers.0.0.weight": "stem.0.weight",
    "downsample_layers.0.1.bias": "stem.1.bias",
    "downsample_layers.3.0.weight": "stages.3.downsample.0.weight",
    "downsample_layers.3.1.weight": "stages.3.downsample.1.weight",
    "stages.1.1.dwconv.weight": "stages.1.blocks.1.conv_dw.weight",
    "stages.1.1.norm.bias": "stages.1.blocks.1.norm.bias",
    "stages.1.1.pwconv1.weight": "stages.1.blocks.1.mlp.fc1.weight",
    "stages.1.1.pwconv2.bias": "stages.1.blocks.1.mlp.fc2.bias",
    "norm.weight": "head.norm.weight",
    "head.weight": "head.fc.weight",
    "head.bias": "head.fc.bias",
}
BLOCKS = {
    convnext: {"stages.1.1.gamma": "stages.1.blocks.1.gamma"},
    convnextv2: {
        "stages.1.1.grn.gamma": "stages.1.blocks.1.mlp.grn.weight",
        "stages.1.1.grn.beta": "stages.1.blocks.1.mlp.grn.bias",
    },
}


@pytest.mark.parametrize("family", BLOCKS, ids=lambda f: f.__name__.rpartition(".")[2])
@pytest.mark.parametrize("linear", [True, False])
def test_authors(family, linear):
    cfg = convnext.Cfg((96 if linear else 8, 16, 24, 32), (1, 2, 1, 1), linear, response_norm=family is convnextv2)
    ours = convnext.ConvNeXt(cfg, 10).state_dict()
    given = {}
    for theirs, name in (NAMES | BLOCKS[family]).items():
        tensor = ours[name]
        if "pwconv" in theirs:
            tensor = tensor.squeeze()  # always linears
        given[theirs] = tensor.reshape(1, 1, 1, -1) if ".grn." in theirs else tensor
    got = convnext.rename_authors(given)
    assert got is not None
    assert got.keys() == set((NAMES | BLOCKS[family]).values())
    assert all(torch.equal(tensor, ours[name]) for name, tensor in got.items())


def test_other_names_are_not_renamed():
    ours = convnext.ConvNeXt(CFG, 10).state_dict()
    assert [rename(ours) for rename in convnext.FOREIGN] == [None, None]
