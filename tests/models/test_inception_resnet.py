"""Inception-ResNet-v1 a second time, as figures 10 to 15 of arXiv:1602.07261 say; v2 is compared with timm."""

import plain
import pytest
import torch
from edgeport.models import create_model, redraw
from edgeport.models.weights import image_like
from torch.nn import functional as F

# Stage: the scale of its residuals, the kernel of the 1xk and kx1 convolutions of its second branch (0: 3x3 instead).
STAGES = {1: (0.17, 0), 2: (0.10, 7), 3: (0.20, 3)}


def inception_resnet_v1(p, x):
    def layer(name, x, **options):
        return plain.norm(p, f"{name}.bn", plain.conv(p, f"{name}.conv", x, **options), eps=1e-3).relu()

    stem = "features.init_block.conv"
    x = layer(f"{stem}1", x, stride=2)
    x = layer(f"{stem}3", layer(f"{stem}2", x), padding=1)
    x = layer(f"{stem}4", F.max_pool2d(x, 3, 2))
    x = layer(f"{stem}6", layer(f"{stem}5", x), stride=2)
    for stage, (scale, k) in STAGES.items():
        units = plain.count(p, f"features.stage{stage}.unit")
        for unit in range(1, units + 1):
            branches = f"features.stage{stage}.unit{unit}.branches.branch"
            halves = stage > 1 and unit == 1
            outputs = []
            for branch in range(1, plain.count(p, branches) + 1):
                name = f"{branches}{branch}."
                if f"{name}conv.conv.weight" in p:
                    outputs.append(layer(f"{name}conv", x))
                    continue
                y, length = x, plain.count(p, f"{name}conv_list.conv")
                for i in range(1, length + 1):
                    one_by_one = p[f"{name}conv_list.conv{i}.conv.weight"].shape[-2:] == (1, 1)
                    if halves and i == length:
                        options = {"stride": 2}
                    elif one_by_one or i == 1:
                        options = {}
                    else:
                        options = {"padding": ((0, k // 2) if i == 2 else (k // 2, 0)) if k and not halves else 1}
                    y = layer(f"{name}conv_list.conv{i}", y, **options)
                outputs.append(y)
            if halves:
                x = torch.cat((*outputs, F.max_pool2d(x, 3, 2)), 1)
                continue
            y = plain.conv(p, f"features.stage{stage}.unit{unit}.conv", torch.cat(outputs, 1))
            last = stage == 3 and unit == units
            x = x + y if last else (x + scale * y).relu()
    x = plain.linear(p, "output.fc1", x.mean((2, 3)))
    return plain.linear(p, "output.fc2", plain.norm(p, "output.bn", x, eps=1e-3))


@torch.no_grad()
@pytest.mark.parametrize(
    "name", ["inception_resnet_v1_test", pytest.param("inception_resnet_v1", marks=pytest.mark.exhaustive)]
)
def test_logits_of_v1(name):
    size = (3, 139, 139)
    model = create_model(name)
    redraw(model, input_size=size)
    plain.same_logits(model, inception_resnet_v1, image_like(2, size, torch.Generator().manual_seed(1)))
