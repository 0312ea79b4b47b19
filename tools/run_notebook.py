"""Run the example notebook from the first cell to the last and keep its outputs: `make notebook`."""

import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[1] / "examples" / "train_to_int8.ipynb"
LIMIT_S = 600  # of one cell


def execute(path: Path, folder: Path) -> nbformat.NotebookNode:
    """The notebook with the outputs of a run in `folder`. Raises CellExecutionError for the first cell that fails."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=LIMIT_S, kernel_name="python3", resources={"metadata": {"path": folder}})
    client.execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when it ran, which changes with every run
    return notebook


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        nbformat.write(execute(NOTEBOOK, Path(folder)), NOTEBOOK)
    return 0


if __name__ == "__main__":
    sys.exit(main())
