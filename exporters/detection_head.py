"""Put non-maximum suppression behind a detector: its boxes, scores and classes, a fixed number of rows, and a count."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from ..artifacts.errors import ExportError
from ..graph.edit import EXACT, name_of, shape
from ..graph.fixed_selection import SUPPRESSION
from ..tasks.boxes import MOST_CANDIDATES
from ..tasks.detect import SUPPRESSED
from ..tasks.suppression import VALUES, Suppression
from .passes.expansions.steps import FLOAT, INT32, Steps

INT64, BOOL = ir.DataType.INT64, ir.DataType.BOOL
WHY = "boxes of different classes are set apart, by more than float16 tells apart"


def add_detection_head(model: ir.Model, suppression: Suppression) -> ir.Model:
    """detections | boxes, scores -> detection_boxes (1, k, 4), detection_scores (1, k), detection_classes (1, k),
    num_detections (1,), and detection_values (1, k, v) of what stands behind the classes, instead of them

    The boxes are left, top, right, bottom in pixels of the model's input, the highest score first. As
    `tasks.detect.decode` does it: of each box the best class, boxes from `lowest_score` on, the best MOST_CANDIDATES of
    them, and of boxes of one class that overlap by more than `iou_threshold` the highest. Rows behind the last have
    score 0 and class -1.

    Works on a canonical graph, float or with Q/DQ, whose outputs have the names that the suppression says, and leaves
    `model` as it was. Raises ExportError where a value has the name of a new output.
    """
    model = model.clone()
    graph, meaning = model.graph, suppression.meaning
    outputs = {name_of(value): value for value in graph.outputs}
    raw = {role: outputs[name] for role, name in meaning.outputs.items()}
    taken = {name_of(value) for node in graph for value in node.outputs} | set(graph.initializers)
    twice = next((name for name in (*SUPPRESSED.values(), VALUES) if name in taken), None)
    if twice is not None:
        raise ExportError(f"the model has a value called {twice!r}, which is what --nms would add")
    end = ir.node("Identity", [next(iter(raw.values()))], name="head_detections")
    end.outputs[0].name = "detections"
    graph.append(end)
    made = _suppressed(Steps(end, {EXACT: WHY}), raw, suppression)
    graph.remove(end, safe=True)
    kept = [value for value in graph.outputs if value not in raw.values()]
    while graph.outputs:
        graph.outputs.pop()  # `clear` leaves the values marked as outputs
    for name, value in made.items():
        value.name = name
    graph.outputs.extend([*kept, *made.values()])
    return model


def _suppressed(at: Steps, raw: Mapping[str, ir.Value], suppression: Suppression) -> dict[str, ir.Value]:
    """The new outputs by their names."""
    meaning = suppression.meaning
    corners, values, ignored = _split(at, raw, meaning.settings, meaning.size)
    scores, classes, num_classes = _best(at, values, meaning.settings)
    width, height = (at.sub(corners[i + 2], corners[i]) for i in (0, 1))
    has_area = at.cast(at.run("Greater", at.run("Min", width, height), 0.0, dtype=BOOL), FLOAT)
    count = shape(scores)[2]
    candidates = min(count, MOST_CANDIDATES)
    scores, places = at.top_k(at.mul(scores, has_area), candidates)  # (1, 1, m)
    places = at.cast(at.reshape(places, candidates), INT32)
    rows = at.gather(at.concat([*corners, classes] if classes else corners, 1), places, 2)  # (1, 4 or 5, m)
    boxes = at.part(rows, 1, 0, 4)
    apart = _set_apart(at, boxes, at.part(rows, 1, 4, 5), num_classes) if classes else boxes
    k = suppression.rows(count)
    selected = at.run(
        SUPPRESSION,
        at.transpose(apart, 0, 2, 1),
        scores,
        at.sizes(k),
        np.array([meaning.settings["iou_threshold"]]),
        np.nextafter(
            np.array([meaning.settings["lowest_score"]], np.float32), np.float32(0)
        ),  # from this on, not above it
        to=(k, 3),
        dtype=INT64,
        center_point_box=0,
    )
    chosen = at.reshape(at.part(at.cast(selected, INT32), 1, 2, 3), k)
    is_row = at.cast(at.run("GreaterOrEqual", chosen, 0, dtype=BOOL), FLOAT)
    column = at.reshape(is_row, 1, k, 1)
    found = at.transpose(at.gather(rows, chosen, 2), 0, 2, 1)  # (1, k, 4 or 5)
    blank = at.add(at.reshape(is_row, 1, k), -1.0)
    numbers = at.reshape(at.mul(at.part(found, 2, 4, 5), column), 1, k) if classes else at.mul(blank, 0.0)
    total = at.run("ReduceSum", at.reshape(is_row, 1, k), at.sizes(1), to=(1, 1), keepdims=1)
    made = {
        SUPPRESSED["boxes"]: at.mul(at.part(found, 2, 0, 4), column),
        SUPPRESSED["scores"]: at.mul(at.reshape(at.gather(scores, chosen, 2), 1, k), at.reshape(is_row, 1, k)),
        SUPPRESSED["classes"]: at.cast(at.add(numbers, blank), INT64),
        SUPPRESSED["count"]: at.cast(at.reshape(total, 1), INT64),
    }
    if ignored is not None:
        own = at.gather(ignored, at.gather(places, chosen, 0), 2)  # (1, v, k)
        made[VALUES] = at.mul(at.transpose(own, 0, 2, 1), column)
    return made


def _split(
    at: Steps, raw: Mapping[str, ir.Value], settings: Mapping, size: tuple[int, int] | None
) -> tuple[list[ir.Value], ir.Value, ir.Value | None]:
    """(left, top, right, bottom, each (1, 1, n); the scores (1, c, n); what stands behind them (1, v, n), or None)."""
    if "detections" in raw:
        whole = _columns(at, raw["detections"], settings["layout"])
        behind = shape(whole)[1] - settings["ignored"]
        boxes, values = at.part(whole, 1, 0, 4), at.part(whole, 1, 4, behind)
        ignored = at.part(whole, 1, behind, shape(whole)[1]) if settings["ignored"] else None
    else:
        boxes, values = (_columns(at, raw[role], "rows") for role in ("boxes", "scores"))
        ignored = None
    first, second, third, fourth = (at.part(boxes, 1, i, i + 1) for i in range(4))
    corners = [first, second, third, fourth]
    if settings["box"] == "cxcywh":
        half = [at.mul(side, 0.5) for side in (third, fourth)]
        corners = [at.sub(first, half[0]), at.sub(second, half[1]), at.add(first, half[0]), at.add(second, half[1])]
    elif settings["box"] == "xywh":
        corners = [first, second, at.add(first, third), at.add(second, fourth)]
    if settings["unit"] == "share" and size:
        corners = [at.mul(side, float(size[1 - i % 2])) for i, side in enumerate(corners)]
    return corners, values, ignored


def _columns(at: Steps, x: ir.Value, layout: str) -> ir.Value:
    """(1, boxes, values) or (1, values, boxes) -> the latter."""
    return x if layout == "columns" else at.transpose(x, 0, 2, 1)


def _best(at: Steps, values: ir.Value, settings: Mapping) -> tuple[ir.Value, ir.Value | None, int]:
    """(1, c, n) -> the score (1, 1, n) of each box, its class (None where there is one), how many classes there are.

    The sigmoid of the largest is the largest sigmoid.
    """
    activation, is_object = settings["activation"], None
    if activation == "softmax":
        values = at.run("Softmax", values, axis=1)
    if settings["values"] == "objectness":
        is_object, values = at.part(values, 1, 0, 1), at.part(values, 1, 1, shape(values)[1])
    first = int(settings["background"] == "first")
    values = at.part(values, 1, first, shape(values)[1] - int(settings["background"] == "last"))
    number, n = shape(values)[1:]
    best = at.run("ReduceMax", values, at.sizes(1), to=(1, 1, n), keepdims=1) if number > 1 else values
    parts: Sequence[ir.Value] = [best] if is_object is None else [best, is_object]
    if activation == "sigmoid":
        parts = [at.run("Sigmoid", each) for each in parts]
    scores = parts[0] if len(parts) == 1 else at.mul(*parts)
    if number == 1:
        return scores, None, 1
    options = {"axis": 1, "keepdims": 1, "select_last_index": 0}
    classes = at.run("ArgMax", values, to=(1, 1, n), dtype=INT64, **options)
    return scores, at.cast(classes, FLOAT), number


def _set_apart(at: Steps, boxes: ir.Value, classes: ir.Value, number: int) -> ir.Value:
    """Boxes (1, 4, m) with each class in a place of its own, so that those of two classes do not overlap.

    The places are a grid as wide as it is high: in one row the last classes would be so far out that float32 has but a
    hundredth of a pixel there.
    """
    across = math.ceil(math.sqrt(number))
    most, least = (at.run(op, boxes, at.sizes(1, 2), to=(1, 1, 1), keepdims=1) for op in ("ReduceMax", "ReduceMin"))
    step = at.add(at.sub(most, least), 1.0)
    row = at.run("Floor", at.mul(at.add(classes, 0.5), 1 / across))
    column = at.sub(classes, at.mul(row, float(across)))
    x, y = at.mul(column, step), at.mul(row, step)
    return at.add(boxes, at.concat([x, y, x, y], 1))
