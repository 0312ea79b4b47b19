"""The wrappers' arithmetic in Python, C++ and TypeScript gives Pillow's bytes, on photographs of odd sizes."""

import importlib.util
import json
import shutil
import subprocess
from pathlib import Path

import node
import numpy as np
import pytest
from demo import photograph
from edgeport.bundles import templates
from edgeport.models import PreprocessSpec
from edgeport.models.preprocess import cover, preprocess, resize_and_crop
from PIL import Image, ImageOps
from PIL.ExifTags import Base

SOURCES = Path(templates.__file__).parent
FILTERS = {name: getattr(Image.Resampling, name.upper()) for name in ("nearest", "bilinear", "bicubic", "lanczos")}
SIZES = ((301, 227), (97, 501), (33, 17), (1, 5))  # of the photograph, (width, height)
RESULTS = ((224, 224), (17, 400), (640, 17), (301, 61), (97, 227))  # down, up, one of each; one axis kept
ORIENTATIONS = range(10)  # EXIF's are 1 to 8
CASES = [(filter_, size, to) for filter_ in FILTERS for size in SIZES for to in RESULTS]


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    return photograph("coffee")


def of_size(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    return picture.crop((40, 30, 40 + 2 * size[0], 30 + size[1])).resize(size, Image.Resampling.BOX)


def by_exif(image: Image.Image, orientation: int) -> Image.Image:
    image = image.copy()
    image.getexif()[Base.Orientation] = orientation
    return ImageOps.exif_transpose(image)


def by_pillow(image: Image.Image, to: tuple[int, int], filter_: str) -> np.ndarray:
    """Columns first, then rows: Pillow 13 and later turn this round for very flat results."""
    return np.asarray(image.resize((to[0], image.height), FILTERS[filter_]).resize(to, FILTERS[filter_]))


def load_module(name: str):
    """A module of the Python wrapper, alone, as it stands in a bundle."""
    spec = importlib.util.spec_from_file_location(f"bundled_{name}", SOURCES / "python" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def python():
    return load_module("preprocess")


@pytest.mark.parametrize(("filter_", "size", "to"), CASES)
def test_python_resizes_like_pillow(python, picture, filter_, size, to):
    image = of_size(picture, size)
    got = python.resize(np.asarray(image), to[1], to[0], filter_)
    np.testing.assert_array_equal(got, by_pillow(image, to, filter_))


def test_cpp_resizes_like_pillow(picture, tmp_path):
    if not shutil.which("g++"):
        pytest.skip("no g++")
    main, program = Path(__file__).with_name("resize_main.cpp"), tmp_path / "resize"
    options = ("-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off", f"-I{SOURCES / 'cpp'}")
    subprocess.run(["g++", *options, main, SOURCES / "cpp" / "preprocess.cpp", "-o", program], check=True)
    lines = []
    for i, (filter_, size, to) in enumerate(CASES):
        of_size(picture, size).save(tmp_path / f"{i}.ppm")
        lines.append(f"{tmp_path}/{i}.ppm {to[0]} {to[1]} {list(FILTERS).index(filter_)} 1 {tmp_path}/{i}.out\n")
    turned = of_size(picture, SIZES[0])
    turned.save(tmp_path / "turned.ppm")
    for orientation in ORIENTATIONS:
        size = by_exif(turned, orientation).size
        lines.append(f"{tmp_path}/turned.ppm {size[0]} {size[1]} 0 {orientation} {tmp_path}/turned{orientation}.out\n")
    subprocess.run([program], input="".join(lines), text=True, check=True)
    for i, (filter_, size, to) in enumerate(CASES):
        wanted = by_pillow(of_size(picture, size), to, filter_)
        assert (tmp_path / f"{i}.out").read_bytes() == wanted.tobytes(), (filter_, size, to)
    for orientation in ORIENTATIONS:
        assert (tmp_path / f"turned{orientation}.out").read_bytes() == by_exif(turned, orientation).tobytes(), (
            orientation
        )


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_python_turns_like_pillow(python, picture, orientation):
    image = of_size(picture, SIZES[0])
    got = python.upright(np.asarray(image), orientation)
    np.testing.assert_array_equal(got, np.asarray(by_exif(image, orientation)))


SPECS = {
    "usual": PreprocessSpec(),
    "bilinear": PreprocessSpec(input_size=(3, 65, 49), crop_pct=0.77, interpolation="bilinear"),
    "whole": PreprocessSpec(input_size=(3, 64, 80), crop_pct=1.0, mean=(0.5,) * 3, std=(0.5,) * 3),
    "padded": PreprocessSpec(input_size=(3, 61, 64), crop_pct=1.3),
    "grey": PreprocessSpec(input_size=(1, 32, 32), mean=(0.1,), std=(0.4,), interpolation="nearest"),
    "bgr": PreprocessSpec(mean=(104, 117, 123), std=(1.0, 2.0, 3.0), scale=1.0, bgr=True, resize="stretch", crop_pct=1),
    "squash": PreprocessSpec(input_size=(3, 41, 64), resize="stretch", crop_pct=0.9, scale=1 / 127.5, std=(0.7,) * 3),
    "letterbox": PreprocessSpec(input_size=(3, 65, 96), resize="letterbox", interpolation="bilinear"),
    "grey letterbox": PreprocessSpec(
        input_size=(1, 96, 33), mean=(0.0,), std=(1.0,), resize="letterbox", interpolation="lanczos", pad_value=7
    ),
}


def python_wrapper(python, spec: PreprocessSpec, *, normalises: bool = True):
    """The wrapper's record of a spec."""
    channels, height, width = spec.input_size
    cover_height, cover_width = cover(spec)
    return python.Preprocessing(
        channels=channels,
        height=height,
        width=width,
        cover_height=cover_height,
        cover_width=cover_width,
        resize=spec.resize,
        pad_value=spec.pad_value,
        interpolation=spec.interpolation,
        bgr=spec.bgr,
        divisor=spec.divisor,
        mean=spec.mean,
        std=spec.std,
        normalises=normalises,
        layout="nchw",
    )


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("size", [(640, 427), (97, 301), (20, 31), (1, 200)])
def test_python_sees_and_normalises_like_the_reference(python, picture, name, size):
    spec, image = SPECS[name], of_size(picture, size)
    how = python_wrapper(python, spec)
    pixels = how.pixels(np.asarray(image))
    np.testing.assert_array_equal(pixels, resize_and_crop(image, spec))
    assert how.tensor(pixels).tobytes() == preprocess(image, spec)[None].tobytes()


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_python_refuses_what_is_no_image(python, image):
    how = python_wrapper(python, PreprocessSpec(), normalises=False)
    with pytest.raises(ValueError, match="an image is uint8 of shape"):
        how.pixels(image)


def test_top_takes_the_lower_class_of_equal_ones():
    scores = np.array([1, 3, 2, 3], np.float32)
    assert load_module("classification").top(scores, 3) == [(1, 3.0), (3, 3.0), (2, 2.0)]


@pytest.fixture(scope="module")
def typescript(tmp_path_factory):
    """The TypeScript wrapper's arithmetic in Node: typescript([{"image": array, ...}]) -> arrays; see parity.mjs."""
    node.require("esbuild")
    folder = tmp_path_factory.mktemp("typescript")
    for name in ("preprocessing", "classification"):
        node.bundle_script(SOURCES / "web" / "src" / f"{name}.ts", folder / f"{name}.mjs")
    shutil.copy(Path(__file__).with_name("parity.mjs"), folder)

    def run(jobs: list[dict]) -> list[bytes]:
        for i, job in enumerate(jobs):
            image = job.pop("image")
            (folder / f"{i}.rgb").write_bytes(image.tobytes())
            job["size"] = [image.shape[1], image.shape[0]]
        (folder / "jobs.json").write_text(json.dumps(jobs))
        node.run("parity.mjs", cwd=folder)
        return [(folder / f"{i}.out").read_bytes() for i in range(len(jobs))]

    return run


def test_typescript_resizes_like_pillow(typescript, picture):
    images = [of_size(picture, size) for _, size, _ in CASES]
    jobs = [
        {"image": np.asarray(image), "resize": [*to, filter_]}
        for image, (filter_, _, to) in zip(images, CASES, strict=True)
    ]
    for case, image, got in zip(CASES, images, typescript(jobs), strict=True):
        assert got == by_pillow(image, case[2], case[0]).tobytes(), case


def test_typescript_turns_like_pillow(typescript, picture):
    image = of_size(picture, SIZES[0])
    got = typescript([{"image": np.asarray(image), "orientation": each} for each in ORIENTATIONS])
    assert got == [np.asarray(by_exif(image, each)).tobytes() for each in ORIENTATIONS]


def typescript_record(spec: PreprocessSpec) -> dict:
    """The wrapper's record of a spec."""
    cover_height, cover_width = cover(spec)
    channels, height, width = spec.input_size
    return {
        **{"channels": channels, "height": height, "width": width, "normalises": True, "nhwc": False},
        **{"coverHeight": cover_height, "coverWidth": cover_width, "resize": spec.resize, "padValue": spec.pad_value},
        **{"filter": spec.interpolation, "bgr": spec.bgr, "divisor": spec.divisor, "mean": spec.mean, "std": spec.std},
    }


def test_typescript_sees_and_normalises_like_the_reference(typescript, picture):
    cases = [(name, of_size(picture, size)) for name in SPECS for size in ((640, 427), (97, 301), (20, 31), (1, 200))]
    jobs = [
        {"image": np.asarray(image), "how": typescript_record(SPECS[name]), "tensor": tensor}
        for name, image in cases
        for tensor in (False, True)
    ]
    made = iter(typescript(jobs))
    for name, image in cases:
        assert next(made) == resize_and_crop(image, SPECS[name]).tobytes(), (name, image.size)
        assert next(made) == preprocess(image, SPECS[name])[None].tobytes(), (name, image.size)


def test_typescript_takes_the_lower_class_of_equal_ones(typescript):
    (said,) = typescript([{"image": np.zeros((1, 1, 3), np.uint8), "scores": [1, 3, 2, 3]}])
    assert json.loads(said) == [{"index": 1, "score": 3}, {"index": 3, "score": 3}, {"index": 2, "score": 2}]


def test_typescript_refuses_what_is_no_image(typescript):
    with pytest.raises(AssertionError, match=r"RangeError: an image is width \* height \* channels bytes"):
        typescript([{"image": np.zeros((0, 4, 3), np.uint8), "orientation": 1}])
