"""ZFNet a second time, as figure 3 of arXiv:1311.2901 and §3.3 of AlexNet's paper say."""

import plain
import torch
from edgeport.models import create_model, get_variant, redraw
from edgeport.models.weights import image_like
from torch.nn import functional as F


def brightness(x):
    """b = a / (k + alpha * sum of a^2 over n channels)^beta; pytorchcv's alpha is divided by n, as torch's."""
    n, k, alpha, beta = 5, 2, 1e-4 / 5, 0.75
    y = torch.empty_like(x)
    for i in range(x.shape[1]):
        near = x[:, max(0, i - n // 2) : i + n // 2 + 1]
        y[:, i] = x[:, i] / (k + alpha * near.square().sum(1)) ** beta
    return y


def zfnet(p, x):
    def layer(name, x, **options):
        return plain.conv(p, f"features.{name}.conv", x, **options).relu()

    x = F.max_pool2d(brightness(layer("stage1.unit1", x, stride=2, padding=1)), 3, 2, ceil_mode=True)
    x = F.max_pool2d(brightness(layer("stage2.unit1", x, stride=2)), 3, 2, ceil_mode=True)
    for unit in ("unit1", "unit2", "unit3"):
        x = layer(f"stage3.{unit}", x, padding=1)
    x = F.max_pool2d(x, 3, 2, ceil_mode=True).flatten(1)
    x = plain.linear(p, "output.fc1.fc", x).relu()
    x = plain.linear(p, "output.fc2.fc", x).relu()
    return plain.linear(p, "output.fc3", x)


@torch.no_grad()
def test_logits():
    size = get_variant("zfnet").input_size
    model = create_model("zfnet")
    redraw(model, input_size=size)
    plain.same_logits(model, zfnet, image_like(2, size, torch.Generator().manual_seed(1)))
