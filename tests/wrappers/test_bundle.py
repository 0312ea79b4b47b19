"""`edgeport bundle`: whole or not at all, and its wrappers, compiled and run, reproduce the golden files to the bit."""

import ast
import json
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import cpp_wrapper
import edgeport
import kotlin
import node
import numpy as np
import pytest
import tflm_stubs
import tree_sitter_kotlin
import tree_sitter_swift
import tree_sitter_typescript
from android_stubs import RUNNER_KT
from coremltools.models.utils import load_spec
from demo import photograph
from edgeport.bundles import create, golden, literals, micro
from edgeport.cli.main import main
from edgeport.runtime.sessions.coreml import CoreMLSession
from edgeport.targets.registry import everyday_targets, get_target, targets
from hostile_names import NAMES
from PIL import Image, ImageOps
from PIL.ExifTags import Base
from tree_sitter import Language, Parser

MODEL, ORIENTATION = "mobilevit_test", Base.Orientation
LABELS = [f"class {i}" for i in range(10)]
LETTERBOX = (
    "--resize",
    "letterbox",
    "--color",
    "bgr",
    "--scale",
    "1/127.5",
    "--mean",
    "0.9,1,1.1",
    "--std",
    "1,0.9,0.8",
)
FOR_MICRO = ("--int8", "--profile", "micro")
# name: (options of export, platform)
BUNDLES = {
    "linux tflite": (("--int8", "--input", "uint8", "--softmax"), "linux"),
    "linux tflite float": (("--top-k", "3", *LETTERBOX), "linux"),
    "linux openvino": (("--target", "openvino", "--int8", "--input", "uint8", "--resize", "stretch"), "linux"),
    "linux onnx": (("--target", "onnx", *LETTERBOX), "linux"),
    "android": (("--softmax", *LETTERBOX), "android"),
    "web tflite": (("--int8", "--input", "uint8", "--softmax"), "web"),
    "web onnx": (("--target", "onnx", "--top-k", "3", *LETTERBOX), "web"),
    "android pixels": (("--input", "uint8", "--top-k", "3", "--softmax"), "android"),
    "android int8": (("--int8", "--input", "uint8"), "android"),
    "android interpreter": (("--softmax", *LETTERBOX), "android"),
    "ios": (("--target", "coreml", "--input", "uint8"), "ios"),
    "ios plain": (("--target", "coreml"), "ios"),
    "ios probabilities": (("--target", "coreml", "--softmax", "--top-k", "3"), "ios"),
    "micro": ((*FOR_MICRO, *LETTERBOX), "micro"),
    "micro pixels": ((*FOR_MICRO, "--input", "uint8", "--softmax", "--output-type", "uint8"), "micro"),
    "micro nchw": ((*FOR_MICRO, "--input-layout", "nchw"), "micro"),
}
if "coreai" in everyday_targets():
    BUNDLES["ios core ai"] = (("--target", "coreai", "--input", "uint8"), "ios")
MICRO = [name for name in BUNDLES if name.startswith("micro")]
UNLABELLED = ("ios plain", "ios probabilities")
LINUX = [name for name in BUNDLES if name.startswith("linux")]


@dataclass(frozen=True)
class Made:
    folder: Path
    artifact: Path
    told: dict


@pytest.fixture(scope="module")
def photographs(tmp_path_factory) -> Path:
    """Three of odd sizes: one smaller than the input, one much larger, one wide."""
    folder = tmp_path_factory.mktemp("photographs")
    for name, size in (("china", (97, 71)), ("astronaut", (511, 509)), ("coffee", (599, 203))):
        photograph(name).resize(size).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory, photographs):
    """made(name) -> the bundle of that row, made once."""
    folder, known = tmp_path_factory.mktemp("bundles"), {}
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in LABELS))

    def make(name: str) -> Made:
        if name not in known:
            options, platform = BUNDLES[name]
            place = folder / name.replace(" ", "_")
            quiet = ("--weights", "random", "--no-benchmark", "--no-validate", "--quiet", "--effort", "fast")
            labels = () if name in UNLABELLED else ("--labels", str(folder / "labels.txt"))
            assert main(["export", MODEL, *options, *quiet, *labels, "--output-dir", str(place)]) == 0
            (manifest,) = (
                path for path in (place / MODEL).glob("*.json") if "int8" in path.name or "--int8" not in options
            )
            artifact = manifest.with_suffix("")
            told = place / "told.json"
            with told.open("w") as file:
                saved, sys.stdout = sys.stdout, file
                try:
                    arguments = ["--platform", platform, "-o", str(place / "bundle"), "--zip", "--json", "--quiet"]
                    arguments += ["--android-runtime", "interpreter"] if name == "android interpreter" else []
                    assert main(["bundle", str(artifact), *arguments, "--images", str(photographs)]) == 0
                finally:
                    sys.stdout = saved
            known[name] = Made(place / "bundle", artifact, json.loads(told.read_text()))
        return known[name]

    return make


@pytest.mark.parametrize("name", BUNDLES)
def test_it_is_whole(made, name):
    bundle = made(name)
    files = {str(path.relative_to(bundle.folder)) for path in bundle.folder.rglob("*") if path.is_file()}
    assert set(bundle.told["files"]) == files
    facts = json.loads((bundle.folder / "bundle.json").read_text())
    assert (facts["artifact"], facts["golden"]) == (bundle.artifact.name, ["0", "1", "2"])
    for kind in ("png", "ppm", "pixels", "input", "output"):
        assert sum(file.endswith(f"golden/1.{kind}") for file in files) == 1
    labels = [file.read_text().splitlines() for file in bundle.folder.rglob("labels.txt")]
    assert labels == ([] if name in UNLABELLED else [LABELS])
    (shipped,) = bundle.folder.rglob(bundle.artifact.name)
    assert (shipped.parent / f"{bundle.artifact.name}.json").read_bytes() == Path(
        f"{bundle.artifact}.json"
    ).read_bytes()
    if bundle.artifact.is_file():
        assert shipped.read_bytes() == bundle.artifact.read_bytes()
    with zipfile.ZipFile(bundle.told["zip"]) as archive:
        assert archive.testzip() is None
        assert {each.removeprefix("bundle/") for each in archive.namelist()} == files
    said = (bundle.folder / "README.md").read_text()
    assert "classif" in said
    assert bundle.artifact.name in said
    assert not list(bundle.folder.parent.glob(".edgeport-*"))


@pytest.mark.parametrize("name", LINUX)
def test_the_python_wrapper_reproduces_the_golden_files(made, name):
    test = made(name).folder / "python" / "test_golden.py"
    done = subprocess.run([sys.executable, test, "--exact"], capture_output=True, text=True, cwd="/")
    assert (done.returncode, done.stdout) == (0, "all golden files are reproduced\n"), done.stderr


def test_the_python_wrapper_names_classes(made):
    folder = made("linux tflite").folder
    code = (
        "import numpy as np; from PIL import Image; from classifier import Classifier\n"
        f"image = np.asarray(Image.open({str(folder / 'golden' / '0.png')!r}))\n"
        "print([(each.label, each.score) for each in Classifier().classify(image, 2)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder / "python")
    scores = np.frombuffer((folder / "golden" / "0.output").read_bytes(), np.float32)
    best = np.argsort(-scores)[:2]
    assert done.stdout == f"{[(LABELS[i], float(scores[i])) for i in best]}\n", done.stderr


@pytest.mark.parametrize("name", ["linux tflite", "linux tflite float", "linux openvino"])
def test_the_cpp_wrapper_reproduces_the_golden_files(made, name, tmp_path):
    folder, program = made(name).folder, tmp_path / "golden_test"
    cpp_wrapper.build(folder, program)
    done = subprocess.run([program, folder, "--exact"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(": equal\n") == 9  # pixels, inputs, answers
    golden_file = next(folder.glob("golden/1.pixels"))
    damaged = bytearray(golden_file.read_bytes())
    damaged[5] ^= 1
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "golden" / "1.pixels").write_bytes(damaged)
    assert subprocess.run([program, copy], capture_output=True).returncode == 1
    assert subprocess.run([program, tmp_path / "absent"], capture_output=True).returncode == 2


def compile_micro(folder: Path, to: Path, *, since_2026: bool, options: tuple[str, ...]) -> None:
    """The bundle's C++ against declarations of TensorFlow Lite Micro's interface."""
    for name, text in tflm_stubs.headers(since_2026=since_2026).items():
        (to.parent / "tflm" / name).parent.mkdir(parents=True, exist_ok=True)
        (to.parent / "tflm" / name).write_text(text)
    sources = [*folder.glob("src/*.cc"), *folder.glob("src/*.S"), *folder.glob("test/*.cc")]
    places = [f"-I{place}" for place in (to.parent / "tflm", folder / "src", folder / "model")]
    strict = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-fno-exceptions", "-fno-rtti"]
    subprocess.run(["g++", *strict, *options, *places, *sources, "-o", to], check=True)


def run_micro(folder: Path, to: Path, *options: str) -> subprocess.CompletedProcess:
    """Its golden test, with the kernels of the package tflite-micro."""
    compile_micro(folder, to, since_2026=True, options=("-O1", "-shared", "-fPIC", *options))
    return subprocess.run([sys.executable, "-c", tflm_stubs.RUN, to], capture_output=True, text=True)


@pytest.mark.parametrize("name", MICRO)
def test_the_micro_wrapper_reproduces_the_golden_files(made, name, tmp_path):
    pytest.importorskip("tflite_micro", reason="tflite-micro is for Linux on x86-64")
    if not shutil.which("g++"):
        pytest.skip("no g++")
    folder = made(name).folder
    done = run_micro(folder, tmp_path / "golden.so")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "PASS"), done.stdout + done.stderr
    for i in range(3):
        scores = np.frombuffer((folder / "golden" / f"{i}.output").read_bytes(), "u1" if "pixels" in name else "i1")
        best = int(np.argmax(scores))
        assert f"image {i}: input equal, scores off by 0, class {best} {LABELS[best]}\n" in done.stdout


def test_the_micro_wrapper_finds_what_is_wrong(made, tmp_path):
    """An input that differs, an output and an operator that are not there; and one image of three is enough."""
    pytest.importorskip("tflite_micro", reason="tflite-micro is for Linux on x86-64")
    if not shutil.which("g++"):
        pytest.skip("no g++")
    for place, old, new, words in (
        ("test/golden_data.cc", "input_0[] = {\n", "input_0[] = {\n1+", "image 0: input DIFFERS"),
        ("src/model_facts.h", "kScoresOutput = 0", "kScoresOutput = 1", "the model does not start"),
        ("src/operators.h", "  fine &= resolver.AddConv2D() == 0;\n", "", "the model does not start"),
    ):
        copy = tmp_path / words.replace(" ", "_") / Path(place).name
        shutil.copytree(made("micro").folder, copy)
        text = (copy / place).read_text()
        assert old in text
        (copy / place).write_text(text.replace(old, new))
        done = run_micro(copy, copy / "golden.so")
        assert (done.returncode, words in done.stdout, "FAIL" in done.stdout) == (1, True, True), done.stdout
    done = run_micro(made("micro").folder, tmp_path / "one.so", "-DVISION_GOLDEN_IMAGES=1")
    assert (done.returncode, done.stdout.count("image")) == (0, 1)


@pytest.mark.parametrize("since_2026", [True, False])
def test_the_micro_wrapper_compiles_with_either_interface(made, since_2026, tmp_path):
    if not shutil.which("g++"):
        pytest.skip("no g++")
    options = ("-O0", "-shared", "-fPIC", "-ffreestanding")
    compile_micro(made("micro").folder, tmp_path / "golden.so", since_2026=since_2026, options=options)


def test_a_large_model_is_included_by_the_assembler(made, tmp_path, monkeypatch):
    if not shutil.which("g++"):
        pytest.skip("no g++")
    artifact, place = made("micro").artifact, tmp_path / "bundle"
    hostile = tmp_path / 'a"\\ \n.tflite'
    shutil.copy(artifact, hostile)
    manifest = json.loads(Path(f"{artifact}.json").read_text())
    manifest["artifact"]["file"] = hostile.name
    Path(f"{hostile}.json").write_text(json.dumps(manifest))
    monkeypatch.setattr(micro, "LARGEST_ARRAY", 1000)
    assert main(["bundle", str(hostile), "--platform", "micro", "-o", str(place), "--quiet"]) == 0
    assert not (place / "src/model_data.cc").exists()
    subprocess.run(["g++", f"-I{place}/model", "-c", place / "src/model_data.S", "-o", tmp_path / "m.o"], check=True)
    subprocess.run(
        ["objcopy", "-O", "binary", "-j", ".rodata.vision_model", tmp_path / "m.o", tmp_path / "m"], check=True
    )
    assert (tmp_path / "m").read_bytes() == artifact.read_bytes()


@pytest.mark.parametrize("name", MICRO)
def test_what_a_microcontroller_needs_is_written_down(made, name):
    folder, artifact = made(name).folder, made(name).artifact
    need = json.loads((folder / "bundle.json").read_text())["footprint"]
    assert need["flash_bytes"] == artifact.stat().st_size
    facts, readme = (folder / "src/model_facts.h").read_text(), (folder / "README.md").read_text()
    assert f"kArenaBytes = {need['arena_bytes']};  // {need['arena_source']}" in facts
    assert f"{need['arena_bytes']:,} bytes, {need['arena_source']}" in readme
    operators = (folder / "src/operators.h").read_text()
    assert operators.count("resolver.Add") == len(need["operators"])
    assert all(f"{operator} ({count})" in readme for operator, count in need["operators"].items())


NOT_MICRO = {
    "linux tflite": "computes in float32 (at ",
    "linux tflite float": "computes in float32 (at 'image')",
}


@pytest.mark.parametrize("name", NOT_MICRO)
def test_what_no_microcontroller_takes_is_refused(made, name, capsys):
    code = main(["bundle", str(made(name).artifact), "--platform", "micro", "--quiet"])
    said = capsys.readouterr().err
    assert code == 2
    assert NOT_MICRO[name] in said
    assert f"make one with: edgeport export {MODEL} --int8 --profile micro\n" in said


@pytest.fixture(scope="module")
def kotlinc() -> list[str]:
    return kotlin.find_compiler()


@pytest.mark.parametrize("name", ["android", "android interpreter"])
def test_the_kotlin_wrapper_reproduces_the_golden_files_on_a_jvm(made, kotlinc, tmp_path, name):
    folder = made(name).folder
    (tmp_path / "Main.kt").write_text(MAIN_KT.replace("NAMES", ", ".join(map(literals.kotlin, NAMES))))
    runtime = json.loads((folder / "bundle.json").read_text())["runtime"]
    sources = [*(each for each in (folder / "src").rglob("*.kt") if each.name != "GoldenTest.kt"), tmp_path / "Main.kt"]
    run = kotlin.compile_sources(kotlinc, runtime, sources, tmp_path)
    golden_files = folder / "src/golden/files/golden"
    done = subprocess.run([*run, "org.example.vision.GoldenKt", golden_files], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "3 golden images, 0 problems\n"), done.stderr
    done = subprocess.run([*run, "test.MainKt"], capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert lines[: len(NAMES)] == [name.encode("utf-16-be", "surrogatepass").hex() for name in NAMES], done.stderr
    assert lines[len(NAMES) :] == [upright(orientation).tobytes().hex() for orientation in range(10)]


WHOLE, NONE = "GPU: Some ops are not accelerated.", "LiteRT finds no {} on this device"
# device: (what the model runs on, why, the scores)
DEVICES = {
    "whole": ("[GPU]", "[]", "[1.0]"),
    "cpu": ("[CPU]", "[]", "[1.0]"),
    "in part": ("[GPU, CPU]", f"[{WHOLE}]", "[1.0]"),
    "no gpu": ("[CPU]", f"[GPU: Failed to compile model, GPU and CPU: {NONE.format('GPU')}]", "[1.0]"),
    "does not run": ("[CPU]", "[GPU: no memory, GPU and CPU: no memory]", "[1.0]"),
    "overflow": ("[CPU]", "[GPU: its outputs are not finite]", "[2.0]"),
    "fails later": ("[CPU]", "[GPU: lost]", "[1.0]"),
    "no npu": ("[GPU]", f"[NPU and CPU: {NONE.format('NPU')}]", "[1.0]"),
    "npu": ("[NPU, CPU]", "[]", "[1.0]"),
}


@pytest.mark.parametrize(("name", "default"), [("android", "GPU"), ("android int8", "CPU")])
def test_the_kotlin_wrapper_says_what_it_runs_on_and_why(made, kotlinc, tmp_path, name, default):
    sources = list((made(name).folder / "src/main").rglob("*.kt"))
    (tmp_path / "Runner.kt").write_text(RUNNER_KT)
    run = kotlin.compile_sources(kotlinc, "compiled-model", [*sources, tmp_path / "Runner.kt"], tmp_path)
    done = subprocess.run([*run, "test.RunnerKt"], capture_output=True, text=True)
    told = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert done.returncode == 0, done.stderr
    wanted = {device: " ".join(facts) for device, facts in DEVICES.items()}
    everywhere = "GPU: broken; GPU and CPU: broken; CPU: broken" if default == "GPU" else "CPU: broken"
    assert told == wanted | {"default": default, "broken": f"the model cannot be run: {everywhere}"}


@pytest.mark.parametrize("name", ["android", "android pixels", "android int8"])
def test_compiled_model_has_the_scores_where_the_wrapper_looks(made, name):
    """LiteRT's CompiledModel for Python stands for the one for Kotlin: the same library behind, the same order."""
    from ai_edge_litert.compiled_model import CompiledModel
    from ai_edge_litert.hardware_accelerator import HardwareAccelerator

    folder = made(name).folder
    facts = (folder / "src/main/kotlin/org/example/vision/ModelFacts.kt").read_text()
    (place,) = re.findall(r'Output\("scores", "\w+", (\d+), ', facts)
    (size,) = re.findall(r"const val INPUT_BYTES = (\d+)", facts)
    golden_files = folder / "src/golden/files/golden"
    given, wanted = (golden_files / "1.input").read_bytes(), np.fromfile(golden_files / "1.output", np.float32)
    assert len(given) == int(size)
    model = CompiledModel.from_file(
        str(folder / "src/main/assets" / made(name).artifact.name), hardware_accel=HardwareAccelerator.CPU
    )
    inputs, outputs = model.create_input_buffers(0), model.create_output_buffers(0)
    inputs[0].write(np.frombuffer(given, np.float32 if "normalises = true" in facts else np.uint8))
    model.run_by_index(0, inputs, outputs)
    scores = outputs[int(place)].read(wanted.size, np.float32)
    np.testing.assert_allclose(scores, wanted, atol=1e-5)


def test_the_readme_says_what_an_android_model_runs_on(made):
    readme = (made("android").folder / "README.md").read_text()
    assert "litert-gpu:2.3.0" in readme
    assert "The GPU, or the CPU where there is none" in readme
    assert "LiteRT GPU takes the whole model (by rules)" in readme
    assert "float16" in readme
    assert "no faster than a float model" in (made("android int8").folder / "README.md").read_text()
    interpreter = (made("android interpreter").folder / "README.md").read_text()
    assert "litert:1.4.2" in interpreter
    assert "gpu_tolerance" not in interpreter
    gradle = (made("android interpreter").folder / "build.gradle.kts").read_text()
    assert "litert-gpu" not in gradle


MAIN_KT = """package test
import org.example.vision.Pixels
import org.example.vision.upright
val names = listOf(NAMES)
fun main() {
    for (name in names) println(name.map { "%04x".format(it.toInt()) }.joinToString(""))
    val image = Pixels(2, 3, 3, ByteArray(18) { it.toByte() })
    for (i in 0 until 10) println(upright(image, i).bytes.joinToString("") { "%02x".format(it) })
}
"""


def upright(orientation: int) -> np.ndarray:
    """What Pillow makes of a picture of 2x3 pixels, 0 to 17, with that EXIF orientation."""
    image = Image.fromarray(np.arange(18, dtype=np.uint8).reshape(3, 2, 3))
    image.getexif()[ORIENTATION] = orientation
    return np.asarray(ImageOps.exif_transpose(image))


# name: (what Core ML says the output of the scores is, whether these are probabilities)
COREML = {
    "ios": ("dictionaryType", True),
    "ios plain": ("multiArrayType", False),
    "ios probabilities": ("multiArrayType", True),
}


@pytest.mark.parametrize("name", COREML)
def test_the_swift_wrapper_reads_what_the_model_gives(made, name):
    folder, (kind, probabilities) = made(name).folder, COREML[name]
    description = load_spec(str(folder / "Sources/ImageModel/model" / made(name).artifact.name)).description
    facts = (folder / "Sources/ImageModel/ModelFacts.swift").read_text()
    (scores,) = re.findall(r'Output\(role: "scores", name: "(\w+)"', facts)
    (output,) = [each for each in description.output if each.name == scores]
    assert output.type.WhichOneof("Type") == kind
    wrapper = (folder / "Sources/ImageModel/Model.swift").read_text()
    assert f".{kind.removesuffix('Type')}Value" in wrapper
    (taken,) = description.input
    assert f'static let input = "{taken.name}"' in facts
    assert ("normalises: false" in facts) == (taken.type.WhichOneof("Type") == "imageType")
    sums = [
        np.frombuffer((folder / f"Tests/ImageModelTests/golden/{i}.output").read_bytes(), "<f4").sum() for i in range(3)
    ]
    assert np.allclose(sums, 1, atol=1e-3) == probabilities
    assert ("Scores are probabilities" in (folder / "README.md").read_text()) == probabilities
    if kind == "dictionaryType":  # by the labels of labels.txt
        assert list(CoreMLSession(made(name).artifact).labels) == LABELS


@pytest.mark.skipif("ios core ai" not in BUNDLES, reason="coreai-core is not installed")
def test_the_swift_wrapper_calls_core_ai_with_what_the_model_takes(made):
    bundle = made("ios core ai")
    contents = get_target("coreai").read_contents(bundle.artifact)
    (taken,), (given,) = contents.inputs, contents.outputs
    facts = (bundle.folder / "Sources/ImageModel/ModelFacts.swift").read_text()
    assert f'static let input = "{taken.name}"' in facts
    assert f'Output(role: "scores", name: "{given.name}"' in facts
    assert "normalises: false" in facts
    assert (taken.dtype, taken.shape[-1], given.dtype) == ("uint8", 3, "float32")
    wrapper = (bundle.folder / "Sources/ImageModel/Model.swift").read_text()
    assert "async throws" in wrapper
    assert "shape: [1, pixels.height, pixels.width, pixels.channels]" in wrapper
    assert "view(as: Float.self)" in wrapper
    assert '.iOS("27.0")' in (bundle.folder / "Package.swift").read_text()
    assert "**Experimental.**" in (bundle.folder / "README.md").read_text()


@pytest.mark.skipif(not shutil.which("swiftc"), reason="no swiftc")
def test_a_compiler_finds_no_error_in_the_arithmetic_of_the_swift_wrapper(made):
    folder = made("ios").folder / "Sources/ImageModel"
    subprocess.run(["swiftc", "-typecheck", folder / "Preprocessing.swift", folder / "ModelFacts.swift"], check=True)


@pytest.mark.parametrize("name", BUNDLES)
def test_a_parser_finds_no_error_in_the_wrapper(made, name):
    grammars = {
        ".kt": tree_sitter_kotlin.language,
        ".kts": tree_sitter_kotlin.language,
        ".swift": tree_sitter_swift.language,
        ".ts": tree_sitter_typescript.language_typescript,
    }
    for file in made(name).folder.rglob("*"):
        if file.suffix in grammars:
            parser = Parser(Language(grammars[file.suffix]()))
            assert not parser.parse(file.read_bytes()).root_node.has_error, file
        if file.suffix == ".py":
            ast.parse(file.read_text())


@pytest.mark.parametrize(("name", "runtime"), [("web tflite", "@litertjs/core"), ("web onnx", "onnxruntime-web")])
def test_a_bundle_for_the_web_pins_the_versions_that_the_tests_run(made, name, runtime):
    package = json.loads((made(name).folder / "package.json").read_text())
    pinned = package["dependencies"] | package["devDependencies"]
    assert set(pinned) == {runtime, "esbuild", "typescript"}
    assert all(node.PINNED[each] == version for each, version in pinned.items())
    assert all(each.startswith(f"{runtime}/") for each in package["runtimeFiles"])


def test_the_same_bundle_twice_has_the_same_bytes(made, photographs, tmp_path):
    first = made("linux tflite")
    arguments = ["bundle", str(first.artifact), "--platform", "linux", "--zip", "--quiet", "--images", str(photographs)]
    assert main([*arguments, "-o", str(tmp_path / "bundle")]) == 0
    assert (tmp_path / "bundle.zip").read_bytes() == Path(first.told["zip"]).read_bytes()
    assert main([*arguments, "-o", str(tmp_path / "bundle")]) == 0  # a bundle is replaced


def test_without_photographs_pictures_are_generated(made, tmp_path):
    arguments = ["bundle", str(made("linux tflite").artifact), "--platform", "linux", "--quiet"]
    assert main([*arguments, "-o", str(tmp_path / "bundle")]) == 0
    sizes = [Image.open(tmp_path / "bundle" / "golden" / f"{i}.png").size for i in range(golden.COUNT)]
    assert len({size for size in sizes if size[0] % 2 and size[1] % 2}) == golden.COUNT
    done = subprocess.run([sys.executable, tmp_path / "bundle/python/test_golden.py", "--exact"], capture_output=True)
    assert done.returncode == 0


REFUSED = {
    "package": ("{artifact} --platform android --android-package vision", "it needs two parts or more"),
    "runtime elsewhere": (
        "{artifact} --platform linux --android-runtime interpreter",
        "an Android runtime is for platform android",
    ),
    "package elsewhere": (
        "{artifact} --platform linux --android-package a.b",
        "package is for platform android",
    ),
    "platform": ("{artifact} --platform ios", "--platform ios takes *.mlpackage"),
    "absent": ("absent.tflite --platform linux", "absent.tflite: no such file"),
    "no manifest": ("{alone} --platform linux", "has no manifest beside it"),
    "a folder of the user's": ("{artifact} --platform linux -o {photographs}", "is no bundle; give another folder"),
    "labels": ("{relabelled} --platform linux", r"the name of class 1 has \n, which a line of labels.txt cannot hold"),
    "no images": ("{artifact} --platform linux --images {empty}", "there are no images in"),
    "changed": ("{changed} --platform linux", "its sha256 is not the one in its manifest"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(made, photographs, tmp_path, monkeypatch, capsys, what):
    monkeypatch.chdir(tmp_path)
    artifact = made("linux tflite").artifact
    places = {"artifact": artifact, "photographs": photographs}
    for name in ("alone", "changed", "relabelled"):
        places[name] = tmp_path / name / artifact.name
        places[name].parent.mkdir()
        shutil.copy(artifact, places[name])
    shutil.copy(f"{artifact}.json", tmp_path / "changed")
    manifest = json.loads(Path(f"{artifact}.json").read_text())
    next(each for each in manifest["outputs"] if each["labels"])["labels"][1] = "two\nlines"
    Path(f"{places['relabelled']}.json").write_text(json.dumps(manifest))
    content = bytearray(places["changed"].read_bytes())
    content[len(content) // 2] ^= 1
    places["changed"].write_bytes(content)
    places["empty"] = tmp_path / "empty"
    places["empty"].mkdir()
    before = sorted(tmp_path.rglob("*"))
    arguments, words = REFUSED[what]
    capsys.readouterr()  # what making the artifact said
    code = main(["bundle", *arguments.format(**places).split(), "--quiet"])
    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    assert words in said.err.splitlines()[-1]
    assert sorted(tmp_path.rglob("*")) == before


def test_what_a_runtime_of_the_web_cannot_open(made, tmp_path):
    runtimes = {name: targets()[name].app_runtimes["web"] for name in ("tflite", "onnx")}
    path = tmp_path / "large.onnx"
    shutil.copy(made("web onnx").artifact, path)
    session = edgeport.open_session(path)
    assert "int64" in [output.dtype for output in session.outputs]
    create.check_runtime(path, session, runtimes["onnx"])
    with pytest.raises(
        edgeport.UsageError, match="its output top_classes is int64, and the platform's runtime reads f"
    ):
        create.check_runtime(path, session, runtimes["tflite"])
    (tmp_path / "large.onnx.data").write_bytes(b"")
    with pytest.raises(edgeport.UsageError, match="its constants are in a file beside it"):
        create.check_runtime(path, session, runtimes["onnx"])


NO_CLASSIFIER = "import torch\n\n\ndef make():\n    return torch.nn.Conv2d(3, 5, 3)\n"
UNFIT = {
    "net.py:make --input-shape 3,32,32 --scale 1/255": r"gives \[\(1, 5, 30, 30\)\]; a bundle for web is for classify,",
    "resnet_test --int8 --input uint8 --output-type uint8": "takes uint8 and gives uint8; a bundle takes pixels or",
}


@pytest.mark.parametrize("export", UNFIT)
def test_no_page_for_what_is_no_classifier_or_gives_integers(tmp_path, monkeypatch, export):
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(NO_CLASSIFIER)
    options = ("--weights", "random", "--no-benchmark", "--no-validate", "--quiet", "--effort", "fast")
    assert main(["export", *export.split(), *options]) == 0
    (manifest,) = (path for path in Path("artifacts").rglob("*.json") if ("int8" in path.name) == ("int8" in export))
    with pytest.raises(edgeport.UsageError, match=UNFIT[export]):
        edgeport.bundle(manifest.with_suffix(""), "web")


@pytest.mark.parametrize(("precision", "advised"), [("fp16", True), ("fp32", False)])
def test_what_is_slow_in_webassembly_is_said(tmp_path, capsys, precision, advised):
    quiet = ("--weights", "random", "--no-benchmark", "--no-validate", "--quiet")
    assert main(["export", "resnet_test", "--precision", precision, *quiet, "--output-dir", str(tmp_path)]) == 0
    (artifact,) = tmp_path.rglob("*.tflite")
    capsys.readouterr()
    assert main(["bundle", str(artifact), "--platform", "web", "-o", str(tmp_path / "bundle")]) == 0
    assert ("2 to 4 times as long" in capsys.readouterr().err) == advised
    assert ("2 to 4 times as long" in (tmp_path / "bundle" / "README.md").read_text()) == advised


def test_a_failure_leaves_nothing(made, tmp_path, monkeypatch):
    def fails(*_):
        raise RuntimeError("in the middle")

    monkeypatch.setattr("edgeport.bundles.create.pack", fails)
    arguments = ["bundle", str(made("linux tflite").artifact), "--platform", "linux", "--zip", "--quiet"]
    with pytest.raises(RuntimeError):
        main([*arguments, "-o", str(tmp_path / "b")])
    assert list(tmp_path.iterdir()) == []
