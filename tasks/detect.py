"""Detection: boxes of objects, each with its class and score. The conventions of detectors are the rows of HEADS."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from .agreement import FigureSpec
from .average_precision import Matches, average_precision, match
from .boxes import MOST_BOXES, Boxes, select, to_corners
from .task import Arrays, Head, Meaning, Port, Roles, Size, Task, example, limits, named, only, shape_of

# What decoding depends on. box: "xyxy", "cxcywh" or "xywh". unit: "pixels" of the input, or "share" of its size.
# layout: "rows" (boxes, values) or "columns" (values, boxes). values, of an output that holds boxes and scores: a score
# for each class ("classes"), behind an objectness ("objectness"), or one score and one class ("score_class").
# activation: what makes scores of logits, "none", "sigmoid" or "softmax". background: the class that is no object,
# "none", "first" or "last". nms: whether boxes of one object are still to be suppressed. ignored: values behind the
# classes that are none (mask coefficients, keypoints). score_threshold: which boxes of the float model count as its
# answers. lowest_score: which boxes of an artifact are ranked against them.
SETTINGS = {
    **{"box": "xyxy", "unit": "pixels", "layout": "rows", "values": "classes", "activation": "none"},
    **{"background": "none", "nms": True, "ignored": 0},
    **{"score_threshold": 0.25, "iou_threshold": 0.7, "lowest_score": 0.01},
}
STRIDES = ((8, 16, 32), (8, 16, 32, 64), (16, 32), (4, 8, 16, 32))  # of the grids that one-stage detectors put boxes on
SUPPRESSED = {  # role: the output's name, as detectors of TensorFlow have it
    **{"boxes": "detection_boxes", "scores": "detection_scores"},
    **{"classes": "detection_classes", "count": "num_detections"},
}
NMS_HEAD = "nms"
SOFTMAX_CLASSES = (92, 251)  # of DETR on COCO: its classes with "no object"
SIGMOID_CLASSES = (80, 91, 365, 366)  # of RT-DETR, D-FINE and RF-DETR on COCO and Objects365


def count_boxes(size: Size, anchors: int = 1) -> set[int]:
    """How many boxes a one-stage detector may give for an image of this size."""
    if size is None:
        return set()
    height, width = size
    return {anchors * sum(-(-height // s) * -(-width // s) for s in strides) for strides in STRIDES}


def _one(ports: Sequence[Port], size: Size, *, fits: Callable[[int, int], bool]) -> Roles | None:
    """One output of three axes, (1, a, b)."""
    return only(ports, "detections", lambda shape: len(shape) == 3 and fits(shape[1] or 0, shape[2] or 0))


def _pair(ports: Sequence[Port], size: Size) -> Roles | None:
    """Boxes (1, n, 4) and scores (1, n, classes), by the names that they usually have, or by their shapes."""
    found = named(ports, boxes=("pred_boxes", "boxes", "dets"), scores=("logits", "pred_logits", "scores", "labels"))
    if found is None and len(ports) == 2:
        boxes = next((port for port in ports if port.shape[2:] == (4,)), None)
        found = boxes and {"boxes": boxes.name, "scores": next(port.name for port in ports if port is not boxes)}
    shapes = {port.name: port.shape for port in ports}
    if not found or not all(len(shapes[name]) == 3 for name in found.values()):
        return None
    boxes, scores = shapes[found["boxes"]], shapes[found["scores"]]
    return found if boxes[2] == 4 and boxes[1] == scores[1] else None


def _lists(ports: Sequence[Port], size: Size) -> Roles | None:
    """What torchvision's detectors give: boxes (n, 4), labels (n,), scores (n,)."""
    found = named(ports, boxes=("boxes",), classes=("labels",), scores=("scores",))
    ranks = {port.name: len(port.shape) for port in ports}
    return found if found and [ranks[found[role]] for role in ("boxes", "classes", "scores")] == [2, 1, 1] else None


def _suppressed(ports: Sequence[Port], size: Size) -> Roles | None:
    """What `export --nms` puts behind a detector, by its names."""
    return named(ports, **{role: (name,) for role, name in SUPPRESSED.items()})


def _has_classes(ports: Sequence[Port], size: Size, *, counts: Sequence[int]) -> bool:
    roles = named(ports, boxes=("pred_boxes", "dets"), scores=("logits", "pred_logits", "labels"))
    return roles is not None and any(port.name == roles["scores"] and port.shape[-1] in counts for port in ports)


def _gives_rows(ports: Sequence[Port], size: Size) -> bool:
    """Whether the rows of the example are boxes with a score and the number of a class."""
    rows = example(ports, ports[0].name)
    if rows is None or size is None:
        return False
    scores, classes = rows[..., 4], rows[..., 5]
    return bool((scores >= 0).all() and (scores <= 1).all() and (classes == classes.round()).all())


HEADS = (
    Head(
        name="end2end",
        about="(1, boxes, 6): corners, score, class, without NMS: YOLO26, YOLOv10",
        settings=SETTINGS | {"values": "score_class", "nms": False},
        match=partial(_one, fits=lambda rows, values: values == 6 and rows > 1),
        plain=_gives_rows,
        ordered=False,
    ),
    Head(
        name="yolo",
        about="(1, 4 + classes, boxes), decoded: YOLOv8, 9, 11, 12",
        settings=SETTINGS | {"box": "cxcywh", "layout": "columns"},
        match=partial(_one, fits=lambda values, boxes: 4 < values < boxes),
        plain=lambda ports, size: ports[0].shape[2] in count_boxes(size),
    ),
    Head(
        name="yolo5",
        about="(1, boxes, 5 + classes), decoded, with an objectness: YOLOv5, 7, YOLOX",
        settings=SETTINGS | {"box": "cxcywh", "values": "objectness"},
        match=partial(_one, fits=lambda boxes, values: 5 < values < boxes),
        plain=lambda ports, size: ports[0].shape[1] in count_boxes(size, anchors=3),
    ),
    Head(
        name="detr",
        about="logits (1, queries, classes + 1) and boxes (1, queries, 4), a softmax with `no object` last: DETR",
        settings=SETTINGS
        | {"box": "cxcywh", "unit": "share", "activation": "softmax", "background": "last", "nms": False},
        match=_pair,
        plain=partial(_has_classes, counts=SOFTMAX_CLASSES),
    ),
    Head(
        name="rtdetr",
        about="logits (1, queries, classes) and boxes (1, queries, 4), sigmoid: RT-DETR, D-FINE, RF-DETR",
        settings=SETTINGS | {"box": "cxcywh", "unit": "share", "activation": "sigmoid", "nms": False},
        match=_pair,
        plain=partial(_has_classes, counts=SIGMOID_CLASSES),
        ordered=False,
    ),
    Head(
        name="torchvision",
        about="boxes (n, 4), labels (n,) and scores (n,): torchvision's detectors",
        settings=SETTINGS | {"nms": False},
        match=_lists,
        plain=lambda ports, size: True,
        batched=False,
        ordered=False,
    ),
    Head(
        name=NMS_HEAD,
        about="boxes (1, n, 4), scores (1, n), classes (1, n) and how many of the n count: `--nms`",
        settings=SETTINGS | {"nms": False, "max_detections": 0},
        match=_suppressed,
        plain=lambda ports, size: True,
        ordered=False,
    ),
    Head(
        name="boxes",
        about="boxes (1, n, 4) and probabilities (1, n, classes), before NMS: SSD and others, decoded",
        settings=SETTINGS,
        match=_pair,
    ),
)


def decode(meaning: Meaning, outputs: Arrays) -> Boxes:
    """The boxes of one sample."""
    return find_boxes(meaning, outputs)[0]


def find_boxes(meaning: Meaning, outputs: Arrays) -> tuple[Boxes, np.ndarray]:
    """(the boxes of one sample, (n,) the row of the outputs that each comes from)."""
    s = meaning.settings
    if "detections" in outputs:
        rows = outputs["detections"].T if s["layout"] == "columns" else outputs["detections"]
        boxes, values = rows[:, :4], rows[:, 4 : rows.shape[1] - s["ignored"]]
    else:
        boxes, values = outputs["boxes"], outputs["scores"]
    scores, classes = _scores(s, values, outputs.get("classes"))
    chosen = np.flatnonzero(scores >= s["lowest_score"])
    corners = to_corners(boxes[chosen].astype(np.float64), s["box"])
    if s["unit"] == "share" and meaning.size:
        corners = corners * np.tile(np.array(meaning.size[::-1]), 2)
    found = Boxes(corners, scores[chosen].astype(np.float64), classes[chosen].astype(np.int64))
    has_area = (corners[:, 2:] > corners[:, :2]).all(1)  # a box without one overlaps nothing, not even itself
    kept = np.flatnonzero(has_area)
    kept = kept[select(found.take(kept), s["iou_threshold"])] if s["nms"] else kept
    kept = kept[np.argsort(-found.scores[kept], kind="stable")][:MOST_BOXES]
    return found.take(kept), chosen[kept]


def _scores(s: Mapping[str, Any], values: np.ndarray, classes: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """(n,) the score and (n,) the class of each box."""
    if classes is not None:
        return values, classes
    if s["values"] == "score_class":
        return values[:, 0], values[:, 1]
    values = ACTIVATIONS[s["activation"]](values)
    if s["values"] == "objectness":
        values = values[:, :1] * values[:, 1:]
    values = values[:, BACKGROUNDS[s["background"]]]
    best = values.argmax(1)
    return np.take_along_axis(values, best[:, None], 1)[:, 0], best


def _softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values - values.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


BACKGROUNDS = {"none": slice(None), "first": slice(1, None), "last": slice(None, -1)}  # the classes that are left
ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "none": lambda values: values,
    "sigmoid": lambda values: 1 / (1 + np.exp(-np.clip(values, -80, 80))),
    "softmax": _softmax,
}


def compare(meaning: Meaning, ref: Boxes, cand: Boxes) -> Matches:
    """The artifact's boxes, matched with those of the float model that count as its answers."""
    return match(ref.take(ref.scores >= meaning.settings["score_threshold"]), cand)


def reduce(records: Sequence[Matches]) -> Mapping[str, float]:
    """Average precision, over the ten overlaps and at 0.5, and how far the scores of matched boxes are apart."""
    figures = average_precision(records)
    errors = np.concatenate([each.score_errors for each in records]) if records else np.zeros(0)
    score = float(errors.mean()) if len(errors) else np.nan
    return {"ap": float(figures.mean()), "ap50": float(figures[0]), "score_error": score}


def count_labels(meaning: Meaning, ports: Sequence[Port]) -> Sequence[int]:
    """As many as there are scores for each box; any number where each box has the number of its class."""
    s = meaning.settings
    if s["values"] == "score_class" or "classes" in meaning.outputs:
        return ()
    shape = shape_of(ports, meaning.outputs.get("detections") or meaning.outputs["scores"])
    columns = shape[1 if s["layout"] == "columns" else 2] or 0
    others = 4 * ("detections" in meaning.outputs) + (s["values"] == "objectness") + (s["background"] != "none")
    return (columns - others - s["ignored"],)


def draw(meaning: Meaning, image: Any, answer: Boxes) -> Any:
    """The boxes that count as answers, with their classes and scores."""
    from .pictures import draw_boxes  # and with it Pillow, which a bare look at a detector does without

    shown = answer.take(answer.scores >= meaning.settings["score_threshold"])
    words = [f"{meaning.label(int(c))} {s:.2f}" for c, s in zip(shown.classes, shown.scores, strict=True)]
    return draw_boxes(image, shown.corners, shown.classes, words)


TASK = Task(
    name="detect",
    position=1,
    about="boxes with classes and scores",
    heads=HEADS,
    figures=(
        FigureSpec("ap", "AP with float"),
        FigureSpec("ap50", "AP50 with float"),
        FigureSpec("score_error", "mean score error", -1, ".4f"),
    ),
    decode=decode,
    compare=compare,
    reduce=reduce,
    must=limits(fp32={"ap": 0.98}, fp16={"ap": 0.9}, rounded={"ap": 0.5}),
    should=limits(fp32={}, fp16={}, rounded={"ap": 0.9}),
    budgets={"min_ap": "ap"},
    unknown="the float model finds no objects in these inputs",
    words={
        "box": ("xyxy", "cxcywh", "xywh"),
        "unit": ("pixels", "share"),
        "layout": ("rows", "columns"),
        "values": ("classes", "score_class", "objectness"),
        "activation": tuple(ACTIVATIONS),
        "background": tuple(BACKGROUNDS),
    },
    count_labels=count_labels,
    draw=draw,
)
