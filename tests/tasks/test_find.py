"""What outputs mean, where nobody says it: by their shapes and values, by a package, by a file's metadata."""

import numpy as np
import pytest
from edgeport.pipeline.sources.stated_task import read_metadata, state_labels, state_task
from edgeport.tasks.find import apply_statement, find_meaning, possible_tasks, read_task
from edgeport.tasks.task import Port
from torch import nn

SIZE = (96, 96)
RNG = np.random.default_rng(0)


def softmaxed(shape):
    powers = np.exp(RNG.normal(size=shape) * 3)
    return powers / powers.sum(-1, keepdims=True)


def port(name, shape, kind="", example=None):
    return Port(name, shape, kind, example)


ROWS = np.concatenate([RNG.random((1, 50, 5)), RNG.integers(0, 80, (1, 50, 1))], 2)
# outputs -> what they are found to be; None where they may be several things
FOUND = {
    "scores": ([port("y", (1, 10), "class scores")], "classify:scores"),
    "yolo": ([port("y", (1, 84, 189))], "detect:yolo"),
    "yolo of another size": ([port("y", (1, 84, 190))], None),
    "yolo5": ([port("y", (1, 567, 85))], "detect:yolo5"),
    "end2end": ([port("y", (1, 50, 6), example=ROWS)], "detect:end2end"),
    "rows of numbers": ([port("y", (1, 50, 6), example=RNG.normal(size=(1, 50, 6)))], None),
    "detr": (
        [port("logits", (1, 100, 92)), port("pred_boxes", (1, 100, 4)), port("last", (1, 100, 256))],
        "detect:detr",
    ),
    "rtdetr": ([port("logits", (1, 300, 80)), port("pred_boxes", (1, 300, 4))], "detect:rtdetr"),
    "boxes of unknown classes": ([port("logits", (1, 300, 7)), port("pred_boxes", (1, 300, 4))], None),
    "torchvision": ([port("boxes", (9, 4)), port("labels", (9,)), port("scores", (9,))], "detect:torchvision"),
    "class ids": ([port("y", (1, 24, 24), "whole numbers")], "segment:ids"),
    "maps": ([port("y", (1, 21, 24, 24))], None),
    "larger image": ([port("y", (1, 3, 192, 192), example=RNG.random((1, 3, 192, 192)))], "image:unit"),
    "image of the same size": ([port("y", (1, 3, 96, 96), example=RNG.random((1, 3, 96, 96)))], None),
    "text": ([port("y", (1, 20, 40), example=softmaxed((1, 20, 40)))], "text:ctc"),
    "logarithms of text": ([port("y", (20, 1, 40), example=np.log(softmaxed((20, 1, 40))))], "text:ctc_steps"),
    "tokens": ([port("y", (1, 20, 40), example=RNG.normal(size=(1, 20, 40)))], None),
    "an embedding": ([port("y", (1, 64))], None),
}


@pytest.mark.parametrize("case", FOUND)
def test_what_is_plain(case):
    ports, expected = FOUND[case]
    found = find_meaning(ports, SIZE)
    assert (found and f"{found.task.name}:{found.head.name}") == expected


def test_what_may_be_several_things_is_asked_for():
    assert possible_tasks([port("y", (1, 21, 24, 24))], SIZE) == ["segment", "keypoints"]
    assert possible_tasks([port("y", (1, 64))], SIZE) == ["classify", "keypoints", "embed"]


def test_outputs_by_their_names():
    """Roles go to the outputs that are named, whatever comes first."""
    ports = [port("tokens", (1, 50, 64)), port("pooled", (1, 64)), port("b", (1, 9, 4)), port("c", (1, 9, 4))]
    assert apply_statement(read_task("embed,vector=pooled"), ports, SIZE, "net").outputs == {"vector": "pooled"}
    stated = apply_statement(read_task("detect:boxes,boxes=c,scores=b"), ports, SIZE, "net")
    assert stated.outputs == {"boxes": "c", "scores": "b"}


def test_settings_are_those_of_the_head_but_for_what_is_said():
    ports = [port("y", (1, 84, 189))]
    meaning = apply_statement(read_task("detect:yolo,iou_threshold=1,unit=share,nms=false"), ports, SIZE, "net")
    assert meaning.settings == {**meaning.head.settings, "iou_threshold": 1.0, "unit": "share", "nms": False}


def module(place: str, name: str, **attributes) -> nn.Module:
    made = type(name, (nn.Module,), {"__module__": place})()
    for key, value in attributes.items():
        setattr(made, key, value)
    return made


PACKAGES = {
    ("torchvision.models.segmentation.deeplabv3", "DeepLabV3"): "segment:logits",
    ("torchvision.models.resnet", "ResNet"): "classify",
    ("ultralytics.nn.tasks", "DetectionModel"): "detect",
    ("ultralytics.nn.tasks", "PoseModel"): "keypoints:pose",
    ("transformers.models.detr.modeling_detr", "DetrForObjectDetection"): "detect:detr",
    ("transformers.models.rt_detr.modeling_rt_detr", "RTDetrForObjectDetection"): "detect:rtdetr",
    ("transformers.models.segformer.modeling_segformer", "SegformerForSemanticSegmentation"): "segment:logits",
    ("transformers.models.clip.modeling_clip", "CLIPVisionModelWithProjection"): "embed,vector=image_embeds",
    ("my_code", "ResNet"): "",
    ("torchvisionary.models", "ResNet"): "",
}


@pytest.mark.parametrize("place", PACKAGES)
def test_packages_that_say_it(place):
    assert state_task(module(*place)) == PACKAGES[place]
    if PACKAGES[place]:
        read_task(PACKAGES[place])


def test_names_of_classes():
    assert state_labels(module("a", "B", names={1: "dog", 0: "cat"})) == ("cat", "dog")
    assert state_labels(module("a", "B", names={0: "cat", 2: "dog"})) is None
    assert state_labels(module("a", "B")) is None
    assert read_metadata({"task": "detect", "names": "{0: 'person', 1: 'bicycle'}"}) == (
        "detect",
        ("person", "bicycle"),
    )
    assert read_metadata({"character": "a\nb\n \n"}) == ("", ("a", "b", " "))
    assert read_metadata({"task": "obb", "names": "__import__('os')"}) == ("", None)
