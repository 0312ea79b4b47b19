"""`--accelerator`: an artifact on LiteRT's GPU, computed in software, through validate, benchmark and debug."""

import json

import pytest
from software_gpu import gpu, needs_gpu

__all__ = ["gpu"]


@pytest.fixture
def artifact(edgeport, tmp_path):
    done = edgeport("export", "lenet5", "--weights", "random", "--target", "tflite", "--no-benchmark", "-o", "out")
    assert done.code == 0
    return "out/lenet5/lenet5_fp32.tflite"


@needs_gpu
def test_validate_tells_both_precisions_and_what_is_accelerated(edgeport, artifact, gpu):
    done = edgeport("validate", artifact, "--accelerator", "gpu", "--num-validation-samples", "2", "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    found = told["accelerator"]
    assert found["whole"]
    assert found["accelerated"] == found["operators"] > 3
    assert found["refused"] == []
    assert found["emulated"]
    assert told["emulated"]
    assert [run["precision"] for run in found["runs"]] == ["fp32", "fp16"]
    exact, half = found["runs"]
    assert exact["cpu_snr_db"] > 90 > half["cpu_snr_db"] > 30
    assert [run["verdict"] for run in found["runs"]] == ["ok", "ok"]
    assert told["verdict"] == "ok"
    assert "latency" not in told


@needs_gpu
def test_people_are_told_where_it_ran(edgeport, artifact, gpu):
    done = edgeport("validate", artifact, "--accelerator", "gpu", "--num-validation-samples", "1")
    assert "in software: no times" in done.out
    assert "dB from the CPU" in done.out
    assert "float16" in done.out


@needs_gpu
def test_a_gpu_in_software_is_never_timed(edgeport, artifact, gpu):
    done = edgeport("benchmark", artifact, "--accelerator", "gpu", "--json")
    assert done.code == 0, done.err
    (timing,) = json.loads(done.out)["results"]
    assert (timing["latency"], timing["emulated"]) == (None, True)
    assert "is not timed" in done.err


@needs_gpu
def test_debug_looks_at_the_values_of_the_gpu(edgeport, artifact, gpu):
    figures = {}
    for precision in ("fp32", "fp16"):
        options = ("--accelerator", "gpu", "--accelerator-precision", precision, "--num-validation-samples", "2")
        done = edgeport("debug", artifact, *options, "--json")
        assert done.code == 0, done.err
        figures[precision] = [layer["accumulated"]["snr_db"] for layer in json.loads(done.out)["layers"]]
    assert min(figures["fp32"]) > 90
    assert all(30 < half < exact for half, exact in zip(figures["fp16"], figures["fp32"], strict=True))


@pytest.mark.parametrize("command", ["validate", "benchmark"])
def test_an_accelerator_is_of_this_machine(edgeport, artifact, command):
    done = edgeport(command, artifact, "--accelerator", "gpu", "--device", "local")
    assert done.code == 2
    assert "leave out --device" in done.err


def test_without_a_gpu_the_way_to_one_is_told(edgeport, artifact, tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEPORT_DEVICES", str(tmp_path / "none"))
    monkeypatch.setenv("VK_DRIVER_FILES", str(tmp_path / "none.json"))
    done = edgeport("validate", artifact, "--accelerator", "gpu")
    assert done.code == 2, done.err
    assert done.err.strip().splitlines()[-1].endswith("edgeport devices setup gpu")


def test_only_tflite_runs_there(edgeport, tmp_path):
    done = edgeport("export", "lenet5", "--weights", "random", "--target", "onnx", "--no-benchmark", "-o", "out")
    assert done.code == 0
    done = edgeport("validate", "out/lenet5/lenet5_fp32.onnx", "--accelerator", "gpu")
    assert done.code == 2
    assert "gpu takes .tflite" in done.err
