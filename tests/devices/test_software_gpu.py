"""Setting up the GPU in software: what may go wrong is one sentence, what is there is not fetched again."""

import json

import pytest
from edgeport.artifacts.errors import DeviceError
from edgeport.devices import environment, software_gpu
from edgeport.devices.software_gpu import DRIVER, LIBRARIES, LOADER, NAME, check, installed, is_ready, setup
from software_gpu import FOLDER, needs_gpu


@pytest.fixture
def fetched(monkeypatch):
    """Stands for Debian's archive: what is fetched is empty files."""
    calls = []

    def fetch(packages, into, *, release, architecture):
        calls.append((packages, release, architecture))
        (into / LIBRARIES).mkdir(parents=True)
        for name in ("libvulkan_lvp.so", "libvulkan_intel.so", "libvulkan.so.1", "libLLVM.so"):
            (into / LIBRARIES / name).touch()

    monkeypatch.setattr(software_gpu, "fetch", fetch)
    return calls


def test_a_setup_is_whole_or_not_there(tmp_path, fetched, monkeypatch):
    folder, said = tmp_path / NAME, []
    setup(folder, said.append)
    assert is_ready(folder)
    assert json.loads((folder / "root" / "icd.json").read_text())["ICD"]["library_path"] == str(
        folder / "root" / DRIVER
    )
    assert not (folder / "root" / LIBRARIES / "libvulkan_intel.so").exists()
    assert (folder / "root" / LIBRARIES / "libvulkan.so.1").exists()
    setup(folder, said.append)
    assert (len(fetched), len(said)) == (1, 1)
    monkeypatch.setenv("EDGEPORT_DEVICES", str(tmp_path))
    launcher = installed()
    assert launcher is not None
    assert launcher.environment["VK_DRIVER_FILES"] == str(folder / "root" / "icd.json")


def test_a_failed_fetch_leaves_nothing(tmp_path, monkeypatch):
    def fetch(packages, into, *, release, architecture):
        (into / "half").touch()
        raise DeviceError("apt-get update failed: no network")

    monkeypatch.setattr(software_gpu, "fetch", fetch)
    with pytest.raises(DeviceError, match="no network"):
        setup(tmp_path / NAME, print)
    assert not is_ready(tmp_path / NAME)
    assert list((tmp_path / NAME).iterdir()) == []


def test_other_machines_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(environment.platform, "machine", lambda: "riscv64")
    with pytest.raises(DeviceError, match="only on x86-64 Linux"):
        setup(tmp_path / NAME, print)


@needs_gpu
def test_python_runs_with_its_libraries():
    check(FOLDER / NAME)


def test_libraries_that_do_not_start_are_told(tmp_path):
    loader = tmp_path / NAME / "root" / LOADER
    loader.parent.mkdir(parents=True)
    loader.write_text("#!/bin/sh\necho no such thing >&2\nexit 1\n")
    loader.chmod(0o755)
    with pytest.raises(DeviceError, match="no such thing"):
        check(tmp_path / NAME)
