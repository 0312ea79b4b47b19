"""Average precision of a detector on labelled images, the float model's and the artifact's, by COCO's own evaluator."""

import contextlib
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..artifacts.errors import RuntimeUnavailable
from .agreement import Figure, FigureSpec, jackknife
from .average_precision import Matches, average_precision, match
from .boxes import Boxes

FIGURES = (
    FigureSpec("ap_labels", "AP on the labels"),
    FigureSpec("ap_labels_float", "float's AP on the labels"),
    FigureSpec("ap_loss", "loss of AP on the labels", -1),
)
Labelled = tuple[Boxes, Boxes, Boxes]  # of an image: what is there, what the reference finds, what the artifact finds


def check_evaluator() -> None:
    """Raises RuntimeUnavailable where pycocotools is not installed."""
    try:
        import pycocotools.cocoeval  # noqa: F401
    except ImportError as e:
        raise RuntimeUnavailable("annotations need pycocotools: pip install 'edgeport[coco]'") from e


def label_figures(images: Sequence[Labelled]) -> tuple[Figure, ...]:
    """AP of the artifact and of the float model, and what is lost, with standard errors; none without labels."""
    if not any(len(truth) for truth, _, _ in images):
        return ()
    truths, ref, cand = zip(*images, strict=True)
    ours, theirs = evaluate(truths, cand), evaluate(truths, ref)
    records = [(match(truth, theirs), match(truth, ours)) for truth, theirs, ours in images]
    errors = jackknife(_reduce, records)
    values = {"ap_labels": ours, "ap_labels_float": theirs, "ap_loss": theirs - ours}
    return tuple(
        Figure(each.name, each.words, values[each.name], errors.get(each.name, float("nan")), each.sign, each.form)
        for each in FIGURES
    )


def _reduce(records: Sequence[tuple[Matches, Matches]]) -> Mapping[str, float]:
    theirs, ours = (float(average_precision(side).mean()) for side in zip(*records, strict=True))
    return {"ap_labels": ours, "ap_labels_float": theirs, "ap_loss": theirs - ours}


def evaluate(truths: Sequence[Boxes], found: Sequence[Boxes]) -> float:
    """AP@[.5:.95] over images, by pycocotools, which prints: that is kept from the caller."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    rows = _rows(found, scored=True)
    if not rows:
        return 0.0
    with contextlib.redirect_stdout(io.StringIO()):
        truth: Any = COCO()
        truth.dataset = {
            "images": [{"id": image} for image in range(len(truths))],
            "annotations": _rows(truths, scored=False),
            "categories": [{"id": int(each)} for each in np.unique(np.concatenate([each.classes for each in truths]))],
        }
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(rows), "bbox")
        evaluation.params.maxDets = [1, 10, 300]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][..., 0, -1]  # of all sizes, over (overlaps, recalls, classes)
    return float(precision[precision > -1].mean())


def _rows(images: Sequence[Boxes], *, scored: bool) -> list[dict[str, Any]]:
    """The boxes as COCO's files have them."""
    rows: list[dict[str, Any]] = []
    for image, boxes in enumerate(images):
        for corners, score, each in zip(boxes.corners.tolist(), boxes.scores, boxes.classes, strict=True):
            left, top, right, bottom = corners
            row: dict[str, Any] = {"image_id": image, "category_id": int(each), "id": len(rows) + 1}
            row["bbox"] = [left, top, right - left, bottom - top]
            row |= {"score": float(score)} if scored else {"area": (right - left) * (bottom - top), "iscrowd": 0}
            rows.append(row)
    return rows
