"""The notebook runs from the first cell to the last, and its committed outputs are of one run without errors."""

import nbformat

from tools.run_notebook import NOTEBOOK, execute


def test_the_notebook_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # the tests share the cores
    execute(NOTEBOOK, tmp_path)
    (manifest,) = tmp_path.rglob("*_int8.tflite.json")
    assert '"verdict": "ok"' in manifest.read_text()


def test_the_committed_notebook_was_run_in_order():
    cells = [cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), "run `make notebook`"
    assert not any(output.output_type == "error" for cell in cells for output in cell.outputs)
