"""`edgeport.profile` on a network whose modules, kinds and MACs are known."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import edgeport
import msgspec
import pytest
import torch
from edgeport.runtime.cpu import matrix_instructions

TARGETS = ("tflite", "openvino", "onnx")
SIDE = 64  # pixels
# module: multiply-accumulates of its convolution or linear
MACS = {
    "stem": 3 * 32 * 9 * (SIDE // 2) ** 2,
    "wide": 32 * 128 * 9 * (SIDE // 4) ** 2,
    "block.fc": 128 * 256 * (SIDE // 4) ** 2,
    "block.out": 256 * 128 * (SIDE // 4) ** 2,
    "head": 128 * 10,
}


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = torch.nn.LayerNorm(128)
        self.fc = torch.nn.Linear(128, 256)
        self.act = torch.nn.GELU()
        self.out = torch.nn.Linear(256, 128)

    def forward(self, x):
        return x + self.out(self.act(self.fc(self.norm(x))))


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = torch.nn.Conv2d(3, 32, 3, stride=2, padding=1)
        self.wide = torch.nn.Conv2d(32, 128, 3, stride=2, padding=1)
        self.block = Block()
        self.head = torch.nn.Linear(128, 10)

    def forward(self, image):
        x = self.wide(torch.nn.functional.silu(self.stem(image)))
        return self.head(self.block(x.flatten(2).transpose(1, 2)).mean(1))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, Path]:
    """{target: the network in int8}."""
    torch.manual_seed(0)
    results = edgeport.export_all(
        Network().eval(),
        TARGETS,
        precision="int8",
        input_shape=(3, SIDE, SIDE),
        effort="fast",
        num_calibration_samples=2,
        validate=False,
        benchmark=False,
        output_dir=tmp_path_factory.mktemp("made"),
        name="net",
    )
    return {each.target: each.path for each in results if isinstance(each, edgeport.ExportResult)}


@pytest.fixture(scope="module")
def profiled(made, tmp_path_factory) -> dict[str, edgeport.ProfileResult]:
    """{target: its profile}, without the probe; that of the .tflite beside the .onnx."""
    folder = tmp_path_factory.mktemp("profiles")
    return {
        target: edgeport.profile(
            *(path,),
            against=made["onnx"] if target == "tflite" else None,
            num_runs=8,
            probe=False,
            output_dir=folder / target,
        )
        for target, path in made.items()
    }


@pytest.mark.parametrize("target", TARGETS)
def test_the_macs_are_those_of_the_layers(profiled, target):
    """TFLite's stem joins two pixels of a row, and so multiplies by zeros in a fourth column of its window."""
    macs = MACS | ({"stem": MACS["stem"] * 4 // 3} if target == "tflite" else {})
    found = profiled[target]
    assert sum(kernel.macs for kernel in found.kernels) == sum(macs.values())
    by_module = {group.name: group.macs for group in found.modules if group.macs}
    for module in ("stem", "wide", "block.fc", "block.out"):
        assert by_module[module] == macs[module]


@pytest.mark.parametrize("target", TARGETS)
def test_times_add_up(profiled, target):
    found = profiled[target]
    total = sum(kernel.us for kernel in found.kernels) / 1e3
    assert total == pytest.approx(found.kernels_ms)
    for groups in (found.modules, found.kinds, found.operators):
        assert sum(group.us for group in groups) / 1e3 == pytest.approx(total)
        assert sum(group.kernels for group in groups) == len(found.kernels)
        assert [group.us for group in groups] == sorted((group.us for group in groups), reverse=True)
    assert found.accounted == pytest.approx(total / found.cpu_ms)
    assert bool(found.missing) == (abs(found.accounted - 1) > 0.05)
    assert (found.missing in "".join(found.warnings)) or not found.missing
    assert found.latency.first_ms > 0
    assert found.latency.load_ms > 0
    computing = [kernel for kernel in found.kernels if kernel.macs > 1e6]
    assert all(
        kernel.us > 1 and kernel.gmacs_per_s == pytest.approx(kernel.macs / kernel.us / 1e3) for kernel in computing
    )


@pytest.mark.parametrize("target", TARGETS)
def test_kinds(profiled, target):
    kernels = profiled[target].kernels
    for module in ("stem", "wide", "block.fc", "block.out"):
        (layer,) = (kernel for kernel in kernels if kernel.module == module and kernel.macs)
        assert layer.kind == "int8"
        assert not layer.overhead
    assert any(kernel.kind == "conversion" and kernel.overhead for kernel in kernels)
    norm = [kernel for kernel in kernels if kernel.module == "block.norm"]
    assert any(kernel.kind == "float" and kernel.overhead for kernel in norm)  # an island
    assert all(kernel.overhead for kernel in kernels if kernel.kind in ("layout", "conversion"))


def test_a_tflite_has_all_its_operators_and_its_memory(profiled, made):
    from edgeport.runtime.contents.tflite import read_contents

    found, operators = profiled["tflite"], read_contents(made["tflite"]).operators
    assert sorted(name for kernel in found.kernels for name in kernel.operators) == sorted(o.kind for o in operators)
    assert found.partitions == 1
    weights = 3 * 32 * 9 + 32 * 128 * 9 + 2 * 128 * 256 + 1280  # int8, and the biases and scales beside them
    assert weights < found.memory.weights_bytes < 1.2 * weights
    silu = 32 * (SIDE // 2) ** 2  # the largest value
    assert found.memory.largest_bytes is not None
    assert found.memory.activations_bytes is not None
    assert silu <= found.memory.largest_bytes <= found.memory.activations_bytes < 40 * silu
    assert found.memory.peak_mb >= found.memory.loaded_mb > 0


def test_beside_another_artifact(profiled):
    found, other = profiled["tflite"], profiled["tflite"].against
    assert other.target == "onnx"
    change = next(change for change in found.changes if change.module == "wide")
    here, there = (next(group.us for group in each.modules if group.name == "wide") for each in (found, other))
    assert (change.us, change.against_us) == (here, there)
    assert change.gained_us == pytest.approx(there - here)
    total = sum(change.gained_us for change in found.changes) / 1e3
    assert total == pytest.approx(other.kernels_ms - found.kernels_ms)


class Kernel(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    operators: list[str]
    implementation: str
    kind: str
    shape: list[int]
    macs: int
    bytes_moved: int
    partition: int | None
    weight: str
    module: str
    overhead: bool
    us: float
    p90_us: float
    share: float
    gmacs_per_s: float | None
    gbytes_per_s: float | None
    of_peak: float | None


class Group(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    kernels: int
    us: float
    overhead_us: float
    kinds_us: dict[str, float]
    share: float
    macs: int
    bytes_moved: int
    gmacs_per_s: float | None


class Change(msgspec.Struct, forbid_unknown_fields=True):
    module: str
    us: float
    against_us: float
    gained_us: float


class Facts(msgspec.Struct, forbid_unknown_fields=True):
    """What profile.json has: a script relies on these names."""

    artifact: str
    target: str
    device: str
    facts: dict[str, Any]
    runtime: str
    cpu: str
    threads: int
    latency: edgeport.Latency
    cpu_ms: float | None
    kernels_ms: float
    overhead_us: float
    of_peak: float | None
    accounted: float
    missing: str
    partitions: int | None
    kernels: list[Kernel]
    modules: list[Group]
    kinds: list[Group]
    operators: list[Group]
    peaks: edgeport.Peaks | None
    memory: edgeport.MemoryUse
    against: "Facts | None"
    changes: list[Change]
    warnings: list[str]
    files: list[str]


@pytest.mark.parametrize("target", TARGETS)
def test_files(profiled, target):
    found = profiled[target]
    data, page = found.files
    facts = msgspec.json.decode(data.read_bytes(), type=Facts)
    assert facts.kernels_ms == pytest.approx(found.kernels_ms)
    assert [kernel.name for kernel in facts.kernels] == [kernel.name for kernel in found.kernels]
    html = page.read_text()
    assert "<svg" in html
    assert "block.fc" in html
    assert not re.search(r"(src|href)\s*=\s*[\"']?(https?:|//)", html)  # it fetches nothing


def test_the_probe_is_what_kernels_are_compared_with(made, tmp_path):
    found = edgeport.profile(made["onnx"], num_runs=4, output_dir=tmp_path)
    assert found.peaks is not None
    assert found.peaks.int8_gmacs_per_s > 1
    assert found.peaks.cache_gbytes_per_s > 1
    layer = next(kernel for kernel in found.kernels if kernel.module == "wide" and kernel.macs)
    assert layer.of_peak == pytest.approx(layer.gmacs_per_s / found.peaks.int8_gmacs_per_s)
    ideal_us = sum(
        kernel.macs / (found.peaks.int8_gmacs_per_s if kernel.kind == "int8" else found.peaks.float_gmacs_per_s) / 1e3
        for kernel in found.kernels
    )
    assert found.of_peak == pytest.approx(ideal_us / 1e3 / found.kernels_ms)
    assert json.loads(found.files[0].read_text())["peaks"]["instructions"] == found.peaks.instructions


@pytest.fixture(scope="module")
def on_device(made, tmp_path_factory) -> dict[str, edgeport.ProfileResult]:
    """{target: its profile by the device that this machine is}; that of the .tflite beside the .onnx, probed."""
    folder = tmp_path_factory.mktemp("on_device")
    return {
        target: edgeport.profile(
            *(path,),
            against=made["onnx"] if target == "tflite" else None,
            num_runs=8,
            probe=target == "openvino",
            device="local",
            output_dir=folder / target,
        )
        for target, path in made.items()
    }


@pytest.mark.parametrize("target", TARGETS)
def test_a_device_tells_the_same_kernels(profiled, on_device, target):
    here, there = profiled[target], on_device[target]
    assert [_what(kernel) for kernel in there.kernels] == [_what(kernel) for kernel in here.kernels]
    assert (there.device, here.device) == ("local", "")
    assert (there.runtime, there.partitions) == (here.runtime, here.partitions)
    assert there.facts["cores"] >= 1
    assert there.cpu
    assert there.memory.weights_bytes == here.memory.weights_bytes
    assert there.memory.peak_mb >= there.memory.loaded_mb > 0
    assert there.latency.runs == here.latency.runs


@pytest.mark.parametrize("target", TARGETS)
def test_times_of_a_device_add_up(on_device, target):
    test_times_add_up(on_device, target)
    test_files(on_device, target)
    found = on_device[target]
    assert "local: " in found.files[1].read_text()
    probed = "Not probed on local" in found.files[1].read_text()
    assert probed == (found.peaks is None) == (found.of_peak is None) == (target != "openvino")


def test_two_artifacts_take_turns_on_a_device(on_device):
    test_beside_another_artifact(on_device)
    assert on_device["tflite"].against.device == "local"


def test_a_device_is_probed(on_device):
    peaks = on_device["openvino"].peaks
    assert peaks.int8_gmacs_per_s > 1
    assert peaks.float_gmacs_per_s > 1
    assert peaks.cache_gbytes_per_s > 1
    assert peaks.instructions == matrix_instructions()


def _what(kernel: edgeport.ProfiledKernel) -> tuple[Any, ...]:
    """A kernel without its times."""
    names = ("name", "operators", "implementation", "kind", "shape", "macs", "bytes_moved", "partition", "module")
    return tuple(getattr(kernel, name) for name in names)


class Two(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = torch.nn.Conv2d(3, 8, 3), torch.nn.Conv2d(1, 8, 3)
        self.act = torch.nn.GELU()

    def forward(self, zebra, apple):
        return self.act(self.left(zebra)).softmax(1).mean((2, 3)) + self.right(apple).mean((2, 3))


def test_several_inputs_and_operators_that_no_delegate_takes(tmp_path):
    inputs = {"zebra": torch.zeros(1, 3, 40, 40), "apple": torch.zeros(1, 1, 24, 24)}  # not in their names' order
    options = {"precision": "int8", "profile": "npu", "num_calibration_samples": 1, "effort": "fast"}
    made = edgeport.export(
        Two().eval(), "tflite", example_inputs=inputs, validate=False, benchmark=False, output_dir=tmp_path, **options
    )
    found = edgeport.profile(made.path, num_runs=4, threads=2, probe=False, output_dir=tmp_path)
    assert sum(kernel.macs for kernel in found.kernels) == 8 * (27 * 38 * 38 + 9 * 22 * 22)
    (act,) = (kernel for kernel in found.kernels if kernel.operators == ("GELU",))
    assert (act.partition, act.kind) == (None, "int8")  # LiteRT's own kernel
    assert found.partitions is not None
    assert found.partitions > 1
    assert found.threads == 2


def _truncated(made: dict[str, Path], folder: Path) -> Path:
    content = made["tflite"].read_bytes()
    path = folder / "cut.tflite"
    path.write_bytes(content[: len(content) // 2])
    return path


def _other_format(made: dict[str, Path], folder: Path) -> Path:
    (folder / "net.mlpackage").mkdir()
    (folder / "net.mlpackage" / "Manifest.json").write_text("{}")
    return folder / "net.mlpackage"


def _unknown(made: dict[str, Path], folder: Path) -> Path:
    return Path(shutil.copy(made["onnx"], folder / "net.engine"))


REFUSED: dict[str, tuple[Any, dict[str, Any], type[edgeport.EdgeportError], str]] = {
    "truncated": (_truncated, {}, edgeport.ArtifactError, "cut.tflite: is not a whole TFLite model"),
    "format without a profiler": (_other_format, {}, edgeport.UsageError, "Core ML has no profiler here"),
    "unknown runtime": (_unknown, {}, edgeport.ArtifactError, "no runtime for the suffix '.engine'"),
    "missing": (lambda made, folder: folder / "no.onnx", {}, edgeport.ArtifactError, "no.onnx"),
    "an access without a device": (
        lambda made, folder: made["onnx"],
        {"access": edgeport.DeviceAccess()},
        edgeport.UsageError,
        "name it by device",
    ),
    "a device that is none": (lambda made, folder: made["onnx"], {"device": "toaster"}, edgeport.UsageError, "local|"),
    "a format without a profiler, there": (_other_format, {"device": "local"}, edgeport.UsageError, "has no profiler"),
    "no runs": (lambda made, folder: made["onnx"], {"num_runs": 0}, edgeport.UsageError, "num_runs"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refuses(made, tmp_path, what):
    choose, options, kind, words = REFUSED[what]
    with pytest.raises(kind, match=re.escape(words)):
        edgeport.profile(choose(made, tmp_path), probe=False, output_dir=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
