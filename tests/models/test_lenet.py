"""The paper's equations in numpy, with the modernisations that lenet.py names; LeNet has no reference code."""

import numpy as np
import pytest
import torch
from edgeport.models import create_model, get_variant, redraw
from edgeport.models.weights import image_like


def convolve(x, weight, bias):
    """§II.A: a unit of a map is a weighted sum of a neighbourhood in all maps before it, plus the map's bias."""
    maps, _, k, _ = weight.shape
    h, w = x.shape[1] - k + 1, x.shape[2] - k + 1
    y = np.zeros((maps, h, w))
    for m in range(maps):
        for i in range(h):
            for j in range(w):
                y[m, i, j] = bias[m] + sum(
                    weight[m, n, u, v] * x[n, i + u, j + v]
                    for n in range(x.shape[0])
                    for u in range(k)
                    for v in range(k)
                )
    return y


def subsample(x):
    """§II.B, S2: the mean of each 2x2 neighbourhood."""
    return (x[:, 0::2, 0::2] + x[:, 0::2, 1::2] + x[:, 1::2, 0::2] + x[:, 1::2, 1::2]) / 4


def lenet(x, p):
    s2 = subsample(np.tanh(convolve(x, p["c1.weight"], p["c1.bias"])))
    s4 = subsample(np.tanh(convolve(s2, p["c3.weight"], p["c3.bias"])))
    last = s4.ravel()
    if "c5.weight" in p:
        last = np.tanh(p["c5.weight"].reshape(len(p["c5.bias"]), -1) @ last + p["c5.bias"])
        last = np.tanh(p["f6.weight"] @ last + p["f6.bias"])
    if "f5.weight" in p:
        last = np.tanh(p["f5.weight"] @ last + p["f5.bias"])
    return p["output.weight"] @ last + p["output.bias"]


@torch.no_grad()
@pytest.mark.parametrize("name", ["lenet1", "lenet4", "lenet5"])
def test_logits(name):
    size = get_variant(name).input_size
    model = create_model(name)
    redraw(model, input_size=size)
    model.double()
    x = image_like(2, size, torch.Generator().manual_seed(1)).double()
    got = model(x).numpy()
    want = np.stack([lenet(one, {k: v.numpy() for k, v in model.state_dict().items()}) for one in x.numpy()])
    assert want.std(1).mean() > 1e-2
    assert np.abs(want[0] - want[1]).max() > 0.05 * want.std()
    assert np.abs(got - want).max() < 1e-12 * want.std()


# C1 5*5*1+1 times 6, C3 (all maps) 5*5*6+1 times 16, C5 400+1 times 120, F6 120+1 times 84, output 84+1 times 10;
# LeNet-1: C1 26 times 4, C3 101 times 12, output 192+1 times 10; LeNet-4: F5 192+1 times 84, output 84+1 times 10.
@pytest.mark.parametrize(
    ("name", "params", "shape"),
    [
        ("lenet1", 104 + 1212 + 1930, (1, 28, 28)),
        ("lenet4", 104 + 1212 + 16212 + 850, (1, 28, 28)),
        ("lenet5", 156 + 2416 + 48120 + 10164 + 850, (1, 32, 32)),
    ],
)
def test_size(name, params, shape):
    variant = get_variant(name)
    assert variant.params == sum(p.numel() for p in create_model(name).parameters()) == params
    assert (variant.input_size, variant.num_classes) == (shape, 10)


def test_paper_normalisation():
    """§II.B: background -0.1, ink 1.175."""
    variant = get_variant("lenet5")
    black, white = ((value - variant.mean[0]) / variant.std[0] for value in (0, 1))
    assert (black, white) == pytest.approx((-0.1, 1.175))
