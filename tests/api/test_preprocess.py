"""How an image becomes the input: said by nobody, by the caller or by the model, and the same from the calibration to
the app. The wanted numbers are computed here, by Pillow and NumPy alone."""

import json
from pathlib import Path

import edgeport
import numpy as np
import onnx
import onnx.parser
import pytest
import torch
from edgeport.artifacts.manifest import Manifest
from edgeport.pipeline.data.collection import open_data
from edgeport.targets.registry import everyday_targets
from PIL import Image
from torch import nn

H, W = 24, 32
QUICK = {"benchmark": False, "num_validation_samples": 3}
PICTURES = {"wide": (61, 23), "high": (19, 50), "same": (W, H)}  # (width, height)
MEAN, STD = (0.1, 0.3, 0.6), (0.9, 0.5, 0.2)


@pytest.fixture(scope="module", autouse=True)
def here(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("preprocess")
        patch.chdir(folder)
        patch.setenv("EDGEPORT_CACHE", str(folder / "cache"))
        (folder / "photos").mkdir()
        rng = np.random.default_rng(0)
        for name, (width, height) in PICTURES.items():
            blocks = rng.integers(0, 256, (height // 5 + 1, width // 5 + 1, 3), dtype=np.uint8)
            Image.fromarray(blocks).resize((width, height)).save(folder / "photos" / f"{name}.png")
        yield folder


def network(channels: int = 3, *, padded: bool = True, props: dict[str, str] | None = None) -> onnx.ModelProto:
    """A classifier whose first operator is a padded convolution, or none: pixels go into its weights, or in front."""
    first = "a = Conv <pads = [1,1,1,1], strides = [2,2]> (image, w, b)" if padded else "a = AveragePool "
    first += "" if padded else "<kernel_shape = [2,2], strides = [2,2]> (image)"
    features = 8 if padded else channels
    text = f"""
    <ir_version: 8, opset_import: ["" : 17]>
    net (float[1,{channels},{H},{W}] image) => (float[1,5] logits) {{
      {first}
      c = Relu (a)
      f = Flatten (c)
      logits = Gemm (f, v, u)
    }}
    """
    rng = np.random.default_rng(1)
    shapes = {"w": (8, channels, 3, 3), "b": (8,), "v": (features * H * W // 4, 5), "u": (5,)}
    proto = onnx.parser.parse_model(text)
    for name, shape in shapes.items():
        if padded or name in "vu":
            array = (rng.standard_normal(shape) / np.sqrt(np.prod(shape[-3:-1]) or 1)).astype(np.float32)
            proto.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    onnx.helper.set_model_props(proto, props or {})
    return proto


def answer(proto: onnx.ModelProto, values: np.ndarray) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": values})[0]


def resized(image: Image.Image, size: tuple[int, int], filter_: Image.Resampling) -> Image.Image:
    return image.resize((size[0], image.height), filter_).resize(size, filter_)


def letterboxed(image: Image.Image, pad: int) -> Image.Image:
    ratio = min(W / image.width, H / image.height)
    small = resized(image, (round(image.width * ratio), round(image.height * ratio)), Image.Resampling.BILINEAR)
    canvas = Image.new(image.mode, (W, H), (pad,) * len(image.getbands()))
    canvas.paste(small, ((W - small.width) // 2, (H - small.height) // 2))
    return canvas


def values(image: Image.Image) -> np.ndarray:
    return np.asarray(image, np.float32).reshape(H, W, -1)


CASES = {  # how it is said -> (channels, what an image becomes, (h, w, c) in the model's order)
    "bgr": (
        {"scale": 1, "mean": (104, 117, 123), "color": "bgr"},
        lambda i: values(resized(i, (W, H), Image.Resampling.BILINEAR))[..., ::-1] - np.float32([104, 117, 123]),
    ),
    "letterbox": (
        {"scale": "1/255", "resize": "letterbox"},
        lambda i: values(letterboxed(i, 114)) / np.float32(255),
    ),
    "letterbox, black": (
        {"scale": "1/255", "resize": "letterbox", "pad_value": 0},
        lambda i: values(letterboxed(i, 0)) / np.float32(255),
    ),
    "gray": (
        {"mean": 0.5, "std": 0.25, "color": "gray"},
        lambda i: (
            (values(resized(i.convert("L"), (W, H), Image.Resampling.BILINEAR)) / np.float32(255) - np.float32(0.5))
            / np.float32(0.25)
        ),
    ),
    "stretch": (
        {"scale": "1/127.5", "mean": 1, "resize": "stretch", "interpolation": "bicubic"},
        lambda i: values(resized(i, (W, H), Image.Resampling.BICUBIC)) / np.float32(127.5) - 1,
    ),
    "unequal": (
        {"mean": MEAN, "std": STD, "color": "bgr", "resize": "stretch"},
        lambda i: (
            (values(resized(i, (W, H), Image.Resampling.BILINEAR))[..., ::-1] / np.float32(255) - np.float32(MEAN))
            / np.float32(STD)
        ),
    ),
}


def channels_of(case: str) -> int:
    return 1 if case == "gray" else 3


@pytest.mark.parametrize("case", CASES)
def test_calibration_gets_what_is_said(here, case):
    said, wanted = CASES[case]
    source = edgeport.load(network(channels_of(case)), preprocess=said)
    for data in (here / "photos", edgeport.images(here / "photos")):
        dataset = open_data(data, source.input_spec, 9)
        assert len(dataset) == len(PICTURES)
        for path, feed in zip(dataset.items, dataset, strict=True):
            expected = wanted(Image.open(path)).transpose(2, 0, 1)[None]
            np.testing.assert_array_equal(feed["image"], expected)
    pictures = [Image.open(path) for path in sorted((here / "photos").iterdir())]
    for picture, feed in zip(pictures, open_data(pictures, source.input_spec, 9), strict=True):
        np.testing.assert_array_equal(feed["image"], wanted(picture).transpose(2, 0, 1)[None])


BAKED = ["bgr", "gray", "unequal"]


@pytest.mark.parametrize("padded", [True, False], ids=["into the convolution", "in front"])
@pytest.mark.parametrize("case", BAKED)
def test_an_artifact_of_pixels_answers_as_the_model_does(here, case, padded):
    """The pixels are those of the picture, in RGB, whatever order the model computes in."""
    said, wanted = CASES[case]
    model = network(channels_of(case), padded=padded)
    results = edgeport.export_all(model, preprocess=said, input="uint8", output_dir=f"{case}{padded}", **QUICK)
    picture = Image.open(here / "photos" / "same.png")
    pixels = values(picture.convert("L") if case == "gray" else picture)
    expected = answer(model, np.ascontiguousarray(wanted(picture).transpose(2, 0, 1)[None]))
    assert [result.target for result in results] == everyday_targets()
    for result in results:
        assert result.ok, result
        session = edgeport.open_session(result.path)
        (got,) = session.run({session.inputs[0].name: pixels.transpose(2, 0, 1)[None].astype(np.uint8)}).values()
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max(), err_msg=result.target)
        assert facts_of(result)["color"] == said["color"]


def facts_of(result) -> dict:
    return json.loads(Path(result.manifest_path).read_bytes())["inputs"][0]


def test_int8_of_pixels_is_calibrated_on_what_is_said(here):
    said, wanted = CASES["unequal"]
    model = network()
    photos = edgeport.images(here / "photos")
    result = edgeport.export(
        model,
        "tflite",
        precision="int8",
        preprocess=said,
        input="uint8",
        calibration=photos,
        output_dir="int8",
        **QUICK,
    )
    picture = Image.open(here / "photos" / "same.png")
    expected = answer(model, np.ascontiguousarray(wanted(picture).transpose(2, 0, 1)[None]))
    (got,) = (
        edgeport.open_session(result.path)
        .run({"image": values(picture).transpose(2, 0, 1)[None].astype("u1")})
        .values()
    )
    assert 10 * np.log10(np.square(expected).sum() / np.square(expected - got).sum()) > 25
    again = edgeport.debug(result.path, reference=model, data=photos, output_dir="int8/debug")
    assert next(layer for layer in again.layers if layer.kind == "Conv").alone.snr_db > 25


@pytest.mark.parametrize("color", ["rgb", "bgr"])
def test_core_ml_is_told_the_order_of_colours(color):
    from edgeport.runtime.mil.package import read_package

    said, folder = {"mean": MEAN, "std": STD, "color": color}, f"coreml_{color}"
    result = edgeport.export(network(), "coreml", preprocess=said, image_input=True, output_dir=folder, **QUICK)
    assert [each.colour for each in read_package(result.path).inputs] == [color]
    assert result.verdict == "ok"
    layers = edgeport.debug(result.path, reference=network(), output_dir=f"{folder}/debug").layers
    assert min(layer.accumulated.snr_db for layer in layers if layer.accumulated) > 80


@pytest.mark.parametrize("color", ["rgb", "bgr"])
def test_core_ai_is_given_an_image(color):
    pytest.importorskip("coreai", reason="coreai-core is for x86-64 Linux and macOS")
    said, folder = {"mean": MEAN, "std": STD, "color": color}, f"coreai_{color}"
    made = {"preprocess": said, "image_input": True, "precision": "fp32", "output_dir": folder}
    result = edgeport.export(network(), "coreai", **made, **QUICK)
    assert result.verdict == "ok"
    assert edgeport.validate(result.path, reference=network(), num_validation_samples=2).verdict == "ok"
    (taken,) = edgeport.info(result.path)["inputs"]
    assert (taken["shape"], taken["stored"]["shape"], taken["stored"]["dtype"]) == (
        (1, 3, H, W),
        (H, W, 3),
        "rgb image",
    )
    layers = edgeport.debug(result.path, reference=network(), output_dir=f"{folder}/debug").layers
    assert min(layer.accumulated.snr_db for layer in layers if layer.accumulated) > 80
    with pytest.raises(edgeport.UsageError, match="core-ai does not give; export it with --input uint8"):
        edgeport.bundle(result.path, "ios", output=f"{folder}/app")


def test_the_file_says_it(here):
    said, _ = CASES["letterbox"]
    made = edgeport.export(
        network(), "onnx", preprocess=said | {"mean": MEAN, "color": "bgr"}, output_dir="says", **QUICK
    )
    props = {entry.key: entry.value for entry in onnx.load(made.path).metadata_props}
    inside = json.loads(props["edgeport"])["preprocess"]
    outside = facts_of(made)
    for facts in (inside, outside):
        assert {key: facts[key] for key in ("mean", "std", "scale", "color", "resize_mode", "pad_value", "crop")} == {
            "mean": list(MEAN),
            "std": [1.0] * 3,
            "scale": 1 / 255,
            "color": "bgr",
            "resize_mode": "letterbox",
            "pad_value": 114,
            "crop": [H, W],
        }
    assert props["model_info resize_type"] == "fit_to_window_letterbox"
    assert props["model_info reverse_input_channels"] == "True"
    assert props["model_info pad_value"] == "114"
    assert props["model_info mean_values"] == "25.5 76.5 153"
    spec = edgeport.load(made.path).input_spec  # the file is its own model again
    assert (
        spec.preprocess
        == edgeport.load(network(), preprocess=said | {"mean": MEAN, "color": "bgr"}).input_spec.preprocess
    )


QUESTION = ("--mean", "--std", "--scale", "--color rgb|bgr|gray", "--resize stretch|crop|letterbox", "edgeport export ")


@pytest.mark.parametrize("data", ["a folder", "images", "pictures", "validation"])
def test_images_of_an_unknown_model_are_asked_about(here, data):
    given = {
        "a folder": here / "photos",
        "images": edgeport.images(here / "photos"),
        "pictures": [Image.open(path) for path in (here / "photos").iterdir()],
        "validation": None,
    }[data]
    more = {"validation": here / "photos"} if data == "validation" else {"calibration": given, "precision": "int8"}
    with pytest.raises(edgeport.UsageError) as error:
        edgeport.export(network(), "onnx", output_dir="asked", **more, **QUICK)
    assert all(words in str(error.value) for words in QUESTION)
    assert not Path("asked").exists()


@pytest.mark.parametrize("options", [{"input": "uint8"}, {"image_input": True}], ids=str)
def test_pixels_of_an_unknown_model_are_asked_about(options):
    with pytest.raises(edgeport.UsageError, match="cannot do without it; say how it was trained: --scale, --mean"):
        edgeport.export(network(), "coreml", output_dir="asked", **options, **QUICK)
    assert not Path("asked").exists()


def test_without_images_nothing_is_said_of_them(here):
    """Generated inputs, and arrays: the artifact claims nothing."""
    events = []
    arrays = np.random.default_rng(0).standard_normal((6, 3, H, W)).astype(np.float32)
    for data in (None, arrays):
        result = edgeport.export(
            network(), "tflite", validation=data, output_dir=f"silent{data is None}", progress=events.append, **QUICK
        )
        facts = facts_of(result)
        assert result.ok
        assert {facts[key] for key in ("mean", "std", "scale", "color", "interpolation", "resize_mode")} == {None}
        assert b"the image, " not in result.path.read_bytes()  # of an image TFLite's metadata has a description
    (said,) = [event.text for event in events if "generated inputs" in event.text]
    assert "of mean 0 and standard deviation 1: how an image becomes this model's input is not known" in said


def test_validate_again_as_the_manifest_says(here):
    """No flag is needed again, and the manifest's words count for an artifact that takes pixels."""
    said, _ = CASES["unequal"]
    photos = edgeport.images(here / "photos")
    (here / "net.onnx").write_bytes(network().SerializeToString())
    for taken in ("float32", "uint8"):
        made = edgeport.export(
            "net.onnx",
            "openvino",
            preprocess=said,
            input=taken,
            validation=photos,
            output_dir=f"again_{taken}",
            **QUICK,
        )
        assert made.agreement.snr_db > 80
        again = edgeport.validate(made.path, data=photos)
        assert again.agreement == made.agreement
        other = edgeport.validate(made.path, data=photos, reference="net.onnx")
        assert other.agreement == made.agreement
    bare = here / "bare.onnx"
    bare.write_bytes(network().SerializeToString())
    with pytest.raises(edgeport.UsageError, match=r"for example: edgeport validate bare.onnx --reference net.onnx"):
        edgeport.validate("bare.onnx", reference="net.onnx", data=photos)
    assert edgeport.validate("bare.onnx", reference="net.onnx", data=photos, preprocess=said).verdict == "ok"


def test_an_artifact_as_the_reference_says_it_itself(here):
    said, _ = CASES["unequal"]
    made = [
        edgeport.export(network(), target, preprocess=said, input="uint8", output_dir=f"ref_{target}", **QUICK).path
        for target in ("tflite", "openvino")
    ]
    Path(f"{made[0]}.json").rename("set aside.json")
    assert edgeport.validate(made[0], reference=made[1], data=here / "photos").verdict == "ok"


def test_a_calibration_is_not_taken_for_another(here):
    """The same graph and the same files, but other numbers: what was measured before is of no use."""
    found = []
    for scale in ("1/255", "1"):
        made = edgeport.export(
            *(network(), "onnx"),
            precision="int8",
            preprocess={"scale": scale},
            calibration=edgeport.images(here / "photos"),
            output_dir=f"cache{scale[-1]}",
            validate=False,
            benchmark=False,
        )
        tensors = {each.name: onnx.numpy_helper.to_array(each) for each in onnx.load(made.path).graph.initializer}
        quantize = next(node for node in onnx.load(made.path).graph.node if node.op_type == "QuantizeLinear")
        found.append(float(tensors[quantize.input[1]]))
    assert 200 < found[1] / found[0] < 300


class Net(nn.Module):
    def __init__(self, **attributes):
        super().__init__()
        self.head = nn.Linear(3, 5)
        for name, value in attributes.items():
            setattr(self, name, value)

    def forward(self, x):
        return self.head(x.mean((2, 3)))


TIMM_CONFIG = {"mean": MEAN, "std": STD, "interpolation": "bicubic", "crop_pct": 0.9, "crop_mode": "center"}


class Failing(Net):
    @property
    def preprocess(self):
        raise RuntimeError("not yet fitted")


class Config:
    def __init__(self, folder):
        self._name_or_path = str(folder)


def test_what_a_module_says_itself(here):
    said = {"mean": MEAN, "std": STD, "resize": "stretch"}
    (here / "vit").mkdir()
    (here / "vit" / "preprocessor_config.json").write_text(
        json.dumps({"do_rescale": True, "image_mean": MEAN, "image_std": STD, "size": {"height": H, "width": W}})
    )
    for module, by, resize in (
        (Net(preprocess=said), "its attribute 'preprocess'", "stretch"),
        (Net(preprocess=edgeport.Preprocess(**said)), "its attribute 'preprocess'", "stretch"),
        (Net(pretrained_cfg=TIMM_CONFIG), "its pretrained_cfg of timm", "crop"),
        (nn.DataParallel(Net(default_cfg=TIMM_CONFIG)), "its default_cfg of timm", "crop"),
        (Net(config=Config("vit")), str(Path("vit") / "preprocessor_config.json"), "stretch"),
    ):
        spec = edgeport.load(module, input_shape=(3, H, W)).input_spec
        assert (spec.preprocess.mean, spec.preprocess.std, spec.preprocess.resize) == (MEAN, STD, resize)
        assert spec.stated_by.startswith(by)
    for module in (
        Net(),
        Net(preprocess=print),
        Net(preprocess={"size": 3}),
        Net(pretrained_cfg={}),
        Net(config=Config("")),
    ):
        assert edgeport.load(module, input_shape=(3, H, W)).input_spec.preprocess is None
    assert edgeport.load(Failing(), input_shape=(3, H, W)).input_spec.preprocess is None
    with pytest.raises(edgeport.UsageError, match="'preprocess'"):
        edgeport.load(Net(preprocess={"mean": (1, 2)}), input_shape=(3, H, W))
    changed = edgeport.load(Net(preprocess=said), input_shape=(3, H, W), preprocess={"color": "bgr"}).input_spec
    assert (changed.preprocess.color, changed.preprocess.mean) == ("bgr", MEAN)


def test_what_a_file_says_itself(here):
    yolo = {"author": "Ultralytics", "task": "detect", "stride": "32", "imgsz": f"[{H}, {W}]", "names": "{0: 'a'}"}
    (here / "yolo.onnx").write_bytes(network(props=yolo).SerializeToString())
    spec = edgeport.load("yolo.onnx").input_spec
    assert str(spec.preprocess) == "RGB, letterbox (bilinear, padded with 114), (pixel / 255 - 0) / 1"
    assert edgeport.load(network(props=yolo)).input_spec.preprocess == spec.preprocess
    (here / "hub" / "onnx").mkdir(parents=True)
    (here / "hub" / "onnx" / "model.onnx").write_bytes(network().SerializeToString())
    config = here / "hub" / "preprocessor_config.json"
    config.write_text(json.dumps({"image_mean": MEAN, "image_std": STD, "size": {"height": H, "width": W}}))
    spec = edgeport.load("hub/onnx/model.onnx").input_spec
    assert (spec.preprocess.mean, spec.stated_by.partition(";")[0]) == (MEAN, str(config))
    torch.export.save(torch.export.export(Net().eval(), (torch.zeros(1, 3, H, W),)), here / "hub" / "net.pt2")
    assert edgeport.load("hub/net.pt2").input_spec.preprocess.std == STD
    config.write_text("{")
    with pytest.raises(edgeport.UsageError, match=r"preprocessor_config\.json: does not say how"):
        edgeport.load("hub/onnx/model.onnx")


def test_a_bundle_is_told_what_a_manifest_does_not_say(here):
    made = edgeport.export(network(), "onnx", output_dir="unsaid", **QUICK)
    with pytest.raises(edgeport.UsageError, match=r"for example: edgeport bundle \S+ --platform linux --scale"):
        edgeport.bundle(made.path, "linux", output="bundle")
    said = {"mean": MEAN, "std": STD, "resize": "letterbox", "color": "bgr"}
    folder = edgeport.bundle(made.path, "linux", output="bundle", preprocess=said).folder
    shipped = Manifest.read(folder / "model" / f"{made.path.name}.json")
    assert (shipped.inputs[0].color, shipped.inputs[0].resize_mode) == ("bgr", "letterbox")
    pixels = edgeport.export(network(), "onnx", preprocess=said, input="uint8", output_dir="of_pixels", **QUICK)
    with pytest.raises(edgeport.UsageError, match="takes pixels and normalises them itself"):
        edgeport.bundle(pixels.path, "linux", output="other", preprocess={"mean": 0})
    facts = json.loads((edgeport.bundle(pixels.path, "linux", output="other").folder / "bundle.json").read_text())
    assert (facts["preprocessing"]["bgr"], facts["preprocessing"]["resize"]) == (False, "letterbox")
