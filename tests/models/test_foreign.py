"""Public checkpoints whose tensors are named or shaped otherwise: renamed, they load strictly and give equal logits."""

import importlib

import pytest
import torch
from edgeport.models import create_model, get_variant, redraw
from edgeport.models.weights import image_like

# Our names of models that torchvision also has under that name, and what its constructor is given.
TORCHVISION = {
    "googlenet": {"init_weights": False},
    "inception_v3": {"init_weights": False},
    **{f"vgg{depth}{norm}": {} for depth in (11, 13, 16, 19) for norm in ("", "_bn")},
}
LOGITS = ("googlenet", "inception_v3", pytest.param("vgg11", marks=pytest.mark.exhaustive))


def translations(name):
    return importlib.import_module(f"edgeport.models.{get_variant(name).family}").FOREIGN


def renamed(name, tensors):
    """By the one translation of the family that recognises the tensors."""
    found = [ours for rename in translations(name) if (ours := rename(tensors)) is not None]
    assert len(found) == 1
    return found[0]


@pytest.fixture
def torchvision(timm):
    """name -> its model with 1000 classes, in eval mode."""
    models = importlib.import_module("torchvision").models
    return lambda name: models.get_model(name, weights=None, **TORCHVISION[name]).eval()


@pytest.mark.parametrize("name", TORCHVISION)
def test_keys_and_shapes(torchvision, name):
    with torch.device("meta"):
        ours, theirs = create_model(name).state_dict(), torchvision(name).state_dict()
    assert {k: v.shape for k, v in renamed(name, theirs).items()} == {k: v.shape for k, v in ours.items()}
    assert [rename(ours) for rename in translations(name)] == [None] * len(translations(name))


@torch.no_grad()
@pytest.mark.parametrize("name", LOGITS)
def test_logits(torchvision, name):
    size = (3, 224, 224) if name.startswith("vgg") else (3, 139, 139)
    reference, model = torchvision(name), create_model(name)
    redraw(reference, input_size=size)
    model.load_state_dict(renamed(name, reference.state_dict()), strict=True)
    x = image_like(2, size, torch.Generator().manual_seed(1)).double()
    got, want = model.double()(x), reference.double()(x)
    assert (got - want).abs().max() < 1e-9 * want.std()
