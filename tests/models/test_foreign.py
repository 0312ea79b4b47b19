"""Public checkpoints whose tensors are named or shaped otherwise: renamed, they load strictly and give equal logits."""

import importlib

import pytest
import torch
from edgeport.models import WeightsError, create_model, get_variant, load_weights, redraw
from edgeport.models.registry import find_renames
from edgeport.models.weights import image_like

# Our names of models that torchvision also has, and what its constructor is given.
TORCHVISION = {
    "googlenet": {"init_weights": False},
    "inception_v3": {"init_weights": False},
    **{f"vgg{depth}{norm}": {} for depth in (11, 13, 16, 19) for norm in ("", "_bn")},
    **{f"efficientnet_b{i}": {} for i in range(8)},
    **{f"efficientnetv2_{size}": {} for size in "sml"},
    **{f"mnasnet_{width}": {} for width in ("050", "075", "100")},
    "mobilenetv2_100": {},
    **{f"mobilenetv3_{size}_100": {} for size in ("large", "small")},
    **{f"regnetx_{flops}": {} for flops in ("004_tv", "008", "016", "032", "080", "160", "320")},
    **{f"regnety_{flops}": {} for flops in ("004", "008_tv", "016", "032", "080_tv", "160", "320")},
}
# What torchvision calls them, where it is something else.
NAMES = {
    **{f"efficientnetv2_{size}": f"efficientnet_v2_{size}" for size in "sml"},
    "mnasnet_050": "mnasnet0_5",
    "mnasnet_075": "mnasnet0_75",
    "mnasnet_100": "mnasnet1_0",
    "mobilenetv2_100": "mobilenet_v2",
    "mobilenetv3_large_100": "mobilenet_v3_large",
    "mobilenetv3_small_100": "mobilenet_v3_small",
    **{
        f"regnet{kind}_{ours}": f"regnet_{kind}_{theirs}"
        for kind in "xy"
        for ours, theirs in [
            ("004", "400mf"),
            ("004_tv", "400mf"),
            ("008", "800mf"),
            ("008_tv", "800mf"),
            ("016", "1_6gf"),
            ("032", "3_2gf"),
            ("080", "8gf"),
            ("080_tv", "8gf"),
            ("160", "16gf"),
            ("320", "32gf"),
        ]
    },
}
LOGITS = (
    "googlenet",
    "inception_v3",
    "efficientnet_b0",
    "efficientnet_b5",  # from here on another epsilon
    "efficientnetv2_s",
    "mnasnet_050",
    "mobilenetv2_100",
    "mobilenetv3_large_100",
    "mobilenetv3_small_100",
    "regnetx_004_tv",
    "regnety_004",
    pytest.param("vgg11", marks=pytest.mark.exhaustive),
)
SIZES = {"vgg11": 224, "googlenet": 139, "inception_v3": 139}


def translations(name):
    return importlib.import_module(f"edgeport.models.{get_variant(name).family}").FOREIGN


def renamed(name, tensors):
    """By the one translation of the family that recognises the tensors."""
    found = [ours for rename in translations(name) if (ours := rename(tensors)) is not None]
    assert len(found) == 1
    return found[0]


@pytest.fixture
def torchvision(timm):
    """name -> its model with 1000 classes, in eval mode."""
    models = importlib.import_module("torchvision").models
    return lambda name: models.get_model(NAMES.get(name, name), weights=None, **TORCHVISION[name]).eval()


@pytest.mark.parametrize("name", TORCHVISION)
def test_keys_and_shapes(torchvision, monkeypatch, name):
    with torch.device("meta"):
        ours = create_model(name).state_dict()
    if name.startswith("regnet"):  # computes its widths with tensors: those must exist
        monkeypatch.setattr(torch.nn.init, "kaiming_normal_", lambda *args, **kwargs: None)
        monkeypatch.setattr(torch.nn.init, "normal_", lambda *args, **kwargs: None)
        theirs = torchvision(name).state_dict()
    else:
        with torch.device("meta"):
            theirs = torchvision(name).state_dict()
    assert {k: v.shape for k, v in renamed(name, theirs).items()} == {k: v.shape for k, v in ours.items()}
    assert [rename(ours) for rename in translations(name)] == [None] * len(translations(name))
    assert [rename({}) for rename in translations(name)] == [None] * len(translations(name))


@torch.no_grad()
@pytest.mark.parametrize("name", LOGITS)
def test_logits(torchvision, name):
    size = (3, SIZES.get(name, 96), SIZES.get(name, 96))
    reference, model = torchvision(name), create_model(name)
    redraw(reference, input_size=size)
    model.double().load_state_dict(renamed(name, reference.double().state_dict()), strict=True)
    x = image_like(2, size, torch.Generator().manual_seed(1)).double()
    got, want = model(x), reference(x)
    assert (got - want).abs().max() < 1e-9 * want.std()


@torch.no_grad()
def test_a_file_loads_as_it_is(torchvision, tmp_path):
    name = "mobilenetv3_small_100"
    reference, model = torchvision(name), create_model(name)
    redraw(reference, input_size=(3, 96, 96))
    torch.save(reference.state_dict(), tmp_path / "theirs.pth")
    load_weights(model, tmp_path / "theirs.pth")
    x = image_like(2, (3, 96, 96), torch.Generator().manual_seed(1)).double()
    want = reference.double()(x)
    assert (model.double()(x) - want).abs().max() < 1e-5 * want.std()  # the file holds float32


# What efficientnet_pytorch calls the layers of a block, by ours; its first block has no expansion.
THEIRS = {
    "conv_dw": "_depthwise_conv",
    "se.conv_reduce": "_se_reduce",
    "se.conv_expand": "_se_expand",
    "conv_pwl": "_project_conv",
}
EXPANDING = {**THEIRS, "conv_pw": "_expand_conv", "bn1": "_bn0", "bn2": "_bn1", "bn3": "_bn2"}
PLAIN = {**THEIRS, "conv_pw": "_project_conv", "bn1": "_bn1", "bn2": "_bn2"}
OUTER = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1", "classifier": "_fc"}


def like_efficientnet_pytorch(ours):
    """A state dict of ours under the names that efficientnet_pytorch has for the same tensors."""
    theirs, blocks = {}, list(dict.fromkeys(".".join(key.split(".")[:3]) for key in ours if key.startswith("blocks.")))
    for key, tensor in ours.items():
        module, _, leaf = key.rpartition(".")
        block, part = ".".join(module.split(".")[:3]), ".".join(module.split(".")[3:])
        names = EXPANDING if f"{block}.conv_pwl.weight" in ours else PLAIN
        name = f"_blocks.{blocks.index(block)}.{names[part]}" if part else OUTER[module]
        theirs[f"{name}.{leaf}"] = tensor
    return theirs


@pytest.mark.parametrize(
    "name", [f"tf_efficientnet_{size}" for size in (*(f"b{i}" for i in range(8)), "lite0", "lite4")]
)
def test_names_of_efficientnet_pytorch(name):
    with torch.device("meta"):
        model = create_model(name)
    ours = model.state_dict()
    theirs = like_efficientnet_pytorch(ours)
    assert "_blocks.4._expand_conv.weight" in theirs
    (rename,) = find_renames(model)
    renamed = rename(theirs)
    assert renamed.keys() == ours.keys()
    assert all(renamed[key] is tensor for key, tensor in ours.items())
    assert rename(ours) is None


def test_weights_of_another_padding_do_not_load(torchvision, tmp_path):
    """They would fit, and give other answers."""
    torch.save(torchvision("efficientnet_b0").state_dict(), tmp_path / "theirs.pth")
    load_weights(create_model("efficientnet_b0"), tmp_path / "theirs.pth")
    with pytest.raises(WeightsError, match=r"they fit efficientnet_b0$"):
        load_weights(create_model("tf_efficientnet_b0"), tmp_path / "theirs.pth")
    torch.save(like_efficientnet_pytorch(create_model("tf_efficientnet_b0").state_dict()), tmp_path / "theirs.pth")
    with pytest.raises(WeightsError, match=r"they fit tf_efficientnet_b0$"):
        load_weights(create_model("efficientnet_b0"), tmp_path / "theirs.pth")
    for name in ("tf_efficientnetv2_s", "tf_mobilenetv3_small_100"):
        with torch.device("meta"):
            assert find_renames(create_model(name)) == ()
