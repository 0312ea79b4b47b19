import json
import os
import random
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
from edgeport.artifacts.digest import sha256_of_file
from edgeport.artifacts.exit_codes import DISAGREES
from edgeport.artifacts.manifest import Manifest
from edgeport.artifacts.staging import PREFIX
from edgeport.models import create_model, load_weights
from edgeport.runtime import compare
from edgeport.targets.registry import open_session
from graphs import operators

ENTRY = [sys.executable, "-c", "import sys; from edgeport.cli.main import main; sys.exit(main())"]
RESULT = [
    *("model", "weights", "target", "precision", "artifact", "manifest", "size_bytes", "agreement", "outputs"),
    *("latency", "ratio", "emulated", "seconds", "peak_rss_mb", "delegate_partitions", "accelerator"),
    *("task", "pictures", "calibration_spread", "verdict"),
]
AGREEMENT = ["snr_db", "max_abs", "max_abs_over_std", "cosine", "top1", "top5", "kl", "samples", "equal"]
LATENCY = [
    *("median_ms", "p90_ms", "mean_ms", "std_ms", "min_ms", "first_ms", "load_ms", "runs", "warmup", "threads"),
    *("runtime", "cpu"),
]
SECONDS = {"torch_export", "canonicalize", "check_import", "calibrate", "lower", "write", "validate", "benchmark"}


@pytest.fixture(scope="module")
def by_process(tmp_path_factory, given):
    """(result, stderr, folder) of an int8 export on photographs, in a process of its own."""
    folder = tmp_path_factory.mktemp("process")
    options = ["--calibration-data", given / "photos", "--weights", given / "lenet5.pth", "--num-runs", "3"]
    done = subprocess.run(
        [*ENTRY, "export", "lenet5", "--int8", "--json", *options], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr, folder


def test_json(by_process, given):
    result, err, folder = by_process
    assert list(result) == [*RESULT, "warnings", "fp32"]
    assert list(result["agreement"]) == AGREEMENT
    assert list(result["latency"]) == LATENCY
    assert set(result["seconds"]) == SECONDS
    assert result["precision"] == "int8"
    assert result["artifact"] == "artifacts/lenet5/lenet5_int8.tflite"
    assert result["size_bytes"] == (folder / result["artifact"]).stat().st_size
    assert result["weights"] == str(given / "lenet5.pth")
    assert result["verdict"].partition(":")[0] in ("ok", "warn")
    assert result["agreement"]["samples"] == 2  # 12 photographs: 10 may calibrate
    assert result["ratio"] == result["latency"]["median_ms"] / result["fp32"]["latency"]["median_ms"]
    assert list(result["fp32"]) == RESULT
    assert result["fp32"]["agreement"]["max_abs_over_std"] < 1e-4
    assert "10 inputs may calibrate, the other 2 validate" in err
    assert "RANDOM" not in err
    assert "GENERATED" not in err


def test_manifest(by_process, given):
    result, _, folder = by_process
    manifest = Manifest.read(folder / result["manifest"])
    assert manifest.quantized_by == "calibration"
    assert manifest.artifact.sha256 == sha256_of_file(folder / result["artifact"])
    assert manifest.weights.sha256 == sha256_of_file(given / "lenet5.pth")
    assert manifest.calibration.source == str(given / "photos")
    assert len(manifest.calibration.inputs) == manifest.calibration.count == 10
    assert manifest.calibration.warning is None
    assert manifest.inputs[0].shape == (1, 1, 32, 32)
    assert manifest.agreement == result["agreement"]
    assert manifest.tools["torch"]
    names = {path.name for path in (folder / "artifacts" / "lenet5").iterdir()}
    assert names == {f"lenet5_{p}.tflite{end}" for p in ("fp32", "int8") for end in ("", ".json")}


def test_same_command_same_bytes(edgeport, by_process, given, tmp_path):
    _, _, folder = by_process
    options = ("--calibration-data", given / "photos", "--weights", given / "lenet5.pth", "--num-runs", 3)
    assert edgeport("export", "lenet5", "--int8", *options).code == 0
    for first in (folder / "artifacts" / "lenet5").iterdir():
        assert (tmp_path / "artifacts" / "lenet5" / first.name).read_bytes() == first.read_bytes(), first.name


def test_random_weights_and_generated_inputs_are_announced(edgeport, exported):
    done = edgeport("export", "lenet5", "--int8", "--json", "--quiet", "--num-runs", 1)
    result = json.loads(done.out)
    assert result["weights"] == "RANDOM (seed 0)"
    assert "WARNING: lenet5 has RANDOM weights (seed 0)" in done.err
    assert "WARNING: int8 was calibrated on GENERATED inputs" in done.err
    assert len(result["warnings"]) >= 2
    assert "GENERATED" in Manifest.read(Path(result["manifest"])).calibration.warning
    assert Path(result["artifact"]).read_bytes() == exported["int8"].read_bytes()


def test_seed_changes_the_weights(edgeport, exported):
    edgeport("export", "lenet5", "--seed", 1, "--no-benchmark", "--no-validate")
    assert Path("artifacts/lenet5/lenet5_fp32.tflite").read_bytes() != exported["fp32"].read_bytes()


def test_own_model(edgeport, given):
    done = edgeport(
        *("export", given / "models.py:net", "--input-shape", "3,20,24", "--json", "--num-runs", 1),
        *("--input-layout", "nchw", "--validation-data", given / "others", "--mean", "0.5", "--color", "bgr"),
    )
    result = json.loads(done.out)
    assert done.code == 0
    assert result["artifact"] == "artifacts/models_net/models_net_fp32.tflite"
    assert result["weights"] == "factory"
    assert result["agreement"]["samples"] == 5
    assert "images become the input so: BGR, stretch (bilinear), (pixel / 255 - 0.5) / 1" in done.err
    assert "by default std, scale, resize, interpolation" in done.err
    assert "fp32" not in result
    refused = edgeport("validate", result["artifact"])
    assert refused.code == 2  # a manifest alone must not make code run
    assert f"to run it, give --reference {given / 'models.py'}:net" in refused.err
    again = edgeport("validate", result["artifact"], "--json", "--reference", f"{given / 'models.py'}:net")
    assert (again.code, json.loads(again.out)["verdict"]) == (0, "ok")


WIDE = """
from torch import nn


def net():
    return nn.Conv2d(48, 48, 3, padding=1)
"""


def test_operators_for_the_gpu(edgeport, given):
    """--profile gpu, and --plain-operators as long as it is known."""
    (given / "wide.py").write_text(WIDE)
    options = (f"{given / 'wide.py'}:net", "--input-shape", "48,16,16", "--no-benchmark", "--json")
    kinds = {}
    for flag in ((), ("--plain-operators",), ("--profile", "gpu")):
        result = json.loads(edgeport("export", *options, *flag).out)
        manifest = Manifest.read(Path(result["manifest"]))
        assert (result["verdict"], manifest.options["plain_operators"]) == ("ok", "--plain-operators" in flag)
        assert manifest.profile == ("gpu" if "gpu" in flag else None)
        assert any("--profile gpu" in said for said in result["warnings"]) == ("--plain-operators" in flag)
        kinds[flag] = operators(Path(result["artifact"]).read_bytes())
    assert [kind.count("CONV_2D") for kind in kinds.values()] == [6, 1, 1]


def test_int8_alone(edgeport, given):
    options = ("--no-benchmark", "--no-validate", "--calibration-data", given / "good.npz", "--json")
    result = json.loads(edgeport("export", "lenet5", "--int8", *options).out)
    assert (result["agreement"], result["latency"], result["ratio"]) == (None, None, None)
    assert result["verdict"] == "not validated"
    assert [path.name for path in sorted(Path("artifacts/lenet5").iterdir())] == [
        "lenet5_int8.tflite",
        "lenet5_int8.tflite.json",
    ]


def test_another_number_of_classes(edgeport):
    edgeport("export", "lenet5", "--num-classes", 3, "--no-benchmark")
    assert open_session("artifacts/lenet5/lenet5_fp32.tflite").outputs[0].shape == (1, 3)
    assert edgeport("validate", "artifacts/lenet5/lenet5_fp32.tflite").code == 0


def test_disagreement_keeps_the_artifact_and_says_so(edgeport, monkeypatch):
    monkeypatch.setitem(compare.TOLERANCE, "fp32", compare.Limits(cosine=2.0))
    done = edgeport("export", "lenet5", "--json", "--no-benchmark")
    result = json.loads(done.out)
    assert done.code == DISAGREES
    assert result["verdict"].startswith("fail: cosine")
    assert Path(result["artifact"]).exists()
    assert Manifest.read(Path(result["manifest"])).verdict == result["verdict"]
    assert edgeport("validate", result["artifact"]).code == DISAGREES


def test_validate(edgeport, by_process, given, tmp_path):
    result, _, folder = by_process
    artifact = folder / result["artifact"]
    done = edgeport("validate", artifact, "--json", "--validation-data", given / "photos")
    again = json.loads(done.out)
    assert done.code == 0, done.err
    assert again["agreement"]["samples"] == 2  # never those that calibrated
    assert again["agreement"] == result["agreement"]
    others = json.loads(edgeport("validate", artifact, "--json", "--validation-data", given / "others").out)
    assert others["agreement"]["samples"] == 5


def test_validate_against_other_references(edgeport, exported, given, tmp_path):
    import onnx_ir as ir
    import torch
    from edgeport.exporters.frontends.torch_module import from_torch

    model = create_model("lenet5")
    load_weights(model, given / "lenet5.pth")
    ir.save(from_torch(model, (torch.zeros(1, 1, 32, 32),)), tmp_path / "lenet5.onnx")
    weights = ("--reference", "lenet5", "--weights", given / "lenet5.pth")
    edgeport("export", "lenet5", "--weights", given / "lenet5.pth", "--no-benchmark", "--no-validate")
    artifact = "artifacts/lenet5/lenet5_fp32.tflite"
    assert edgeport("validate", artifact, "--reference", "lenet5.onnx").code == 0
    assert edgeport("validate", artifact, *weights).code == 0
    assert edgeport("validate", artifact, "--reference", exported["fp32"]).code == DISAGREES
    random = ("--weights", "random", "--seed", 3)
    assert edgeport("validate", artifact, "--reference", "lenet5", *random).code == 2  # the manifest says otherwise
    Path(artifact + ".json").unlink()
    assert edgeport("validate", artifact, *weights).code == 0
    assert edgeport("validate", artifact, "--reference", "lenet5", *random).code == DISAGREES


def test_validate_notices_changed_weights(edgeport, given, tmp_path):
    weights = tmp_path / "w.pth"
    weights.write_bytes((given / "lenet5.pth").read_bytes())
    edgeport("export", "lenet5", "--weights", weights, "--no-benchmark", "--no-validate")
    weights.write_bytes((given / "nan.pth").read_bytes())
    assert edgeport("validate", "artifacts/lenet5/lenet5_fp32.tflite").code == 2
    weights.unlink()
    done = edgeport("validate", "artifacts/lenet5/lenet5_fp32.tflite")
    assert (done.code, done.err.count("\n")) == (2, 1)
    artifact = "artifacts/lenet5/lenet5_fp32.tflite"
    assert edgeport("validate", artifact, "--weights", given / "lenet5.pth").code == 0


def limit_file_size():
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


@pytest.mark.parametrize(
    ("target", "file"),
    [
        ("tflite", "lenet5_fp32.tflite"),
        ("openvino", "lenet5_fp32_openvino_model"),
        ("coreml", "lenet5_fp32.mlpackage"),
        ("onnx", "lenet5_fp32.onnx"),
    ],
)
def test_full_disk(tmp_path, target, file):
    done = subprocess.run(
        [*ENTRY, "export", "lenet5", "--target", target, "--quiet", "--no-benchmark"],
        cwd=tmp_path,
        preexec_fn=limit_file_size,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].endswith(f"{file}: cannot be written (File too large)")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.getuid() != 0 or sys.platform != "linux", reason="mounting needs root")
@pytest.mark.parametrize(
    "target",
    ["tflite", "coreml", *(pytest.param(target, marks=pytest.mark.exhaustive) for target in ("openvino", "onnx"))],
)
def test_really_full_disk(tmp_path, target):
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", tmp_path], capture_output=True)
    if mounted.returncode:
        pytest.skip("cannot mount")
    try:
        done = subprocess.run(
            [*ENTRY, "export", "lenet5", "--target", target, "--quiet", "--no-benchmark"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        left = list(tmp_path.iterdir())
    finally:
        subprocess.run(["umount", tmp_path], check=True)
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].endswith("cannot be written (No space left on device)")
    assert not left


def waiting(folder: Path) -> set[Path]:
    """The artifacts that are written and not yet published."""
    try:
        return set(folder.glob(f"{PREFIX}*/*.tflite"))
    except FileNotFoundError:  # one of the folders was removed meanwhile
        return set()


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.exhaustive)])
def test_killed_while_it_writes(exported, tmp_path, kills):
    rng = random.Random(0)
    folder = tmp_path / "artifacts" / "lenet5"
    command = [*ENTRY, "export", "lenet5", "--quiet", "--no-benchmark", "--int8"]
    caught = 0
    for _ in range(kills):
        stale = waiting(folder)
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and waiting(folder) <= stale:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.2))
        process.kill()
        caught += process.wait() != 0
        for artifact in folder.glob("*.tflite"):
            assert artifact.read_bytes() == exported["int8"].read_bytes()
            open_session(artifact).close()  # and its manifest, where there is one, agrees
    assert caught
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 0
    assert sorted(path.name for path in folder.iterdir()) == ["lenet5_int8.tflite", "lenet5_int8.tflite.json"]


NOISY = """
import torch
from torch import nn

class Noisy(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, x):
        y = self.conv(x).flatten(1)
        return (y + 3000.0) - 3000.0 + y * 0

"""


def test_float32s_own_noise_is_a_warning(edgeport, tmp_path):
    """The exporter may take the two sums for none, which PyTorch does not: neither is wrong."""
    (tmp_path / "noisy.py").write_text(NOISY)
    done = edgeport("export", tmp_path / "noisy.py:Noisy", "--input-shape", "3,8,8", "--no-benchmark", "--json")
    verdict = json.loads(done.out)["verdict"]
    assert done.code == 0
    assert verdict.startswith("warn: max abs error / std")
    assert "float32 itself loses" in verdict
