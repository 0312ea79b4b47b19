"""Against a real sshd on this machine's loopback; skipped where there is none (sshd.py and peers.py say why)."""

import os
import signal
import sys

import numpy as np
import pytest
import sshd
from aftermath import ENDLESS, assert_nothing_left, during, started

FEW = ("--num-runs", "3", "--warmup-runs", "1")


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with started(sshd, tmp_path_factory.mktemp("sshd")) as running:
        yield running


def options(running, host="board", board=None):
    return (
        *("--device", f"ssh:{host}", "--ssh-config", running.config, "--device-dir", board or running.board),
        *("--device-python", sys.executable, "--device-timeout", "60"),
    )


def test_benchmark(edgeport, artifacts, shared, tmp_path):
    two = artifacts["small.tflite"], artifacts["large.tflite"]
    done = edgeport("benchmark", *two, "--json", *FEW, *options(shared))
    assert done.code == 0, done.err
    assert done.json["device"] == "ssh:board"
    assert [each["latency"]["runs"] for each in done.json["results"]] == [3, 3]
    assert done.json["facts"]["cores"] == os.cpu_count()
    assert (
        len(list(shared.board.glob("files/*"))) == 4
    )  # the runner, what runs .tflite files there, and the two artifacts
    assert_nothing_left(shared.board, tmp_path / "t")


def test_what_is_there_is_not_copied_again(edgeport, artifacts, shared):
    arguments = ("benchmark", artifacts["large.tflite"], *FEW, *options(shared))
    assert edgeport(*arguments).code == 0
    before = {path: path.stat().st_ino for path in shared.board.glob("files/*")}
    assert edgeport(*arguments).code == 0
    assert {path: path.stat().st_ino for path in shared.board.glob("files/*")} == before
    damaged = next(path for path in before if path.stat().st_size == artifacts["large.tflite"].stat().st_size)
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    assert edgeport(*arguments).code == 0
    assert damaged.read_bytes() == artifacts["large.tflite"].read_bytes()


def test_validate(edgeport, artifacts, shared, tmp_path):
    np.savez(tmp_path / "feeds.npz", x=np.random.default_rng(0).standard_normal((6, 8)).astype(np.float32))
    path = artifacts["small.tflite"]
    arguments = ("validate", path, "--reference", path, "--feeds", tmp_path / "feeds.npz")
    done = edgeport(*arguments, "--json", *options(shared))
    assert done.code == 0, done.err
    assert done.json["agreement"]["samples"] == 6
    assert done.json["against_here"]["bit_exact"]
    assert done.json["verdict"] == "ok"
    assert done.json["runtime"] == done.json["here"]["runtime"]


def test_profile(edgeport, artifacts, shared, tmp_path):
    two = artifacts["large.tflite"], "--against", artifacts["linear.onnx"]
    done = edgeport("profile", *two, "--num-runs", "8", "--no-probe", "--json", "-o", "out", *options(shared))
    assert done.code == 0, done.err
    assert (done.json["device"], done.json["against"]["device"]) == ("ssh:board", "ssh:board")
    assert sum(kernel["macs"] for kernel in done.json["kernels"]) == 512 * 512
    assert done.json["latency"]["runs"] == done.json["against"]["latency"]["runs"]
    assert_nothing_left(shared.board, tmp_path / "t")


# what: (host of sshd.py's configuration, what the sentence says)
UNREACHABLE = {
    "wrong key": ("wrong_key", "cannot be reached (root@127.0.0.1: Permission denied (publickey)"),
    "host down": ("down", "Connection refused"),
    "bit flipped on the link": ("noisy", "went away before it answered"),
}


@pytest.mark.parametrize("what", UNREACHABLE)
def test_unreachable(edgeport, artifacts, shared, tmp_path, what):
    host, words = UNREACHABLE[what]
    board = tmp_path / "board"
    done = edgeport("benchmark", artifacts["large.tflite"], *FEW, *options(shared, host, board))
    assert done.code == 6
    assert f"edgeport: ssh:{host}: " in done.error
    assert words.replace("root@127", f"{sshd.getpass.getuser()}@127") in done.error
    assert done.out == ""
    assert_nothing_left(board, tmp_path / "t")


def test_damaged_on_arrival(edgeport, artifacts, shared, tmp_path):
    program = shared.bin / "cat"
    program.write_text("#!/bin/sh\nexec head -c 200000\n")
    program.chmod(0o755)
    try:
        done = edgeport("benchmark", artifacts["large.tflite"], *FEW, *options(shared, board=tmp_path / "board"))
    finally:
        program.unlink()
    assert done.code == 6
    assert "large.tflite was damaged on its way there; try again" in done.error
    assert_nothing_left(tmp_path / "board", tmp_path / "t")


def test_disk_full(edgeport, artifacts, shared, tmp_path):
    if shared.full is None:
        pytest.skip("a full disk needs root, who may mount one")
    done = edgeport("benchmark", artifacts["large.tflite"], *FEW, *options(shared, board=shared.full))
    assert done.code == 6
    assert "large.tflite cannot be written there" in done.error
    assert "No space left on device" in done.error
    again = edgeport("benchmark", artifacts["small.tflite"], *FEW, *options(shared, board=shared.full))
    assert again.code == 0, again.err  # no half file takes the room
    assert_nothing_left(shared.full, tmp_path / "t")


def test_runner_killed(edgeport, artifacts, shared, tmp_path):
    board = tmp_path / "board"
    with during(board, lambda pid: os.kill(pid, signal.SIGKILL)):
        done = edgeport("benchmark", artifacts["small.tflite"], *ENDLESS, *options(shared, board=board))
    assert done.code == 6
    assert "ssh:board: the runner was killed, as when memory runs out, before it answered" in done.error
    assert_nothing_left(board, tmp_path / "t")


def test_unplugged(edgeport, artifacts, tmp_path):
    with started(sshd, tmp_path) as running:
        with during(running.board, lambda pid: running.unplug()):
            done = edgeport("benchmark", artifacts["small.tflite"], *ENDLESS, *options(running))
        assert done.code == 6
        assert "ssh:board: went away before it answered" in done.error
        assert_nothing_left(running.board, tmp_path / "t")


def test_timeout(edgeport, artifacts, shared, tmp_path):
    board = tmp_path / "board"
    slow = ("--device-timeout", "6")
    done = edgeport("benchmark", artifacts["small.tflite"], *ENDLESS, *options(shared, board=board), *slow)
    assert done.code == 6
    assert "ssh:board: gave no answer within 6 s" in done.error
    assert_nothing_left(board, tmp_path / "t")


def test_clean(edgeport, artifacts, shared, tmp_path):
    board = tmp_path / "board"
    reach = options(shared, board=board)
    assert edgeport("benchmark", artifacts["small.tflite"], *FEW, *reach).code == 0
    assert board.exists()
    assert edgeport("devices", "clean", "ssh:board", *reach[2:]).code == 0
    assert not board.exists()


def test_sweep(edgeport, shared, tmp_path):
    """Beside the machine itself: exported here, validated and timed there."""
    lines = ["models: [lenet1]", "devices: [local, 'ssh:board']", "num-runs: 3", f"output: {tmp_path / 'out'}"]
    said = dict(zip(options(shared)[2::2], options(shared)[3::2], strict=True))
    lines += [f"{name.removeprefix('--')}: {value}" for name, value in said.items()]
    (tmp_path / "sweep.yaml").write_text("\n".join(lines))
    done = edgeport("sweep", tmp_path / "sweep.yaml", "--json")
    assert done.code == 0, done.err
    report = edgeport("report", tmp_path / "out", "--json")
    rows = {(row["precision"], row["device"]): row for row in report.json["rows"]}
    assert set(rows) == {(precision, device) for precision in ("fp32", "int8") for device in ("local", "ssh:board")}
    assert all(row["latency"] and row["agreement"] and row["device_facts"] for row in rows.values())
    assert_nothing_left(shared.board, tmp_path / "t")
