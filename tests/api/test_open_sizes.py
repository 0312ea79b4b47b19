"""Artifacts of images of several heights and widths: made, proven at some, run at others, or refused."""

import dataclasses

import edgeport
import numpy as np
import pytest
import torch
from edgeport.artifacts.sizes import Side, SizeCheck
from edgeport.pipeline.open_sizes import judge_sizes, read_dynamic
from torch import nn
from torch.nn import functional as F

TARGETS = ("onnx", "openvino", "tflite", "coreml")
QUICK = {"benchmark": False, "num_validation_samples": 2, "num_calibration_samples": 8}
DYNAMIC = "size=32,64,96"


class UNet(nn.Module):
    """A segmenter with a skip, a gate by the mean of the map, and attention between all of its places."""

    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.inner = nn.Conv2d(8, 8, 3, stride=4, padding=1)
        self.query = nn.Linear(8, 8)
        self.up = nn.ConvTranspose2d(8, 8, 2, 2)
        self.head = nn.Conv2d(16, 3, 1)

    def forward(self, image):
        a = F.relu(self.down(image))
        b = F.relu(self.inner(a))
        b = b * torch.sigmoid(F.adaptive_avg_pool2d(b, 1))
        places = b.flatten(2).transpose(1, 2)
        places = places + torch.softmax(self.query(places) @ places.transpose(1, 2), -1) @ places
        b = self.up(places.transpose(1, 2).reshape(b.shape))
        b = F.interpolate(b, size=a.shape[2:], mode="bilinear")
        return F.interpolate(self.head(torch.cat([a, b], 1)), scale_factor=2.0, mode="nearest")


class Positions(nn.Module):
    """Its learned positions are those of one size, brought to others by an interpolation that is folded."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 4, 8, 8)
        self.positions = nn.Parameter(torch.randn(1, 4, 4, 4))

    def forward(self, image):
        x = self.patches(image)
        return x + F.interpolate(self.positions, size=x.shape[2:], mode="bicubic")


class Fixed(nn.Module):
    """Takes one size alone."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.Flatten())
        self.classifier = nn.Linear(4 * 15 * 15, 5)

    def forward(self, image):
        return self.classifier(self.features(image))


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return UNet().eval()


@pytest.fixture(scope="module")
def floats(net, tmp_path_factory):
    """{target: its float artifact}"""
    folder = tmp_path_factory.mktemp("floats")
    made = edgeport.export_all(
        net, TARGETS, input_shape=(3, 64, 64), dynamic=DYNAMIC, output_dir=folder, task="segment", **QUICK
    )
    return dict(zip(TARGETS, made, strict=True))


@pytest.fixture(scope="module")
def integers(net, tmp_path_factory):
    """The same in int8, of pixels, for any number of images where the target has that."""
    folder = tmp_path_factory.mktemp("integers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEPORT_CACHE", str(folder / "cache"))
        yield export_integers(net, folder)


def export_integers(net, folder):
    options = {"input": "uint8", "preprocess": {"mean": 0.5, "std": 0.25}, "precision": "int8", **QUICK}
    return {
        target: edgeport.export(net, target, input_shape=(3, 64, 64), dynamic=dynamic, output_dir=folder, **options)
        for target, dynamic in (("tflite", DYNAMIC), ("onnx", ["batch", DYNAMIC]))
    }


def in_torch(net, x):
    with torch.inference_mode():
        return net(torch.from_numpy(x)).numpy()


@pytest.mark.parametrize("target", TARGETS)
def test_it_gives_what_the_model_gives_at_every_size(target, floats, net):
    result = floats[target]
    assert getattr(result, "verdict", result) == "ok"
    session = edgeport.open_session(result.path)
    (taken,), (given,) = session.inputs, session.outputs
    assert taken.shape == (1, 3, 64, 64)
    assert given.shape == (1, 3, None, None)
    for height in (32, 64, 96):
        for width in (96, 32, 64):
            x = np.random.default_rng(height + width).standard_normal((1, 3, height, width)).astype(np.float32)
            got = session.run({taken.name: x})[given.name]
            np.testing.assert_allclose(got, in_torch(net, x), rtol=1e-3, atol=1e-4, err_msg=f"{height}x{width}")
    with pytest.raises(edgeport.FeedError, match="height and width each 32, 64 or 96"):
        session.run({taken.name: np.zeros((1, 3, 64, 80), np.float32)})


@pytest.mark.parametrize("target", TARGETS)
def test_the_manifest_says_which_sizes_and_what_was_seen_there(target, floats):
    manifest = edgeport.Manifest.read(floats[target].manifest_path)
    sizes = manifest.sizes
    assert sizes.height == sizes.width == Side(smallest=32, largest=96, step=0, listed=(32, 64, 96))
    assert sizes.default == (64, 64)
    seen = [(each.height, each.width) for each in manifest.size_checks]
    assert seen == [(32, 32), (96, 96), (96, 32), (32, 64)]
    assert all(each.verdict == "ok" and each.snr_db > 100 for each in manifest.size_checks)
    assert edgeport.Manifest.of_facts(dataclasses.asdict(manifest) | {}) == manifest


def test_int8_of_pixels(integers, net):
    """Calibrated at the default size, within int8's limits at the others; the batch is open beside it."""
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 96, 32)).astype(np.uint8)
    wanted = in_torch(net, ((pixels / 255 - 0.5) / 0.25).astype(np.float32))
    for target, result in integers.items():
        assert not result.verdict.startswith("fail")
        session = edgeport.open_session(result.path)
        (taken,), (given,) = session.inputs, session.outputs
        assert taken.dtype == "uint8"
        several = taken.shape[0] is None
        assert several == (target == "onnx")
        got = session.run({taken.name: pixels if several else pixels[:1]})[given.name]
        noise = got - wanted[: len(got)]
        assert 10 * np.log10((wanted**2).mean() / (noise**2).mean()) > 20


@pytest.mark.parametrize("target", ["tflite", "onnx"])
def test_its_layers_are_those_of_the_float_graph(target, integers, net):
    """At the default size; none is compared with another layer, or in another order of axes."""
    found = edgeport.debug(integers[target].path, reference=net, num_validation_samples=2)
    assert len(found.layers) > 5
    assert all(layer.accumulated is None or layer.accumulated.snr_db > 15 for layer in found.layers)


def test_on_the_command_line(capsys, monkeypatch, tmp_path):
    """Told twice, both are left open; `info` says which sizes, and what was seen at some."""
    from edgeport.cli.main import main

    monkeypatch.chdir(tmp_path)
    options = ["--weights", "random", "--no-benchmark", "--num-validation-samples", "2"]
    asked = ["--dynamic", "batch", "--dynamic", "size=32:64:16"]
    assert main(["export", "mobilenetv2_035", "--input-shape", "3,48,48", "--target", "onnx", *asked, *options]) == 0
    capsys.readouterr()
    (path,) = tmp_path.rglob("*.onnx")
    assert main(["info", str(path)]) == 0
    said = capsys.readouterr().out
    assert "image  (?, 3, 48, 48) float32" in said
    assert "height and width each from 32 to 64 in steps of 16" in said
    assert "at 64x32: SNR" in said
    assert main(["validate", str(path), "--size", "64x48", "--num-validation-samples", "2"]) == 0
    assert main(["benchmark", str(path), "--size", "60x48", "--num-runs", "1"]) == 2
    assert "does not take 60x48" in capsys.readouterr().err
    assert main(["export", "mobilenetv2_035", "--target", "onnx", "--dynamic", "size=9:8"]) == 2


def test_core_ml_lists_the_sizes(floats):
    import coremltools as ct

    feature = ct.utils.load_spec(str(floats["coreml"].path)).description.input[0].type.multiArrayType
    shapes = [tuple(each.shape) for each in feature.enumeratedShapes.shapes]
    assert shapes[0] == (1, 3, 64, 64) == tuple(feature.shape)
    assert sorted(shapes) == [(1, 3, h, w) for h in (32, 64, 96) for w in (32, 64, 96)]


def test_validate_and_benchmark_at_a_size(floats, net):
    result = floats["tflite"]
    report = edgeport.validate(result.path, reference=net, size="96x32", num_validation_samples=2)
    assert report.verdict == "ok"
    against = edgeport.validate(
        floats["openvino"].path, reference=floats["onnx"].path, size=(32, 96), num_validation_samples=2
    )
    assert against.verdict == "ok"
    small, large = (
        edgeport.benchmark(result.path, size=size, num_runs=20).results[0].latency.min_ms for size in (None, (96, 96))
    )
    assert large > small
    for call in (edgeport.validate, edgeport.benchmark):
        with pytest.raises(edgeport.UsageError, match="does not take 96x40, but height and width each 32, 64 or 96"):
            call(result.path, size=(96, 40))
        with pytest.raises(edgeport.UsageError, match="size: must be HEIGHTxWIDTH"):
            call(result.path, size="96")


def test_it_is_profiled_where_the_runtime_can(floats, tmp_path):
    for target in ("onnx", "openvino"):
        found = edgeport.profile(floats[target].path, num_runs=4, probe=False, output_dir=tmp_path / target)
        assert sum(kernel.macs for kernel in found.kernels) > 0
    with pytest.raises(edgeport.ArtifactError, match="LiteRT profiles files of one size: leave out --dynamic size"):
        edgeport.profile(floats["tflite"].path, num_runs=4, probe=False, output_dir=tmp_path / "tflite")
    assert not (tmp_path / "tflite").exists()


def test_an_app_gets_no_bundle_of_it(floats):
    with pytest.raises(edgeport.UsageError, match=r"takes images of several sizes .* export it again without"):
        edgeport.bundle(floats["tflite"].path, "android")


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (
            Positions,
            r"holds 4x4x4 numbers that were made for 32x32 and are others at other sizes \(Add .*test_open",
        ),
        (Fixed, r"Fixed is of one size: the model does not run on an input of 3x64x64 \(in 'classifier'"),
    ],
)
def test_a_model_of_one_size_is_refused(module, said, tmp_path):
    with pytest.raises(edgeport.ExportError, match=said):
        edgeport.export(module().eval(), "onnx", input_shape=(3, 32, 32), dynamic="size=32,64", output_dir=tmp_path)
    assert not list(tmp_path.rglob("*.onnx*"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dynamic": "size=64:32:8"}, "must rise from its first to its last size in whole steps"),
        ({"dynamic": "size=32:65:8"}, "must rise from its first to its last size in whole steps"),
        ({"dynamic": "size=32"}, "--dynamic size=32: give batch, size=256:640:32"),
        ({"dynamic": "size=32x32"}, "--dynamic size=32x32: give batch, size=256:640:32"),
        ({"dynamic": "size=32x32x8:16:8"}, "or size=48x160:640:32"),
        ({"dynamic": "size=48x32:64:8"}, r"own size 32x32, at which .* or --input-shape 3,48,32"),
        ({"dynamic": "size=0,32"}, "give two sizes or more, from 1 on"),
        ({"dynamic": "sizes"}, "--dynamic sizes: is one of batch, size=256:640:32"),
        ({"dynamic": ["size=32,64", "size=32,96"]}, "each at most once"),
        ({"dynamic": "size=48:96:16"}, r"own size 32x32, at which .* or --input-shape 3,48,48"),
        ({"dynamic": "size=32:40000:1"}, "the sizes are from 32 to 40000 by 1"),
        ({"dynamic": "size=32,64", "nms": 5}, "--dynamic size and --nms"),
    ],
)
def test_what_cannot_be_meant(options, said, net, tmp_path):
    with pytest.raises(edgeport.UsageError, match=said):
        edgeport.export(net, "onnx", input_shape=(3, 32, 32), output_dir=tmp_path, **options)


@pytest.mark.parametrize(
    ("own", "seen", "said"),
    [
        ("ok", ["ok", "warn: SNR in dB 15"], "warn: at 32x64: SNR in dB 15"),
        ("warn: SNR in dB 18", ["ok", "fail: SNR in dB 5"], "fail: at 32x64: SNR in dB 5"),
        ("fail: SNR in dB 3", ["fail: SNR in dB 1", "ok"], "fail: SNR in dB 3"),
        ("ok", ["ok", "ok"], "ok"),
    ],
)
def test_the_worst_size_is_the_verdict(own, seen, said):
    checks = [
        SizeCheck(height=height, width=64, snr_db=1.0, verdict=verdict)
        for height, verdict in zip((96, 32), seen, strict=True)
    ]
    assert judge_sizes(own, checks) == said


class Reader(nn.Module):
    """A line of text 16 pixels high -> (1, width / 4, 6): a softmax at each place."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU())
        self.classes = nn.Linear(8 * 4, 6)

    def forward(self, image):
        x = self.features(image)
        return self.classes(x.permute(0, 3, 1, 2).flatten(2)).softmax(-1)


@pytest.mark.parametrize("target", TARGETS)
def test_lines_of_text_are_of_one_height_and_any_width(target, tmp_path):
    torch.manual_seed(0)
    net = Reader().eval()
    options = {"input_shape": (3, 16, 64), "dynamic": "size=16x32:160:32", "task": "text", "output_dir": tmp_path}
    result = edgeport.export(net, target, precision="int8" if target == "tflite" else "fp32", **options, **QUICK)
    assert not result.verdict.startswith("fail")
    checks = edgeport.Manifest.read(result.manifest_path).size_checks
    assert [(each.height, each.width) for each in checks] == [(16, 32), (16, 160), (16, 96)]
    session = edgeport.open_session(result.path)
    for width in (32, 128):
        x = np.random.default_rng(width).standard_normal((1, 3, 16, width)).astype(np.float32)
        (got,) = session.run({"image": x}).values()
        np.testing.assert_allclose(got, in_torch(net, x), atol=0.05 if target == "tflite" else 1e-4)
    with pytest.raises(edgeport.FeedError, match="height 16, width from 32 to 160 in steps of 32"):
        session.run({"image": np.zeros((1, 3, 32, 64), np.float32)})


def test_a_file_with_open_axes_is_read_as_text(tmp_path):
    """Its outputs' lengths are not in the file, but for the number of classes."""
    torch.manual_seed(0)
    options = {"input_shape": (3, 16, 64), "output_dir": tmp_path / "open", **QUICK}
    path = edgeport.export(Reader().eval(), "onnx", dynamic="size=16x32:160:32", **options).path
    (given,) = edgeport.open_session(path).outputs
    assert given.shape == (1, None, 6)
    options = {"input_shape": {"image": (1, 3, 16, 96)}, "output_dir": tmp_path / "fixed", **QUICK}
    result = edgeport.export(str(path), "openvino", task="text", **options)
    assert (result.task.task, result.task.main.value) == ("text", 1.0)
    again = edgeport.validate(result.path, reference=str(path), num_validation_samples=2)
    assert (again.task.task, again.task.main.value) == ("text", 1.0)


def test_what_is_asked_for():
    assert read_dynamic(["batch", "size=8:32:8"]).sides == (range(8, 33, 8),) * 2
    assert read_dynamic("size=64,32").sides == ((32, 64),) * 2
    assert read_dynamic("size=48x64:256:64").sides == ((48,), range(64, 257, 64))
    assert read_dynamic("size=8,16x32").sides == ((8, 16), (32,))
    assert not read_dynamic(None).batch


@pytest.mark.parametrize(
    ("target", "options", "said"),
    [
        ("tflite", {"profile": "micro", "precision": "int8"}, "profile micro plans its memory for one size"),
        ("coreml", {"coreml_target": "iOS16"}, "sizes that are computed need iOS 17"),
    ],
)
def test_a_device_of_one_size(target, options, said, tmp_path):
    small = nn.Conv2d(3, 2, 3).eval()
    with pytest.raises(edgeport.ExportError, match=said):
        edgeport.export(
            small, target, input_shape=(3, 32, 32), dynamic="size=32,64", output_dir=tmp_path, **QUICK, **options
        )


def test_an_onnx_file_of_open_sizes(net, tmp_path):
    """Its own axes say that it takes others; one whose axes are fixed is refused."""
    for name, axes in (("open", {2: "h", 3: "w"}), ("fixed", None)):
        torch.onnx.export(
            nn.Sequential(net.down, nn.ReLU()),
            torch.zeros(1, 3, 64, 64),
            tmp_path / f"{name}.onnx",
            input_names=["image"],
            dynamic_axes={"image": axes} if axes else None,
            dynamo=False,
        )
    options = {"dynamic": "size=32,64", "output_dir": tmp_path, "input_shape": {"image": (1, 3, 64, 64)}, **QUICK}
    assert edgeport.export(tmp_path / "open.onnx", "tflite", **options).verdict == "ok"
    with pytest.raises(edgeport.ExportError, match=r"fixed\.onnx is of one size"):
        edgeport.export(tmp_path / "fixed.onnx", "tflite", **options)
