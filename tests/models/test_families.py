"""Every variant is its reference: names, shapes, preprocessing, and in float64 the same logits.

With a library's own initialisation such a comparison is blind, so every tensor is redrawn, and the gates below fail a
test whose inputs or weights would not show an error.
"""

import pytest
import torch
from edgeport.models import create_model, get_variant, list_models, redraw
from edgeport.models.weights import image_like
from torch import nn

GATE = 1e-9  # of the logits' standard deviation; float64 gives about 1e-15
# float32 noise, of the same. Without normalised residuals it grows with depth.
NOISE = {"resnet101": 5e-4, "resnet152": 5e-4}
LARGE = ("resnet101", "resnet152", "vit_base", "deit_base", "vit_small", "deit_small")
OURS_ALONE = ("lenet1", "lenet5")  # tests/models/test_lenet.py

REFERENCED = [name for name in list_models() if name not in OURS_ALONE]
SAMPLED = [pytest.param(name, marks=pytest.mark.exhaustive if name.startswith(LARGE) else ()) for name in REFERENCED]


def reference(timm, name):
    return timm.create_model(name, pretrained=False, num_classes=1000).eval()


def images(name):
    return image_like(3, get_variant(name).input_size, torch.Generator().manual_seed(1))


def distance(a, b):
    return ((a - b).abs().max() / b.std(1).mean()).item()


@pytest.mark.parametrize("name", REFERENCED)
def test_keys_shapes_and_count(timm, name):
    with torch.device("meta"):
        ours, theirs = create_model(name), reference(timm, name)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in theirs.state_dict().items()}
    assert get_variant(name).params == sum(p.numel() for p in theirs.parameters())


@pytest.mark.parametrize("name", REFERENCED)
def test_preprocessing_is_the_references_default(timm, name):
    ours, theirs = get_variant(name), timm.get_pretrained_cfg(name)
    for field in ("input_size", "mean", "std", "interpolation", "crop_pct", "num_classes"):
        assert getattr(ours, field) == getattr(theirs, field), field


@torch.no_grad()
@pytest.mark.parametrize("name", SAMPLED)
def test_logits(timm, name):
    theirs = reference(timm, name)
    redraw(theirs, input_size=get_variant(name).input_size)
    ours = create_model(name)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = images(name)
    single = ours(x).double()
    got, want = ours.double()(x.double()), theirs.double()(x.double())

    std = want.std(1).mean()
    assert std > 1e-2
    assert (want - want.mean(0)).square().mean().sqrt() / std > 0.05, "the output hardly depends on the input"
    assert distance(single, want) < NOISE.get(name, 1e-4), "float32 noise"
    assert distance(got, want) < GATE


@torch.no_grad()
@pytest.mark.parametrize(
    "name",
    [
        "deit_tiny_distilled_patch16_224",
        "lenet1",
        "lenet5",
        "mobilenetv2_035",
        "mobilenetv3_small_050",
        "mobilevit_xxs",
        "resnet18",
        "vit_tiny_patch16_224",
    ],
)
def test_redrawn_weights_are_not_blind(name):
    """A 10 % error in any one tensor moves the logits by more than ten times the float32 noise."""
    model, size = create_model(name), get_variant(name).input_size
    redraw(model, input_size=size)
    generator = torch.Generator().manual_seed(2)
    x = images(name)[:1]
    before = model(x)
    noise = distance(before.double(), model.double()(x.double()))
    model.float()
    blind = []
    for key, tensor in model.state_dict().items():
        if not tensor.is_floating_point():
            continue
        kept, grain = tensor.clone(), torch.randn(tensor.shape, generator=generator).clamp(-2, 2)
        tensor.add_(0.1 * grain * (tensor if key.endswith("running_var") else tensor.abs().mean()))
        if not distance(model(x), before) > 10 * noise:
            blind.append(key)
        tensor.copy_(kept)
    assert blind == []


def _wrong_eps(model):
    for m in model.modules():
        if isinstance(m, nn.LayerNorm | nn.BatchNorm2d):
            m.eps *= 10


def _tanh_gelu(model):
    for m in model.modules():
        if isinstance(m, nn.GELU):
            m.approximate = "tanh"


def _left_out_block(model):
    model.blocks[5] = nn.Identity()


@torch.no_grad()
@pytest.mark.parametrize("mutate", [_wrong_eps, _tanh_gelu, _left_out_block])
def test_the_gate_catches(mutate):
    name = "vit_tiny_patch16_224"
    model = create_model(name).double()
    redraw(model, input_size=get_variant(name).input_size)
    x = images(name).double()
    want = model(x)
    mutate(model)
    assert distance(model(x), want) > 1000 * GATE


@torch.no_grad()
@pytest.mark.parametrize("family", ["deit", "mobilenetv2", "mobilenetv3", "mobilevit", "resnet", "vit"])
def test_tiny_variants(family):
    name = f"{family}_test"
    model, variant = create_model(name), get_variant(name)
    assert variant.params < 100_000
    redraw(model, input_size=variant.input_size)
    logits = model(images(name))
    assert logits.shape == (3, variant.num_classes)
    assert logits.std(0).min() > 1e-2


def test_mobilevit_says_which_sizes_it_takes():
    with pytest.raises(ValueError, match="multiples of 64"):
        create_model("mobilevit_test")(torch.zeros(1, 3, 96, 96))
