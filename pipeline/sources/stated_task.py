"""Finds what a model says itself about what it is for: by the package it comes from, or in a file's metadata."""

import ast
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# (how the place of its class begins, how its name ends) -> the task, as --task takes it; the first that fits
_CLASSES = (
    ("torchvision.models.segmentation", "", "segment:logits"),
    ("torchvision.models.detection", "", "detect:torchvision"),
    ("torchvision.models.optical_flow", "", ""),
    ("torchvision.models.video", "", ""),
    ("torchvision.models.feature_extraction", "", ""),
    ("torchvision.models", "", "classify"),
    ("segmentation_models_pytorch", "", "segment"),
    ("ultralytics", "ClassificationModel", "classify"),
    ("ultralytics", "PoseModel", "keypoints:pose"),
    ("ultralytics", "SegmentationModel", "detect:yolo,ignored=32"),  # its 32 mask coefficients
    ("ultralytics", "DetectionModel", "detect"),
    *(("transformers", f"{name}ForObjectDetection", "detect:detr") for name in ("Yolos", "TableTransformer")),
    ("transformers.models.detr.", "ForObjectDetection", "detect:detr"),
    ("transformers", "ForObjectDetection", "detect:rtdetr"),
    ("transformers", "ForSemanticSegmentation", "segment:logits"),
    ("transformers", "ForImageClassification", "classify"),
    ("transformers", "ForDepthEstimation", "depth"),
    ("transformers", "ForPoseEstimation", "keypoints:heatmaps"),
    ("transformers", "ForImageSuperResolution", "image"),
    ("transformers", "VisionModelWithProjection", "embed,vector=image_embeds"),
    ("transformers", "VisionModel", "embed,vector=pooler_output"),
    ("transformers.models.dinov2", "Model", "embed,vector=pooler_output"),
)
_METADATA = {"detect": "detect", "segment": "detect:yolo,ignored=32", "pose": "keypoints:pose", "classify": "classify"}
STATED = "stated_task"  # an attribute of modules that edgeport puts around others
CHARACTERS = "character"  # under which PaddleOCR's files have their alphabet, one character a line


def state_task(module: "torch.nn.Module") -> str:
    """What a module is for, as --task takes it; "" where neither itself nor its class says it."""
    said = getattr(module, STATED, None)
    if isinstance(said, str):
        return said
    for kind in type(module).__mro__:
        for place, ending, task in _CLASSES:
            if f"{kind.__module__}.".startswith(place) and kind.__name__.endswith(ending):
                return task
    return ""


def state_labels(module: "torch.nn.Module") -> tuple[str, ...] | None:
    """The names of its classes: `names` of Ultralytics, `id2label` of transformers; None where there are none."""
    for holder, name in ((module, "names"), (getattr(module, "config", None), "id2label")):
        found = getattr(holder, name, None)
        labels = _in_order(found) if isinstance(found, Mapping) else None
        if labels and labels != tuple(f"LABEL_{i}" for i in range(len(labels))):  # what transformers invents
            return labels
    return None


def read_metadata(props: Mapping[str, str]) -> tuple[str, tuple[str, ...] | None]:
    """(what an ONNX file is for, "" where it does not say it; the names of its classes or characters, or None)."""
    if CHARACTERS in props:
        return "", tuple(props[CHARACTERS].removesuffix("\n").split("\n"))
    try:
        names = ast.literal_eval(props.get("names", ""))
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        names = None
    return _METADATA.get(props.get("task", ""), ""), _in_order(names) if isinstance(names, Mapping) else None


def _in_order(names: Mapping[Any, Any]) -> tuple[str, ...] | None:
    """{number: name} of all numbers from 0 on -> the names."""
    numbers: Sequence[Any] = sorted(names) if all(isinstance(key, int) for key in names) else ()
    return tuple(str(names[key]) for key in numbers) if numbers and [*numbers] == [*range(len(numbers))] else None
