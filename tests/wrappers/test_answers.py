"""Bundles of every task: the wrappers reproduce the golden files, and find in an image what validation does."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import cpp_wrapper
import edgeport
import kotlin
import node
import numpy as np
import pytest
import task_networks as networks
from PIL import Image

LABELS = {"detect": ["cat", "dog", "cup"], "segment": ["sky", "sea", "sand", "tree"], "text": [*"abcdefghij ", "ß"]}


@dataclass(frozen=True)
class Case:
    """A network, what is said of it, and how an image becomes its input."""

    task: str
    network: str
    options: dict
    resize: str
    platforms: tuple[str, ...] = ("linux",)


EVERYWHERE = ("linux", "android", "web")
CASES = {
    "detect": Case("detect:yolo", "yolo", {"target": "tflite", "input": "uint8"}, "crop", EVERYWHERE),
    "detect onnx": Case("detect:detr", "detr", {"target": "onnx", "dynamic": "batch"}, "letterbox", ("linux", "web")),
    "detect suppressed": Case("detect:boxes", "boxes", {"target": "openvino", "nms": 20}, "stretch"),
    "segment": Case("segment", "segment", {"target": "tflite"}, "letterbox", EVERYWHERE),
    "keypoints": Case("keypoints:heatmaps", "keypoints", {"target": "tflite"}, "crop", EVERYWHERE),
    "embed": Case("embed", "embed", {"target": "tflite"}, "stretch", EVERYWHERE),
    "text": Case("text:ctc_last", "text", {"target": "tflite"}, "letterbox", EVERYWHERE),
}
SLOW = {"detect suppressed"}
NAMES = [pytest.param(name, marks=pytest.mark.exhaustive) if name in SLOW else name for name in CASES]
TFLITE = [name for name, case in CASES.items() if case.options["target"] == "tflite"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Photographs of other ratios than the input's."""
    folder = tmp_path_factory.mktemp("photos")
    for i, (picture, size) in enumerate(zip(networks.crops(3), ((150, 211), (240, 97), (96, 96)), strict=True)):
        picture.resize(size).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def artifact(tmp_path_factory, photos):
    """artifact(name) -> that of a case, made once."""
    known = {}

    def make(name):
        if name not in known:
            case = CASES[name]
            detects = case.task.startswith("detect")
            net = networks.Detector(case.network).eval() if detects else networks.Dense(case.network)
            given = {
                "input_shape": (3, networks.SIDE, networks.SIDE),
                "preprocess": {"scale": "1/255", "resize": case.resize, "interpolation": "bilinear"},
            }
            given |= {"validation": photos, "benchmark": False, "labels": LABELS.get(case.task.partition(":")[0])}
            given |= {"output_dir": tmp_path_factory.mktemp("artifacts"), "name": "net"}
            known[name] = edgeport.export(net, task=case.task, **given, **case.options).path
        return known[name]

    return make


@pytest.fixture(scope="module")
def made(tmp_path_factory, photos, artifact):
    """made(name, platform) -> the folder of a bundle, made once."""
    known = {}

    def make(name, platform="linux"):
        if (name, platform) not in known:
            folder = tmp_path_factory.mktemp(name.replace(" ", "_")) / platform
            package = f"org.example.{name}" if platform == "android" else None
            known[name, platform] = folder
            edgeport.bundle(artifact(name), platform, output=folder, images=photos, android_package=package)
        return known[name, platform]

    return make


def golden(folder, name, kind="answer"):
    (path,) = folder.rglob(f"golden/{name}.{kind}")
    return np.frombuffer(path.read_bytes(), "<f4")


@pytest.mark.parametrize("name", NAMES)
def test_the_python_wrapper_reproduces_the_golden_files(made, name):
    folder = made(name)
    test = folder / "python" / "test_golden.py"
    done = subprocess.run([sys.executable, test, "--exact"], capture_output=True, text=True, cwd="/")
    assert (done.returncode, done.stdout) == (0, "all golden files are reproduced\n"), done.stderr


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("detect") and name not in SLOW])
def test_golden_boxes_have_an_area_and_a_score(made, name):
    boxes = golden(made(name), "0").reshape(-1, 6)
    assert len(boxes) > 3
    assert (boxes[:, 2:4] > boxes[:, :2]).all()
    assert (boxes[:, 4] >= 0.25).all()


def test_the_golden_boxes_lie_in_the_image_where_the_input_has_them(made):
    """Of a letterbox, by arithmetic of its own: the same factor on both axes, the border in front."""
    folder = made("detect onnx")
    facts, stored = json.loads((folder / "bundle.json").read_text()), golden(folder, "1", "output")
    with Image.open(folder / "golden" / "1.png") as image:
        width, height = image.size
    roles, sizes = ([each[key] for each in facts["outputs"]] for key in ("role", "size"))
    parts = dict(zip(roles, np.split(stored, np.cumsum(sizes)[:-1]), strict=True))
    factor = networks.SIDE / max(width, height)
    border = [(networks.SIDE - round(side * factor)) // 2 for side in (width, height)]
    centred = parts["boxes"].reshape(-1, 4) * networks.SIDE
    for left, top, right, bottom, _, _ in golden(folder, "1").reshape(-1, 6):
        inner = [(left, width), (top, height), (right, width), (bottom, height)]
        free = [i for i, (at, most) in enumerate(inner) if 0 < at < most]  # not cut off at the image's border
        corners = np.concatenate([centred[:, :2] - centred[:, 2:] / 2, centred[:, :2] + centred[:, 2:] / 2], 1)
        wanted = (corners - np.tile(border, 2)) / factor
        off = np.abs(wanted[:, free] - np.array([left, top, right, bottom])[free]).max(1, initial=0)
        assert off.min() < 0.02 * max(width, height)  # the resized sides are whole pixels


def test_the_golden_map_is_what_the_letterboxed_map_shows_of_the_image(made):
    """Each cell of the map, drawn as large as it is, and the border cut off: by Pillow."""
    folder = made("segment")
    how = json.loads((folder / "bundle.json").read_text())["decoding"]
    with Image.open(folder / "golden" / "1.png") as image:
        width, height = image.size
    scores = golden(folder, "1", "output").reshape(how["classes"], how["height"], how["width"])
    shown = Image.fromarray(scores.argmax(0).astype(np.uint8)).resize((networks.SIDE,) * 2, Image.Resampling.NEAREST)
    high = round(height * networks.SIDE / width)
    top = (networks.SIDE - high) // 2
    inner = shown.crop((0, top, networks.SIDE, top + high)).resize((width, height), Image.Resampling.NEAREST)
    found = golden(folder, "1").reshape(height, width)
    assert np.unique(found).size > 1
    assert (np.asarray(inner) == found).mean() > 0.99  # Pillow adds its steps up


def call(folder: Path, code: str) -> str:
    """What Python prints beside a bundle's wrapper, with its golden image 0 as `image`."""
    load = (
        f"import numpy as np; from PIL import Image; image = np.asarray(Image.open({str(folder / 'golden/0.png')!r}))"
    )
    run = [sys.executable, "-c", f"{load}\n{code}"]
    done = subprocess.run(run, capture_output=True, text=True, cwd=folder / "python")
    assert done.returncode == 0, done.stderr
    return done.stdout.rstrip("\n")


def test_the_python_wrapper_names_what_it_finds(made):
    found = call(
        made("detect"),
        "from detector import Detector\n"
        "found = Detector().detect(image, 0.5)\n"
        "print([(each.label, each.index, round(each.score, 4), round(each.left, 2)) for each in found])",
    )
    boxes = [row for row in golden(made("detect"), "0").reshape(-1, 6).tolist() if row[4] >= 0.5]
    named = [(LABELS["detect"][int(row[5])], int(row[5]), round(row[4], 4), round(row[0], 2)) for row in boxes]
    assert found == str(named)


def test_of_very_many_numbers_one_golden_image_is_made(artifact, photos, tmp_path, monkeypatch):
    monkeypatch.setattr("edgeport.bundles.golden.LARGEST_OUTPUTS", 23)
    bundle = edgeport.bundle(artifact("embed"), "linux", output=tmp_path / "bundle", images=photos)
    assert bundle.golden == ("0",)


def test_strings_without_characters_are_warned_of(artifact, tmp_path):
    path = tmp_path / artifact("text").name
    shutil.copy(artifact("text"), path)
    manifest = json.loads(Path(f"{artifact('text')}.json").read_text())
    manifest["task"]["labels"] = None
    Path(f"{path}.json").write_text(json.dumps(manifest))
    bundle = edgeport.bundle(path, "linux", output=tmp_path / "bundle")
    assert "came without characters" in bundle.warnings[0]
    assert (tmp_path / "bundle/model/labels.txt").read_text() == "".join(f"<{i}>\n" for i in range(12))


def characters(folder: Path, name: str) -> str:
    """The golden string: class 11, the last, is the blank."""
    return "".join(LABELS["text"][int(each)] for each in golden(folder, name))


def test_the_python_wrapper_reads_what_validation_reads(made):
    folder = made("text")
    assert call(
        folder, "from text_recognizer import TextRecognizer; print(TextRecognizer().read(image))"
    ) == characters(folder, "0")
    assert len(characters(folder, "0")) > 2


def test_the_python_wrapper_compares_images(made):
    said = call(
        made("embed"),
        "from embedder import Embedder, cosine\n"
        "model = Embedder(); one, other = model.embed(image), model.embed(image[::-1])\n"
        "print(len(one), round(float(one @ one), 6), round(cosine(one, one), 6), cosine(one, other) < 0.9999)",
    )
    assert said == "24 1.0 1.0 True"


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    """What the bundles' C++ has in common, compiled once."""
    folder = tmp_path_factory.mktemp("objects")
    return {name: folder / f"{name}.o" for name in ("preprocess.cpp", "model_litert.cpp")}


@pytest.mark.parametrize("name", [*TFLITE, pytest.param("detect suppressed", marks=pytest.mark.exhaustive)])
def test_the_cpp_wrapper_reproduces_the_golden_files(made, name, tmp_path, objects):
    folder, program = made(name), tmp_path / "golden_test"
    cpp_wrapper.build(folder, program, objects if name in TFLITE else None)
    done = subprocess.run([program, folder, "--exact"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(".answer: equal\n") == 3
    moved = golden(folder, "1").copy()
    moved[0] += 0.5
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "golden" / "1.answer").write_bytes(moved.tobytes())
    done = subprocess.run([program, copy], capture_output=True, text=True)
    assert done.returncode == 1
    assert "1.answer: DIFFERS" in done.stdout


@pytest.mark.exhaustive
def test_the_kotlin_wrappers_reproduce_the_golden_files_on_a_jvm(made, tmp_path):
    """All at once, each in a package of its own: the compiler takes most of its time to start."""
    compiler, folders = kotlin.find_compiler(), {name: made(name, "android") for name in TFLITE}
    sources = [path for folder in folders.values() for path in (folder / "src").rglob("*.kt")]
    run = kotlin.compile_sources(compiler, "compiled-model", sources, tmp_path)
    for name, folder in folders.items():
        files = folder / "src/golden/files/golden"
        for spoilt, said in (
            (False, "3 golden images, 0 problems\n"),
            (True, "1.answer differs\n3 golden images, 1 p"),
        ):
            if spoilt:
                (files / "1.answer").write_bytes((golden(folder, "1") + 1).astype("<f4").tobytes())
            done = subprocess.run([*run, f"org.example.{name}.GoldenKt", files], capture_output=True, text=True)
            assert done.stdout.startswith(said), (name, done.stdout, done.stderr)
            assert done.returncode == spoilt


WEB = [name for name, case in CASES.items() if "web" in case.platforms]


@pytest.mark.parametrize("name", WEB)
def test_typescript_makes_the_golden_answers(made, name, tmp_path):
    """The types are checked, and the modules that need no browser run in Node."""
    node.require("esbuild", "typescript", "@litertjs/core", "onnxruntime-web")
    folder = made(name, "web")
    node.check_types(folder)
    modules = ["model_facts", "preprocessing", "outputs", *(path.stem for path in (folder / "src").glob("*.ts"))]
    pure = [each for each in modules if each in ("model_facts", "preprocessing", *PURE)]
    entry = tmp_path / "entry.ts"
    entry.write_text("".join(f'export * from "{folder / "src" / each}.ts";\n' for each in dict.fromkeys(pure)))
    node.bundle_script(entry, tmp_path / "wrapper.mjs")
    shutil.copy(Path(__file__).with_name("answers.mjs"), tmp_path)
    found = json.loads(node.run("answers.mjs", folder / "golden", cwd=tmp_path))
    tolerances = json.loads((folder / "bundle.json").read_text())["answer_tolerances"]
    assert list(found) == ["0", "1", "2"]
    for image, answer in found.items():
        wanted = golden(folder, image)
        assert len(answer) == len(wanted)
        assert (np.abs(np.array(answer) - wanted) <= np.resize(tolerances, len(wanted))).all(), (name, image)


PURE = ("classification", "detection", "segmentation", "keypoints", "embedding", "ctc")


def test_the_readme_says_task_outputs_batches_and_thresholds(made):
    text = (made("detect") / "README.md").read_text()
    assert "model.detect(image)" in text
    assert "**Task**: detect. The wrapper reads" in text
    assert "The model takes one image at a time" in text
    assert "the wrapper suppresses boxes of one class that overlap by more than\n  0.7" in text
    assert "classif" not in text
    assert (
        "The model takes any number of images at once; the wrapper gives it one."
        in (made("detect onnx") / "README.md").read_text()
    )


# name: (the artifact, what its manifest says of it instead, platform, the refusal)
REFUSED = {
    "depth": ("embed", {"name": "depth"}, "linux", "is for depth; a bundle for linux is for classify, detect, segment"),
    "image": ("embed", {"name": "image"}, "web", "is for image; a bundle for web is for classify, detect, segment"),
    "unsaid": (
        "segment",
        {"name": "generic"},
        "android",
        "a bundle for android is for classify, .*; say what they mean",
    ),
    "head": ("text", {"head": "another"}, "linux", "names the head 'another' of text"),
    "outputs": ("segment", {"head": "binary"}, "linux", "says segment:binary of outputs that are not"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_wrapper_is_refused_in_a_sentence_with_platform_and_task(artifact, name, tmp_path):
    of, told, platform, words = REFUSED[name]
    path = tmp_path / artifact(of).name
    shutil.copy(artifact(of), path)
    manifest = json.loads(Path(f"{artifact(of)}.json").read_text())
    manifest["task"] |= told
    Path(f"{path}.json").write_text(json.dumps(manifest))
    with pytest.raises(edgeport.UsageError, match=words):
        edgeport.bundle(path, platform, output=tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()
