"""The library as a training script calls it: what it takes, what it gives, and what it leaves as it was."""

import copy
import logging
import random
import threading
import warnings

import edgeport
import numpy as np
import onnx
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

QUICK = {"num_runs": 2, "warmup_runs": 1, "num_validation_samples": 4}


class Net(nn.Module):
    """A small classifier, trained nowhere."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        return self.head(torch.relu(self.norm(self.conv(x))).mean((2, 3)))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net()


@pytest.fixture
def arrays():
    return np.random.default_rng(0).standard_normal((24, 3, 16, 16)).astype(np.float32)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGEPORT_CACHE", str(tmp_path / "cache"))


def test_a_module_in_training(net, arrays, capsys):
    """Nothing of it, of the process or of the terminal changes, and the artifact agrees with it."""
    net.train()
    before = copy.deepcopy(net.state_dict())
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    torch.manual_seed(7)
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    filters = list(warnings.filters)
    root = list(logging.getLogger().handlers), logging.getLogger().level
    result = edgeport.export(net, "tflite", precision="int8", input_shape=(3, 16, 16), calibration=arrays, **QUICK)
    assert capsys.readouterr() == ("", "")
    assert net.training
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert not net._forward_hooks
    assert (torch.get_num_threads(), torch.get_default_dtype()) == (threads, dtype)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])
    assert random.getstate() == states[2]
    assert list(warnings.filters) == filters
    assert (list(logging.getLogger().handlers), logging.getLogger().level) == root
    assert result.ok
    assert result.path.name == "Net_int8.tflite"
    session = edgeport.open_session(result.path)
    with torch.inference_mode():
        wanted = net.eval()(torch.from_numpy(arrays[:1])).numpy()
    (got,) = session.run({"image": arrays[:1]}).values()
    assert 10 * np.log10(np.square(wanted).sum() / np.square(wanted - got).sum()) > 15


def test_twice_and_from_a_thread(net, arrays):
    """The same bytes each time."""
    found = []

    def run(folder):
        made = edgeport.export(net, "onnx", input_shape=(3, 16, 16), output_dir=folder, benchmark=False)
        found.append(made.path.read_bytes())

    run("one")
    run("two")
    thread = threading.Thread(target=run, args=("three",))
    thread.start()
    thread.join()
    assert len(found) == 3
    assert len(set(found)) == 1


class Two(nn.Module):
    def forward(self, x, ids):
        return x.mean((1, 2, 3))[:, None] + ids.float()


EXAMPLES = {
    "a tensor": (Net, torch.zeros(1, 3, 16, 16), [("image", (1, 3, 16, 16), "float32")]),
    "an array": (Net, np.zeros((1, 3, 16, 16)), [("image", (1, 3, 16, 16), "float32")]),
    "a tuple": (
        Two,
        (torch.zeros(1, 3, 4, 4), torch.zeros(1, 2, dtype=torch.int64)),
        [("x", (1, 3, 4, 4), "float32"), ("ids", (1, 2), "int64")],
    ),
    "a dict": (
        Two,
        {"ids": torch.zeros(1, 2, dtype=torch.int64), "x": torch.zeros(1, 3, 4, 4)},
        [("x", (1, 3, 4, 4), "float32"), ("ids", (1, 2), "int64")],
    ),
}


@pytest.mark.parametrize("what", EXAMPLES)
def test_example_inputs_say_what_a_module_takes(what):
    make, examples, wanted = EXAMPLES[what]
    source = edgeport.load(make(), example_inputs=examples)
    assert [(each.name, each.shape, each.dtype) for each in source.input_spec.inputs] == wanted
    result = edgeport.export(source, "onnx", **QUICK)
    assert result.verdict == "ok"


def test_an_exported_program_and_an_onnx_model(net, arrays):
    program = torch.export.export(net.eval(), (torch.zeros(1, 3, 16, 16),))
    first = edgeport.export(program, "tflite", name="traced", benchmark=False)
    assert (first.verdict, first.path.name) == ("ok", "traced_fp32.tflite")
    made = edgeport.export(net, "onnx", input_shape=(3, 16, 16), benchmark=False)
    second = edgeport.export(onnx.load(made.path), "tflite", name="again", benchmark=False)
    assert (second.verdict, second.path.name) == ("ok", "again_fp32.tflite")
    sessions = [edgeport.open_session(each.path) for each in (first, second)]
    (a,), (b,) = (session.run({session.inputs[0].name: arrays[:1]}).values() for session in sessions)
    np.testing.assert_allclose(a, b, atol=1e-5)


def loader(arrays, **options):
    return DataLoader(TensorDataset(torch.from_numpy(arrays), torch.arange(len(arrays)) % 5), **options)


DATA = {
    "an array": lambda a: a,
    "a tensor": torch.from_numpy,
    "a dict of arrays": lambda a: {"image": a},
    "a loader of batches": lambda a: loader(a, batch_size=5),
    "a dataset": lambda a: TensorDataset(torch.from_numpy(a), torch.zeros(len(a), dtype=torch.int64)),
    "a generator of samples": lambda a: (each for each in a),
    "a list of dicts": lambda a: [{"image": each[None]} for each in a],
}


@pytest.mark.parametrize("what", DATA)
def test_calibration_data_of_every_kind(net, arrays, what):
    """All of them hold the same samples, so the ranges, and the bytes, are the same."""
    options = {"input_shape": (3, 16, 16), "precision": "int8", "benchmark": False, **QUICK}
    wanted = edgeport.export(net, "onnx", calibration=arrays, output_dir="wanted", **options)
    got = edgeport.export(net, "onnx", calibration=DATA[what](arrays), output_dir="got", **options)
    manifests = [edgeport.Manifest.read(each.manifest_path) for each in (wanted, got)]
    assert manifests[0].calibration.inputs == manifests[1].calibration.inputs
    assert wanted.path.read_bytes() == got.path.read_bytes()
    assert not any("GENERATED" in sentence for sentence in got.warnings)


def test_labels_of_a_loader_judge_a_budget(net, arrays):
    """True classes come from the data; no folders are needed."""
    net.eval()
    others = torch.from_numpy(arrays * 0.9)
    with torch.inference_mode():
        classes = net(others).argmax(1)
    data = DataLoader(TensorDataset(others, classes), batch_size=4)
    result = edgeport.export(
        net,
        "tflite",
        precision="int8",
        input_shape=(3, 16, 16),
        calibration=arrays,
        validation=data,
        max_drop=0.5,
        benchmark=False,
    )
    assert result.search.budget.goal == "max_drop"
    assert result.search.budget.met
    assert edgeport.Manifest.read(result.manifest_path).budget == result.search.budget


def test_images_of_a_folder(tmp_path):
    from PIL import Image

    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for i in range(8):
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(tmp_path / "photos" / f"{i}.png")
    photos = edgeport.images(tmp_path / "photos")
    assert len(photos) == 8
    result = edgeport.export(
        "mobilenetv3_test", "tflite", precision="int8", weights="random", calibration=photos, **QUICK
    )
    manifest = edgeport.Manifest.read(result.manifest_path)
    assert manifest.calibration.source == str(tmp_path / "photos")
    assert result.float_twin is not None
    assert result.float_twin.precision == "fp32"
    again = edgeport.validate(result.path, data=photos, num_validation_samples=1)
    assert again.precision == "int8"
    times = edgeport.benchmark(result.float_twin.path, result.path, num_runs=2, warmup_runs=1)
    assert times.results[0].ratio == 1.0
    layers = edgeport.debug(result.path, data=photos, num_validation_samples=1)
    assert set(layers.worst_first) == {layer.name for layer in layers.layers}
    assert all(file.exists() for file in layers.files)
    bundle = edgeport.bundle(result.path, "linux", output=tmp_path / "bundle")
    assert (bundle.folder / "bundle.json").exists()
    report = edgeport.report(tmp_path / "artifacts")
    assert {row.precision for row in report.rows} == {"fp32", "int8"}
    assert report.page.exists()


def test_several_targets_go_on_behind_an_error(net):
    results = edgeport.export_all(net, ["tflite", "openvino"], input_shape=(3, 16, 16), precision="dynamic", **QUICK)
    assert [result.target for result in results] == ["tflite", "openvino"]
    assert results[0].path is not None
    assert isinstance(results[1], edgeport.ExportFailure)
    assert results[1].verdict.startswith("error: openvino: no precision dynamic")
    assert not results[1].ok


def test_progress_is_told_and_logged(net, caplog):
    events = []
    with caplog.at_level(logging.INFO, "edgeport"):
        edgeport.export(net, "onnx", input_shape=(3, 16, 16), progress=events.append, **QUICK)
    kinds = [event.kind for event in events]
    assert kinds.count("begin") == kinds.count("end") > 3
    assert any(event.kind == "note" and "generated inputs" in event.text for event in events)
    assert any("generated inputs" in record.message for record in caplog.records)


def test_results_show_themselves(net):
    result = edgeport.export(net, "onnx", input_shape=(3, 16, 16), name="<b>&", **QUICK)
    html = result._repr_html_()
    assert html.startswith("<table>")
    assert str(result.path) in html  # a name becomes one that a file can have
    assert "<b>" not in html.replace("<table>", "")
    assert "verdict" in str(result)
    assert "seconds" not in repr(result)
    times = edgeport.benchmark(result.path, num_runs=1, warmup_runs=1)
    assert "<td>" in times._repr_html_()
    assert "<td>" in edgeport.validate(result.path, reference=net)._repr_html_()
    assert "<td>" in edgeport.doctor()._repr_html_()


NET = {"input_shape": (3, 16, 16)}
WRONG = {  # what is wrong: (the call, its error, what the sentence says)
    "no shape": (lambda net: edgeport.export(net), edgeport.UsageError, "give input_shape=(3, 224, 224)"),
    "both": (
        lambda net: edgeport.export(net, example_inputs=torch.zeros(1, 3, 16, 16), **NET),
        edgeport.UsageError,
        "not both",
    ),
    "target": (lambda net: edgeport.export(net, "tflight", **NET), edgeport.UsageError, "no target 'tflight'"),
    "precision": (
        lambda net: edgeport.export(net, precision="int4", **NET),
        edgeport.UsageError,
        "precision: 'int4' is none of fp32, fp16, int8",
    ),
    "argument": (
        lambda net: edgeport.export(net, calibraton=[], **NET),
        edgeport.UsageError,
        "no argument 'calibraton'; did you mean 'calibration'?",
    ),
    "other target's option": (
        lambda net: edgeport.export(net, "onnx", plain_operators=True, **NET),
        edgeport.UsageError,
        "--plain-operators is for --target tflite",
    ),
    "shape": (lambda net: edgeport.export(net, input_shape="3x16x16"), edgeport.UsageError, "must be sizes such as"),
    "count": (lambda net: edgeport.export(net, num_runs=0, **NET), edgeport.UsageError, "whole number of at least 1"),
    "data": (
        lambda net: edgeport.export(net, validation=np.zeros((4, 3, 8, 8), np.float32), **NET),
        edgeport.UsageError,
        "shape (4, 3, 8, 8), the model wants (n, 3, 16, 16)",
    ),
    "NaN": (
        lambda net: edgeport.export(net, validation=np.full((4, 3, 16, 16), np.nan, np.float32), **NET),
        edgeport.UsageError,
        "NaN or infinite",
    ),
    "no data": (lambda net: edgeport.export(net, validation=[], **NET), edgeport.UsageError, "holds no samples"),
    "folder": (lambda net: edgeport.images("nowhere"), edgeport.ImageError, "nowhere"),
    "model": (lambda net: edgeport.export(7), edgeport.UsageError, "a int is no model that edgeport takes"),
    "name": (lambda net: edgeport.load("mobilevit_z"), edgeport.UnknownModel, "mobilevit_s"),
    "artifact": (lambda net: edgeport.open_session("a.tflite"), edgeport.ArtifactError, "a.tflite: no such file"),
    "platform": (lambda net: edgeport.bundle("a.tflite", "watch"), edgeport.UsageError, "platform: 'watch' is none of"),
    "device": (
        lambda net: edgeport.benchmark_on_device("toaster", "a.tflite"),
        edgeport.UsageError,
        "a device is local|ssh:",
    ),
    "models": (lambda net: edgeport.sweep(), edgeport.UsageError, "nothing to sweep over"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_one_sentence(net, what, capsys):
    call, error, words = WRONG[what]
    with pytest.raises(error) as caught:
        call(net)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, edgeport.EdgeportError)
    assert caught.value.exit_code in edgeport.EXIT_CODES
    assert capsys.readouterr() == ("", "")


def test_a_bug_of_ones_own_code_stays_its_own(tmp_path):
    class Bad(Net):
        def forward(self, x):
            raise ZeroDivisionError("mine")

    with pytest.raises(edgeport.UsageError, match=r"does not run on an input of 3x16x16 \(at test_export.py:\d+\): m"):
        edgeport.export(Bad(), input_shape=(3, 16, 16))
    assert not list(tmp_path.glob("artifacts/*"))


def test_a_module_that_cannot_be_copied(net):
    net.lock = threading.Lock()
    with pytest.raises(edgeport.UsageError, match="a Net cannot be copied"):
        edgeport.load(net, input_shape=(3, 16, 16))


def test_what_other_libraries_wrap_is_taken_out(net):
    wrapped = nn.DataParallel(net)
    result = edgeport.export(wrapped, "onnx", input_shape=(3, 16, 16), name="net", benchmark=False)
    assert result.verdict == "ok"


def test_what_is_loaded_is_a_copy(net):
    """Training goes on without it."""
    moved = copy.deepcopy(net)
    source = edgeport.load(moved, input_shape=(3, 16, 16))
    with torch.no_grad():
        moved.conv.weight.zero_()
    session = source.session()
    x = np.ones((1, 3, 16, 16), np.float32)
    (got,) = session.run({"image": x}).values()
    with torch.inference_mode():
        wanted = net.eval()(torch.from_numpy(x)).numpy()
    np.testing.assert_array_equal(got, wanted)


def test_validating_what_was_in_memory_needs_it_again(net):
    result = edgeport.export(net, "onnx", input_shape=(3, 16, 16), benchmark=False)
    with pytest.raises(edgeport.UsageError, match="was made of a model in memory"):
        edgeport.validate(result.path)
    assert edgeport.validate(result.path, reference=net).verdict == "ok"


@pytest.mark.parametrize(("target", "precision"), [("onnx", "fp32"), ("openvino", "int8")])
def test_any_number_of_images(tmp_path, target, precision):
    """Every one gets what it gets alone; the manifest and `info` say with how many it was run."""
    options = {"weights": "random", "benchmark": False, "num_validation_samples": 4, "num_calibration_samples": 4}
    result = edgeport.export("lenet5", target, precision=precision, dynamic="batch", output_dir=tmp_path, **options)
    assert not result.verdict.startswith("fail")
    manifest = edgeport.Manifest.read(result.manifest_path)
    assert manifest.batches == (1, 2, 5)
    assert manifest.inputs[0].shape == (None, 1, 32, 32)
    session = edgeport.open_session(result.path)
    (taken,), (given,) = session.inputs, session.outputs
    images = np.random.default_rng(0).standard_normal((7, 1, 32, 32)).astype(np.float32)
    alone = np.concatenate([session.run({taken.name: image[None]})[given.name] for image in images])
    np.testing.assert_allclose(session.run({taken.name: images})[given.name], alone, rtol=1e-3, atol=1e-3)
    again = edgeport.validate(result.path, num_validation_samples=4)
    assert not again.verdict.startswith("fail")


def test_a_target_of_one_size_refuses_others(tmp_path):
    options = {"weights": "random", "output_dir": tmp_path, "dynamic": "batch"}
    with pytest.raises(edgeport.ExportError, match="tflite: its artifacts take one size"):
        edgeport.export("lenet5", "tflite", **options)
    with pytest.raises(edgeport.UsageError, match="--dynamic batch and --nms: boxes are suppressed in one image"):
        edgeport.export("lenet5", "onnx", nms=5, **options)
