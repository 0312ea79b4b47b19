"""Pre-activation ResNets a second time, as figure 1b and equation 1 of arXiv:1603.05027 say."""

import plain
import pytest
import torch
from edgeport.models import create_model, get_variant, redraw
from edgeport.models.weights import image_like
from torch.nn import functional as F


def resnetv2(p, x):
    if "features.init_block.weight" in p:
        x = plain.conv(p, "features.init_block", x, padding=1)
    else:
        x = plain.conv(p, "features.init_block.conv", x, stride=2, padding=3)
        x = F.max_pool2d(plain.norm(p, "features.init_block.bn", x).relu(), 3, 2, 1)
    for stage in range(1, plain.count(p, "features.stage") + 1):
        for unit in range(1, plain.count(p, f"features.stage{stage}.unit") + 1):
            name = f"features.stage{stage}.unit{unit}"
            stride = 2 if stage > 1 and unit == 1 else 1
            first = plain.norm(p, f"{name}.body.conv1.bn", x).relu()
            y = plain.conv(p, f"{name}.body.conv1.conv", first)
            y = plain.norm(p, f"{name}.body.conv2.bn", y).relu()
            y = plain.conv(p, f"{name}.body.conv2.conv", y, stride=stride, padding=1)
            y = plain.norm(p, f"{name}.body.conv3.bn", y).relu()
            y = plain.conv(p, f"{name}.body.conv3.conv", y)
            if unit == 1:  # the shortcut begins after the first activation where it projects (§4.1)
                x = plain.conv(p, f"{name}.identity_conv", first, stride=stride)
            x = x + y
    x = plain.norm(p, "features.post_activ.bn", x).relu()
    return plain.linear(p, "output", x.mean((2, 3)))


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("resnetv2_test", 64),
        ("resnetv2_cifar_test", 32),
        pytest.param("resnetv2_200", 96, marks=pytest.mark.exhaustive),
        pytest.param("resnetv2_269", 96, marks=pytest.mark.exhaustive),
        pytest.param("resnetv2_1001_cifar", 32, marks=pytest.mark.exhaustive),
    ],
)
def test_logits(name, side):
    model = create_model(name)
    redraw(model, input_size=(3, side, side))
    plain.same_logits(model, resnetv2, image_like(2, (3, side, side), torch.Generator().manual_seed(1)))


def test_cifar_variant_has_ten_classes():
    assert (get_variant("resnetv2_1001_cifar").num_classes, get_variant("resnetv2_1001_cifar").input_size[1]) == (
        10,
        32,
    )
