"""Reads how an image becomes a model's input from what other libraries write down about it: timm, transformers,
torchvision, ONNX. What they do not say stays unsaid."""

import math
from collections.abc import Mapping
from typing import Any

from ..artifacts.errors import UsageError
from ..artifacts.preprocessing import INTERPOLATIONS
from .spec import PreprocessSpec
from .stated_preprocess import FIELDS, Preprocess, PreprocessLike, of_mapping, of_spec

# a resampling of Pillow's, by which transformers names it -> our word
_RESAMPLING = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}
_TIMM = {"interpolation": "bicubic", "crop_pct": 0.875, "crop_mode": "center"}  # what timm takes where it is not said
# Image.NominalPixelRange, lower case -> (scale, mean, std)
_PIXEL_RANGES = {
    "nominalrange_0_255": (1.0, 0.0, 1.0),
    "normalized_0_1": (1 / 255, 0.0, 1.0),
    "normalized_1_1": (1 / 255, 0.5, 0.5),
}
_PIXEL_FORMATS = {"gray8": "gray", "rgb8": "rgb", "bgr8": "bgr"}
_ULTRALYTICS = ("task", "stride", "imgsz", "names")  # the keys that all its files have


def read_preprocess(value: PreprocessLike | None) -> Preprocess | None:
    """What a caller gives: see PreprocessLike; None for nothing. Raises UsageError for anything else."""
    if value is None or value == {}:
        return None
    found = recognize(value)
    if found is not None:
        return found
    if isinstance(value, Mapping):
        return of_mapping(value)
    raise UsageError(
        f"preprocess: a {type(value).__name__} does not say how an image becomes the input; give an "
        "edgeport.Preprocess or a dict such as {'mean': 0.5, 'std': 0.5, 'resize': 'stretch'}"
    )


def recognize(value: Any) -> Preprocess | None:
    """The same, None for what is nothing of the kind, such as a dict with other keys. Raises UsageError for values."""
    if isinstance(value, Preprocess):
        return value
    if isinstance(value, PreprocessSpec):
        return of_spec(value)
    if isinstance(value, Mapping):
        return of_mapping(value) if value and set(value) <= set(FIELDS) else None
    if all(hasattr(value, name) for name in ("mean", "std", "resize_size", "interpolation")):
        return of_torchvision(value)
    if hasattr(value, "image_mean") and callable(getattr(value, "to_dict", None)):
        return of_image_processor(value.to_dict())
    return None


def of_timm(config: Any) -> Preprocess | None:
    """The configuration of timm's pretrained weights (`pretrained_cfg`), a dict or a PretrainedCfg."""
    if not isinstance(config, Mapping):
        config = {name: getattr(config, name, None) for name in ("mean", "std", *_TIMM)}
    given = _TIMM | {name: value for name, value in config.items() if value is not None}
    if not (given.get("mean") and given.get("std")):
        return None
    said: dict[str, Any] = {"mean": given["mean"], "std": given["std"], "scale": 1 / 255, "color": "rgb"}
    border = [round(255 * value) for value in given["mean"]]
    match given["crop_mode"]:
        case "border" if given["crop_pct"] == 1 and len(set(border)) == 1:
            said |= {"resize": "letterbox", "pad_value": border[0]}
        case "squash":
            said |= {"resize": "stretch", "crop_pct": given["crop_pct"]}
        case "center":
            said |= {"resize": "crop", "crop_pct": given["crop_pct"]}
    return Preprocess(**said, interpolation=_interpolation(given["interpolation"]))


def of_torchvision(transforms: Any) -> Preprocess:
    """A preset of torchvision's weights (`weights.transforms()`): resized by its shorter side, cropped, normalised."""
    said: dict[str, Any] = {"mean": tuple(transforms.mean), "std": tuple(transforms.std), "scale": 1 / 255}
    crop, resize = (getattr(transforms, name, None) for name in ("crop_size", "resize_size"))
    if crop and resize and len(crop) == len(resize) == 1:
        said |= {"resize": "crop", "crop_pct": crop_share(crop[0], resize[0])}
    interpolation = getattr(transforms.interpolation, "value", transforms.interpolation)
    return Preprocess(**said, color="rgb", interpolation=_interpolation(interpolation))


def of_image_processor(config: Mapping[str, Any]) -> Preprocess | None:
    """A preprocessor_config.json of transformers; None where it does not say how pixels become numbers.

    How an image is resized is left open where it depends on the image, or on the class that reads the file.
    """
    normalizes = config.get("do_normalize", "image_mean" in config)
    if normalizes and not (config.get("image_mean") and config.get("image_std")):
        return None
    if not normalizes and "do_rescale" not in config:
        return None
    shift = 1.0 if config.get("rescale_offset") or config.get("offset") else 0.0  # pixel * scale - 1
    said: dict[str, Any] = {
        "mean": [value + shift for value in _listed(config["image_mean"] if normalizes else 0.0)],
        "std": _listed(config["image_std"] if normalizes else 1.0),
        "scale": config.get("rescale_factor", 1 / 255) if config.get("do_rescale", True) else 1.0,
        "color": "bgr" if config.get("do_flip_channel_order") else None,
        "interpolation": _RESAMPLING.get(config.get("resample", -1)),
    }
    return Preprocess(**said, **_resizing_of(config))


def _resizing_of(config: Mapping[str, Any]) -> dict[str, Any]:
    size, crop = config.get("size"), config.get("crop_size")
    if not config.get("do_resize", True) or not isinstance(size, Mapping) or config.get("do_pad"):
        return {}
    if isinstance(crop, Mapping):
        crop = crop.get("height")
    if not config.get("do_center_crop"):
        crop = None
    if "crop_pct" in config and "shortest_edge" in size:  # ConvNeXT's: small sizes are cropped, large ones stretched
        small = size["shortest_edge"] < 384
        return {"resize": "crop", "crop_pct": config["crop_pct"]} if small else {"resize": "stretch"}
    side = size.get("shortest_edge", size.get("height"))
    if {"shortest_edge"} == size.keys() and crop and crop <= side:
        return {"resize": "crop", "crop_pct": crop_share(crop, side)}
    if {"height", "width"} == size.keys():
        return {"resize": "stretch", "crop_pct": crop_share(crop, side) if crop and crop <= side else 1.0}
    return {}


def of_onnx_metadata(props: Mapping[str, str]) -> Preprocess | None:
    """The metadata_props of an ONNX file: of Ultralytics, or the specification's own (docs/MetadataProps.md)."""
    if props.get("author") == "Ultralytics" and all(key in props for key in _ULTRALYTICS):
        return _of_ultralytics(props["task"])
    lower = {key.lower(): value.lower() for key, value in props.items()}
    pixel_range = _PIXEL_RANGES.get(lower.get("image.nominalpixelrange", ""))
    color = _PIXEL_FORMATS.get(lower.get("image.bitmappixelformat", ""))
    if pixel_range is None or color is None:
        return None
    scale, mean, std = pixel_range
    return Preprocess(scale=scale, mean=mean, std=std, color=color)


def _of_ultralytics(task: str) -> Preprocess:
    """Its predictor's: pixels / 255; a letterbox padded with 114, and for classifiers the largest centred crop."""
    shape = {"resize": "crop", "crop_pct": 1.0} if task == "classify" else {"resize": "letterbox", "pad_value": 114}
    return Preprocess(scale=1 / 255, mean=0.0, std=1.0, interpolation="bilinear", **shape)


def crop_share(crop: int, resize: int) -> float:
    """The crop_pct with which an input of size `crop` is cut out of an image of exactly `resize`."""
    share = crop / resize
    return share if math.floor(crop / share) == resize else math.nextafter(share, 0)


def _listed(value: Any) -> list[float]:
    return [float(each) for each in value] if isinstance(value, list | tuple) else [float(value)]


def _interpolation(name: Any) -> str | None:
    return str(name) if str(name) in INTERPOLATIONS else None
