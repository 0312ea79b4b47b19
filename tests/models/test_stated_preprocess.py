"""What somebody, or another library's configuration, says about preprocessing, and the whole that follows from it."""

import math
from types import SimpleNamespace

import pytest
from edgeport.artifacts.errors import UsageError
from edgeport.models import PreprocessSpec, get_variant
from edgeport.models.foreign_preprocess import (
    crop_share,
    of_image_processor,
    of_onnx_metadata,
    of_timm,
    read_preprocess,
    recognize,
)
from edgeport.models.preprocess_facts import from_facts, to_facts
from edgeport.models.stated_preprocess import Preprocess, of_spec

SIZE = (3, 64, 96)
READ = {  # what is given -> what it is
    "one number": ({"mean": 0.5}, {"mean": (0.5,)}),
    "text": ({"mean": "0.485,0.456,0.406", "std": "0.5"}, {"mean": (0.485, 0.456, 0.406), "std": (0.5,)}),
    "a list": ({"mean": [104, 117, 123]}, {"mean": (104.0, 117.0, 123.0)}),
    "a fraction": ({"scale": "1/127.5"}, {"scale": 1 / 127.5}),
    "a scale": ({"scale": "1"}, {"scale": 1.0}),
    "the rest": (
        {"color": "bgr", "resize": "letterbox", "interpolation": "lanczos", "pad_value": "7", "crop_pct": "0.9"},
        {"color": "bgr", "resize": "letterbox", "interpolation": "lanczos", "pad_value": 7, "crop_pct": 0.9},
    ),
}


@pytest.mark.parametrize("what", READ)
def test_what_is_said(what):
    given, wanted = READ[what]
    assert Preprocess(**given).said == wanted
    assert read_preprocess(given).said == wanted


WRONG = {
    "mean": ["red", "", [], float("nan"), True, "0.1;0.2"],
    "std": [0, -1, "0.1,0"],
    "scale": ["1/0", 0, "a/b", "1/2/3", float("inf")],
    "crop_pct": [0, 1.5, "all"],
    "pad_value": [-1, 256, 1.5],
    "color": ["cmyk"],
    "resize": ["squash"],
    "interpolation": ["area"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_what_is_wrong(name, value):
    with pytest.raises(UsageError, match=rf"^{name}: "):
        Preprocess(**{name: value})


MISFITS = {  # what is said, the input -> what is said about it
    "two means": ({"mean": (1, 2)}, SIZE, "mean: has 2 values, the model takes 3 channels"),
    "gray of three": ({"mean": 0, "color": "gray"}, SIZE, "color gray: is for 1 channels, the model takes 3"),
    "colours of one": ({"mean": 0, "color": "bgr"}, (1, 8, 8), "color bgr: is for 3 channels, the model takes 1"),
    "four": ({"mean": 0}, (4, 8, 8), "an image has 1 or 3 channels, the model takes 4"),
    "no numbers": ({"color": "bgr"}, SIZE, "color alone does not say how pixels become the model's numbers"),
    "a cut letterbox": ({"mean": 0, "resize": "letterbox", "crop_pct": 0.9}, SIZE, "shows the whole image"),
    "a padded crop": ({"mean": 0, "resize": "crop", "pad_value": 9}, SIZE, "is for resize letterbox, not for crop"),
}


@pytest.mark.parametrize("what", MISFITS)
def test_what_does_not_fit(what):
    said, size, words = MISFITS[what]
    with pytest.raises(UsageError, match=words):
        Preprocess(**said).complete(size)


def test_the_rest_of_what_is_said_is_named():
    spec, unsaid = Preprocess(mean=0).complete(SIZE)
    assert spec == PreprocessSpec(
        input_size=SIZE, mean=(0.0,) * 3, std=(1.0,) * 3, resize="stretch", interpolation="bilinear", crop_pct=1.0
    )
    assert unsaid == ("std", "scale", "color", "resize", "interpolation")
    spec, unsaid = Preprocess(mean=0, crop_pct=0.9).complete((1, 8, 8))
    assert (spec.color, spec.resize, spec.crop_pct) == ("gray", "crop", 0.9)
    assert unsaid == ("std", "scale", "interpolation")


def test_what_the_model_says_stays():
    base = PreprocessSpec(input_size=SIZE)
    spec, unsaid = Preprocess(color="bgr", std=0.5).complete(SIZE, base)
    assert (spec.mean, spec.std, spec.crop_pct, spec.resize) == (base.mean, (0.5,) * 3, 0.875, "crop")
    assert (spec.color, unsaid) == ("bgr", ())
    assert Preprocess(resize="stretch").complete(SIZE, base)[0].crop_pct == 1  # the crop belonged to the other way


SPECS = [
    PreprocessSpec(input_size=SIZE),
    PreprocessSpec(input_size=SIZE, scale=1.0, bgr=True, mean=(104.0, 117.0, 123.0), resize="stretch", crop_pct=1.0),
    PreprocessSpec(input_size=(1, 8, 9), mean=(0.1,), std=(0.2,), resize="letterbox", pad_value=0, crop_pct=1.0),
]


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_facts_are_the_spec_again(spec):
    assert from_facts(to_facts(spec)) == spec
    assert of_spec(spec).complete(spec.input_size)[0] == spec


def test_facts_of_earlier_versions():
    facts = {"mean": [0.5], "std": [0.5], "crop": [8, 9], "crop_pct": 0.9, "interpolation": "bilinear"}
    spec = PreprocessSpec(input_size=(1, 8, 9), mean=(0.5,), std=(0.5,), crop_pct=0.9, interpolation="bilinear")
    assert from_facts(facts) == spec
    assert from_facts({}) is from_facts({"mean": None}) is None


def test_a_variant_and_torchvisions_transforms_can_be_given():
    variant = get_variant("mobilevit_s")
    assert read_preprocess(variant).complete(variant.input_size)[0].mean == variant.mean
    preset = SimpleNamespace(
        mean=[0.485, 0.456, 0.406],
        std=[0.229, 0.224, 0.225],
        crop_size=[224],
        resize_size=[232],
        interpolation=SimpleNamespace(value="bilinear"),
    )
    spec, unsaid = read_preprocess(preset).complete((3, 224, 224))
    assert (spec.interpolation, spec.resize, unsaid) == ("bilinear", "crop", ())
    assert math.floor(224 / spec.crop_pct) == 232
    with pytest.raises(UsageError, match="preprocess: a int does not say"):
        read_preprocess(3)
    with pytest.raises(UsageError, match="preprocess: has no 'size'"):
        read_preprocess({"mean": 0.5, "size": 224})
    assert recognize({"mean": 0.5, "size": 224}) is recognize(print) is recognize({}) is None  # not meant for edgeport


def test_a_crop_share_gives_the_size_back():
    for resize in range(16, 700, 7):
        for crop in range(16, resize + 1):
            assert math.floor(crop / crop_share(crop, resize)) == resize


TIMM = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.2, 0.2), "interpolation": "bicubic", "crop_pct": 0.9}
NORMALIZED = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.2, 0.2]}
IMAGENET = {"do_normalize": True, "do_rescale": True, "rescale_factor": 1 / 255, "resample": 3, **NORMALIZED}
SQUARE = {"height": 224, "width": 224}
FOREIGN = {  # a configuration -> what it says, beside the mean and std above; None for nothing
    "timm": (of_timm, {**TIMM, "crop_mode": "center"}, {"resize": "crop", "crop_pct": 0.9, "interpolation": "bicubic"}),
    "timm squash": (of_timm, {**TIMM, "crop_mode": "squash"}, {"resize": "stretch", "crop_pct": 0.9}),
    "timm border": (
        of_timm,
        {**TIMM, "mean": (0.5,) * 3, "crop_mode": "border", "crop_pct": 1.0},
        {"mean": (0.5,) * 3, "resize": "letterbox", "pad_value": 128},
    ),
    "timm without numbers": (of_timm, {"input_size": (3, 8, 8)}, None),
    "ViT": (
        of_image_processor,
        {**IMAGENET, "do_resize": True, "size": SQUARE},
        {"resize": "stretch", "crop_pct": 1.0, "scale": 1 / 255, "interpolation": "bicubic"},
    ),
    "CLIP": (
        of_image_processor,
        {**IMAGENET, "do_center_crop": True, "size": {"shortest_edge": 256}, "crop_size": SQUARE},
        {"resize": "crop", "crop_pct": 0.875},
    ),
    "ConvNeXT": (
        of_image_processor,
        {**IMAGENET, "size": {"shortest_edge": 224}, "crop_pct": 0.875},
        {"resize": "crop", "crop_pct": 0.875},
    ),
    "ConvNeXT, large": (
        of_image_processor,
        {**IMAGENET, "size": {"shortest_edge": 384}, "crop_pct": 0.875},
        {"resize": "stretch"},
    ),
    "MobileViT": (
        of_image_processor,
        {"do_rescale": True, "do_flip_channel_order": True, "do_center_crop": True, "size": {"shortest_edge": 288}}
        | {"crop_size": {"height": 256, "width": 256}, "resample": 2},
        {"mean": (0.0,), "std": (1.0,), "color": "bgr", "resize": "crop", "crop_pct": crop_share(256, 288)},
    ),
    "DETR, of any size": (
        of_image_processor,
        {**IMAGENET, "size": {"shortest_edge": 800, "longest_edge": 1333}, "do_pad": True},
        {"resize": None, "crop_pct": None},
    ),
    "not rescaled": (of_image_processor, {**NORMALIZED, "do_rescale": False}, {"scale": 1.0}),
    "an audio model's": (of_image_processor, {"sampling_rate": 16000}, None),
    "YOLO": (
        of_onnx_metadata,
        {"author": "Ultralytics", "task": "detect", "stride": "32", "imgsz": "[640, 640]", "names": "{}"},
        {"mean": (0.0,), "std": (1.0,), "scale": 1 / 255, "resize": "letterbox", "pad_value": 114},
    ),
    "YOLO-cls": (
        of_onnx_metadata,
        {"author": "Ultralytics", "task": "classify", "stride": "1", "imgsz": "[224, 224]", "names": "{}"},
        {"mean": (0.0,), "std": (1.0,), "resize": "crop", "crop_pct": 1.0},
    ),
    "ONNX, -1 to 1": (
        of_onnx_metadata,
        {"Image.BitmapPixelFormat": "Rgb8", "Image.NominalPixelRange": "Normalized_1_1"},
        {"mean": (0.5,), "std": (0.5,), "scale": 1 / 255, "color": "rgb", "resize": None},
    ),
    "ONNX, Bgr8": (
        of_onnx_metadata,
        {"image.bitmappixelformat": "BGR8", "image.nominalpixelrange": "NominalRange_0_255"},
        {"mean": (0.0,), "std": (1.0,), "scale": 1.0, "color": "bgr"},
    ),
    "ONNX, video": (
        of_onnx_metadata,
        {"Image.BitmapPixelFormat": "Rgb8", "Image.NominalPixelRange": "NominalRange_16_235"},
        None,
    ),
    "somebody's strides": (of_onnx_metadata, {"stride": "32", "names": "a"}, None),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_what_other_libraries_write_down(what):
    read, config, wanted = FOREIGN[what]
    found = read(config)
    if wanted is None:
        assert found is None
        return
    wanted = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.2, 0.2)} | wanted
    assert {name: getattr(found, name) for name in wanted} == wanted
