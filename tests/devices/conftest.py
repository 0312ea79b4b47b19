"""Makes what the tests of devices need: the command, and a few artifacts."""

import os
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import onnx_ir
import pytest
from command import run
from edgeport.exporters.canonicalize import canonicalize
from edgeport.exporters.openvino.convert import convert
from graphs import LINEAR

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "runtime")]
import tiny_tflite  # noqa: E402


@pytest.fixture
def edgeport(capsys, tmp_path, monkeypatch):
    """edgeport(*arguments) -> Outcome; its temporary files are in `tmp_path / "t"`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "t"))
    return partial(run, capsys)


@pytest.fixture
def bin_(tmp_path, monkeypatch):
    """bin_(name, script): a program that comes first on the PATH; returns where it is."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def write(name, script):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
        return folder / name

    return write


# adb as it is seen from outside: its own status says nothing about the command's
ADB = r"""
if [ "$1" = devices ]; then printf 'List of devices attached\nPHONE\tdevice\nOTHER\toffline\n\n'; exit 0; fi
[ "$2" = PHONE ] || { echo "adb: device '$2' not found" >&2; exit 1; }
verb=$3; shift 3
case $verb in
    shell) if [ -e gone ]; then case $1 in *runner.py*) exit 0;; esac; fi; sh -c "$*"; exit 0;;
    push | pull)
        [ ! -e full ] || { echo "adb: error: failed to copy '$1' to '$2': No space left on device"; exit 1; }
        cp "$1" "$2";;
esac
"""


@pytest.fixture
def adb(bin_, tmp_path):
    bin_("adb", ADB)
    return ("--device-dir", tmp_path / "my phone", "--device-python", sys.executable)


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory) -> dict[str, Path]:
    """{name: path}, of each format; int8.tflite has 8-bit ends, large.tflite 1 MB, other.tflite other weights."""
    folder = tmp_path_factory.mktemp("artifacts")
    rng = np.random.default_rng(0)
    contents = {
        "small.tflite": tiny_tflite.dense(np.eye(8) * 2, layers=3),
        "other.tflite": tiny_tflite.dense(np.eye(8) * 1.9, layers=3),
        "int8.tflite": tiny_tflite.int8_ends(),
        "large.tflite": tiny_tflite.dense(rng.standard_normal((512, 512)), layers=1),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (folder / "linear_openvino_model").mkdir()
    graph = onnx.parser.parse_model(LINEAR)
    weights = {"weight": rng.standard_normal((4, 10)), "bias": rng.standard_normal(10)}
    for name, array in weights.items():
        graph.graph.initializer.append(onnx.numpy_helper.from_array(array.astype(np.float32), name))
    onnx.save(graph, folder / "linear.onnx")
    convert(
        canonicalize(onnx_ir.from_proto(onnx.shape_inference.infer_shapes(graph))),
        folder / "linear_openvino_model",
        half_weights=False,
        metadata={},
    )
    return {path.name: path for path in folder.iterdir()}
