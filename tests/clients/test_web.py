"""Bundles for the web in a real browser: what LiteRT.js and ONNX Runtime Web compute, and what the page shows."""

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import browser as browsers
import demo
import edgeport
import node
import numpy as np
import pytest
import task_networks
from edgeport.bundles import literals
from edgeport.cli.main import main
from edgeport.models.preprocess import load_image
from hostile_names import CHARACTERS
from PIL import Image, ImageCms, PngImagePlugin
from PIL.ExifTags import Base

pytestmark = pytest.mark.clients

LABELS = (
    '<img src=x onerror="document.title=1">',
    "</script>",
    "${1}`",
    '"',
    "&amp;",
    *(f"class {i}" for i in range(5)),
)
IN_SOFTWARE = (  # WebGPU without a graphics card
    "--enable-unsafe-webgpu",
    "--enable-features=Vulkan,WebGPU,JavaScriptPromiseIntegration",
    "--use-webgpu-adapter=swiftshader",
    "--ignore-gpu-blocklist",
)
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
BGR = "--resize letterbox --color bgr --scale 1/127.5 --mean 0.9,1,1.1 --std 1,0.9,0.8"
# name: (model, options of export)
ARTIFACTS = {
    "tflite": ("mobilevit_test", f"--softmax {BGR}"),
    "tflite several outputs": ("resnet_test", "--top-k 3 --resize stretch"),
    "tflite int8": ("mobilenetv2_test", "--int8"),
    "tflite int8 pixels": ("resnet_test", "--int8 --input uint8"),
    "tflite fp16": ("mobilenetv2_test", "--precision fp16"),
    "onnx": ("mobilevit_test", f"--target onnx --top-k 3 {BGR}"),
    "onnx int8": ("mobilenetv2_test", "--target onnx --int8"),
    "onnx int8 pixels": ("resnet_test", "--target onnx --int8 --input uint8"),
}
FLOAT = [name for name in ARTIFACTS if "int8" not in name]
# The same whole numbers on every processor. ONNX Runtime's own differ by a step where a product lies on the border.
EXACT = ("tflite int8", "tflite int8 pixels")


@dataclass(frozen=True)
class Page:
    """A bundle that was built: its folder, its artifact, and the address that it is served at."""

    folder: Path
    artifact: Path
    url: str


@pytest.fixture(scope="module")
def chromium() -> str:
    path = browsers.find()
    if not path:
        pytest.skip(f"no browser (Debian: apt-get install chromium, or name one in {browsers.VARIABLE})")
    return path


@pytest.fixture(scope="module")
def tab(chromium):
    """A browser without WebGPU, with a camera that is none."""
    with browsers.browser(chromium, *CAMERA) as running:
        yield running


@pytest.fixture(scope="module")
def gpu_tab(chromium, page):
    """A browser with WebGPU in software."""
    with browsers.browser(chromium, *IN_SOFTWARE, gpu=True) as running:
        running.open(page("tflite").url)  # about:blank has no WebGPU
        if not running.value("navigator.gpu ? navigator.gpu.requestAdapter().then((it) => Boolean(it)) : false"):
            pytest.skip("the browser has no WebGPU in software (SwiftShader)")
        yield running


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """page(name) -> the artifact's bundle, built with the pinned packages and served."""
    node.require("@litertjs/core", "onnxruntime-web", "esbuild", "typescript")
    folder, servers, known = tmp_path_factory.mktemp("web"), [], {}
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in LABELS))

    def make(name: str) -> Page:
        if name not in known:
            model, options = ARTIFACTS[name]
            place = folder / name.replace(" ", "_")
            quiet = "--weights random --no-benchmark --no-validate --quiet --effort fast"
            arguments = [*options.split(), *quiet.split(), "--labels", str(folder / "labels.txt")]
            assert main(["export", model, *arguments, "--output-dir", str(place)]) == 0
            (manifest,) = (path for path in place.rglob("*.json") if ("int8" in path.name) == ("int8" in name))
            known[name] = built(manifest.with_suffix(""), place / "bundle")
        return known[name]

    def built(artifact: Path, to: Path, **options) -> Page:
        edgeport.bundle(artifact, "web", output=to, **options)
        node.build(to)
        server = node.serve(to)
        servers.append(server)
        return Page(to, artifact, server.__enter__())

    make.built = built
    yield make
    for server in servers:
        server.__exit__(None, None, None)


def reproduce(tab, page: Page, backend: str) -> dict[str, list[str]]:
    """{what: what the golden test says of each image}; all of it is right."""
    tab.open(f"{page.url}golden.html?backend={backend}")
    rows = json.loads(tab.wait_for("document.body.dataset.rows", seconds=300))
    assert rows, tab.value("document.getElementById('verdict').textContent")
    assert [row for row in rows if not row["right"]] == []
    outputs = {
        f"{each['role']}, {backend}" for each in json.loads((page.folder / "bundle.json").read_text())["outputs"]
    }
    assert {row["what"] for row in rows} == {"decoded PNG", "pixels", "input", "answer"} | outputs
    return {what: [row["said"] for row in rows if row["what"] == what] for what in {row["what"] for row in rows}}


@pytest.mark.parametrize("name", ARTIFACTS)
def test_golden_files_in_webassembly(tab, page, name):
    said = reproduce(tab, page(name), "wasm")
    scores = said.pop("scores, wasm")
    assert len(scores) == 3
    assert all(each == ["equal"] * 3 for each in said.values())
    if name in EXACT:
        assert scores == ["equal"] * 3


@pytest.mark.parametrize("name", FLOAT)
def test_golden_files_on_webgpu(gpu_tab, page, name):
    assert len(reproduce(gpu_tab, page(name), "webgpu")["scores, webgpu"]) == 3


# task: (what is said of the network, the list of the page begins with, something is drawn over the picture)
TASKS = {
    "detect": ("detect:yolo", "cat", True),
    "segment": ("segment", "cat", True),
    "keypoints": ("keypoints:heatmaps", "cat: ", True),
    "embed": ("embed", "24 numbers; another picture shows how alike it is", False),
    "text": ("text", "", False),
}


@pytest.mark.parametrize("task", TASKS)
def test_a_page_of_every_task_answers(tab, page, tmp_path, task):
    said, first, drawn = TASKS[task]
    net = task_networks.Detector("yolo").eval() if task == "detect" else task_networks.Dense(task)
    labels = {"detect": ["cat"] * 3, "segment": ["cat"] * 4, "keypoints": ["cat"] * 5, "text": [*"abcdefghijk"]}
    given = {"input_shape": (3, 96, 96), "preprocess": {"scale": "1/255", "resize": "letterbox"}, "task": said}
    options = {"validate": False, "benchmark": False, "output_dir": tmp_path, "name": "net"}
    made = edgeport.export(net, "tflite", labels=labels.get(task), **given, **options)
    images = task_networks.write_crops(tmp_path / "crops", 3)
    built = page.built(made.path, tmp_path / "bundle", images=images)
    found = reproduce(tab, built, "wasm")
    assert found["answer"] == ["equal"] * 3
    open_page(tab, built)
    tab.choose("#file", built.folder / "golden" / "0.png")
    tab.wait_for("document.body.dataset.answers")
    assert shown(tab)[0][0].startswith(first)
    assert not tab.value("document.getElementById('status').classList.contains('failed')")
    painted = "((it) => it.getContext('2d').getImageData(0, 0, it.width, it.height).data.some((each) => each))"
    assert tab.value(f"{painted}(document.getElementById('overlay'))") == drawn


def shown(tab) -> list[tuple[str, str]]:
    """(label, score) of what the page shows."""
    return [
        tuple(pair)
        for pair in tab.value(
            "Array.from(document.querySelectorAll('#answer li'), (li) =>"
            " [li.querySelector('.label').textContent, li.querySelector('.score').textContent])"
        )
    ]


def open_page(tab, page: Page, choice: str | None = None, **options) -> str:
    """Opens the page, waits for the model, and gives what the page says of where it runs."""
    tab.open(page.url, **options)
    tab.wait_for("document.body.dataset.backend")
    if choice:
        tab.value("delete document.body.dataset.backend")
        tab.value(f"choice.value = '{choice}', choice.dispatchEvent(new Event('change'))")
        tab.wait_for("document.body.dataset.backend", seconds=300)
    return tab.value("document.getElementById('status').textContent")


def expected(page: Page, image: int = 0) -> list[tuple[str, str]]:
    """(label, score) of the five best classes, from the golden scores."""
    facts = json.loads((page.folder / "bundle.json").read_text())
    scores = np.frombuffer((page.folder / "golden" / f"{image}.output").read_bytes(), "<f4")
    labels = (page.folder / "model" / "labels.txt").read_text().removesuffix("\n").split("\n")
    written = "{:.1%}" if facts["probabilities"] else "{:.2f}"
    best = np.argsort(-scores, kind="stable")[:5]
    return [(labels[i], written.format(scores[i]).replace("%", " %")) for i in best]


WITHOUT_GPU = "This browser finds no graphics card for WebGPU. Runs on the processor (WebAssembly), "


@pytest.mark.parametrize("name", ["tflite", "tflite int8 pixels", "onnx"])
def test_a_chosen_picture_is_classified(tab, page, name):
    assert open_page(tab, page(name)).startswith(WITHOUT_GPU)
    tab.choose("#file", page(name).folder / "golden" / "0.png")
    tab.wait_for("document.body.dataset.answers")
    assert shown(tab) == expected(page(name))
    assert all(tab.value(f"/^[0-9.]+ ms$/.test({part}.textContent)") for part in ("decode", "prepare", "infer"))


def test_a_dropped_picture_is_classified_and_text_is_not(tab, page):
    open_page(tab, page("tflite"))
    tab.value(
        "fetch('golden/1.png').then((it) => it.blob()).then((it) => { const data = new DataTransfer();"
        " data.items.add(new File([it], 'a.png')); const event = new DragEvent('drop', { dataTransfer: data });"
        " document.getElementById('drop').dispatchEvent(new Event('dragover', { bubbles: true }));"
        " window.dispatchEvent(event); return 1; })"
    )
    tab.wait_for("document.body.dataset.answers")
    assert shown(tab) == expected(page("tflite"), 1)
    tab.choose("#file", page("tflite").folder / "README.md")
    tab.wait_for("document.getElementById('status').classList.contains('failed')")
    assert tab.value("document.getElementById('status').textContent") == (
        "This browser cannot read that file as a picture."
    )
    tab.choose("#file", page("tflite").folder / "golden" / "2.png")
    tab.wait_for("document.body.dataset.answers === '2'")
    assert tab.value("document.getElementById('status').textContent").startswith(WITHOUT_GPU)
    assert not tab.value("document.getElementById('status').classList.contains('failed')")


def test_the_camera_is_classified(tab, page):
    open_page(tab, page("tflite"))
    tab.value("document.getElementById('camera').click()")
    tab.wait_for("Number(document.body.dataset.answers) >= 3")
    assert len(shown(tab)) == 5
    tab.value("document.getElementById('camera').click()")
    assert tab.value("document.getElementById('camera').textContent") == "Use the camera"


def test_names_are_text_on_the_page(tab, page):
    made = page("tflite")
    open_page(tab, made)
    tab.choose("#file", made.folder / "golden" / "0.png")
    tab.wait_for("document.body.dataset.answers")
    assert {label for label, _ in shown(tab)} <= set(LABELS)
    assert tab.value("document.querySelectorAll('.label *').length") == 0
    assert tab.value("document.title") == "mobilevit_test, fp32"


def test_a_model_may_have_any_name(tab, page, tmp_path):
    copy = tmp_path / "bundle"
    shutil.copytree(page("tflite").folder, copy, symlinks=True)
    known = (copy / "src" / "model_facts.ts").read_text()
    name = "".join(c for c in CHARACTERS if c.isprintable()) + "</script><script>document.title='run'</script>"
    assert '"mobilevit_test"' in known
    (copy / "src" / "model_facts.ts").write_text(known.replace('"mobilevit_test"', literals.typescript(name)))
    node.build(copy)
    with node.serve(copy) as url:
        open_page(tab, Page(copy, copy, url))
        assert tab.value("document.getElementById('model').textContent") == name
        assert tab.value("document.title").endswith(", fp32")


def test_the_page_says_why_it_does_not_run_on_the_graphics_card(gpu_tab, page, tmp_path):
    said = open_page(gpu_tab, page("tflite"))
    assert said.startswith(
        "WebGPU is computed by the processor here, which is slower than WebAssembly. Runs on the pro"
    )
    said = open_page(gpu_tab, page("tflite"), "webgpu")
    assert said == "Runs on the graphics card (WebGPU)."
    copy = tmp_path / "bundle"
    shutil.copytree(page("tflite").folder, copy, symlinks=True)
    output = copy / "site" / "golden" / "0.output"
    output.write_bytes(np.roll(np.frombuffer(output.read_bytes(), "<f4"), 1).tobytes())
    with node.serve(copy) as url:
        said = open_page(gpu_tab, Page(copy, copy, url), "webgpu")
    assert said.startswith("WebGPU gives other scores (off by 0.")
    assert "Runs on the processor (WebAssembly)" in said


def test_nothing_is_asked_for_elsewhere(tab, page):
    for name in ("tflite", "onnx"):
        open_page(tab, page(name))
        tab.choose("#file", page(name).folder / "golden" / "0.png")
        tab.wait_for("document.body.dataset.answers")
        assert all(each.startswith((page(name).url, "data:", "blob:")) for each in tab.requests())


def pictures(folder: Path) -> list[Path]:
    """One picture in many files: formats, orientations, colour profiles, alpha."""
    image = demo.photograph("coffee").resize((203, 131))
    turned = Image.Exif()
    turned[Base.Orientation] = 6
    gamma = PngImagePlugin.PngInfo()
    gamma.add(b"gAMA", (100000).to_bytes(4, "big"))
    alpha = np.random.default_rng(0).integers(0, 256, (131, 203, 1), dtype=np.uint8)
    transparent = Image.fromarray(np.concatenate([np.asarray(image), alpha], 2))
    image.save(folder / "plain.png")
    image.save(folder / "turned.png", exif=turned)
    image.save(folder / "gamma.png", pnginfo=gamma)
    image.save(folder / "profile.png", icc_profile=foreign_profile())
    image.save(folder / "profile.jpg", icc_profile=foreign_profile(), quality=92)
    image.save(folder / "turned.jpg", exif=turned, quality=75)
    image.save(folder / "lossy.webp", quality=80)
    image.convert("L").save(folder / "grey.jpg")
    image.convert("P").save(folder / "palette.png")
    image.save(folder / "image.gif")
    transparent.save(folder / "alpha.png")
    transparent.save(folder / "alpha.webp", lossless=True, exact=True)
    return sorted(folder.iterdir())


def foreign_profile() -> bytes:
    """A colour profile with red and blue exchanged: who follows it shows other colours."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"tXYZ").replace(b"bXYZ", b"rXYZ").replace(b"tXYZ", b"bXYZ")


def test_pictures_are_read_as_the_reference_reads_them(tab, page, tmp_path):
    folder = tmp_path / "bundle"
    shutil.copytree(page("tflite").folder / "src", folder / "src")
    shutil.copy(page("tflite").folder / "serve.mjs", folder)
    shutil.copy(Path(__file__).with_name("decode.ts"), folder)
    (folder / "site").mkdir()
    found = pictures(folder / "site")
    node.bundle_script(folder / "decode.ts", folder / "site" / "decode.js")
    (folder / "site" / "index.html").write_text("<!doctype html><script type=module src=decode.js></script>")
    with node.serve(folder) as url:
        tab.open(url)
        tab.wait_for("'read' in window")
        for path in found:
            pixels = np.asarray(load_image(path))
            wanted = f"{pixels.shape[1]}x{pixels.shape[0]} {hashlib.sha256(pixels.tobytes()).hexdigest()}"
            assert tab.value(f"read({path.name!r}).catch(String)") == wanted, path.name


@pytest.fixture(scope="module")
def trained(page, tmp_path_factory):
    """trained(target, precision) -> the page of EfficientNet-Lite0 with its ImageNet weights."""
    folder, known = tmp_path_factory.mktemp("trained"), {}
    demo.write_crops(demo.UNNAMED, 64, folder / "unnamed")
    (folder / "named").mkdir()
    for name in demo.NAMED:
        demo.photograph(name).save(folder / "named" / f"{name}.png")
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in edgeport.models.imagenet_classes()))
    model = edgeport.load(demo.CLASSIFIER, weights=demo.imagenet_weights())

    def make(target: str, precision: str) -> tuple[Page, list[str], list[Path]]:
        if (target, precision) not in known:
            made = edgeport.export(
                model,
                target,
                precision=precision,
                calibration=folder / "unnamed" if precision == "int8" else None,
                labels=folder / "labels.txt",
                validate=False,
                benchmark=False,
                output_dir=folder / "artifacts",
            )
            best = [each.rpartition(" ")[0] for each in demo.top1(edgeport.open_session(made.path))]
            built = page.built(made.path, folder / f"{target}_{precision}", images=folder / "named")
            known[target, precision] = built, best, [folder / "named" / f"{name}.png" for name in demo.NAMED]
        return known[target, precision]

    return make


@pytest.mark.parametrize(
    ("target", "precision", "backend"),
    [
        ("tflite", "fp32", "wasm"),
        ("tflite", "int8", "wasm"),
        ("tflite", "fp32", "webgpu"),
        ("onnx", "fp32", "wasm"),
        ("onnx", "int8", "wasm"),
    ],
)
def test_a_trained_network_names_photographs_as_it_does_here(request, trained, target, precision, backend):
    tab = request.getfixturevalue("gpu_tab" if backend == "webgpu" else "tab")
    page, best, photographs = trained(target, precision)
    reproduce(tab, page, backend)
    open_page(tab, page, backend)
    assert tab.value("document.body.dataset.backend") == backend
    seen = []
    for i, photograph in enumerate(photographs):
        tab.choose("#file", photograph)
        tab.wait_for(f"Number(document.body.dataset.answers) === {i + 1}")
        seen.append(shown(tab)[0][0])
    assert seen == best
