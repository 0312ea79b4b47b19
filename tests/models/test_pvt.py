"""PVT against its paper's equations, written once more, as plainly as possible."""

import pytest
import torch
from edgeport.models import create_model, get_variant, redraw
from edgeport.models.weights import image_like
from torch import cat, einsum
from torch.nn import functional as F

COUNTS = {  # learnable scalars of the authors' models
    "pvt_tiny": 13_229_288,
    "pvt_small": 24_485_864,
    "pvt_medium": 44_208_104,
    "pvt_large": 61_369_320,
    "pvt_huge_v2": 304_945_512,
}
NAME = "pvt_test"
HEADS, PATCHES, REDUCTIONS = (1, 2, 2, 2), (4, 2, 2, 2), (8, 4, 2, 1)


def norm(w, key, x, eps=1e-6):
    return F.layer_norm(x, x.shape[-1:], w[f"{key}.weight"], w[f"{key}.bias"], eps)


def linear(w, key, x):
    return F.linear(x, w[f"{key}.weight"], w[f"{key}.bias"])


def attention(w, key, x, heads, reduction, side):
    """SRA(Q, K, V), eq. 1 to 4: keys and values of reduction x reduction patches."""
    few = x
    if reduction > 1:
        image = x.transpose(1, 2).unflatten(2, (side, side))
        few = F.conv2d(image, w[f"{key}.sr.weight"], w[f"{key}.sr.bias"], stride=reduction)
        few = norm(w, f"{key}.norm", few.flatten(2).transpose(1, 2), 1e-5)
    q = linear(w, f"{key}.q", x).unflatten(-1, (heads, -1))
    k, v = linear(w, f"{key}.kv", few).unflatten(-1, (2, heads, -1)).unbind(2)
    logits = einsum("nqhd,nkhd->nhqk", q, k) / q.shape[-1] ** 0.5
    mixed = einsum("nhqk,nkhd->nqhd", logits.softmax(-1), v).flatten(2)
    return linear(w, f"{key}.proj", mixed)


def pvt(w, x):
    for stage, (heads, patch, reduction) in enumerate(zip(HEADS, PATCHES, REDUCTIONS, strict=True), 1):
        embed = f"patch_embed{stage}"
        x = F.conv2d(x, w[f"{embed}.proj.weight"], w[f"{embed}.proj.bias"], stride=patch)
        side = x.shape[-1]
        x = norm(w, f"{embed}.norm", x.flatten(2).transpose(1, 2), 1e-5)
        if stage == 4:
            x = cat((w["cls_token"].expand(len(x), 1, -1), x), 1)
        x = x + w[f"pos_embed{stage}"]
        block = f"block{stage}.0"
        x = x + attention(w, f"{block}.attn", norm(w, f"{block}.norm1", x), heads, reduction, side)
        hidden = F.gelu(linear(w, f"{block}.mlp.fc1", norm(w, f"{block}.norm2", x)))
        x = x + linear(w, f"{block}.mlp.fc2", hidden)
        if stage < 4:
            x = x.transpose(1, 2).unflatten(2, (side, side))
    return linear(w, "head", norm(w, "norm", x)[:, 0])


@torch.no_grad()
def test_is_the_papers():
    model, size = create_model(NAME), get_variant(NAME).input_size
    redraw(model, input_size=size)
    x = image_like(3, size, torch.Generator().manual_seed(1)).double()
    want = pvt(model.double().state_dict(), x)
    assert want.std() > 0.1
    assert (model(x) - want).abs().max() < 1e-9 * want.std()


def test_says_which_size_it_takes():
    with pytest.raises(ValueError, match="takes images of 64x64, not 96x96"):
        create_model(NAME)(torch.zeros(1, 3, 96, 96))


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_count_is_the_authors(name, count):
    assert get_variant(name).params == count
