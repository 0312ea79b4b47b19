"""Against a real adbd in a network namespace of its own; skipped where there is none (adbd.py, peers.py say why)."""

import json
import os
import signal
import sys
from pathlib import Path

import adbd
import numpy as np
import pytest
from aftermath import ENDLESS, assert_nothing_left, during, started

FEW = ("--num-runs", "3", "--warmup-runs", "1")


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with started(adbd, tmp_path_factory.mktemp("adbd")) as running:
        yield running


def options(running, serial=adbd.SERIAL, board: Path | None = None):
    return (
        *("--device", f"adb:{serial}", "--device-dir", board or running.board),
        *("--device-python", sys.executable, "--device-timeout", "60"),
    )


def failed(done) -> str:
    """The sentence of a command that ended with code 6 and said nothing else."""
    assert (done.returncode, done.stdout) == (6, ""), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_benchmark(artifacts, shared):
    two = artifacts["small.tflite"], artifacts["large.tflite"]
    done = shared.edgeport("benchmark", *two, "--json", "--quiet", *FEW, *options(shared))
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    assert value["device"] == f"adb:{adbd.SERIAL}"
    assert [each["latency"]["runs"] for each in value["results"]] == [3, 3]
    assert value["facts"]["machine"] == os.uname().machine
    assert_nothing_left(shared.board, shared.folder / "t")


def test_validate(artifacts, shared):
    path = artifacts["small.tflite"]
    np.savez(shared.folder / "feeds.npz", x=np.random.default_rng(0).standard_normal((6, 8)).astype(np.float32))
    arguments = ("validate", path, "--reference", path, "--feeds", shared.folder / "feeds.npz", "--json", "--quiet")
    done = shared.edgeport(*arguments, *options(shared))
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    assert (value["agreement"]["samples"], value["against_here"]["bit_exact"], value["verdict"]) == (6, True, "ok")
    assert_nothing_left(shared.board, shared.folder / "t")


def test_profile(artifacts, shared):
    arguments = ("profile", artifacts["large.tflite"], "--num-runs", "4", "--no-probe", "--json", "--quiet")
    done = shared.edgeport(*arguments, "-o", shared.folder / "out", *options(shared))
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    assert value["device"] == f"adb:{adbd.SERIAL}"
    assert sum(kernel["macs"] for kernel in value["kernels"]) == 512 * 512
    assert_nothing_left(shared.board, shared.folder / "t")


def test_several_devices_have_to_be_told_apart(artifacts, shared):
    said = failed(shared.edgeport("benchmark", artifacts["small.tflite"], *FEW, "--device", "adb"))
    assert "devices are ready" in said
    assert "name one by adb:SERIAL" in said


def test_no_such_device(artifacts, shared):
    said = failed(shared.edgeport("benchmark", artifacts["small.tflite"], *FEW, *options(shared, "nobody")))
    assert "adb:nobody: cannot be reached (" in said
    assert "device 'nobody' not found)" in said


def test_damaged_on_the_link(artifacts, shared, tmp_path):
    """adb delivers the file with another bit in it, and says that all is well."""
    fragile = tmp_path / "fragile.tflite"
    fragile.write_bytes(artifacts["large.tflite"].read_bytes() + b"FRAGILE")
    board = shared.folder / "noisy"
    said = failed(shared.edgeport("benchmark", fragile, *FEW, *options(shared, adbd.NOISY, board)))
    assert "fragile.tflite was damaged on its way there; try again" in said
    assert_nothing_left(board, shared.folder / "t")


def test_disk_full(artifacts, shared):
    said = failed(shared.edgeport("benchmark", artifacts["large.tflite"], *FEW, *options(shared, board=shared.full)))
    assert "large.tflite cannot be written there" in said
    assert "No space left on device" in said
    again = shared.edgeport("benchmark", artifacts["small.tflite"], *FEW, *options(shared, board=shared.full))
    assert again.returncode == 0, again.stderr
    left = shared.run(["find", shared.full, "-name", "*.part-*", "-o", "-path", "*/jobs/*"]).stdout
    assert left == ""


def test_runner_killed(artifacts, shared):
    board = shared.folder / "killed"
    with during(board, lambda pid: os.kill(pid, signal.SIGKILL)):
        said = failed(shared.edgeport("benchmark", artifacts["small.tflite"], *ENDLESS, *options(shared, board=board)))
    assert "the runner was killed, as when memory runs out, before it answered" in said
    assert_nothing_left(board, shared.folder / "t")


def test_unplugged(artifacts, tmp_path):
    with started(adbd, tmp_path) as running:
        with during(running.board, lambda pid: running.unplug()):
            said = failed(running.edgeport("benchmark", artifacts["small.tflite"], *ENDLESS, *options(running)))
        assert f"adb:{adbd.SERIAL}: went away before it answered" in said
        assert_nothing_left(running.board, running.folder / "t")
