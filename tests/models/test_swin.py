"""Swin's windows, and the checkpoints of other sources that Swin, SwinV2 and PVT v2 take."""

import importlib
import re

import pytest
import torch
from edgeport.models import create_model, get_variant, redraw, swin, swinv2
from edgeport.models.pvt_v2 import rename_official
from edgeport.models.weights import image_like
from edgeport.models.windows import from_grid, from_windows, shift_mask, shifted, to_grid, to_windows

FOREIGN = {  # ours -> torchvision's
    "swin_tiny_patch4_window7_224": "swin_t",
    "swin_small_patch4_window7_224": "swin_s",
    "swin_base_patch4_window7_224": "swin_b",
    "swinv2_tiny_window8_256": "swin_v2_t",
    "swinv2_small_window8_256": "swin_v2_s",
    "swinv2_base_window8_256": "swin_v2_b",
}


def renamed(name, tensors):
    family = importlib.import_module(f"edgeport.models.{get_variant(name).family}")
    found = [ours for rename in family.FOREIGN if (ours := rename(tensors)) is not None]
    assert len(found) == 1
    return found[0]


@pytest.fixture
def torchvision(timm):
    return importlib.import_module("torchvision").models


@pytest.mark.parametrize("name", FOREIGN)
def test_names_of_torchvision(torchvision, name):
    with torch.device("meta"):
        ours, theirs = create_model(name).state_dict(), torchvision.get_model(FOREIGN[name]).state_dict()
    assert {k: v.shape for k, v in renamed(name, theirs).items()} == {k: v.shape for k, v in ours.items()}
    assert [rename(ours) for rename in (*swin.FOREIGN, *swinv2.FOREIGN)] == [None] * 4


@torch.no_grad()
@pytest.mark.parametrize("name", ["swin_tiny_patch4_window7_224", "swinv2_tiny_window8_256"])
def test_logits_of_torchvision(torchvision, name):
    theirs, ours, size = torchvision.get_model(FOREIGN[name]).eval(), create_model(name), get_variant(name).input_size
    redraw(theirs, input_size=size)
    ours.load_state_dict(renamed(name, theirs.state_dict()), strict=True)
    x = image_like(2, size, torch.Generator().manual_seed(1)).double()
    want = theirs.double()(x)
    # torchvision computes the coordinates of SwinV2 with other roundings of float32
    assert (ours.double()(x) - want).abs().max() < (1e-6 if "v2" in name else 1e-9) * want.std()


def test_names_of_the_authors():
    """The authors merge at the end of a stage, store the buffers, and have no layer in the head."""
    ours = create_model("swin_test").state_dict()
    theirs = {
        re.sub(r"^head\.fc\.", "head.", re.sub(r"^layers\.1\.downsample", "layers.0.downsample", key)): tensor
        for key, tensor in ours.items()
    }
    theirs["layers.0.blocks.0.attn.relative_position_index"] = theirs["layers.0.blocks.1.attn_mask"] = torch.zeros(1)
    assert renamed("swin_test", theirs).keys() == ours.keys()


def test_names_of_the_authors_of_pvt_v2():
    ours = create_model("pvt_v2_test").state_dict()
    theirs = {}
    for key, tensor in ours.items():
        key = re.sub(r"^patch_embed\.", "patch_embed1.", key)
        key = re.sub(r"^stages\.(\d)\.downsample\.", lambda m: f"patch_embed{int(m[1]) + 1}.", key)
        key = re.sub(r"^stages\.(\d)\.blocks\.", lambda m: f"block{int(m[1]) + 1}.", key)
        key = re.sub(r"^stages\.(\d)\.norm\.", lambda m: f"norm{int(m[1]) + 1}.", key)
        theirs[key.replace(".dwconv.", ".dwconv.dwconv.")] = tensor
    found = rename_official(theirs)
    assert found is not None
    assert {k: v.shape for k, v in found.items()} == {k: v.shape for k, v in ours.items()}
    assert rename_official(ours) is None


@pytest.mark.parametrize(("cut", "join"), [(to_windows, from_windows), (to_grid, from_grid)])
def test_cutting_is_undone(cut, join):
    x = torch.arange(2 * 6 * 9 * 2.0).reshape(2, 6, 9, 2)
    assert cut(x, 3).shape == (2 * 2 * 3, 9, 2)
    assert torch.equal(join(cut(x, 3), 3, 6, 9), x)


def test_windows_are_neighbours_and_grids_are_far():
    x = torch.arange(36.0).reshape(1, 6, 6, 1)
    assert to_windows(x, 3)[1].flatten().tolist() == [3, 4, 5, 9, 10, 11, 15, 16, 17]
    assert to_grid(x, 3)[1].flatten().tolist() == [1, 3, 5, 13, 15, 17, 25, 27, 29]


def test_shift():
    x = torch.arange(36.0).reshape(1, 6, 6, 1)
    assert torch.equal(shifted(x, 2), x.roll((-2, -2), (1, 2)))
    assert torch.equal(shifted(shifted(x, 2), -2), x)


def test_mask_parts_what_the_shift_joined():
    mask = shift_mask(4, 4, 2, 1)  # (4, 4, 4)
    assert mask[0].abs().max() == 0
    assert mask[1].tolist() == [[0, -100, 0, -100], [-100, 0, -100, 0]] * 2
    assert mask[3].tolist() == [[0 if i == j else -100 for j in range(4)] for i in range(4)]


SIZES = ("swin", "swinv2", "levit", "tiny_vit", "coatnet", "efficientformer", "efficientformerv2", "crossvit", "beitv2")


@pytest.mark.parametrize("family", SIZES)
def test_says_which_size_it_takes(family):
    with pytest.raises(ValueError, match=r"takes images of (\d+)x\1, not 160x160"):
        create_model(f"{family}_test")(torch.zeros(1, 3, 160, 160))
