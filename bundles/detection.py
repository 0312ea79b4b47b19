"""What the wrapper of a detector has to know, and the boxes that its golden files have."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..artifacts.errors import UsageError
from ..artifacts.manifest import Manifest, Task
from ..models import PreprocessSpec
from ..models.preprocess import resized_size
from ..runtime.session import Session
from ..tasks.find import recall
from ..tasks.registry import DETECT
from ..tasks.task import Meaning, Port, Size
from . import literals
from .literals import truth

PLATFORMS = ("linux",)  # that have a wrapper for boxes
KEPT = ("box", "unit", "layout", "values", "activation", "background", "nms", "ignored")
THRESHOLDS = ("score_threshold", "iou_threshold", "lowest_score")


def find_detection(path: Path, platform: str, manifest: Manifest, session: Session) -> dict[str, Any] | None:
    """What decoding depends on, of an artifact whose outputs are boxes; None for another.

    `outputs` {role: the artifact's name}, their `sizes` in numbers, `width` of a box's values (or scores, where they
    are an output of their own), whether a row of two runs is the same box (`ordered`), and the settings of the head.

    Raises UsageError for a platform without such a wrapper, and a head that gives any number of boxes.
    """
    task = manifest.task
    if task is None or task.name != DETECT:
        return None
    if platform not in PLATFORMS:
        raise UsageError(
            f"{path}: gives boxes; a bundle for {platform} is for classifiers, boxes have a wrapper for "
            f"{', '.join(PLATFORMS)}"
        )
    head = _recorded(manifest, task, None).head
    shapes = {spec.name: spec.shape for spec in session.outputs}
    outputs = {role: name for role, name in task.outputs.items() if role != "count"}
    if not head.batched or any(None in shapes[name][1:] for name in outputs.values()):
        raise UsageError(f"{path}: gives as many boxes as it finds; a bundle is for a fixed number of them (--nms N)")
    if "detections" in outputs:
        width = shapes[outputs["detections"]][1 if task.settings["layout"] == "columns" else 2]
    else:
        width = 1 if "classes" in outputs else shapes[outputs["scores"]][2]
    settings = {name: task.settings[name] for name in (*KEPT, *THRESHOLDS)}
    sizes = {name: math.prod(dim or 1 for dim in shapes[name]) for name in outputs.values()}
    return {"outputs": outputs, "width": width, "sizes": sizes, "ordered": head.ordered} | settings


def meaning_of(detection: dict[str, Any], manifest: Manifest, spec: PreprocessSpec) -> Meaning:
    """The same for the decoder that validates."""
    task = manifest.task
    assert task is not None
    return replace(_recorded(manifest, task, spec.input_size[1:]), outputs=detection["outputs"])


def _recorded(manifest: Manifest, task: Task, size: Size) -> Meaning:
    ports = [Port(each.name, each.shape) for each in manifest.outputs]
    return recall(task.name, task.head, task.outputs, task.settings, ports, size, None)


def golden_boxes(
    meaning: Meaning, outputs: dict[str, np.ndarray], image: Image.Image, spec: PreprocessSpec
) -> np.ndarray:
    """(n, 6) float32: left, top, right, bottom in pixels of the image, score, class; those that count as answers, and
    are not in a letterbox's border as a whole."""
    found = meaning.task.decode(meaning, {role: outputs[name][0] for role, name in meaning.outputs.items()})
    found = found.take(found.scores >= meaning.settings["score_threshold"])
    _, height, width = spec.input_size
    wide, high = resized_size(image.size, spec)
    if spec.resize == "letterbox":
        left, top = -((width - wide) // 2), -((height - high) // 2)
    else:
        left, top = round((wide - width) / 2), round((high - height) / 2)
    factors = np.tile([image.width / wide, image.height / high], 2)
    corners = (found.corners + np.tile([left, top], 2)) * factors
    corners = np.clip(corners, 0, np.tile(image.size, 2))
    rows = np.column_stack([corners, found.scores, found.classes]).astype("<f4")
    return rows[(corners[:, 2:] > corners[:, :2]).all(1)]


def write_decoding(detection: Mapping[str, Any], tolerances: Mapping[str, float]) -> str:
    """The definitions of kDecoding, of detection.h's struct, and of what golden_test.cpp checks, in C++."""
    outputs = detection["outputs"]
    names = [literals.cpp(outputs[role]) if role in outputs else "nullptr" for role in ROLES]
    values = "separate" if "classes" in outputs else detection["values"]
    checked = ", ".join(f"{{{literals.cpp(name)}, {tolerances[name]!r}f}}" for name in outputs.values())
    return f"""inline constexpr Decoding kDecoding{{
    Box::{detection["box"]}, Values::{values}, Activation::{detection["activation"]},
    Background::{detection["background"]}, {truth(detection["unit"] == "share")},
    {truth(detection["layout"] == "columns")}, {truth(detection["nms"])}, {detection["width"]}, {detection["ignored"]},
    {detection["lowest_score"]!r}f, {detection["score_threshold"]!r}, {detection["iou_threshold"]!r},
    {names[0]}, {names[1]}, {names[2]}, {names[3]}}};

struct Checked {{
  const char* name;
  float tolerance;
}};
inline constexpr Checked kChecked[] = {{{checked}}};
inline constexpr bool kOrdered = {truth(detection["ordered"])};  // a row of two runs is the same box
"""


ROLES = ("detections", "boxes", "scores", "classes")  # in the order of detection.h
