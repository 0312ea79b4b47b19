"""Model Explorer's reader shows a .tflite as the hierarchy of its PyTorch modules."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest


def test_names_make_a_hierarchy(artifacts):
    if importlib.util.find_spec("ai_edge_model_explorer_adapter") is None:
        pytest.skip("ai-edge-model-explorer-adapter is not installed")
    script = Path(__file__).with_name("model_explorer_nodes.py")
    done = subprocess.run([sys.executable, script, artifacts.path("pixels")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    nodes = json.loads(done.stdout.splitlines()[-1])
    places = [node["namespace"] for node in nodes if "conv_2d" in node["label"]]
    assert len(places) > 3
    assert {place.partition("/")[0] for place in places} >= {"blocks"}
    assert sum(place.count("/") >= 2 for place in places) > len(places) / 2, places
