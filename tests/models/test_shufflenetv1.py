"""ShuffleNet a second time, as figure 2 and table 1 of arXiv:1707.01083 say."""

import plain
import pytest
import torch
from edgeport.models import create_model, get_variant, redraw
from edgeport.models.weights import image_like
from torch.nn import functional as F


def shuffled(x, groups):
    """Channels dealt out like cards: one from each run of `groups` in turn, as the authors' release does it."""
    return torch.cat([x[:, start::groups] for start in range(groups)], 1)


def shufflenet(groups):
    def forward(p, x):
        x = x[:, [2, 1, 0]]
        x = plain.norm(p, "first_conv.1", plain.conv(p, "first_conv.0", x, stride=2, padding=1)).relu()
        x = F.max_pool2d(x, 3, 2, 1)
        for i in range(plain.count(p, "features.")):
            name = f"features.{i}"
            mid, first_in, _, _ = p[f"{name}.branch_main_1.0.weight"].shape
            grows = len(p[f"{name}.branch_main_2.1.bias"]) != 4 * mid  # or only what is new is made
            y = plain.conv(p, f"{name}.branch_main_1.0", x, groups=x.shape[1] // first_in)
            y = plain.norm(p, f"{name}.branch_main_1.1", y).relu()
            y = plain.conv(p, f"{name}.branch_main_1.3", y, stride=2 if grows else 1, padding=1, groups=mid)
            y = shuffled(plain.norm(p, f"{name}.branch_main_1.4", y), groups)
            y = plain.norm(p, f"{name}.branch_main_2.1", plain.conv(p, f"{name}.branch_main_2.0", y, groups=groups))
            x = torch.cat((F.avg_pool2d(x, 3, 2, 1), y.relu()), 1) if grows else (x + y).relu()
        return plain.linear(p, "classifier.0", x.mean((2, 3)))

    return forward


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "groups"),
    [
        ("shufflenet_v1_g3_x0_5", 3),
        ("shufflenet_v1_g8_x0_5", 8),
        *(
            pytest.param(f"shufflenet_v1_g{groups}_x{width}", groups, marks=pytest.mark.exhaustive)
            for groups in (3, 8)
            for width in ("1_0", "1_5", "2_0")
        ),
    ],
)
def test_logits(name, groups):
    size = get_variant(name).input_size
    model = create_model(name)
    redraw(model, input_size=size)
    plain.same_logits(model, shufflenet(groups), image_like(2, size, torch.Generator().manual_seed(1)))
