"""CvT against its paper's equations, written once more, as plainly as possible."""

import pytest
import torch
from edgeport.models import create_model, get_variant, redraw
from edgeport.models.weights import image_like
from torch import cat, einsum
from torch.nn import functional as F

COUNTS = {  # learnable scalars of the authors' models
    "cvt_13": 19_997_480,
    "cvt_21": 31_622_696,
    "cvt_w24": 277_196_392,
}
NAME = "cvt_test"
HEADS = (1, 2, 2)
PATCHES = ((4, 2), (2, 1), (2, 1))  # stride, padding


def norm(w, key, x):
    return F.layer_norm(x, x.shape[-1:], w[f"{key}.weight"], w[f"{key}.bias"])


def linear(w, key, x):
    return F.linear(x, w[f"{key}.weight"], w[f"{key}.bias"])


def projection(w, key, x, stride):
    """Eq. 2: depthwise convolution, batch norm, flatten."""
    x = F.conv2d(x, w[f"{key}.conv.weight"], stride=stride, padding=1, groups=x.shape[1])
    stats = (w[f"{key}.bn.{name}"] for name in ("running_mean", "running_var", "weight", "bias"))
    return F.batch_norm(x, *stats).flatten(2).transpose(1, 2)


def attention(w, key, x, side, heads):
    classes = x.shape[1] - side * side
    token, image = x[:, :classes], x[:, classes:].transpose(1, 2).unflatten(2, (side, side))
    q, k, v = (
        linear(
            w, f"{key}.proj_{part}", cat((token, projection(w, f"{key}.conv_proj_{part}", image, stride)), 1)
        ).unflatten(-1, (heads, -1))
        for part, stride in (("q", 1), ("k", 2), ("v", 2))
    )
    logits = einsum("nqhd,nkhd->nhqk", q, k) / x.shape[-1] ** 0.5
    return linear(w, f"{key}.proj", einsum("nhqk,nkhd->nqhd", logits.softmax(-1), v).flatten(2))


def cvt(w, x):
    for stage, (heads, (stride, padding)) in enumerate(zip(HEADS, PATCHES, strict=True)):
        embed, block = f"stage{stage}.patch_embed", f"stage{stage}.blocks.0"
        x = F.conv2d(x, w[f"{embed}.proj.weight"], w[f"{embed}.proj.bias"], stride=stride, padding=padding)
        side = x.shape[-1]
        x = norm(w, f"{embed}.norm", x.flatten(2).transpose(1, 2))
        if stage == 2:
            x = cat((w["stage2.cls_token"].expand(len(x), 1, -1), x), 1)
        x = x + attention(w, f"{block}.attn", norm(w, f"{block}.norm1", x), side, heads)
        hidden = linear(w, f"{block}.mlp.fc1", norm(w, f"{block}.norm2", x))
        x = x + linear(w, f"{block}.mlp.fc2", hidden * torch.sigmoid(1.702 * hidden))
        if stage < 2:
            x = x.transpose(1, 2).unflatten(2, (side, side))
    return linear(w, "head", norm(w, "norm", x)[:, 0])


@torch.no_grad()
def test_is_the_papers():
    model, size = create_model(NAME), get_variant(NAME).input_size
    redraw(model, input_size=size)
    x = image_like(3, size, torch.Generator().manual_seed(1)).double()
    want = cvt(model.double().state_dict(), x)
    assert want.std() > 0.1
    assert (model(x) - want).abs().max() < 1e-9 * want.std()


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_count_is_the_authors(name, count):
    assert get_variant(name).params == count
