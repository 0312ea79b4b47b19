"""On emulated CPUs; skipped where `edgeport devices setup qemu` has not been run. Its faults are tested everywhere."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from edgeport.artifacts.errors import DeviceError
from edgeport.devices import debian, environment, qemu_setup
from edgeport.devices.folder import devices_folder

READY = devices_folder() / "qemu"  # at import: the tests' own caches are elsewhere


@pytest.fixture
def emulated(tmp_path, monkeypatch):
    """The environment; as a copy that may be changed, of links."""
    if not (READY / "cpus").exists():
        pytest.skip(f"{READY} is not there: `edgeport devices setup qemu` makes it")
    (tmp_path / "devices" / "qemu").mkdir(parents=True)
    for part in ("qemu", "root", "site", "plugin"):
        (tmp_path / "devices" / "qemu" / part).symlink_to(READY / part)
    shutil.copytree(READY / "cpus", tmp_path / "devices" / "qemu" / "cpus", symlinks=True)
    monkeypatch.setenv("EDGEPORT_DEVICES", str(tmp_path / "devices"))
    return tmp_path / "devices" / "qemu"


@pytest.fixture
def validate(edgeport, tmp_path, artifacts):
    """validate(devices, *options) -> Outcome, of an artifact against itself as this process runs it."""
    np.savez(tmp_path / "feeds.npz", x=np.random.default_rng(0).standard_normal((3, 8)).astype(np.float32))
    path = artifacts["small.tflite"]
    arguments = ("validate", path, "--reference", path, "--feeds", tmp_path / "feeds.npz")
    return lambda devices, *options: edgeport(*arguments, "--device", devices, *options)


def test_validate(emulated, validate):
    done = validate("qemu:cortex-a53,cortex-a76", "--json")
    assert done.code == 0, done.err
    for value, cpu in zip(done.json, ("cortex-a53", "cortex-a76"), strict=True):
        assert (value["device"], value["emulated"], value["verdict"]) == (f"qemu:{cpu}", True, "ok")
        assert value["against_here"]["snr_db"] > 100
        assert value["facts"]["machine"] == "aarch64"
        assert "latency" not in json.dumps(value)
        assert value["seconds"] == {}
    assert done.json[0]["facts"]["cpu_parts"] == ["0xd03"]


def test_instructions_are_the_same_each_time(emulated, edgeport, artifacts):
    path = artifacts["large.tflite"]
    runs = [edgeport("benchmark", path, path, "--device", "qemu:cortex-a55", "--json").json for _ in range(2)]
    for run in runs:
        first, second = run["results"]
        assert (first["latency"], second["latency"], first["emulated"]) == (None, None, True)
        assert second["ratio"] == pytest.approx(1, abs=0.05)  # it is small: what surrounds it counts, too
        assert first["kernels"] == "plain NEON (FMLA)"
        assert first["instructions"]["per_inference"] > 512 * 512 / 4  # four products an instruction
    counts = [run["results"][0]["instructions"]["per_inference"] for run in runs]
    assert counts[0] == pytest.approx(counts[1], rel=1e-4)


def test_no_latency_is_printed(emulated, edgeport, artifacts):
    text = edgeport("benchmark", artifacts["small.tflite"], "--device", "qemu:cortex-a53").out
    assert "no latency" in text
    assert " ms" not in text


def test_without_a_compiler_the_kernels_are_told_all_the_same(emulated, validate):
    (emulated / "plugin").unlink()
    (emulated / "plugin").mkdir()
    done = validate("qemu:cortex-a76", "--json")
    assert done.code == 0, done.err
    assert (done.json["instructions"], done.json["kernels"]) == (None, "plain NEON (FMLA)")
    assert "plain NEON (FMLA)" in validate("qemu:cortex-a76").out


class Recipes:
    """Builders that build next to nothing; `fails` is the part whose builder fails."""

    def __init__(self, monkeypatch):
        self.built, self.fails = [], ""
        for part in ("qemu", "root", "site", "plugin"):
            monkeypatch.setattr(qemu_setup, f"_{part}", self.builder(part))

    def builder(self, part):
        def build(new: Path, *_):
            if part == self.fails:
                (new / "half").touch()
                raise DeviceError("apt-get update failed: no network")
            self.built.append(part)
            (new / "lib").mkdir()

        return build


def test_a_setup_that_stops_goes_on_where_it_stopped(tmp_path, monkeypatch):
    recipes, said = Recipes(monkeypatch), []
    recipes.fails = "site"
    with pytest.raises(DeviceError, match="no network"):
        qemu_setup.setup(tmp_path, ["numpy"], said.append)
    (tmp_path / f"{environment.UNFINISHED}x").mkdir()  # as kill -9 leaves it
    assert not (tmp_path / "site").exists()
    recipes.fails = ""
    qemu_setup.setup(tmp_path, ["numpy"], said.append)
    assert recipes.built == ["qemu", "root", "site", "plugin"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cpus", "plugin", "qemu", "root", "site"]
    qemu_setup.setup(tmp_path, ["numpy"], said.append)
    assert len(recipes.built) == 4
    qemu_setup.setup(tmp_path, ["numpy", "openvino==2026.4.1"], said.append)
    assert recipes.built[4:] == ["site"]
    assert "instructions will not be counted" in said[-1]
    assert (tmp_path / "cpus" / "cortex-a53" / "root" / "lib").is_dir()


def test_setup_and_clean(edgeport, tmp_path, monkeypatch):
    recipes = Recipes(monkeypatch)
    monkeypatch.setattr(qemu_setup, "check", lambda folder: None)
    monkeypatch.delenv("EDGEPORT_OFFLINE")
    monkeypatch.setenv("EDGEPORT_DEVICES", str(tmp_path / "devices"))
    done = edgeport("devices", "setup", "qemu")
    assert done.code == 0, done.err
    assert f"{tmp_path}/devices/qemu is ready" in done.out
    assert "qemu:cortex-a55         ready" in edgeport("devices", "list").out
    assert edgeport("devices", "clean", "qemu").code == 0
    assert not (tmp_path / "devices" / "qemu").exists()
    recipes.fails = "root"
    done = edgeport("devices", "setup", "qemu")
    assert (done.code, done.error) == (6, "edgeport: apt-get update failed: no network")


def test_another_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(environment.platform, "machine", lambda: "arm64")
    with pytest.raises(DeviceError, match="qemu: is set up only on x86-64 Linux, not on Linux arm64"):
        qemu_setup.setup(tmp_path, ["numpy"], print)


def test_no_room(tmp_path, monkeypatch):
    Recipes(monkeypatch)
    (tmp_path / "file").touch()
    with pytest.raises(DeviceError, match="cannot be written"):
        qemu_setup.setup(tmp_path / "file" / "qemu", ["numpy"], print)


TARGETS = "http://mirror/security bookworm-security main\\nhttp://mirror/debian bookworm main\\n"
NO_NETWORK = "echo 'E: Could not resolve it' >&2; exit 100"
APT = {
    "no apt": ({}, "apt-get and dpkg-deb are not here"),
    "no Debian": (
        {"apt-get": "printf 'http://mirror/ubuntu noble main\\n'", "dpkg-deb": ""},
        "apt on this machine reads no Debian archive",
    ),
    "no network": (
        {
            "apt-get": f"case $1 in indextargets) printf '{TARGETS}'; exit;; esac; {NO_NETWORK}",
            "apt-config": "echo 'Acquire::http::Proxy \"http://proxy:1\";'",
            "dpkg-deb": "",
        },
        "apt-get update failed: Could not resolve it",
    ),
}


@pytest.mark.parametrize("what", APT)
def test_apt_fails(tmp_path, monkeypatch, what):
    programs, words = APT[what]
    for name, script in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(debian, "KEYRING", tmp_path)
    with pytest.raises(DeviceError, match=words):
        debian.fetch(["qemu-user"], tmp_path / "new", release="bookworm", architecture="amd64")


def test_apt_is_told_the_machine_s_own_mirror_and_proxy(tmp_path, monkeypatch):
    for name, script in APT["no network"][0].items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(debian, "KEYRING", tmp_path)
    (tmp_path / "private").mkdir()
    told = debian._configure(tmp_path / "private", "bookworm", "arm64").read_text()
    assert 'Acquire::http::Proxy "http://proxy:1";' in told
    assert (tmp_path / "private" / "sources.list").read_text().endswith("http://mirror/debian bookworm main\n")
    assert 'APT::Architecture "arm64";' in told
