"""The export matrix: one small model for real, what fails or hangs, going on after an interruption, the pages."""

import json

import numpy as np
import pytest
from edgeport.models import get_variant, list_models
from edgeport.pipeline.sweep.process import Processes

from benchmarks import matrix, matrix_page
from benchmarks.cells import read, store
from benchmarks.matrix_page import TARGETS

CELL = {
    "model": "lenet5",
    "target": "tflite",
    "precision": "fp32",
    "passed": True,
    "verdict": "ok",
    "snr_db": 120.0,
    "max_abs_over_std": 3e-6,
    "size_bytes": 2_500_000,
    "median_ms": 1.25,
}
COSTS = {"all": 17.5, "weights": 30.0, "activations": 18.0, "float": {"1x1 Conv": 3.2, "Add": 0.5, "Mul": 0.01}}
LOW = CELL | {"precision": "int8", "snr_db": 18.0, "costs_db": COSTS}
FAILED = {"model": "lenet1", "target": "coreml", "precision": "int8", "passed": False, "verdict": "error: no | kernel"}


@pytest.fixture
def results(monkeypatch, tmp_path):
    """Where the files go instead."""
    for name, file in (("RESULTS", "matrix.jsonl"), ("PAGE", "matrix.md"), ("EXPORT_STATUS", "export_status.py")):
        monkeypatch.setattr(matrix_page, name, tmp_path / file)
    monkeypatch.setattr(matrix, "RESULTS", tmp_path / "matrix.jsonl")
    monkeypatch.setattr(matrix_page, "REASONS", tmp_path / "matrix_reasons.jsonl")
    return tmp_path


def test_which_models():
    names = matrix.select_models()
    assert {get_variant(name).family for name in names} == {get_variant(name).family for name in list_models()}
    assert [get_variant(name).params for name in names] == sorted(get_variant(name).params for name in names)
    assert {name for name in list_models() if get_variant(name).params < 30e6} <= set(names)
    assert sorted(names + matrix.select_models(large=True)) == list_models()
    assert matrix.plan_cells("resnet152") == {"tflite": ("fp32",), "openvino": ("fp32",)}
    assert matrix.plan_cells("resnet18") == dict.fromkeys(TARGETS, ("fp32", "int8"))


@pytest.mark.parametrize("model", ["lenet1"])
def test_a_model_for_real(results, model):
    assert matrix.main([model]) == 0
    cells = read(matrix_page.RESULTS)
    assert {(cell["target"], cell["precision"]) for cell in cells} == {
        (t, p) for t in TARGETS for p in ("fp32", "int8")
    }
    assert all(cell["passed"] and cell["size_bytes"] > 0 and cell["snr_db"] > 20 for cell in cells)
    assert (results / "matrix.md").read_text().count(f"| {model} |") >= 2
    status: dict = {}
    exec((results / "export_status.py").read_text(), status)
    assert status["EXPORT_STATUS"][model]["openvino"] == ("fp32", "int8")


def test_it_goes_on_where_it_stopped(results, monkeypatch):
    wanted = matrix.select_models()
    monkeypatch.setattr(matrix, "write_photographs", lambda folder: None)
    monkeypatch.setattr(matrix, "model_cells", lambda name, *_: [CELL | {"model": name, "passed": name != wanted[0]}])
    store = matrix.store

    def written():
        return [json.loads(line)["model"] for line in (results / "matrix.jsonl").read_text().splitlines()]

    def interrupted(cells, results):
        store(cells, results)
        if len(written()) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(matrix, "store", interrupted)
    with pytest.raises(KeyboardInterrupt):
        matrix.main([])
    monkeypatch.setattr(matrix, "store", store)
    done = written()
    assert len(done) == 2
    matrix.main(["--limit", "2"])
    assert sorted(written()[2:]) == sorted([name for name in wanted if name not in done][:2])
    other = next(name for name in done if name != wanted[0])
    matrix.main([other])
    assert len(written()) == 4
    matrix.main([other, "--again"])
    matrix.main([wanted[0], other, "--failed"])
    assert written()[4:] == [other, wanted[0]]


@pytest.mark.parametrize(
    ("program", "verdict", "made"),
    [
        ("import time; time.sleep(60)", "error: not done after 1 s", 0),
        ("raise MemoryError('too much')", "error: the process ended with code 1: MemoryError: too much", 0),
        (f"import time; print({json.dumps(CELL)!r}, flush=True); time.sleep(60)", "error: not done after 1 s", 1),
    ],
)
def test_what_fails_or_hangs(monkeypatch, tmp_path, program, verdict, made):
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "matrix_job.py").write_text(program)
    monkeypatch.setattr(matrix, "ROOT", tmp_path)
    cells = matrix.model_cells("lenet5", matrix.plan_cells("lenet5"), tmp_path, 1.0, Processes())
    assert len(cells) == len(TARGETS) * 2
    assert sum(cell["passed"] for cell in cells) == made
    assert {cell["verdict"] for cell in cells if not cell["passed"]} == {verdict}
    assert {cell["model"] for cell in cells} == {"lenet5"}


def test_what_cannot_be_exported(results, monkeypatch, tmp_path, capsys):
    """The sentence, for every cell that it concerns; fp32 is made where int8 alone fails."""
    from edgeport import quantize
    from edgeport.artifacts.errors import ExportError

    from benchmarks import matrix_job

    def no(*_, **__):
        raise quantize.QuantizeError("no statistics")

    matrix.write_photographs(tmp_path)
    monkeypatch.setattr(quantize, "plan", no)
    cells = list(matrix_job.cells("lenet1", tmp_path, tmp_path / "made"))
    known = matrix_page.by_key({"model": "lenet1", **cell} for cell in cells)
    assert {known["lenet1", target, "int8"]["verdict"] for target in TARGETS} == {"error: no statistics"}
    assert all(known["lenet1", target, "fp32"]["passed"] for target in TARGETS)

    def never(*_, **__):
        raise ExportError("onnx: there is no such thing")

    monkeypatch.setattr(matrix_job, "prepare", never)
    cells = list(matrix_job.cells("lenet1", tmp_path, tmp_path / "made"))
    assert {cell["verdict"] for cell in cells} == {"error: onnx: there is no such thing"}
    assert len(cells) == len(TARGETS) * 2


def test_weights_for_which_the_reference_is_exact(monkeypatch, tmp_path):
    from benchmarks import matrix_job

    matrix.write_photographs(tmp_path)
    open_reference, asked = matrix_job.open_reference, []

    class Overflowing:
        def run(self, feeds):
            return {"logits": np.full((1, 10), np.nan, np.float32)}

    class Lossy:
        def __init__(self, session):
            self.session, self.inputs, self.outputs = session, session.inputs, session.outputs
            self.double = session.double

        def run(self, feeds):
            return {name: output * np.float32(1.01) for name, output in self.session.run(feeds).items()}

    def reference(source):
        asked.append(source.weights.seed)
        opened = open_reference(source)
        return {0: Overflowing(), 1: Lossy(opened)}.get(asked[-1], opened)

    monkeypatch.setattr(matrix_job, "open_reference", reference)
    assert matrix_job.draw_model("lenet1", tmp_path)[1] == 2
    assert asked == [0, 1, 2]
    monkeypatch.setattr(matrix_job, "SEEDS", range(2))
    assert matrix_job.draw_model("lenet1", tmp_path)[1] == 1  # the better of two bad ones
    monkeypatch.setattr(matrix_job, "SEEDS", range(3))
    cells = list(matrix_job.cells("lenet1", tmp_path, tmp_path / "made", "fp32", ["onnx"]))
    assert [(cell["seed"], cell["passed"]) for cell in cells] == [(2, True)]


def test_results_are_kept_by_model(tmp_path):
    """Each model's last line counts; floats to five digits."""
    file = tmp_path / "results.jsonl"
    shared = {"jobs": 1, "model_seconds": 2.5}
    store([CELL | shared, LOW | shared], file)
    store([FAILED | shared], file)
    store([CELL | shared | {"snr_db": 12.3456789}, LOW | shared], file)
    assert len(file.read_text().splitlines()) == 3
    assert read(file) == [CELL | shared | {"snr_db": 12.346}, LOW | shared, FAILED | shared]
    assert read(tmp_path / "none.jsonl") == []


def test_costs(tmp_path, monkeypatch):
    """On a network this small the roundings of weights and activations may cancel, so the bounds are wide."""
    from benchmarks import matrix_job

    monkeypatch.setattr(matrix_page, "ENOUGH_DB", 1000.0)
    matrix.write_photographs(tmp_path)
    cells = list(matrix_job.cells("lenet1", tmp_path, tmp_path / "made", targets=["openvino", "onnx"]))
    assert len(cells) == 4
    (cell,) = (c for c in cells if "costs_db" in c)  # once for a model
    costs = cell["costs_db"]
    assert all(20 < costs[part] < 60 for part in ("all", "weights", "activations"))
    assert len({round(costs[part], 3) for part in ("all", "weights", "activations")}) == 3
    assert {"Linear", "5x5 Conv"} <= set(costs["float"])
    assert list(costs["float"].values()) == sorted(costs["float"].values(), reverse=True)


def test_page(results):
    page = matrix_page.page([CELL, LOW, FAILED])
    assert "| lenet5 | 0.06 M | 3e-06, 2.5 MB, 1.2 ms | not run | not run | not run |" in page
    assert "- int8: 1 of 2 cells passed, 0 with at least 25 dB" in page
    alone = "17.5 dB before; weights alone 30.0 dB, activations alone 18.0 dB"
    assert (
        f"| lenet5 | 18.0 |  |  |  | not measured | tflite | {alone}; in float: 1x1 Conv +3.2 dB, Add +0.5 dB |" in page
    )
    assert "| lenet1 | coreml | int8 | error: no \\| kernel |" in page
    assert "| lenet1 | 0.00 M | not run | not run | **failed** | not run |" in page
    assert f"{len(list_models()) - 2} models: " in page


def test_committed_files_are_of_the_committed_results():
    cells = read(matrix_page.RESULTS)
    assert matrix_page.EXPORT_STATUS.read_text() == matrix_page.module(cells), (
        "run `python -m benchmarks.matrix --render`"
    )
    assert matrix_page.PAGE.read_text() == matrix_page.page(cells), "run `python -m benchmarks.matrix --render`"


def test_committed_page_of_timm_is_of_the_committed_results():
    from benchmarks import timm_models

    page = timm_models.page(read(timm_models.RESULTS))
    assert timm_models.PAGE.read_text() == page, "run `python -m benchmarks.timm_models --render`"


def test_reasons(results, monkeypatch, tmp_path):
    """Noise on all that int8 rounds, and the ranges of the very photographs, on a network that has few layers."""
    from benchmarks import matrix_reasons

    matrix.write_photographs(tmp_path)
    low = {"tflite": CELL | {"model": "lenet1", "precision": "int8", "snr_db": 0.0}}
    facts = matrix_reasons.reason_of("lenet1", low, tmp_path)
    assert facts["target"] == "tflite"
    assert 35 < facts["noise_db"] < 45  # 40, but for what the layers in between swallow and the later ones add
    assert 25 < facts["covered_db"] < 50
    low["tflite"]["snr_db"] = facts["noise_db"]
    assert matrix_reasons.reason_of("lenet1", low, tmp_path) == {k: facts[k] for k in ("target", "noise_db")}
    store([low["tflite"] | {"snr_db": 1.0}], results / "matrix.jsonl")
    monkeypatch.setattr(matrix_reasons, "REASONS", results / "matrix_reasons.jsonl")
    assert matrix_reasons.main([]) == 0
    assert "| lenet1 | 1.0 |  |  |  | the photographs; float with noise: " in (results / "matrix.md").read_text()


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        (None, ""),
        ({"target": "onnx", "noise_db": 20.0}, ""),
        ({"target": "tflite", "noise_db": 21.1}, ""),  # of a noisier cell
        ({"target": "tflite", "noise_db": 20.9}, "network"),
        ({"target": "tflite", "noise_db": 30.0, "float16_db": 21.0}, "float16"),
        ({"target": "tflite", "noise_db": 30.0, "float16_db": None}, "float16"),
        ({"target": "tflite", "noise_db": 30.0, "covered_db": 25.0}, "photographs"),
        ({"target": "tflite", "noise_db": 30.0, "float16_db": 60.0, "covered_db": 25.0}, "photographs"),
        ({"target": "tflite", "noise_db": 30.0, "covered_db": 20.0}, "bits"),
    ],
)
def test_kinds_of_reasons(facts, kind):
    assert matrix_page.reason(facts, {"tflite": LOW})[0] == kind


def test_the_table_of_core_ai():
    """What is out of its limits stands out, and an error is told."""
    good = {"max_abs_over_std": 3e-6, "snr_db": 121.0, "verdict": "ok"}
    low = {"max_abs_over_std": 0.2, "snr_db": 27.5, "verdict": "fail: SNR in dB 27.5"}
    row = {"name": "lenet1", "fp32": good, "fp16": low, "int8": {"error": "no | kernel"}, "onnx int8": good}
    text = "\n".join(matrix_page.core_ai([row]))
    assert "| lenet1 | 3e-06 | **27.5** | **failed**: no \\| kernel | 121.0 |" in text
    assert matrix_page.core_ai([]) == []
