"""The rule of counting, on layers whose count can be done by hand."""

import pytest
import torch
from edgeport.models.macs import count_macs
from torch import nn


class Attention(nn.Module):
    """Two products of (196, 8) and (8, 196), (196, 196) and (196, 8), in each of 2 heads."""

    def forward(self, x):
        q = x.reshape(1, 2, 8, 196).transpose(2, 3)
        return nn.functional.scaled_dot_product_attention(q, q, q)


LAYERS = {
    "convolution": (nn.Conv2d(3, 8, 3, stride=2, padding=1), (3, 8, 8), 4 * 4 * 8 * 3 * 9),
    "grouped": (nn.Conv2d(4, 8, 3, groups=2, bias=False), (4, 6, 6), 4 * 4 * 8 * 2 * 9),
    "linear": (nn.Linear(5, 7), (1, 3, 5), 3 * 5 * 7),
    "attention": (Attention(), (16, 14, 14), 2 * 2 * 196 * 196 * 8),
    "nothing": (nn.Sequential(nn.BatchNorm2d(3).eval(), nn.GELU(), nn.AvgPool2d(2)), (3, 4, 4), 0),
}


@pytest.mark.parametrize(("layer", "size", "macs"), LAYERS.values(), ids=LAYERS)
def test_counts(layer, size, macs):
    assert count_macs(layer.to(torch.device("meta")), size) == macs
