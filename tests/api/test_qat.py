"""edgeport.prepare_qat: fake quantisation where the artifact rounds, training in a plain loop, and export."""

import copy

import edgeport
import numpy as np
import pytest
import torch
from edgeport.targets.registry import get_target, open_inspector
from torch import nn
from torch.nn import functional as F

TRAIN, CALIBRATE = 1400, 96
QUICK = {"precision": "int8", "benchmark": False, "num_validation_samples": 8}


class Net(nn.Module):
    """BatchNorm, a depthwise layer, ReLU6, HardSwish, a gate, a pool, a Concat, a residual sum, a linear."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU6())
        self.depthwise = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.BatchNorm2d(16), nn.Hardswish())
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(16, 16, 1), nn.Sigmoid())
        self.point = nn.Sequential(nn.Conv2d(16, 16, 1), nn.BatchNorm2d(16))
        self.pool, self.side = nn.MaxPool2d(2), nn.Conv2d(16, 16, 1, stride=2)
        self.last = nn.Sequential(nn.Conv2d(32, 32, 3, stride=2, padding=1), nn.BatchNorm2d(32), nn.ReLU())
        self.head = nn.Linear(32, 10)

    def forward(self, image):
        x = self.stem(image)
        y = self.depthwise(x)
        y = self.point(y * self.gate(y)) + x
        return self.head(self.last(torch.cat([self.pool(y), self.side(y)], 1)).mean((2, 3)))


@pytest.fixture(scope="module")
def digits():
    """(images (n, 1, 8, 8), labels), shuffled; the first TRAIN are for training."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    return torch.tensor(data.images[order, None] / 16, dtype=torch.float32), torch.tensor(data.target[order])


@pytest.fixture(scope="module")
def trained(digits):
    """The network after some seconds of training in float."""
    torch.manual_seed(0)
    model = Net()
    train(model, *digits, epochs=3, rate=8e-3)
    return model.eval()


def train(model, images, labels, *, epochs, rate):
    """A plain loop; returns the mean loss of each epoch."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    optimizer, losses = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01), []
    model.train()
    for _ in range(epochs):
        total = 0.0
        for rows in torch.randperm(TRAIN, generator=generator).split(56):
            loss = F.cross_entropy(model(images[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows) / TRAIN
        losses.append(total)
    torch.set_num_threads(threads)
    return losses


def prepare(model, digits, target, **options):
    given = {"calibration": digits[0][:CALIBRATE], "example_inputs": digits[0][:1], "name": "digits"}
    return edgeport.prepare_qat(model, target, **{"effort": "fast", **given, **options})


@pytest.fixture(scope="module")
def of_onnx(trained, digits):
    """Prepared for ONNX; copy it before training it."""
    return prepare(trained, digits, "onnx")


@pytest.fixture(scope="module")
def of_tflite(trained, digits):
    """The same for TFLite."""
    return prepare(trained, digits, "tflite")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGEPORT_CACHE", str(tmp_path / "cache"))


@torch.no_grad()
def answers(module, images):
    return module(images).numpy()


def artifact_answers(path, images):
    session = edgeport.open_session(path)
    (taken,) = session.inputs
    return np.concatenate([next(iter(session.run({taken.name: image[None].numpy()}).values())) for image in images])


def snr_db(wanted, got):
    return 10 * np.log10((wanted**2).sum() / max(((wanted - got) ** 2).sum(), 1e-30))


TARGETS = [("tflite", None), ("tflite", "npu"), ("openvino", None), ("onnx", None)]
SLOW = [pytest.param("coreml", None, marks=pytest.mark.exhaustive)]


@pytest.mark.parametrize(("target", "profile"), [*TARGETS, *SLOW])
def test_what_is_trained_is_what_ships(trained, digits, target, profile):
    """Places, scales, weights and biases of the artifact are the module's; so are its answers."""
    images, labels = digits
    qat = prepare(trained, digits, target, profile=profile)
    start = answers(qat, images[TRAIN:])
    train(qat, images, labels, epochs=1, rate=1e-3)
    qat.eval()
    moved = [each.log_scale.item() for each in qat.quantizers.values() if each.log_scale is not None]
    assert np.abs(moved).max() > 1e-3

    result = edgeport.export(qat, target, validation=images[TRAIN:], **QUICK)
    assert result.precision == "int8"
    assert not any("not been trained" in each for each in result.warnings)
    assert edgeport.info(result.path)["manifest"]["quantized_by"] == "training"
    inspector = open_inspector(result.path)
    exact = 1e-3 if target == "coreml" else 1e-6  # its scales are of half precision
    shared = inspector.encodings.keys() & qat.template.plan.activations.keys()
    assert len(shared) >= 5
    for name in shared:
        ours, theirs = qat.quantizer(name).qparams(), inspector.encodings[name]
        assert theirs.scale == pytest.approx(ours.scale, rel=exact)
        assert theirs.range == pytest.approx(ours.range, rel=10 * exact)
    with torch.no_grad():
        _, plan = qat.quantized(get_target(target).kernels(profile))
    for unit in plan.units:
        if unit.weight in plan.weights and unit.output in inspector.weights:
            weight = qat.constant(unit.weight).detach().numpy()
            weight = plan.weights[unit.weight].dequantize(plan.weights[unit.weight].quantize(weight))
            stored = inspector.weights[unit.output]
            ours = weight if unit.kind != "Linear" else weight.T.reshape(stored.shape)
            np.testing.assert_allclose(stored, ours, rtol=10 * exact, atol=1e-7)

    assert edgeport.validate(result.path, reference=qat, data=images[TRAIN : TRAIN + 8]).agreement.snr_db > 30
    simulated, made = answers(qat, images[TRAIN:]), artifact_answers(result.path, images[TRAIN:])
    assert (simulated.argmax(1) == made.argmax(1)).mean() >= 0.995
    assert snr_db(simulated, made) > snr_db(start, simulated) + 10  # far nearer than training has moved it


@pytest.mark.parametrize("target", ["tflite", pytest.param("openvino", marks=pytest.mark.exhaustive)])
def test_before_training_it_is_what_calibration_alone_gives(trained, digits, target):
    options = {"calibration": digits[0][:CALIBRATE]}
    qat = prepare(trained, digits, target, effort="default")
    of_qat = edgeport.export(qat, target, validation=digits[0][TRAIN:], output_dir="qat", **QUICK)
    assert any("not been trained" in each for each in of_qat.warnings)
    example = {"example_inputs": digits[0][:1], "validation": digits[0][TRAIN:], "name": "digits"}
    plain = edgeport.export(trained, target, output_dir="plain", **options, **example, **QUICK)
    one, other = open_inspector(of_qat.path), open_inspector(plain.path)
    assert one.encodings == other.encodings
    assert set(one.integer) == set(other.integer)
    few = digits[0][TRAIN : TRAIN + 20]
    assert np.array_equal(artifact_answers(of_qat.path, few), artifact_answers(plain.path, few))


def test_every_weight_has_a_gradient_and_training_lowers_the_loss(trained, digits):
    images, labels = digits
    spoiled = copy.deepcopy(trained)
    with torch.no_grad():
        for parameter in spoiled.parameters():
            parameter += (
                0.15
                * parameter.std(correction=0)
                * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
            )
    before = {name: tensor.clone() for name, tensor in spoiled.state_dict().items()}
    qat = prepare(spoiled, digits, "tflite").train()
    assert qat(images[:5]).shape == (5, 10)
    F.cross_entropy(qat(images[:32]), labels[:32]).backward()
    names = dict(qat.named_parameters())
    assert {"stem.0.weight", "stem.0.bias", "depthwise.0.weight", "head.weight", "head.bias"} <= names.keys()
    for name, parameter in names.items():
        assert parameter.grad is not None, name
        if not name.endswith("log_scale"):
            assert parameter.grad.abs().sum() > 0, name
    losses = train(qat, images, labels, epochs=2, rate=1e-3)
    assert losses[-1] < 0.8 * losses[0]
    assert int(qat.trained_batches) == 2 + 2 * TRAIN // 56
    assert all(torch.equal(tensor, before[name]) for name, tensor in spoiled.state_dict().items())


def nudge(qat):
    """As training does, at once."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in qat.parameters():
            parameter += 0.03 * torch.randn(parameter.shape, generator=generator)
    return qat


def test_it_is_saved_and_loaded(trained, digits, of_tflite, tmp_path):
    """A state dict brings weights, scales and zero points, whatever the other module was calibrated with."""
    images, _ = digits
    qat = nudge(copy.deepcopy(of_tflite))
    torch.save(qat.state_dict(), tmp_path / "qat.pt")
    other = prepare(trained, digits, "tflite", calibration=0.5 * images[CALIBRATE : 2 * CALIBRATE])
    assert not np.array_equal(answers(other, images[:50]), answers(qat, images[:50]))
    other.load_state_dict(torch.load(tmp_path / "qat.pt", weights_only=True))
    copied = copy.deepcopy(other)
    torch.save(qat, tmp_path / "whole.pt")
    whole = torch.load(tmp_path / "whole.pt", weights_only=False)
    for each in (other, copied, whole):
        assert np.array_equal(answers(each, images[:50]), answers(qat, images[:50]))
    paths = [
        edgeport.export(each, "tflite", validate=False, output_dir=f"out{i}", **QUICK).path
        for i, each in enumerate((qat, other, whole))
    ]
    assert len({path.read_bytes() for path in paths}) == 1


def test_units_that_are_kept_in_float_stay_there(trained, digits):
    qat = prepare(trained, digits, "tflite", keep_float=["head", "depthwise*"])
    assert "head.weight" in dict(qat.named_parameters())
    assert all("head" not in name for name in qat.template.plan.weights)


def test_train_and_eval_compute_the_same_and_export_leaves_the_module_alone(digits, of_onnx):
    qat = copy.deepcopy(of_onnx)
    with torch.no_grad():
        assert torch.equal(qat.train()(digits[0][:3]), qat.eval()(digits[0][:3]))
        one = torch.cat([qat(image[None]) for image in digits[0][:3]])
        torch.testing.assert_close(one, qat(digits[0][:3]), rtol=0, atol=1e-5)
    qat.train()
    state = copy.deepcopy(qat.state_dict())
    edgeport.export(nn.DataParallel(qat), "onnx", validate=False, **QUICK)
    assert qat.training
    assert all(torch.equal(state[name], tensor) for name, tensor in qat.state_dict().items())


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.rnn = nn.Linear(6, 8), nn.GRU(8, 4, batch_first=True)

    def forward(self, x):
        return self.rnn(self.linear(x))[0]


class Nothing(nn.Module):
    def forward(self, x):
        return x.exp()


ERRORS = {
    "an operator that is unknown here": (
        lambda qat, data: edgeport.prepare_qat(
            Recurrent().eval(),
            "openvino",
            example_inputs=torch.rand(1, 5, 6),
            calibration=np.zeros((4, 5, 6), np.float32),
        ),
        edgeport.ExportError,
        r"prepare_qat: GRU .*\(at 'rnn'.*cannot be trained through",
    ),
    "nothing in int8": (
        lambda qat, data: edgeport.prepare_qat(Nothing(), "openvino", input_shape=(1, 8, 8), calibration=data[0][:8]),
        edgeport.QuantizeError,
        "nothing of it runs in int8 on openvino",
    ),
    "no such target": (lambda qat, data: prepare(Nothing(), data, "tensorrt"), edgeport.UsageError, "tensorrt"),
    "no such profile": (
        lambda qat, data: prepare(Nothing(), data, "onnx", profile="npu"),
        edgeport.UsageError,
        "--profile npu is not of onnx",
    ),
    "prepared twice": (
        lambda qat, data: edgeport.prepare_qat(qat, "onnx"),
        edgeport.UsageError,
        "digits: is prepared already, for onnx",
    ),
    "another target": (
        lambda qat, data: edgeport.export(qat, "tflite", **QUICK),
        edgeport.UsageError,
        "trained for onnx, profile onnxruntime-cpu, not for tflite, profile xnnpack; prepare the model for that one",
    ),
    "another profile": (
        lambda qat, data: edgeport.export(qat, "tflite", profile="npu", **QUICK),
        edgeport.UsageError,
        "trained for onnx, profile onnxruntime-cpu, not for tflite, profile npu",
    ),
    "another precision": (
        lambda qat, data: edgeport.export(qat, "onnx", precision="fp16"),
        edgeport.UsageError,
        "is prequantized to int8; it cannot become fp16",
    ),
    "calibrated again": (
        lambda qat, data: edgeport.export(qat, "onnx", calibration=data[0][:8], **QUICK),
        edgeport.UsageError,
        "brings its own quantisation, so --calibration-data has nothing to set",
    ),
    "shapes again": (
        lambda qat, data: edgeport.export(qat, "onnx", input_shape=(1, 16, 16), **QUICK),
        edgeport.UsageError,
        "its inputs were said when it was prepared; leave out input_shape and example_inputs",
    ),
}


@pytest.mark.parametrize("what", ERRORS)
def test_errors(of_onnx, digits, what):
    call, error, words = ERRORS[what]
    with pytest.raises(error, match=words):
        call(of_onnx, digits)


def test_pixels_where_there_is_no_float(trained, digits):
    qat = prepare(trained, digits, "tflite", profile="npu", preprocess={"mean": (0.5,), "std": (0.5,)})
    with pytest.raises(edgeport.UsageError, match="pixels would be normalised in float, which tflite, profile npu"):
        edgeport.export(qat, "tflite", input="uint8", **QUICK)


def test_a_training_that_diverged_is_not_exported(of_onnx):
    qat = copy.deepcopy(of_onnx)
    with torch.no_grad():
        qat.get_submodule("head").weight[0, 0] = float("nan")
    with pytest.raises(edgeport.QuantizeError, match=r"'head.weight' holds NaN or infinity: training has diverged"):
        edgeport.export(qat, "onnx", **QUICK)


def test_a_wrong_number_of_inputs(of_onnx, digits):
    with pytest.raises(TypeError, match=r"the model takes 1 inputs \(image\), not 2"):
        of_onnx(digits[0][:1], digits[0][:1])
