"""ONNX Runtime keeps no records of what is run: neither in the home folder nor elsewhere."""

import os
import subprocess
import sys

import pytest
from edgeport.exporters.onnx.convert import convert
from graphs import canonical

SESSION = "from edgeport.targets.registry import open_session; open_session(sys.argv[1])"
GRAPH = "import onnx; from edgeport.runtime.graph_session import open_graph; open_graph(onnx.load(sys.argv[1]))"
RUNNER = "from edgeport.devices.backends import onnx; onnx.prepare()[0](sys.argv[1], 1)"


def written(body, folder):
    """What a process of its own leaves in its home folder."""
    home = folder / "home"
    home.mkdir()
    path = folder / "model.onnx"
    model = canonical("agraph (float[1,4] x) => (float[1,4] y) { y = Relu (x) }")
    path.write_bytes(convert(model, half_weights=False, metadata={}))
    unset = ("CI", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME", "GITHUB_ACTIONS")
    environment = {key: value for key, value in os.environ.items() if key not in unset}
    environment |= {"HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", f"import sys; {body}", str(path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [file.name for file in home.rglob("*") if file.is_file()]


@pytest.mark.parametrize("body", [SESSION, GRAPH, RUNNER], ids=["session", "graph", "runner"])
def test_nothing_is_written_at_home(body, tmp_path):
    assert written(body, tmp_path) == []
