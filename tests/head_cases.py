"""Outputs of every convention that the wrappers of bundles decode: numbers that are drawn, and what they mean."""

from dataclasses import dataclass, field

import numpy as np
from edgeport.bundles.answers import COLUMNS, FIELDS, Answers, Read
from edgeport.bundles.wrappers import WRAPPERS
from edgeport.models import PreprocessSpec
from edgeport.tasks.find import apply_statement, read_task
from edgeport.tasks.task import Port

SIDES = (48, 64)  # (height, width) of the input
SPECS = {
    "crop": PreprocessSpec(input_size=(3, *SIDES), crop_pct=0.8),
    "stretch": PreprocessSpec(input_size=(3, *SIDES), resize="stretch", crop_pct=1),
    "letterbox": PreprocessSpec(input_size=(3, *SIDES), resize="letterbox"),
}


@dataclass(frozen=True)
class HeadCase:
    """A head, the shapes of its outputs, and what of them is whole numbers up to a limit, or lies from 0 to 1."""

    task: str
    shapes: dict[str, tuple[int, ...]]
    spec: str = "letterbox"
    whole: dict[str, int] = field(default_factory=dict)
    shares: tuple[str, ...] = ()


HEADS = {
    "classify": HeadCase("classify", {"scores": (1, 9)}),
    "yolo": HeadCase("detect:yolo", {"out": (1, 7, 60)}, "letterbox"),
    "yolo with masks": HeadCase("detect:yolo,ignored=5,lowest_score=0.3", {"out": (1, 12, 60)}, "crop"),
    "yolo5": HeadCase("detect:yolo5", {"out": (1, 60, 8)}, "stretch"),
    "end2end": HeadCase("detect:end2end", {"out": (1, 20, 6)}, "letterbox"),
    "detr": HeadCase("detect:detr", {"logits": (1, 30, 5), "pred_boxes": (1, 30, 4)}, "crop", shares=("pred_boxes",)),
    "rtdetr": HeadCase("detect:rtdetr", {"logits": (1, 30, 4), "pred_boxes": (1, 30, 4)}, shares=("pred_boxes",)),
    "boxes, background first": HeadCase(
        "detect:boxes,background=first,box=xywh,activation=softmax", {"boxes": (1, 40, 4), "scores": (1, 40, 4)}
    ),
    "nms": HeadCase(
        "detect:nms",
        {
            "detection_boxes": (1, 20, 4),
            "detection_scores": (1, 20),
            "detection_classes": (1, 20),
            "num_detections": (1,),
        },
        whole={"detection_classes": 5},
        shares=("detection_scores",),
    ),
    "logits": HeadCase("segment:logits", {"out": (1, 5, 12, 16)}, "letterbox"),
    "logits, cropped": HeadCase("segment:logits", {"out": (1, 5, 24, 31)}, "crop"),
    "binary": HeadCase("segment:binary,threshold=0.4", {"out": (1, 1, 12, 16)}, "stretch"),
    "ids": HeadCase("segment:ids", {"out": (1, 48, 64)}, "crop", whole={"out": 21}),
    "heatmaps": HeadCase("keypoints:heatmaps", {"out": (1, 17, 12, 16)}),
    "pose": HeadCase("keypoints:pose", {"out": (1, 5 + 3 * 4, 60)}, "crop"),
    "simcc": HeadCase("keypoints:simcc", {"x": (1, 17, 128), "y": (1, 17, 96)}),
    "points": HeadCase("keypoints:points,unit=share", {"out": (1, 10)}, "crop"),
    "points with scores": HeadCase("keypoints:points", {"out": (1, 5, 3)}, "stretch"),
    "embed": HeadCase("embed", {"out": (1, 24, 1, 1)}),
    "ctc": HeadCase("text:ctc", {"out": (1, 40, 6)}),
    "ctc_steps": HeadCase("text:ctc_steps", {"out": (40, 1, 6)}),
    "ctc_last": HeadCase("text:ctc_last", {"out": (1, 40, 6)}),
}
FIRST = {case.task.partition(":")[0]: name for name, case in reversed(HEADS.items())}  # {task: a head of it}


def draw_outputs(name: str, seed: int = 0) -> dict[str, np.ndarray]:
    """{output: float32 numbers}; boxes have sides of some pixels, and scores of both signs or from 0 to 1."""
    case, rng = HEADS[name], np.random.default_rng(seed)
    given = {}
    for output, shape in case.shapes.items():
        values = rng.normal(0, 1, shape)
        if output in case.whole:
            values = rng.integers(0, case.whole[output], shape)
        elif output in case.shares:
            values = rng.uniform(0.1, 1, shape)
        elif case.task.startswith(("detect", "keypoints:pose")):
            columns = output == "out" and name not in ("yolo5", "end2end")
            values = _boxes(values, rng, columns=columns, corners=name in ("end2end", "nms"))
        given[output] = values.astype(np.float32)
    if name == "end2end":
        given["out"][..., 5] = rng.integers(0, 3, given["out"].shape[:2])
    return given


def _boxes(values: np.ndarray, rng: np.random.Generator, *, columns: bool, corners: bool) -> np.ndarray:
    """Centres or corners within the input, sides of 4 to 30 pixels, scores from 0 to 1 where they stand behind them."""
    rows = np.moveaxis(values, 1, -1) if columns else values
    if rows.shape[-1] != 4 and not (rows.shape[-1] > 5 or columns):
        return values
    rows = rows.copy()
    rows[..., :2] = rng.uniform(5, 45, rows[..., :2].shape)
    rows[..., 2:4] = rng.uniform(4, 30, rows[..., 2:4].shape) + (rows[..., :2] if corners else 0)
    rows[..., 4:] = rng.uniform(0, 1, rows[..., 4:].shape)
    return np.moveaxis(rows, -1, 1) if columns else rows


def answers_of(name: str, output: str | None = None) -> Answers:
    """How the outputs of a head become answers; all of them called `output`, where it is given."""
    case = HEADS[name]
    if case.task == "classify":
        read = Read(
            role="scores",
            name="scores" if output is None else output,
            index=0,
            shape=case.shapes["scores"],
            dtype="float32",
        )
        return Answers(task="classify", outputs=(read,), decoding={"classes": 9}, columns=COLUMNS["classify"])
    kinds = dict.fromkeys(case.whole, "whole numbers")
    drawn = draw_outputs(name)
    ports = [Port(each, shape, kinds.get(each, ""), drawn[each]) for each, shape in case.shapes.items()]
    meaning = apply_statement(read_task(case.task), ports, SIDES, name)
    roles = {role: each for role, each in meaning.outputs.items() if role != "count"}
    task = meaning.task.name
    return Answers(
        task=task,
        outputs=tuple(
            Read(role=role, name=each if output is None else output, index=i, shape=case.shapes[each], dtype="float32")
            for i, (role, each) in enumerate(roles.items())
        ),
        decoding=FIELDS[task](meaning, {role: case.shapes[each] for role, each in roles.items()}),
        columns=COLUMNS[task],
        ordered=meaning.head.ordered,
        meaning=meaning,
    )


assert {each.task for each in map(answers_of, HEADS)} == set(WRAPPERS)
