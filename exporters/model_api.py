"""Say what a model expects in the words of OpenVINO's Model API, which reads them from IR and from ONNX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import onnx_ir as ir

from ..graph.edit import shape
from .input_normalization import pixel_mean_and_std

_RESIZE_TYPES = {"crop": "crop", "stretch": "standard", "letterbox": "fit_to_window_letterbox"}
SECTION = "model_info"  # where the Model API looks: rt_info of an IR, "model_info <key>" in ONNX's metadata_props


def model_info(model: ir.Model, metadata: Mapping[str, Any], pixels: bool = False) -> dict[str, str]:
    """{key: value} for an image classifier; empty for any other model.

    `pixels`: the file takes bytes, in RGB, and normalises them itself. Reads `metadata["preprocess"]` (as a manifest's
    Input has it; what it does not say is not said here) and `metadata["labels"]`.
    Keys and forms: docs/model-configuration.md of openvinotoolkit/model_api. Lists are parted by spaces, so a space
    inside a label becomes "_"; mean and scale are of pixels in 0..255. The API has no "shorter side, then centre crop":
    its "crop" cuts the largest centred rectangle of the input's proportions and resizes that (a crop_pct of 1).
    """
    inputs, outputs = model.graph.inputs, model.graph.outputs
    if len(inputs) != 1 or len(shape(inputs[0])) != 4 or len(outputs) != 1 or len(shape(outputs[0])) != 2:
        return {}
    _, _, height, width = shape(inputs[0])
    info = {
        "model_type": "Classification",
        "layout": f"{inputs[0].name}:{'NHWC' if pixels else 'NCHW'}",
        "orig_height": str(height),
        "orig_width": str(width),
        "embedded_processing": "False",
        **_preprocessing(metadata.get("preprocess") or {}, pixels),
    }
    labels = metadata.get("labels")
    if labels:
        info["labels"] = _spaced(["_".join(label.split()) for label in labels])
    return info


def _preprocessing(facts: Mapping[str, Any], pixels: bool) -> dict[str, str]:
    if not facts:
        return {}
    mode = facts.get("resize_mode", "crop")
    reverses = facts.get("color") == "bgr" and not pixels  # images are given as RGB
    info = {"resize_type": _RESIZE_TYPES[mode], "reverse_input_channels": str(reverses)}
    if mode == "letterbox":
        info["pad_value"] = str(facts["pad_value"])
    if not pixels:
        mean, std = pixel_mean_and_std(facts)
        info |= {"mean_values": _spaced([f"{value:.6g}" for value in mean])}
        info |= {"scale_values": _spaced([f"{value:.6g}" for value in std])}
    return info


def _spaced(values: Sequence[str]) -> str:
    return " ".join(values)
