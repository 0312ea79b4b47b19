"""The comparison with peers: its lists, what fails or hangs, going on after an interruption, the page. No peer runs."""

import ast
import json
import sys
from pathlib import Path

import pytest
from edgeport.models import list_models

from benchmarks.peers import __main__ as command
from benchmarks.peers import environments, page, process, results
from benchmarks.peers.peers import FORMATS, MODELS, OURS, PEERS

FOLDER = Path(command.__file__).parent
MADE = {
    "artifact": "x.tflite",
    "seconds": 2.0,
    "cpu_seconds": 1.0,
    "all_cpu_seconds": 4.0,
    "before_mb": 300.0,
    "peak_mb": 350.5,
    "size_bytes": 14_000_000,
    "ops": 70,
    "partitions": 1,
    "undelegated": 2,
    "snr_db": 104.0,
    "max_abs_over_std": 3e-5,
    "cosine": 1.0,
    "problem": "",
}


def cell(peer: str, **facts) -> dict:
    return {"model": "mobilenetv2_100", "format": "tflite", "precision": "fp32", "peer": peer, **facts}


TIMES = {"fp32 ours": {"cpu_ms": 7.0}, "fp32 litert_torch": {"cpu_ms": 6.0}, "fp32 onnxsim": {"cpu_ms": 5.0}}
KNOWN = [
    cell(OURS, **MADE),
    cell("litert_torch", **{**MADE, "cpu_seconds": 8.0}),
    cell("onnxsim", **{**MADE, "max_abs_over_std": 0.5}),
    cell("onnx2tf", stage="convert", error="not done after 300 s"),
    {
        "model": "mobilenetv2_100",
        "format": "tflite",
        "precision": "fp32",
        "machine": "a machine",
        "load_average": 0.1,
        "latencies": TIMES,
    },
]


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """Where all files go instead."""
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results.jsonl")
    monkeypatch.setattr(page, "PAGE", tmp_path / "benchmarks.md")
    monkeypatch.setattr(environments, "FOLDER", tmp_path)
    monkeypatch.setattr(command, "FOLDER", tmp_path)
    return tmp_path


def test_models_are_in_the_zoo():
    assert len(MODELS) >= 12
    assert set(MODELS) <= set(list_models())


@pytest.mark.parametrize("peer", PEERS.values(), ids=lambda peer: peer.name)
def test_each_peer_has_its_file_and_its_versions(peer):
    tree = ast.parse((FOLDER / f"{peer.name}.py").read_text())
    assert {"load", "convert"} <= {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert set(peer.makes) <= set(FORMATS)
    if peer.name != OURS:
        assert set(peer.packages) <= set(environments.pins(peer.name))


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("import time; time.sleep(60)", "not done after 1 s"),
        ("raise ValueError('no kernel\\nfor it')", "ValueError: no kernel"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGABRT)", "ended by SIGABRT"),
        ("import sys; sys.exit(3)", "it ends without a word"),
    ],
)
def test_what_fails_or_hangs(monkeypatch, tmp_path, program, why):
    (tmp_path / "benchmarks" / "peers").mkdir(parents=True)
    (tmp_path / "benchmarks" / "peers" / "step.py").write_text(program)
    monkeypatch.setattr(process, "ROOT", tmp_path)
    with pytest.raises(process.Failed) as failed:
        process.answer(Path(sys.executable), "peers.step", (), timeout_s=1 if "sleep" in program else 30)
    assert str(failed.value) == why


def test_an_environment_that_cannot_be_made(monkeypatch, tmp_path):
    """pip's sentence, at the stage "install"; the others go on."""
    (tmp_path / "onnxsim.txt").write_text("./no-such-package\n")
    monkeypatch.setattr(environments, "REQUIREMENTS", tmp_path)
    facts = command.try_conversion(command.Material("lenet1", tmp_path), "onnxsim", "tflite", "fp32", 1.0)
    assert facts["stage"] == "install"
    assert facts["error"].startswith("ERROR: ")


def test_it_goes_on_where_it_stopped(monkeypatch):
    done = []

    def outcome(material, *what):
        done.append((material.model, *what[:3]))
        if len(done) == 4:
            raise KeyboardInterrupt
        return dict(MADE)

    monkeypatch.setattr(command, "prepare_material", lambda model: command.Material(model, Path(model)))
    monkeypatch.setattr(command, "try_conversion", outcome)
    asked = ["--models", "lenet1", "lenet5", "--peers", "ours", "onnxruntime", "--formats", "onnx", "--convert-only"]
    with pytest.raises(KeyboardInterrupt):
        command.main(asked)
    assert command.main(asked) == 0
    assert done.count(("lenet5", "ours", "onnx", "fp32")) == 2
    assert len(done) == len(set(done)) + 1 == 7
    assert command.main([*asked, "--again"]) == 0
    assert len(done) == 13


def test_page():
    for facts in KNOWN:
        results.append(facts)
    text = page.page(results.read())
    assert "| tflite | fp32 | litert_torch | 1 of 1 | 1 | 1 | 0.86 | 8.00 |  |" in text
    assert "| tflite | fp32 | onnx2tf | 0 of 1 | 0 | 0 |  |  |  |" in text
    assert "| mobilenetv2_100 | 7.00 | litert_torch | 6.00 | **1.17** |" in text, "the fastest one that is exact"
    assert (
        "| mobilenetv2_100 | ours | 3e-05 | 104.0 | 7.00 | 1.00 | 14.0 | 70 | 1 + 2 | 1.0 (4.0) | 350 (+50) |" in text
    )
    assert "| mobilenetv2_100 | onnxsim | **0.5** |" in text
    assert "| mobilenetv2_100 | tflite | fp32 | onnx2tf | convert | not done after 300 s |" in text
    assert "Timed on: a machine." in text


def test_no_results_make_a_page(folder):
    assert command.main(["--render"]) == 0
    assert (folder / "benchmarks.md").read_text().startswith("# edgeport beside its peers")
    assert json.loads(json.dumps(KNOWN)) == KNOWN
