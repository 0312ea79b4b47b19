"""What edgeport says of a user's own code: where in it, what, and what would work; and what simply works."""

import re

import edgeport
import numpy as np
import pytest
import torch
from edgeport.artifacts.errors import EdgeportError, first_line
from PIL import Image

FILE = """
import torch
from torch import nn

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3)
        self.gru = nn.GRU(14, 4)
        self.register_buffer("kernels", torch.randn(2, 4, 4, 1, 1))
    def forward(self, x):
        y = self.conv(x)
        return CODE

def make(): return Model().eval()
"""
LINE = len(FILE.partition("CODE")[0].splitlines())

# code of self and y: what its message says
REFUSED = {
    "nn.functional.conv_transpose2d(y, (self.kernels * y.mean()).sum(0))": "Conv.*model.py:{line}.*mix the results",
    "nn.functional.max_unpool2d(*nn.functional.max_pool2d(y, 2, return_indices=True), 2)": "model.py:{line}",
    "torch.nonzero(y > 0)": "NonZero .*model.py:{line}.*application",
    "y[y > 0]": "NonZero .*model.py:{line}.*application",
    "y if y.mean() > 0 else -y": "model.py:{line}: .*torch.where",
    "y[: int(y.max())]": "model.py:{line}: .*torch.where",
    "torch.from_numpy(y.numpy())": "model.py:{line}: .*NumPy",
    "torch.lgamma(y)": "lgamma .*model.py:{line}.* has no ONNX form; write it with other operators",
    "y.view(7, 7)": "does not run on .*model.py:{line}.*: shape",
}
WORKS = [
    "nn.functional.conv2d(y, (self.kernels * y.mean()).sum(0))",
    "self.gru(y[0])[0].mean()",
    "nn.functional.adaptive_max_pool2d(y, (3, 5)).mean()",
    "nn.functional.local_response_norm(y, 3)",
    "y.clamp(0, 1.5)",
    "torch.clip(y, -1.5, 1)",
    "nn.functional.hardtanh(y, 0, 1.5)",
    "nn.functional.threshold(y, 0, 0.5)",
    "y.index_put((y > 0,), torch.tensor(9.0))",  # y[y > 0] = 9
    "y.index_put((y[:, 0, 0, 0] > 0,), torch.tensor([9.0]))",
    "y.index_put(torch.where(y > 1), torch.tensor(-1.0))",
    "(y.half() * 1.1).float()",
]


def write(folder, code, more=""):
    path = folder / "model.py"
    path.write_text(FILE.replace("CODE", code) + more)
    return path


def export(model, folder, target="onnx", **options):
    options = {"input_shape": (3, 16, 16), "benchmark": False, "output_dir": folder / "out"} | options
    return edgeport.export(model, target, **options)


@pytest.mark.parametrize("code", REFUSED)
def test_a_refusal_names_the_line_and_a_remedy(code, tmp_path):
    with pytest.raises(EdgeportError, match=REFUSED[code].format(line=LINE)) as caught:
        export(f"{write(tmp_path, code)}:make", tmp_path)
    assert "\x1b" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_mixed_numbers_of_an_operator_work(tmp_path):
    path = write(tmp_path, f"{' + '.join(WORKS)}")
    assert export(f"{path}:make", tmp_path, "tflite").verdict == "ok"


@pytest.mark.parametrize("dtype", ["half", "double"])
def test_other_float_types_become_float32(dtype, tmp_path):
    path = write(tmp_path, "y.relu()", f"\ndef other(): return make().{dtype}()\n")
    result = export(f"{path}:other", tmp_path)
    assert result.verdict == "ok"
    assert any("become float32" in warning for warning in result.warnings)


def test_a_module_in_memory_keeps_its_type(tmp_path):
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3)).half()
    assert export(module, tmp_path).verdict == "ok"
    assert module[0].weight.dtype == torch.float16


def test_relative_imports_work(tmp_path):
    package = tmp_path / "project" / "models"
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").touch()
    (package.parent / "blocks.py").write_text("from torch import nn\ndef block(): return nn.Conv2d(3, 4, 3)\n")
    (package / "net.py").write_text("from ..blocks import block\ndef make(): return block()\n")
    result = export(f"{package / 'net.py'}:make", tmp_path)
    assert (result.verdict, result.path.name) == ("ok", "net_make_fp32.onnx")


@pytest.mark.parametrize(
    ("model", "words"),
    [("a.b.c", "a.b.c:NAME, or a.b:c"), ("net.py", "net.py:NAME"), ("resnet18.a1_in1k", "there is no model")],
)
def test_a_name_without_a_factory_says_what_to_write(model, words, tmp_path):
    with pytest.raises(EdgeportError, match=re.escape(words)):
        export(model, tmp_path)


def test_a_script_that_reads_its_arguments_says_so(tmp_path):
    path = tmp_path / "train.py"
    path.write_text("import sys\nsys.exit(2)\ndef make(): ...\n")
    with pytest.raises(EdgeportError, match=r"ends the program at line 2.*__main__"):
        export(f"{path}:make", tmp_path)


def test_photographs_and_a_batch(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 255, (20, 20, 3), np.uint8)
        Image.fromarray(pixels).save(photos / f"{number}.png")
    path = write(tmp_path, "y")
    with pytest.raises(EdgeportError, match=r"takes 4 images at once .*--input-shape 3,16,16"):
        export(f"{path}:make", tmp_path, input_shape=(4, 3, 16, 16), precision="int8", calibration=photos)


def test_an_artifact_holds_no_line_of_the_source(tmp_path):
    result = export(f"{write(tmp_path, 'y.relu()')}:make", tmp_path)
    assert b"model.py" not in result.path.read_bytes()


def test_colours_of_a_terminal_are_left_out():
    assert first_line(RuntimeError("\x1b[31mbad\x1b[0m weights\nmore")) == "bad weights"
