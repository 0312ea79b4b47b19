"""timm:NAME, where timm is there and where it is not."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from demo import photograph
from edgeport.artifacts.manifest import Manifest
from edgeport.models.preprocess import preprocess
from edgeport.pipeline.sources.torchvision_on_cpu import has_operators

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


def test_a_model_in_memory_is_prepared_as_its_name_is(tmp_path):
    """Its configuration says it: also of your own code, and where timm squashes or takes one channel."""
    import edgeport
    import timm
    from timm.data import create_transform, resolve_data_config

    (tmp_path / "own.py").write_text(
        "import timm\n\n\ndef net():\n    return timm.create_model('mobilenetv3_small_050', in_chans=1)\n"
    )
    gray = edgeport.load(f"{tmp_path}/own.py:net", input_shape=(1, 64, 64)).input_spec.preprocess
    assert (gray.color, gray.mean) == ("gray", (pytest.approx(sum((0.485, 0.456, 0.406)) / 3),))
    module = timm.create_model("mobilenetv3_small_050")
    named = edgeport.load("timm:mobilenetv3_small_050", input_shape=(3, 64, 64)).input_spec
    assert edgeport.load(module, input_shape=(3, 64, 64)).input_spec.preprocess == named.preprocess
    picture = photograph("coffee")
    for mode, size in (("center", (3, 64, 64)), ("squash", (3, 64, 96))):
        module.pretrained_cfg = module.pretrained_cfg | {"crop_mode": mode, "input_size": size}
        spec = edgeport.load(module, input_shape=size).input_spec.preprocess
        theirs = create_transform(**resolve_data_config({}, model=module))(picture).numpy()
        assert abs(preprocess(picture, spec) - theirs).max() < 1e-6, mode


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


def test_code_that_imports_torchvision_and_timm(tmp_path):
    """In a process of its own: in this one torchvision is imported already."""
    lines = ("import timm", "import torchvision", "def net():", "    return torchvision.models.squeezenet1_1().eval()")
    for folder in ("own", "own/package"):
        (tmp_path / folder).mkdir()
    (tmp_path / "own" / "file.py").write_text("\n".join(lines))
    (tmp_path / "own" / "package" / "__init__.py").write_text(lines[1])
    (tmp_path / "own" / "package" / "models.py").write_text("\n".join(lines))
    code = "import edgeport; print(edgeport.load({!r}, input_shape=(3, 64, 64)).output_names)"
    for name in ("file.py:net", "package.models:net"):
        command = [sys.executable, "-c", code.format(name)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path / "own")
        assert done.returncode == 0, done.stderr


def test_doctor_says_what_does_not_fit(edgeport):
    done = edgeport("doctor", "--json")
    notes = json.loads(done.out)["notes"]
    assert len(notes) == (not has_operators())
    assert all("torchvision" in note and "pip install" in note for note in notes)
    assert all(note in edgeport("doctor").out for note in notes)


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
