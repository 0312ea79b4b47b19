"""timm:NAME, where timm is there and where it is not."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from edgeport.artifacts.manifest import Manifest

torchvision_on_cpu = pytest.importorskip("torchvision_on_cpu")


def test_a_model_of_timm_s(edgeport):
    options = ("--num-validation-samples", "3", "--no-benchmark", "--json", "--input-shape", "3,64,64")
    done = edgeport("export", "timm:mobilenetv3_small_050", *options)
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert result["verdict"] == "ok"
    assert "RANDOM" in result["weights"]
    manifest = Manifest.read(Path(result["manifest"]))
    assert manifest.inputs[0].interpolation == "bicubic"
    assert manifest.inputs[0].crop_pct == 0.875


def test_no_such_model(edgeport):
    done = edgeport("export", "timm:mobilenetv3_smal_050")
    assert done.code == 2
    assert "timm has no model 'mobilenetv3_smal_050'; the nearest: mobilenetv3_small_050" in done.err


def test_timm_that_is_not_there(edgeport, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "timm" else find(name, *rest))
    done = edgeport("export", "timm:resnet18")
    assert done.code == 2
    assert done.err.endswith("edgeport: timm:NAME needs timm: pip install 'edgeport[timm]'\n")


def test_timm_that_cannot_be_imported(tmp_path):
    (tmp_path / "timm").mkdir()
    (tmp_path / "timm" / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    code = "import sys; from edgeport.cli.main import main; sys.exit(main(['export', 'timm:resnet18']))"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "cannot be imported (RuntimeError: operator torchvision::nms does not exist); install the torchvision" in (
        done.stderr
    )
