"""The paper's equations on the tensors of the authors' release, for which there is no package to install."""

import json
from pathlib import Path

import pytest
import torch
from edgeport.models import create_model, get_variant, redraw
from edgeport.models.weights import image_like
from torch.nn.functional import conv2d, gelu, layer_norm

MANIFEST = json.loads((Path(__file__).parent / "manifests" / "van.json").read_text(encoding="utf-8"))
PARAMS = {  # of the authors' code
    "van_b0": 4105800,
    "van_b1": 13861800,
    "van_b2": 26578472,
    "van_b3": 44765608,
    "van_b4": 60283176,
    "van_b5": 89967688,
    "van_b6": 199829416,
}


def van(x, p):
    def conv(x, name, **how):
        weight = p[f"{name}.weight"]
        return conv2d(x, weight, p[f"{name}.bias"], groups=1 if weight.shape[1] == x.shape[1] else x.shape[1], **how)

    def norm(x, name):
        mean, var, weight, bias = (
            p[f"{name}.{of}"][:, None, None] for of in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-5).sqrt() * weight + bias

    def large_kernel_attention(x, name):  # eq. 1 and 2: DW-Conv, DW-D-Conv, 1x1
        attention = conv(x, f"{name}.conv0", padding=2)
        attention = conv(attention, f"{name}.conv_spatial", padding=9, dilation=3)
        return conv(attention, f"{name}.conv1") * x

    def attention(x, name):  # 1x1, GELU, LKA, 1x1, residual
        y = large_kernel_attention(gelu(conv(x, f"{name}.proj_1")), f"{name}.spatial_gating_unit")
        return conv(y, f"{name}.proj_2") + x

    def feed_forward(x, name):
        y = conv(conv(x, f"{name}.fc1"), f"{name}.dwconv.dwconv", padding=1)
        return conv(gelu(y), f"{name}.fc2")

    for i, (stride, padding) in enumerate(((4, 3), (2, 1), (2, 1), (2, 1)), 1):
        x = norm(
            conv2d(
                x,
                p[f"patch_embed{i}.proj.weight"],
                p[f"patch_embed{i}.proj.bias"],
                stride=stride,
                padding=padding,
            ),
            f"patch_embed{i}.norm",
        )
        for block in sorted({key.split(".")[1] for key in p if key.startswith(f"block{i}.")}, key=int):
            name = f"block{i}.{block}"
            scale1, scale2 = (p[f"{name}.layer_scale_{j}"][:, None, None] for j in (1, 2))
            x = x + scale1 * attention(norm(x, f"{name}.norm1"), f"{name}.attn")
            x = x + scale2 * feed_forward(norm(x, f"{name}.norm2"), f"{name}.mlp")
        n, c, h, w = x.shape
        tokens = layer_norm(x.flatten(2).mT, (c,), p[f"norm{i}.weight"], p[f"norm{i}.bias"], eps=1e-6)
        x = tokens.mT.reshape(n, c, h, w)
    return tokens.mean(1) @ p["head.weight"].T + p["head.bias"]


@torch.no_grad()
def test_logits():
    size = get_variant("van_test").input_size
    model = create_model("van_test")
    redraw(model, input_size=size)
    model.double()
    x = image_like(3, size, torch.Generator().manual_seed(1)).double()
    want = van(x, model.state_dict())
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
