"""Bundles of detectors: both wrappers reproduce the golden files, and find in an image what validation does."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import edgeport
import numpy as np
import pytest
import task_networks as networks
from PIL import Image

# name: (the head, options of export, how an image becomes the input)
DETECTORS = {
    "tflite": ("yolo", {"target": "tflite", "input": "uint8"}, "crop"),
    "onnx": ("detr", {"target": "onnx"}, "letterbox"),
    "suppressed": ("boxes", {"target": "openvino", "nms": 20}, "stretch"),
}
LABELS = ["cat", "dog", "cup"]
ALL = ["tflite", "onnx", pytest.param("suppressed", marks=pytest.mark.exhaustive)]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Photographs of other ratios than the input's."""
    folder = tmp_path_factory.mktemp("photos")
    for i, (picture, size) in enumerate(zip(networks.crops(3), ((150, 211), (240, 97), (96, 96)), strict=True)):
        picture.resize(size).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory, photos):
    known = {}

    def make(name):
        if name not in known:
            head, options, resize = DETECTORS[name]
            folder = tmp_path_factory.mktemp(name)
            given = {
                "input_shape": (3, networks.SIDE, networks.SIDE),
                "preprocess": {"scale": "1/255", "resize": resize},
            }
            given |= {"validation": photos, "benchmark": False, "labels": LABELS, "output_dir": folder, "name": "net"}
            result = edgeport.export(networks.Detector(head).eval(), task=f"detect:{head}", **given, **options)
            known[name] = edgeport.bundle(result.path, "linux", output=folder / "bundle", images=photos).folder
        return known[name]

    return make


def golden_boxes(folder, name):
    return np.frombuffer((folder / "golden" / f"{name}.boxes").read_bytes(), "<f4").reshape(-1, 6)


@pytest.mark.parametrize("name", ALL)
def test_the_python_wrapper_reproduces_the_golden_files(made, name):
    folder = made(name)
    test = folder / "python" / "test_golden.py"
    done = subprocess.run([sys.executable, test, "--exact"], capture_output=True, text=True, cwd="/")
    assert (done.returncode, done.stdout) == (0, "all golden files are reproduced\n"), done.stderr
    boxes = golden_boxes(folder, "0")
    assert len(boxes) > 3
    assert (boxes[:, 2:4] > boxes[:, :2]).all()
    assert (boxes[:, 4] >= 0.25).all()


def test_the_golden_boxes_lie_in_the_image_where_the_input_has_them(made):
    """Of a letterbox, by arithmetic of its own: the same factor on both axes, the border in front."""
    folder = made("onnx")
    facts = json.loads((folder / "bundle.json").read_text())
    with Image.open(folder / "golden" / "1.png") as image:
        width, height = image.size
    sizes, stored = facts["detection"]["sizes"], np.fromfile(folder / "golden" / "1.output", "<f4")
    names = [*facts["detection"]["outputs"].values()]
    parts = dict(zip(names, np.split(stored, np.cumsum([sizes[each] for each in names])[:-1]), strict=True))
    factor = networks.SIDE / max(width, height)
    border = [(networks.SIDE - round(side * factor)) // 2 for side in (width, height)]
    centred = parts["pred_boxes"].reshape(-1, 4) * networks.SIDE
    for left, top, right, bottom, _, _ in golden_boxes(folder, "1"):
        inner = [(left, width), (top, height), (right, width), (bottom, height)]
        free = [i for i, (at, most) in enumerate(inner) if 0 < at < most]  # not cut off at the image's border
        corners = np.concatenate([centred[:, :2] - centred[:, 2:] / 2, centred[:, :2] + centred[:, 2:] / 2], 1)
        wanted = (corners - np.tile(border, 2)) / factor
        off = np.abs(wanted[:, free] - np.array([left, top, right, bottom])[free]).max(1, initial=0)
        assert off.min() < 0.02 * max(width, height)  # the resized sides are whole pixels


def test_the_python_wrapper_names_what_it_finds(made):
    folder = made("tflite")
    code = (
        "import numpy as np; from PIL import Image; from detector import Detector\n"
        f"image = np.asarray(Image.open({str(folder / 'golden' / '0.png')!r}))\n"
        "found = Detector().detect(image, 0.5)\n"
        "print([(each.label, each.index, round(each.score, 4), round(each.left, 2)) for each in found])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder / "python")
    boxes = [row for row in golden_boxes(folder, "0").tolist() if row[4] >= 0.5]
    wanted = [(LABELS[int(row[5])], int(row[5]), round(row[4], 4), round(row[0], 2)) for row in boxes]
    assert done.stdout == f"{wanted}\n", done.stderr


@pytest.mark.parametrize("name", ["tflite", pytest.param("suppressed", marks=pytest.mark.exhaustive)])
def test_the_cpp_wrapper_reproduces_the_golden_files(made, name, tmp_path):
    if not shutil.which("g++"):
        pytest.skip("no g++")
    folder, package = made(name), "ai_edge_litert" if name == "tflite" else "openvino"
    root = Path(str(importlib.util.find_spec(package).submodule_search_locations[0]))
    libraries = [root / "libLiteRt.so"] if name == "tflite" else [*(root / "libs").glob("libopenvino.so*")]
    if not libraries or not libraries[0].exists():
        pytest.skip(f"{package} has no shared library")
    sources = [folder / "cpp" / file for file in ("golden_test.cpp", "preprocess.cpp", "detection.cpp")]
    sources += (folder / "cpp").glob("model_*.cpp")
    program, strict = tmp_path / "golden_test", ["-Wall", "-Wextra", "-Werror", f"-isystem{root / 'include'}"]
    link = [libraries[0], f"-Wl,-rpath,{libraries[0].parent}"]
    command = ["g++", "-std=c++17", "-O1", "-ffp-contract=off", *strict, *sources, "-o", program, *link]
    subprocess.run(command, check=True)
    done = subprocess.run([program, folder, "--exact"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(".boxes: equal\n") == 3
    moved = golden_boxes(folder, "1").copy()
    moved[0, 0] += 0.5
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "golden" / "1.boxes").write_bytes(moved.tobytes())
    done = subprocess.run([program, copy], capture_output=True, text=True)
    assert done.returncode == 1
    assert "1.boxes: DIFFERS" in done.stdout


def test_the_readme_says_what_the_boxes_are(made):
    text = (made("tflite") / "README.md").read_text()
    assert "detector.detect(image)" in text
    assert "the wrapper suppresses boxes of one class that overlap by more than\n  0.7" in text
    assert "classif" not in text


def test_a_platform_without_a_wrapper_for_boxes_is_refused(made):
    folder = made("tflite")
    artifact = folder / "model" / json.loads((folder / "bundle.json").read_text())["artifact"]
    with pytest.raises(edgeport.UsageError, match="gives boxes; a bundle for android is for classifiers"):
        edgeport.bundle(artifact, "android", output=folder.parent / "android")
