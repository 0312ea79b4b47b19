"""What is done with an artifact, called from Python: it answers, prints nothing, and leaves the process as it was."""

import json
import logging
import os
import random
import signal
import threading
import warnings

import edgeport
import numpy as np
import pytest
import torch

FEW = {"num_runs": 2, "warmup_runs": 1}


@pytest.fixture(scope="module")
def digits():
    return np.random.default_rng(0).standard_normal((12, 1, 32, 32)).astype(np.float32)


@pytest.fixture(scope="module")
def made(tmp_path_factory, digits):
    """lenet5 for TFLite in int8, with its float twin."""
    return edgeport.export(
        "lenet5", precision="int8", calibration=digits, output_dir=tmp_path_factory.mktemp("made"), **FEW
    )


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGEPORT_CACHE", str(tmp_path / "cache"))


def state():
    """What of the process a caller counts on."""
    root = logging.getLogger()
    return {
        "threads": (torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled()),
        "random": (torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()),
        "warnings": list(warnings.filters),
        "logging": (list(root.handlers), root.level, list(logging.getLogger("edgeport").handlers)),
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "signals": [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)],
        "files": sorted(os.listdir()),
    }


def validate(made, digits):
    result = edgeport.validate(made.path, data=digits)
    assert result.ok
    assert result.agreement.snr_db == pytest.approx(made.agreement.snr_db, abs=6)
    return result


def benchmark(made, digits):
    result = edgeport.benchmark(made.float_twin.path, made.path, **FEW)
    twin, own = result.results
    assert own.ratio == pytest.approx(own.latency.median_ms / twin.latency.median_ms)
    return result


def debug(made, digits):
    result = edgeport.debug(made.path, data=digits, num_validation_samples=2, output_dir=made.path.parent / "layers")
    assert all(path.exists() for path in result.files)
    worst = result.worst()
    assert worst
    assert worst[0].name in {layer.name for layer in result.layers}
    return result


def run(made, digits):
    session = edgeport.open_session(made.path)
    (answer,) = session.run({session.inputs[0].name: digits[:1]}).values()
    assert answer.shape == (1, 10)
    session.close()


def bundle(made, digits):
    result = edgeport.bundle(made.path, "linux", output=made.path.parent / "bundle")
    assert result.files
    assert all((result.folder / file).exists() for file in result.files)
    return result


def report(made, digits):
    result = edgeport.report(made.path.parent, output=made.path.parent / "page.html")
    assert "lenet5" in result.page.read_text()
    assert {row.precision for row in result.rows} == {"fp32", "int8"}
    return result


def sweep(made, digits):
    result = edgeport.sweep(
        models=["lenet5"], targets=["onnx"], precisions=["fp32"], weights="random", output=made.path.parent / "s"
    )
    assert list(result.folder.rglob("lenet5*.onnx"))
    return result


def device(made, digits):
    (result,) = edgeport.validate_on_device("local", made.path, data=digits)
    assert result.ok
    assert result.device
    return result


def info(made, digits):
    assert edgeport.info(made.path)["manifest"]["precision"] == "int8"
    assert edgeport.info("lenet5")["num_classes"] == 10


def doctor(made, digits):
    result = edgeport.doctor()
    assert result.targets["tflite"]["ready"]
    assert "<td>" in shown(result)


def shown(result):
    """What a notebook shows of a result."""
    return result._repr_html_() if hasattr(result, "_repr_html_") else result._repr_markdown_()


CALLS = [validate, benchmark, debug, run, bundle, report, sweep, device, info, doctor]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
def test_a_call_answers_and_leaves_all_as_it_was(call, made, digits, capfd):
    before = state()
    result = call(made, digits)
    after = state()
    assert {name: value for name, value in after.items() if value != before[name]} == {}
    assert capfd.readouterr() == ("", "")
    if result is not None:
        json.dumps(result.to_json())
        assert "lenet5" in shown(result)


def test_from_a_thread_beside_another(made, digits):
    """Two threads at once, each with its own answer, the same as alone."""
    alone = edgeport.validate(made.path, data=digits).agreement
    found = []

    def judge():
        found.append(edgeport.validate(made.path, data=digits).agreement)

    threads = [threading.Thread(target=judge) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [alone, alone]


def test_an_artifact_that_is_damaged(made, tmp_path):
    damaged = tmp_path / "a.tflite"
    damaged.write_bytes(made.path.read_bytes()[:1000])
    for call in (edgeport.validate, edgeport.benchmark, edgeport.open_session, edgeport.debug, edgeport.info):
        with pytest.raises(edgeport.EdgeportError) as caught:
            call(damaged)
        assert caught.value.exit_code in edgeport.EXIT_CODES
        assert "\n" not in str(caught.value)
