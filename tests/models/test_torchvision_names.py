"""torchvision's checkpoints under our names: the same logits."""

import importlib

import pytest
import torch
from edgeport.models import create_model, get_variant, redraw
from edgeport.models.weights import image_like

MODELS = {  # theirs -> ours
    "efficientnet_b0": "efficientnet_b0",
    "efficientnet_b5": "efficientnet_b5",
    "efficientnet_v2_s": "efficientnetv2_s",
    "mnasnet0_5": "mnasnet_050",
    "mobilenet_v2": "mobilenetv2_100",
    "mobilenet_v3_large": "mobilenetv3_large_100",
    "mobilenet_v3_small": "mobilenetv3_small_100",
    "regnet_x_400mf": "regnetx_004_tv",
    "regnet_y_400mf": "regnety_004",
}
SIZE = (3, 96, 96)


@pytest.fixture(scope="module")
def torchvision(timm):
    return importlib.import_module("torchvision")


@torch.no_grad()
@pytest.mark.parametrize("theirs", MODELS)
def test_renamed_checkpoint_gives_the_same_logits(torchvision, theirs):
    reference = torchvision.models.get_model(theirs, weights=None).eval()
    redraw(reference, input_size=SIZE)
    ours = create_model(MODELS[theirs])
    family = importlib.import_module(f"edgeport.models.{get_variant(MODELS[theirs]).family}")
    state = reference.double().state_dict()
    (renamed,) = (found for rename in family.FOREIGN if (found := rename(state)) is not None)
    assert set(renamed) == set(ours.state_dict())
    ours.double().load_state_dict(renamed, strict=True)
    x = image_like(3, SIZE, torch.Generator().manual_seed(1)).double()
    want = reference(x)
    assert ((ours(x) - want).abs().max() / want.std(1).mean()).item() < 1e-9


@pytest.mark.parametrize("ours", MODELS.values())
def test_other_files_are_left_alone(ours):
    with torch.device("meta"):
        state = create_model(ours).state_dict()
    family = importlib.import_module(f"edgeport.models.{get_variant(ours).family}")
    assert [rename(state) for rename in family.FOREIGN] == [None]
    assert [rename({}) for rename in family.FOREIGN] == [None]
