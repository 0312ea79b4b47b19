"""The paper's equations on the tensors of the authors' release, for which there is no package to install."""

import json
from pathlib import Path

import pytest
import torch
from edgeport.models import create_model, get_variant, redraw
from edgeport.models.weights import image_like
from torch.nn.functional import conv2d, gelu, group_norm, layer_norm

MANIFEST = json.loads((Path(__file__).parent / "manifests" / "spach.json").read_text(encoding="utf-8"))
PARAMS = {  # of the authors' code
    "spach_xxs_patch16_224_attn": 3931048,
    "spach_xxs_patch16_224_conv": 7828840,
    "spach_xxs_patch16_224_mlp": 8307184,
    "spach_xs_patch16_224_attn": 14938984,
    "spach_xs_patch16_224_conv": 14975848,
    "spach_xs_patch16_224_mlp": 15932536,
    "spach_s_patch16_224_attn": 32507368,
    "spach_s_patch16_224_conv": 38854120,
    "spach_s_patch16_224_mlp": 39820024,
    "spach_ms_xxs_patch4_224_attn": 2372744,
    "spach_ms_xxs_patch4_224_conv": 5085224,
    "spach_ms_xxs_patch4_224_mlp": 6562446,
    "spach_ms_xs_patch4_224_attn": 14479080,
    "spach_ms_xs_patch4_224_conv": 17302120,
    "spach_ms_xs_patch4_224_hybrid": 27956584,
    "spach_ms_xs_patch4_224_mlp": 20260283,
    "spach_ms_s_patch4_224_attn": 39537544,
    "spach_ms_s_patch4_224_conv": 43576168,
    "spach_ms_s_patch4_224_hybrid": 63028584,
    "spach_ms_s_patch4_224_mlp": 46542011,
}


def spach(image, p, heads):
    """On tokens (n, t, c), which are square maps."""

    def linear(x, name):
        return x @ p[f"{name}.weight"].T + p[f"{name}.bias"]

    def norm(x, name):
        return layer_norm(x, x.shape[-1:], p[f"{name}.weight"], p[f"{name}.bias"], eps=1e-6)

    def to_map(x):
        side = round(x.shape[1] ** 0.5)
        return x.mT.reshape(x.shape[0], x.shape[2], side, side)

    def to_tokens(x):
        return x.flatten(2).mT

    def attention(x, name):
        n, t, c = x.shape
        q, k, v = (part.reshape(n, t, heads, c // heads) for part in linear(x, f"{name}.qkv").chunk(3, -1))
        weights = (torch.einsum("nqhd,nkhd->nhqk", q, k) / (c // heads) ** 0.5).softmax(-1)
        return linear(torch.einsum("nhqk,nkhd->nqhd", weights, v).reshape(n, t, c), f"{name}.proj")

    def mlp(x, name):
        return linear(gelu(linear(x, f"{name}.fc1")), f"{name}.fc2")

    def mixed(x, name):
        y = norm(x, f"{name}.norm1")
        if f"{name}.spatial_func.qkv.weight" in p:
            return attention(y, f"{name}.spatial_func")
        return mlp(y.mT, f"{name}.spatial_func").mT

    def block(x, name):
        depthwise = f"{name}.cpe_net.net.1"
        encoding = conv2d(to_map(x), p[f"{depthwise}.weight"], p[f"{depthwise}.bias"], padding=1, groups=x.shape[-1])
        y = x + to_tokens(encoding)
        if f"{name}.gamma_1" in p:
            y = y + p[f"{name}.gamma_1"] * mixed(x, name)
        return y + mlp(norm(y, f"{name}.norm2"), f"{name}.channel_func")

    patch = p["stem.proj.weight"].shape[-1]
    x = norm(to_tokens(conv2d(image, p["stem.proj.weight"], p["stem.proj.bias"], stride=patch)), "norm1")
    for name in dict.fromkeys(".".join(key.split(".")[:2]) for key in p if key.startswith(("blocks.", "layer"))):
        if f"{name}.net.1.0.weight" in p:
            y = conv2d(to_map(x), p[f"{name}.net.1.0.weight"], stride=2)
            x = to_tokens(group_norm(y, 1, p[f"{name}.net.1.1.weight"], p[f"{name}.net.1.1.bias"], eps=1e-5))
        else:
            x = block(x, name)
    return linear(norm(x, "norm2").mean(1), "head")


@torch.no_grad()
@pytest.mark.parametrize("name", ["spach_test", "spach_ms_test"])
def test_logits(name):
    size = get_variant(name).input_size
    model = create_model(name)
    redraw(model, input_size=size)
    model.double()
    x = image_like(3, size, torch.Generator().manual_seed(1)).double()
    want = spach(x, model.state_dict(), heads=2)
    assert want.std(1).mean() > 1e-2
    assert (want - want.mean(0)).square().mean().sqrt() > 0.05 * want.std(1).mean()
    assert (model(x) - want).abs().max() < 1e-9 * want.std(1).mean()


@pytest.mark.parametrize("name", MANIFEST)
def test_keys_and_shapes(name):
    with torch.device("meta"):
        state = create_model(name).state_dict()
    assert {key: list(tensor.shape) for key, tensor in state.items()} == MANIFEST[name]


@pytest.mark.parametrize("name", PARAMS)
def test_count(name):
    assert get_variant(name).params == PARAMS[name]
