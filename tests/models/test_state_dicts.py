"""What training scripts save loads as it is: any key, any prefix, beside anything; what does not fit is explained."""

import argparse
import copy
import enum
import logging
import pathlib
import re

import numpy as np
import pytest
import torch
from edgeport.models import WeightsError, create_model, load_weights, redraw
from edgeport.models.weights import fit_weights
from safetensors.torch import save_file
from torch import nn
from torch.optim.swa_utils import AveragedModel

NAME, SIZE = "resnet_test", (3, 32, 32)


class Mode(enum.Enum):
    """Something that a configuration holds."""

    FAST = 1


class LitModule(nn.Module):
    """As Lightning users write it: the network, its loss, a metric."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.criterion = nn.CrossEntropyLoss(weight=torch.ones(10))
        self.train_acc = nn.Module()
        self.train_acc.register_buffer("tp", torch.zeros(10))


def make(seed):
    model = create_model(NAME)
    redraw(model, seed=seed, input_size=SIZE)
    return model


@pytest.fixture(scope="module")
def trained():
    return make(3)


@pytest.fixture(scope="module")
def averaged():
    return make(4)


def behind(prefix, state):
    return {f"{prefix}{key}": value for key, value in state.items()}


def training(model):
    """What lies beside the weights: an optimizer's state, arguments, NumPy's numbers, a random generator's state."""
    model = copy.deepcopy(model)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.zeros(1, *SIZE)).sum().backward()
    optimizer.step()
    return {
        "epoch": 3,
        "arch": NAME,
        "optimizer": optimizer.state_dict(),
        "args": argparse.Namespace(lr=0.1, path=pathlib.Path("x"), mode=Mode.FAST, device=torch.device("cpu")),
        "metric": np.float64(81.5),
        "history": np.arange(5),
        "rng": torch.get_rng_state(),
        "classes": {"cat", "dog"},
    }


SAVED = {
    "timm": lambda s, m: {**training(m), "state_dict": s, "version": 2},
    "the tutorial": lambda s, m: {**training(m), "model_state_dict": s, "loss": torch.tensor(0.3)},
    "model_ema alone": lambda s, m: {"model_ema": s},
    "basicsr": lambda s, m: {"params": s},
    "basicsr, averaged": lambda s, m: {"params_ema": s},
    "net": lambda s, m: {"net": s, "acc": 81.5, "epoch": 3},
    "weights": lambda s, m: {"weights": s},
    "a key of one's own": lambda s, m: {"my_network_v2": s, "lr": 0.1},
    "two levels": lambda s, m: {"checkpoint": {"model": s}, "config": {"a": [1, 2]}},
    "a tuple": lambda s, m: (s, {"epoch": 3}),
    "numbers beside": lambda s, m: {**s, "lr": 0.1, "args": argparse.Namespace()},
    "lightning": lambda s, m: {"state_dict": LitModule(m).state_dict(), "callbacks": {"ModelCheckpoint{}": {}}},
    "lightning, compiled": lambda s, m: {"state_dict": behind("model._orig_mod.", s)},
    "lightning's key": lambda s, m: {"state_dict": behind("net.backbone.", s), "pytorch-lightning_version": "2.5"},
    "data parallel": lambda s, m: nn.DataParallel(m).state_dict(),
    "data parallel, compiled": lambda s, m: {"model": behind("module._orig_mod.", s)},
    "compiled, data parallel": lambda s, m: {"model": behind("_orig_mod.module.", s)},
    "parts data parallel": lambda s, m: {k.replace("layer1.", "layer1.module."): v for k, v in s.items()},
    "parts compiled": lambda s, m: {k.replace("layer1.", "layer1._orig_mod."): v for k, v in s.items()},
    "fully sharded": lambda s, m: {k.replace("layer2.", "_fsdp_wrapped_module.layer2."): v for k, v in s.items()},
    "averaged model": lambda s, m: AveragedModel(m).state_dict(),
    "parameters": lambda s, m: {**dict(m.named_parameters()), **dict(m.named_buffers())},
}


def same(model, want):
    got, want = model.state_dict(), want.state_dict()
    return all(torch.equal(got[key], want[key]) for key in want if not key.endswith("num_batches_tracked"))


@pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("how", SAVED)
def test_loads_what_training_writes(tmp_path, trained, how, new):
    path, model = tmp_path / "last.ckpt", create_model(NAME)
    torch.save(SAVED[how](trained.state_dict(), trained), path, _use_new_zipfile_serialization=new)
    load_weights(model, path)
    assert same(model, trained)


EMAS = {
    "model_ema": lambda s, e: {"model": s, "model_ema": e},
    "timm": lambda s, e: {"state_dict": s, "state_dict_ema": e},
    "ema": lambda s, e: {"ema": behind("module.", e), "model": s},
    "ema_state_dict": lambda s, e: {"model_state_dict": s, "ema_state_dict": e},
    "module_ema": lambda s, e: {"module": s, "module_ema": e},
    "params_ema": lambda s, e: {"params": s, "params_ema": e},
    "camel case": lambda s, e: {"model": s, "modelEMA": e},
    "lightning's callback": lambda s, e: {
        "state_dict": behind("model.", s),
        "callbacks": {"EMACallback": {"ema_state_dict": behind("model.", e)}},
    },
    "lightning's module": lambda s, e: {"state_dict": behind("model.", s) | behind("ema_model.module.", e)},
    "lightning's weight averaging": lambda s, e: {"state_dict": e, "current_model_state": s, "averaging_state": {}},
    "beside in one": lambda s, e: {**s, **behind("ema.", e)},
    "swa": lambda s, e: {"net": s, "swa_net": e},
}


@pytest.mark.parametrize("how", EMAS)
def test_takes_the_average_and_says_so(tmp_path, trained, averaged, how):
    path, model = tmp_path / "last.pth", create_model(NAME)
    content = EMAS[how](trained.state_dict(), averaged.state_dict())
    torch.save(content, path)
    loaded = fit_weights(model, path)
    assert same(model, averaged)
    (sentence,) = loaded.warnings
    assert f"took {loaded.key!r}" in sentence
    assert "not" in sentence
    assert "--weights-key" in sentence
    plain = {"ema": "model", "lightning's callback": "state_dict", "lightning's module": "state_dict.model"}
    key = plain.get(how, "current_model_state" if "averaging" in how else "" if "one" in how else next(iter(content)))
    assert fit_weights(model, path, key=key).key == ("state_dict.model" if "callback" in how else key)
    assert same(model, trained)


def test_an_average_of_the_parameters_has_the_buffers_of_the_weights(tmp_path, trained, averaged):
    path, model = tmp_path / "last.pth", create_model(NAME)
    torch.save({"model": trained.state_dict(), "ema": dict(averaged.named_parameters())}, path)
    assert "took 'ema'" in fit_weights(model, path).warnings[0]
    assert torch.equal(model.fc.weight, averaged.fc.weight)
    assert torch.equal(model.bn1.running_var, trained.bn1.running_var)


def test_an_average_that_does_not_fit_is_named(tmp_path, trained, averaged):
    path, model = tmp_path / "last.pth", create_model(NAME)
    ema = averaged.state_dict()
    del ema["fc.bias"]
    for content, why in ((ema, "1 missing: fc.bias"), (averaged, "it is a pickled module")):
        torch.save({"model": trained.state_dict(), "ema": content}, path)
        (sentence,) = fit_weights(model, path).warnings
        assert same(model, trained)
        assert "'ema' is not taken" in sentence
        assert why in sentence


def test_asks_which_of_two(tmp_path, trained, averaged):
    path, model = tmp_path / "last.pth", create_model(NAME)
    torch.save({"last": {"net": trained.state_dict()}, "best": {"net": averaged.state_dict()}}, path)
    with pytest.raises(WeightsError, match=r"'last\.net' and 'best\.net': say which by --weights-key"):
        load_weights(model, path)
    load_weights(model, path, key="best")
    assert same(model, averaged)
    load_weights(model, path, key="last.net")
    assert same(model, trained)
    with pytest.raises(WeightsError, match=r"no tensors by name under 'first'; it has them under 'last\.net', 'best\."):
        load_weights(model, path, key="first")
    torch.save({"last": trained.state_dict(), "best": trained.state_dict()}, path)  # twice the same
    load_weights(create_model(NAME), path)


BESIDE = {
    "a loss": ({"criterion.weight": torch.ones(10)}, "1 tensors .*criterion.weight"),
    "a teacher": (behind("teacher.", make(5).state_dict()), "not 'teacher'"),
    "a loss in the head": ({"fc.loss.weight": torch.ones(10)}, "fc.loss.weight"),
    "a projection": ({"projector.0.weight": torch.ones(10), "temperature": torch.ones(1)}, "2 tensors .*projector"),
}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("prefix", ["", "model."])
@pytest.mark.parametrize("what", BESIDE)
def test_ignores_what_is_beside_the_model_and_says_so(tmp_path, trained, what, prefix, suffix):
    more, sentence = BESIDE[what]
    path, model = tmp_path / f"last{suffix}", create_model(NAME)
    state = behind(prefix, trained.state_dict()) | (behind(prefix, more) if what == "a loss in the head" else more)
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    (said,) = fit_weights(model, path).warnings
    assert same(model, trained)
    assert re.search(sentence, said), said


@pytest.mark.parametrize("key", ["fc.scale", "layer9.0.conv1.weight", "layer1.7.conv1.weight", "bn7.weight"])
@pytest.mark.parametrize("prefix", ["", "model."])
def test_refuses_what_looks_like_the_models(tmp_path, trained, key, prefix):
    path = tmp_path / "last.pth"
    torch.save(behind(prefix, trained.state_dict() | {key: torch.ones(3)}), path)
    with pytest.raises(WeightsError, match=f"1 unexpected: {key}$"):
        load_weights(create_model(NAME), path)


def test_says_what_fits_nearly(tmp_path, trained):
    path, state = tmp_path / "last.pth", trained.state_dict()
    del state["layer1.0.conv1.weight"]
    torch.save({"state_dict": behind("encoder.", state)}, path)
    with pytest.raises(
        WeightsError, match=r"the model's 62 tensors: 61 do under 'state_dict.encoder'; 1 missing: layer1\.0\.conv1"
    ):
        load_weights(create_model(NAME), path)


def test_a_wrapper_takes_the_weights_of_what_it_wraps(tmp_path, trained):
    class Wrapper(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Module()
            self.inner.net = create_model(NAME)

    model = Wrapper()
    torch.save({"state_dict": behind("module.", trained.state_dict())}, tmp_path / "last.pth")
    load_weights(model, tmp_path / "last.pth")
    assert same(model.inner.net, trained)
    compiled = torch.compile(create_model(NAME))
    load_weights(compiled, tmp_path / "last.pth")
    assert same(compiled._orig_mod, trained)


def test_a_pickled_module_is_explained(tmp_path, trained):
    for content, where in ((trained, ""), ({"model": trained, "epoch": 3}, " under 'model'")):
        torch.save(content, tmp_path / "last.pth")
        with pytest.raises(WeightsError, match=r"whole pickled module .*ResNet.*save module\.state_dict\(\)") as e:
            load_weights(create_model(NAME), tmp_path / "last.pth")
        assert where in str(e.value)
    scripted = torch.jit.script(nn.Linear(2, 2))
    scripted.save(tmp_path / "last.pth")
    with pytest.raises(WeightsError, match=r"TorchScript file; save torch\.jit\.load"):
        load_weights(create_model(NAME), tmp_path / "last.pth")


def test_says_it_to_the_log(tmp_path, trained, averaged, caplog):
    torch.save({"model": trained.state_dict(), "model_ema": averaged.state_dict()}, tmp_path / "last.pth")
    with caplog.at_level(logging.INFO, logger="edgeport"):
        load_weights(create_model(NAME), tmp_path / "last.pth")
    assert [(record.levelname, "model_ema" in record.message) for record in caplog.records] == [
        ("INFO", True),
        ("WARNING", True),
    ]
