"""Every variant is its reference: names, shapes, preprocessing, and in float64 the same logits.

With a library's own initialisation such a comparison is blind, so every tensor is redrawn, and the gates below fail a
test whose inputs or weights would not show an error. references.py says what is compared with what.
"""

import dataclasses
import fnmatch
import importlib
from functools import partial

import pytest
import torch
from edgeport.models import create_model, get_variant, list_models, redraw, registry
from edgeport.models.index import VARIANTS
from edgeport.models.weights import image_like
from references import REFERENCES
from torch import nn

GATE = 1e-9  # of the logits' standard deviation; float64 gives about 1e-15
NOISE = 1e-4  # of the same: what float32 may lose

FAMILIES = sorted({variant.family for variant in VARIANTS})
STATED = [(name, count) for its in REFERENCES.values() for name, count in its.stated.items()]
INSTALLABLE = [
    name
    for name in list_models()
    if (its := REFERENCES[get_variant(name).family]).library and name not in {*its.absent, *its.stated}
]
LOGITS = [
    pytest.param(name, marks=() if name in REFERENCES[get_variant(name).family].sampled else pytest.mark.exhaustive)
    for name in INSTALLABLE
    if name not in REFERENCES[get_variant(name).family].meta
] + [name for its in REFERENCES.values() for name in its.sampled if name.endswith("_test")]


@pytest.fixture(scope="module")
def reference(timm):
    """name -> the reference's model in eval mode, with 1000 classes."""

    def build(name):
        its = REFERENCES[get_variant(name).family]
        theirs, arguments = its.names.get(name, name), {**its.arguments, **its.of.get(name, {})}
        if its.library == "timm":
            model = timm.create_model(theirs, pretrained=False, num_classes=1000, **arguments)
        else:
            models = importlib.import_module(its.library).models
            model = models.get_model(theirs, weights=None, **arguments)
        return model.eval()

    return build


def images(size):
    return image_like(3, size, torch.Generator().manual_seed(1))


def distance(a, b):
    return ((a - b).abs().max() / b.std(1).mean()).item()


def test_every_family_has_a_reference():
    assert sorted(REFERENCES) == FAMILIES


@pytest.mark.parametrize("family", [family for family in FAMILIES if REFERENCES[family].library])
def test_every_code_path_is_sampled(family):
    """What any variant chooses in its Cfg is chosen by one whose logits are compared in every run."""
    create_model(REFERENCES[family].blind)  # a family is imported with its first model
    cfgs = {name: recipe.cfg for name, recipe in registry._recipes.items() if recipe.variant.family == family}
    compared = [name for name in cfgs if name in REFERENCES[family].sampled]
    sampled = set().union(*(choices(cfgs[name]) for name in compared))
    for name in {*cfgs} & {*INSTALLABLE}:
        assert choices(cfgs[name]) <= sampled, name


def choices(value):
    """{(field, choice)} of a Cfg: of a number whether it is zero, of a sequence or "CCTT" what its elements choose."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            (field.name, choice)
            for field in dataclasses.fields(value)
            for choice in choices(getattr(value, field.name))
        }
    if isinstance(value, partial):
        return choices(value.func) | {(name, choice) for name, its in value.keywords.items() for choice in choices(its)}
    if isinstance(value, tuple | list) or (isinstance(value, str) and len(value) > 1 and value.isupper()):
        return set().union(*map(choices, value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {value != 0}
    return {repr(value)}


@pytest.mark.parametrize("name", INSTALLABLE)
def test_keys_shapes_and_count(reference, name):
    with torch.device("meta"):
        ours, theirs = create_model(name, num_classes=1000), reference(name)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in theirs.state_dict().items()}
    if get_variant(name).num_classes == 1000:
        assert get_variant(name).params == sum(p.numel() for p in theirs.parameters())


@pytest.mark.parametrize("name", [n for n in INSTALLABLE if REFERENCES[get_variant(n).family].library == "timm"])
def test_preprocessing_is_the_references_default(timm, name):
    its = REFERENCES[get_variant(name).family]
    ours, theirs = get_variant(name), timm.get_pretrained_cfg(its.names.get(name, name))
    for field in ("input_size", "mean", "std", "interpolation", "crop_pct"):
        assert getattr(ours, field) == getattr(theirs, field), field
    assert ours.num_classes == theirs.num_classes or not theirs.num_classes  # 0: weights without a head


@pytest.mark.parametrize(("name", "count"), STATED)
def test_count_is_the_papers(name, count):
    assert get_variant(name).params == pytest.approx(count, rel=0.005)


@torch.no_grad()
@pytest.mark.parametrize("name", LOGITS)
def test_logits(reference, monkeypatch, name):
    its, size = REFERENCES[get_variant(name).family], get_variant(name).input_size
    if its.side and name in its.sampled:
        size = (size[0], its.side, its.side)
    theirs = reference(name)
    redraw(theirs, input_size=size)
    ours = create_model(name, num_classes=1000)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = images(size)
    single = ours(x).double()
    with monkeypatch.context() as patch:
        patch.setattr(torch.Tensor, "float", lambda tensor: tensor)  # some references cast to float32 in the middle
        got, want = ours.double()(x.double()), theirs.double()(x.double())

    std = want.std(1).mean()
    assert std > 1e-2
    assert (want - want.mean(0)).square().mean().sqrt() / std > 0.05, "the output hardly depends on the input"
    assert distance(single, want) < its.noise.get(name, NOISE), "float32 noise"
    assert distance(got, want) < GATE


@torch.no_grad()
@pytest.mark.parametrize(
    "family",
    [family if i % 8 == 0 else pytest.param(family, marks=pytest.mark.exhaustive) for i, family in enumerate(FAMILIES)],
)
def test_redrawn_weights_are_not_blind(family):
    """A 10 % error in any one tensor moves the logits by more than ten times the float32 noise."""
    its = REFERENCES[family]
    model, size = create_model(its.blind), get_variant(its.blind).input_size
    redraw(model, input_size=size)
    generator = torch.Generator().manual_seed(2)
    x = images(size)[:1]
    before = model(x)
    noise = distance(before.double(), model.double()(x.double()))
    model.float()
    blind = []
    for key, tensor in model.state_dict().items():
        if not tensor.is_floating_point() or any(fnmatch.fnmatch(key, pattern) for pattern in its.silent):
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
    x = images(get_variant(name).input_size).double()
    want = model(x)
    mutate(model)
    assert distance(model(x), want) > 1000 * GATE


@torch.no_grad()
@pytest.mark.parametrize("name", [v.name for v in VARIANTS if v.name.endswith("_test")])
def test_tiny_variants(name):
    model, variant = create_model(name), get_variant(name)
    assert variant.params < 100_000
    redraw(model, input_size=variant.input_size)
    logits = model(images(variant.input_size))
    assert logits.shape == (3, variant.num_classes)
    assert logits.std(0).min() > 1e-2


@pytest.mark.parametrize(
    ("name", "side", "message"),
    [
        ("alexnet_test", 96, "images of 64x64"),
        ("bat_resnext_test", 80, "multiples of 32"),
        ("botnet_test", 96, "images of 64x64"),
        ("efficientvit_msra_test", 192, "images of 224x224, not 192x192"),
        ("mixer_test", 64, "images of 32x32, not 64x64"),
        ("mobilevit_test", 96, "multiples of 64"),
        ("spach_ms_test", 96, "over 64 pixels, not 12x12"),
        ("vgg_test", 24, "at least 28x28"),
        ("zfnet_test", 96, "images of 64x64"),
    ],
)
def test_says_which_sizes_it_takes(name, side, message):
    with pytest.raises(ValueError, match=message):
        create_model(name)(torch.zeros(1, 3, side, side))
