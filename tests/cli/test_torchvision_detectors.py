"""torchvision's one-stage detectors: as graphs they find the boxes that torchvision finds, run whole."""

from collections import OrderedDict

import edgeport
import numpy as np
import pytest
import torch
from edgeport.artifacts.errors import UsageError
from edgeport.pipeline.sources.source import ModelSource
from edgeport.targets.registry import everyday_targets
from edgeport.tasks.find import apply_statement, read_task
from edgeport.tasks.task import Port
from torch import nn

pytest.importorskip("torchvision_on_cpu")
detection = pytest.importorskip("torchvision.models.detection")
SIDE, CLASSES = 64, 4
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
KINDS = ("SSD", "RetinaNet", "FCOS")


class Backbone(nn.Module):
    """Two maps, at strides 8 and 16."""

    def __init__(self, out_channels: "int | list[int]" = 32):
        super().__init__()
        self.out_channels = out_channels
        self.first = nn.Sequential(nn.Conv2d(3, 32, 9, 8, 4), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(32, 32, 3, 2, 1), nn.ReLU())

    def forward(self, x):
        first = self.first(x)
        return OrderedDict(near=first, far=self.second(first))


def build(kind: str, classes: int = CLASSES, **thresholds) -> nn.Module:
    """A small detector of torchvision's own classes, with weights that find something; labels count from 0, SSD's from
    1."""
    from torchvision.models.detection import anchor_utils

    options = {"image_mean": MEAN, "image_std": STD, "detections_per_img": 5000, "topk_candidates": 5000, **thresholds}
    if kind == "SSD":
        anchors = anchor_utils.DefaultBoxGenerator([[2], [2, 3]])
        module = detection.ssd.SSD(Backbone([32, 32]), anchors, (SIDE, SIDE), classes + 1, **options)
    else:
        shapes = ((0.5, 1.0, 2.0),) * 2 if kind == "RetinaNet" else ((1.0,),) * 2
        anchors = anchor_utils.AnchorGenerator(((16,), (32,)), shapes)
        options |= {"min_size": SIDE, "max_size": SIDE, "anchor_generator": anchors}
        module = getattr(detection, kind)(Backbone(), classes, **options)
    torch.manual_seed(5)
    for name, parameter in module.named_parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, 0, (2 if "conv" in name or kind == "SSD" else 1) / parameter[0].numel() ** 0.5)
        elif name.endswith("cls_logits.bias"):
            nn.init.constant_(parameter, -1)
    return module.eval()


def greedy(boxes, scores, classes, threshold):
    """Non-maximum suppression within each class, by its definition: torchvision's own is not compiled everywhere."""
    kept: list[int] = []
    for i in scores.argsort(descending=True, stable=True).tolist():
        one = boxes[i]
        for other in (boxes[j] for j in kept if classes[j] == classes[i]):
            low, high = torch.maximum(one[:2], other[:2]), torch.minimum(one[2:], other[2:])
            shared = (high - low).clamp(min=0).prod()
            if shared > threshold * ((one[2:] - one[:2]).prod() + (other[2:] - other[:2]).prod() - shared):
                break
        else:
            kept.append(i)
    return torch.tensor(kept, dtype=torch.int64)


@pytest.fixture
def whole(monkeypatch):
    """(a detector, pixels of 0..1) -> its boxes, labels and scores, all of it computed by torchvision."""
    monkeypatch.setattr("torchvision.ops.boxes.batched_nms", greedy)

    def run(module: nn.Module, pixels: np.ndarray) -> list[np.ndarray]:
        with torch.no_grad():
            (found,) = module([torch.from_numpy(pixels)])
        return [found[name].numpy() for name in ("boxes", "labels", "scores")]

    return run


def pixels(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((3, SIDE, SIDE), np.float32)


def raw(source: ModelSource, image: np.ndarray) -> dict[str, np.ndarray]:
    """What the graph gives, for an image that is normalised here."""
    mean, std = (np.array(each, np.float32)[:, None, None] for each in (MEAN, STD))
    return {name: array[0] for name, array in source.session().run({"image": ((image - mean) / std)[None]}).items()}


@pytest.mark.parametrize("kind", KINDS)
class TestAsTorchvision:
    def test_every_box_and_score(self, whole, kind):
        """Without suppression, so that all of it is there."""
        module = build(kind, nms_thresh=1.0, score_thresh=0.3)
        boxes, labels, scores = whole(module, pixels())
        ours = raw(edgeport.load(module, input_shape=(3, SIDE, SIDE)), pixels())
        kept = ours["scores"] > 0.3
        kept[:, : kind == "SSD"] = False  # what is no object
        rows, classes = np.nonzero(kept)
        assert len(rows) == len(boxes) > 20
        found = np.column_stack([ours["boxes"][rows], 1000 * classes, 100 * ours["scores"][kept]])
        for each in np.column_stack([boxes, 1000 * labels, 100 * scores]):
            apart = np.abs(found - each).max(1)
            assert apart.min() < 1e-3
            found = np.delete(found, apart.argmin(), 0)

    def test_the_objects(self, whole, kind):
        """Of one class, as the task decodes them by the settings that the detector brings along."""
        module = build(kind, 1, nms_thresh=0.4, score_thresh=0.35)
        boxes, _, scores = whole(module, pixels(1))
        has_area = (boxes[:, 2:] > boxes[:, :2]).all(1)  # else it is no object to edgeport
        boxes, scores = boxes[has_area], scores[has_area]
        source = edgeport.load(module, input_shape=(3, SIDE, SIDE))
        outputs = raw(source, pixels(1))
        ports = [Port(name, (1, *array.shape)) for name, array in outputs.items()]
        meaning = apply_statement(read_task(source.task), ports, (SIDE, SIDE), "it")
        answer = meaning.task.decode(meaning, outputs)
        assert len(answer) == len(boxes) > 5
        np.testing.assert_allclose(answer.scores, scores, atol=1e-6)
        np.testing.assert_allclose(answer.corners, boxes, atol=1e-3)
        assert set(answer.classes) == {0}

    def test_float_on_every_target(self, tmp_path, kind):
        images = [pixels(seed)[None] for seed in range(2)]
        options = {"validation": images, "num_validation_samples": 2, "benchmark": False, "output_dir": tmp_path}
        source = edgeport.load(build(kind), input_shape=(3, SIDE, SIDE))
        results = edgeport.export_all(source, everyday_targets(), **options)
        assert {each.target: each.verdict for each in results} == dict.fromkeys(everyday_targets(), "ok")
        assert {(each.task.task, each.task.head) for each in results} == {("detect", "boxes")}
        assert all(each.task.main.value == 1 for each in results)

    def test_int8_with_suppression(self, tmp_path, kind):
        """Boxes stay in float: 8 bits would put them on whole pixels."""
        images = [pixels(seed)[None] for seed in range(12)]
        options = {"calibration": images[:8], "validation": images[8:], "benchmark": False, "output_dir": tmp_path}
        source = edgeport.load(build(kind), input_shape=(3, SIDE, SIDE))
        result = edgeport.export(source, "tflite", precision="int8", nms=20, **options)
        assert (result.task.task, result.task.head) == ("detect", "nms")
        assert result.task.main.value > 0.5, result.task
        names = {each.name for each in edgeport.open_session(result.path).outputs}
        assert names > {"detection_boxes", "detection_scores"}


# name -> (the size of its image, how one becomes it, the first two and the number of its classes)
NAMES = {
    "ssdlite320_mobilenet_v3_large": ((3, 320, 320), ("stretch", 0.5, 0.5), ("person", "bicycle", 90)),
    "ssd300_vgg16": ((3, 300, 300), ("stretch", 0.48235, 1 / 255), ("person", "bicycle", 90)),
    "fcos_resnet50_fpn": ((3, 800, 800), ("letterbox", 0.485, 0.229), ("__background__", "person", 91)),
}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_known_of_a_name(name):
    from edgeport.pipeline.sources.stated_task import state_labels
    from edgeport.pipeline.sources.torchvision_models import load_torchvision

    with torch.device("meta"):  # no weights
        found = load_torchvision(name, None, None)
    size, (resize, mean, std), (first, second, count) = NAMES[name]
    labels, spec = state_labels(found.module), found.spec.preprocess
    assert (spec.input_size, spec.resize, spec.scale) == (size, resize, 1 / 255)
    assert (spec.mean[0], spec.std[0]) == pytest.approx((mean, std), rel=1e-3)
    assert labels is not None
    assert (*labels[:2], len(labels)) == (first, second, count)


@pytest.mark.parametrize("name", ["fasterrcnn_mobilenet_v3_large_320_fpn", "keypointrcnn_resnet50_fpn"])
def test_two_stages_are_refused(name):
    with pytest.raises(UsageError, match=f"torchvision:{name}: is a detector of two stages .* take one of one stage"):
        edgeport.load(f"torchvision:{name}")
