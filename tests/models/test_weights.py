"""Checkpoints that load, checkpoints that must not, and what the random weights promise."""

from collections import OrderedDict

import pytest
import torch
from edgeport.models import (
    WeightsError,
    create_model,
    get_variant,
    index,
    lenet,
    list_models,
    load_weights,
    redraw,
    register,
    registry,
)
from edgeport.models.weights import draw, head_keys, image_like
from safetensors.torch import save_file
from torch import nn

NAME = "resnet_test"


@pytest.fixture
def state():
    model = create_model(NAME)
    redraw(model, seed=3, input_size=get_variant(NAME).input_size)
    return OrderedDict((k, v.clone()) for k, v in model.state_dict().items())


def dump(state, path):
    save_file(dict(state), path) if path.suffix == ".safetensors" else torch.save(state, path)
    return path


GOOD = {
    "bare": lambda s: s,
    "state_dict": lambda s: {"state_dict": s, "epoch": 3},
    "model": lambda s: {"model": s, "optimizer": {"lr": 0.1}},
    "data parallel": lambda s: {f"module.{k}": v for k, v in s.items()},
    "compiled": lambda s: {f"_orig_mod.{k}": v for k, v in s.items()},
    "double": lambda s: {k: v.double() if v.is_floating_point() else v for k, v in s.items()},
    "no counters": lambda s: {k: v for k, v in s.items() if not k.endswith("num_batches_tracked")},
}


NESTED = ("state_dict", "model")  # safetensors cannot nest


@pytest.mark.parametrize(
    ("how", "suffix"),
    [(how, ".pth") for how in GOOD] + [(how, ".safetensors") for how in GOOD if how not in NESTED] + [("bare", ".bin")],
)
def test_loads(tmp_path, state, how, suffix):
    model = create_model(NAME)
    load_weights(model, dump(GOOD[how](state), tmp_path / f"w{suffix}"))
    got = model.state_dict()
    for key, want in state.items():
        assert key.endswith("num_batches_tracked") or torch.equal(got[key], want), key


def test_half_precision_becomes_float32(tmp_path, state):
    model = create_model(NAME)
    load_weights(
        model, dump({k: v.half() if v.is_floating_point() else v for k, v in state.items()}, tmp_path / "w.pt")
    )
    assert model.fc.weight.dtype == torch.float32
    assert torch.equal(model.fc.weight, state["fc.weight"].half().float())


def _without(*keys):
    return lambda s: {k: v for k, v in s.items() if k not in keys}


def _with(**changes):
    return lambda s: s | {k.replace("__", "."): v(s) if callable(v) else v for k, v in changes.items()}


def _poisoned(value):
    def poison(state):
        state["layer1.0.conv2.weight"][1, 2, 0, 1] = value
        return state

    return poison


BAD = {
    "missing": (_without("fc.bias", "bn1.weight"), r"2 missing: bn1\.weight, fc\.bias$"),
    "unexpected": (_with(conv1__extra=torch.ones(1)), r"1 unexpected: conv1\.extra$"),
    "misshapen": (_with(conv1__weight=torch.ones(8, 3, 3, 3)), r"conv1\.weight \(file 8x3x3x3, model 8x3x7x7\)"),
    "several": (
        lambda s: _with(fc__extra=torch.ones(1), fc__weight=torch.ones(10, 2))(_without("fc.bias")(s)),
        r"1 missing: fc\.bias; 1 unexpected: fc\.extra; 1 misshapen: fc\.weight",
    ),
    "counted": (lambda s: {k.replace(".", "_"): v for k, v in s.items()}, r"\d\d missing: .*, \.\.\.; \d\d unexpected"),
    "other head": (_with(fc__weight=torch.ones(3, 64), fc__bias=torch.ones(3)), "made with num_classes=3"),
    "nan": (_poisoned(float("nan")), r"layer1\.0\.conv2\.weight holds NaN or infinite"),
    "inf": (_poisoned(float("-inf")), r"layer1\.0\.conv2\.weight holds NaN or infinite"),
    "too large": (_with(fc__bias=torch.full((10,), 1e300, dtype=torch.float64)), r"fc\.bias holds .* as float32"),
    "integers": (_with(fc__bias=torch.ones(10, dtype=torch.int8)), r"fc\.bias is int8, the model's is float32"),
    "complex": (_with(fc__bias=torch.ones(10, dtype=torch.complex64)), r"fc\.bias is complex64"),
}
BAD_TORCH = {
    "a list": (lambda s: list(s.values()), "holds no tensors by name"),
    "empty": (lambda s: {}, "holds no tensors by name"),
    "numbers": (lambda s: {k: v.tolist() for k, v in s.items()}, "holds no tensors by name"),
    "sparse": (_with(fc__bias=torch.ones(10).to_sparse()), r"fc\.bias is a sparse"),
    "meta": (_with(fc__bias=torch.ones(10, device="meta")), r"fc\.bias is a .*storage-less"),
    "a module": (lambda s: nn.Linear(2, 2), "a whole pickled module"),
}


def refuses(path, message):
    model = create_model(NAME)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(WeightsError, match=message) as e:
        load_weights(model, path)
    assert "\n" not in str(e.value)
    assert str(path) in str(e.value)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items()), "the model was changed"


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD)
def test_refuses(tmp_path, state, change, message, suffix):
    refuses(dump(change(state), tmp_path / f"w{suffix}"), message)


@pytest.mark.parametrize(("change", "message"), BAD_TORCH.values(), ids=BAD_TORCH)
def test_refuses_torch(tmp_path, state, change, message):
    refuses(dump(change(state), tmp_path / "w.pth"), message)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_refuses_what_is_no_file(tmp_path, suffix):
    refuses(tmp_path / f"absent{suffix}", "is not a weights file")
    refuses(tmp_path, "is a folder, not a weights file")


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("content", [b"", b"\0", b"not weights at all", b"\xff" * 100, b"PK\x03\x04" + b"\0" * 50])
def test_refuses_foreign_bytes(tmp_path, suffix, content):
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    refuses(path, "is not a readable")


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9, 0.999])
def test_refuses_truncated(tmp_path, state, suffix, share):
    path = dump(state, tmp_path / f"w{suffix}")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    refuses(path, "is not a readable")


def test_redraw_is_seeded_and_leaves_the_mode():
    size = get_variant(NAME).input_size
    draws = []
    for seed in (0, 0, 1):
        torch.manual_seed(len(draws))  # of no influence
        model = create_model(NAME)
        redraw(model, seed=seed, input_size=size)
        assert not any(m.training for m in model.modules())
        assert {m.momentum for m in model.modules() if isinstance(m, nn.BatchNorm2d)} == {0.1}
        draws.append(model.state_dict())
    a, b, c = draws
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert not any(torch.equal(a[k], c[k]) for k in a if a[k].is_floating_point())


def test_redraw_keeps_constants():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False), nn.BatchNorm2d(4))
    model.register_buffer("offset", torch.arange(4.0))
    redraw(model, input_size=(3, 32, 32))
    assert model.offset.tolist() == [0, 1, 2, 3]
    assert model[2].running_var.std() > 0


def test_redraw_calibrates_batch_norm():
    """Behind a calibrated norm, images have about the mean and variance that its weight and bias say."""
    model = create_model(NAME)
    redraw(model, input_size=(3, 32, 32))
    with torch.no_grad():
        y = model.bn1(model.conv1(image_like(16, (3, 32, 32), torch.Generator().manual_seed(5))))
    spread = y.std((0, 2, 3)) / model.bn1.weight
    assert 0.5 < spread.min() < spread.max() < 2


class Deep(nn.Sequential):
    """Convolutions, batch norms and ReLUs in a row: each makes noise larger by one or two decibels."""

    def __init__(self, depth):
        blocks = [
            nn.Sequential(nn.Conv2d(3 if i == 0 else 16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
            for i in range(depth)
        ]
        super().__init__(*blocks)


@pytest.mark.parametrize(("depth", "is_milder"), [(3, False), (20, True)])
def test_redraw_sets_norms_milder_where_noise_would_grow(depth, is_milder):
    model = Deep(depth).eval()
    redraw(model, input_size=(3, 32, 32))
    largest = max(m.weight.detach().max().item() for m in model.modules() if isinstance(m, nn.BatchNorm2d))
    assert (largest < 0.61) == is_milder  # they are drawn between 0.5 and 1.5
    images = image_like(4, (3, 32, 32), torch.Generator().manual_seed(5))
    noise = 1e-3 * torch.randn(images.shape, generator=torch.Generator().manual_seed(6))
    with torch.no_grad():
        exact, noisy = model(images), model(images + noise)
    assert 10 * torch.log10(exact.var() / (exact - noisy).square().mean()) > 30


def test_image_like_is_coarse_and_seeded():
    x = image_like(8, (3, 64, 64), torch.Generator().manual_seed(0))
    assert torch.equal(x, image_like(8, (3, 64, 64), torch.Generator().manual_seed(0)))
    blocks = nn.functional.avg_pool2d(x, 4)
    assert (x.shape, x.dtype) == ((8, 3, 64, 64), torch.float32)
    assert blocks.std() > 0.5 * x.std()  # of white noise this is a quarter


def rename_capitals(tensors):
    """CONV1.weight -> c1.weight and so on, as no public checkpoint has it."""
    if "CONV1.weight" not in tensors:
        return None
    names = {"CONV1": "c1", "CONV3": "c3", "OUTPUT": "output"}
    return {f"{names[key.partition('.')[0]]}.{key.partition('.')[2]}": value for key, value in tensors.items()}


FOREIGN = (lambda tensors: None, rename_capitals)  # of this file's variant below


@pytest.fixture
def foreign(monkeypatch, tmp_path):
    """(a model whose family file lists FOREIGN, its state dict under other names, a path)."""
    monkeypatch.setattr(registry, "_recipes", dict(registry._recipes))
    register("lenet_foreign", lenet.LeNet, lenet.VARIANTS["lenet1"], paper="none", num_classes=10)
    model = create_model("lenet_foreign")
    state = {}
    for key, value in model.state_dict().items():
        layer, _, leaf = key.partition(".")
        state[f"{layer.replace('c', 'conv').upper()}.{leaf}"] = value.clone() + 1
    return model, state, tmp_path / "w.pth"


def test_names_of_another_source(foreign):
    model, theirs, path = foreign
    assert set(theirs) == {f"{name}.{leaf}" for name in ("CONV1", "CONV3", "OUTPUT") for leaf in ("weight", "bias")}
    load_weights(model, dump(theirs, path))
    assert torch.equal(model.c1.weight, theirs["CONV1.weight"])
    assert torch.equal(model.output.bias, theirs["OUTPUT.bias"])


def test_names_of_another_source_are_strict_too(foreign):
    model, theirs, path = foreign
    theirs.pop("OUTPUT.bias")
    with pytest.raises(WeightsError, match=r"1 missing: output\.bias$"):
        load_weights(model, dump(theirs, path))
    with pytest.raises(WeightsError, match=r"6 missing: .*; 1 unexpected: of\.nobody$"):
        load_weights(model, dump({"of.nobody": torch.ones(1)}, path))
    with pytest.raises(WeightsError, match=r"6 unexpected"):  # another family does not know these names
        load_weights(create_model("lenet1"), dump({**theirs, "OUTPUT.bias": torch.ones(10)}, path))


SMALLEST = {v.family: v.name for v in sorted(index.VARIANTS, key=lambda v: -v.params) if v.name in list_models()}


@pytest.mark.parametrize("name", SMALLEST.values())
def test_heads(name):
    """What depends on the class count is a parameter of that many rows, and no more than a tenth of the tensors."""
    keys = head_keys(name)
    with torch.device("meta"):
        state = create_model(name, num_classes=7).state_dict()
    assert keys
    assert {state[key].shape[0] for key in keys} == {7}
    assert len(keys) <= max(4, 0.1 * len(state))


def test_a_head_is_made_anew(tmp_path, state):
    model = create_model(NAME, num_classes=3)
    assert head_keys(NAME) == ["fc.weight", "fc.bias"]
    path = dump(state, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="num_classes=10"):
        load_weights(model, path)
    assert load_weights(model, path, remade=head_keys(NAME)) == ["fc.weight", "fc.bias"]
    assert torch.equal(model.conv1.weight, state["conv1.weight"])
    draws = []
    for seed in (1, 1, 2):
        draw(model, ["fc.weight", "fc.bias"], seed=seed)
        draws.append(model.fc.weight.clone())
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert torch.equal(model.conv1.weight, state["conv1.weight"])
    assert load_weights(create_model(NAME), path, remade=head_keys(NAME)) == []
    del state["bn1.weight"]
    with pytest.raises(WeightsError, match=r"1 missing: bn1\.weight$"):
        load_weights(model, dump(state, path), remade=head_keys(NAME))
