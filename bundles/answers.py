"""What the wrapper of each task has to know of a model's outputs: which it reads, and what decoding depends on."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..artifacts.errors import UsageError
from ..artifacts.manifest import Manifest
from ..graph.classifier import count_scores
from ..runtime.session import Session
from ..tasks.find import recall
from ..tasks.registry import CLASSIFY, DETECT, GENERIC, TEXT
from ..tasks.task import Meaning, Port, Size

SEGMENT, KEYPOINTS, EMBED = "segment", "keypoints", "embed"
Shape = tuple[int, ...]
Fields = Mapping[str, Any]  # whole numbers, numbers, truth values, and the words of WORDS
WORDS = {  # field: {the type's name, in languages that have one: what it may be}
    "box": "Box",
    "values": "Values",
    "activation": "Activation",
    "background": "Background",
    "form": "Form",
}


@dataclass(frozen=True, kw_only=True)
class Read:
    """An output that decoding reads.

    Attributes:
        role: what it is to the task.
        name: of the tensor.
        index: its place among the artifact's outputs.
        shape, dtype: in the artifact.
        tolerance: what a number may be off on other hardware; gpu_tolerance: on a GPU, which computes in float16.
    """

    role: str
    name: str
    index: int
    shape: Shape
    dtype: str
    tolerance: float = 0.0
    gpu_tolerance: float = 0.0

    @property
    def size(self) -> int:
        """How many numbers."""
        return math.prod(self.shape)


@dataclass(frozen=True, kw_only=True)
class Answers:
    """How outputs become answers.

    Attributes:
        task: its name.
        outputs: that are read, in the order in which golden files have them.
        decoding: what decoding depends on.
        columns: what each number of a row of golden answers may be off.
        ordered: outputs of two runs can be compared number by number; else their rows come in the order of their
            scores, or they are the numbers of classes.
        meaning: the same for the decoder that validates; None for a classifier.
    """

    task: str
    outputs: tuple[Read, ...]
    decoding: Fields
    columns: tuple[float, ...]
    ordered: bool = True
    meaning: Meaning | None = field(default=None, repr=False)

    def to_json(self) -> dict[str, Any]:
        """For bundle.json."""
        read = [
            {"role": each.role, "name": each.name, "size": each.size, "tolerance": each.tolerance}
            for each in self.outputs
        ]
        return {
            "task": self.task,
            "outputs": read,
            "ordered": self.ordered,
            "decoding": dict(self.decoding),
            "answer_tolerances": list(self.columns),
        }


def find_answers(
    path: Path, platform: str, tasks: tuple[str, ...], manifest: Manifest, session: Session, size: Size
) -> Answers:
    """How the outputs of an artifact become answers; its task is one of `tasks`, which the platform has wrappers for.

    Raises UsageError for another task, and for outputs of open sizes.
    """
    ports = {spec.name: (index, spec) for index, spec in enumerate(session.outputs)}
    told = manifest.task
    task = CLASSIFY if told is None or told.name == GENERIC else told.name
    if task not in tasks:
        raise UsageError(f"{path}: is for {task}; a bundle for {platform} is for {_listed(tasks)}")
    if task == CLASSIFY or told is None:
        return _of_classifier(path, platform, tasks, session)
    meaning = recall(
        *(task, told.head, told.outputs, told.settings),
        *([Port(each.name, each.shape, recorded=True) for each in manifest.outputs], size, told.labels),
    )
    names = {role: name for role, name in told.outputs.items() if role != "count"}
    batch_axis = 0 if meaning.head.batched else 1  # CTC's steps may come first
    shapes = [ports[each][1].shape for each in names.values()]
    is_open = any(None in (*shape[:batch_axis], *shape[batch_axis + 1 :]) for shape in shapes)
    if is_open or (task == DETECT and not meaning.head.batched):
        raise UsageError(
            f"{path}: gives outputs of any size; a bundle for {platform} is for {task} with fixed ones"
            f"{' (--nms N)' if task == DETECT else ''}"
        )
    outputs = []
    for role, name in names.items():
        index, spec = ports[name]
        shape = tuple(dim or 1 for dim in spec.shape)
        outputs.append(Read(role=role, name=name, index=index, shape=shape, dtype=spec.dtype))
    decoding = FIELDS[task](meaning, {each.role: each.shape for each in outputs})
    return Answers(
        task=task,
        outputs=tuple(outputs),
        decoding=decoding,
        columns=COLUMNS[task],
        ordered=meaning.head.ordered and "ids" not in names,
        meaning=meaning,
    )


def _of_classifier(path: Path, platform: str, tasks: tuple[str, ...], session: Session) -> Answers:
    for index, spec in enumerate(session.outputs):
        classes = count_scores(spec.shape)
        if classes:
            read = Read(role="scores", name=spec.name, index=index, shape=(1, classes), dtype=spec.dtype)
            return Answers(
                task=CLASSIFY, outputs=(read,), decoding={"classes": classes}, columns=COLUMNS[CLASSIFY], meaning=None
            )
    shapes = [spec.shape for spec in session.outputs]
    others = _listed([each for each in tasks if each != CLASSIFY])
    hint = f"; say what they mean with `edgeport export --task`: {others}" if others else ""
    raise UsageError(
        f"{path}: gives {shapes}; a bundle for {platform} is for classify, with an output of shape (1, classes){hint}"
    )


def _listed(words: Any) -> str:
    return ", ".join(words)


def _detect(meaning: Meaning, shapes: Mapping[str, Shape]) -> Fields:
    """`width`: values of a box in the output of boxes and scores, or scores of a box in that of scores."""
    s, joined = meaning.settings, "detections" in shapes
    if joined:
        width = shapes["detections"][1 if s["layout"] == "columns" else 2]
    else:
        width = 1 if "classes" in shapes else shapes["scores"][2]
    return {
        "box": s["box"],
        "values": "separate" if "classes" in shapes else s["values"],
        "activation": s["activation"],
        "background": s["background"],
        "joined": joined,
        "share": s["unit"] == "share",
        "columns": s["layout"] == "columns",
        "suppresses": s["nms"],
        "width": width,
        "ignored": s["ignored"],
        "lowest_score": float(s["lowest_score"]),
        "score_threshold": float(s["score_threshold"]),
        "iou_threshold": float(s["iou_threshold"]),
    }


def _segment(meaning: Meaning, shapes: Mapping[str, Shape]) -> Fields:
    (role,) = shapes
    threshold, shape = meaning.settings.get("threshold"), shapes[role]
    form = "ids" if role == "ids" else "scores" if threshold is None else "threshold"
    classes = shape[1] if form == "scores" else 1
    height, width = shape[-2:]
    return {"form": form, "classes": classes, "height": height, "width": width, "threshold": float(threshold or 0)}


def _keypoints(meaning: Meaning, shapes: Mapping[str, Shape]) -> Fields:
    """`rows` and `columns`: of a heatmap, bins of y and x, of boxes, or of the list of points."""
    s, (role, *_) = meaning.settings, shapes
    shape = shapes[role]
    count, rows, columns = {
        "heatmaps": lambda: shape[1:4],
        "x": lambda: (shape[1], shapes["y"][2], shape[2]),
        "detections": lambda: ((shape[1] - 5) // 3, shape[1], shape[2]),
        "points": lambda: (shape[1], shape[1], shape[2]) if len(shape) == 3 else (shape[1] // 2, shape[1] // 2, 2),
    }[role]()
    form = {"heatmaps": "heatmaps", "x": "bins", "detections": "boxes", "points": "points"}[role]
    return {
        **{"form": form, "count": count, "rows": rows, "columns": columns},
        **{"share": s.get("unit") == "share", "score_threshold": float(s["score_threshold"])},
    }


def _embed(meaning: Meaning, shapes: Mapping[str, Shape]) -> Fields:
    return {"size": math.prod(shapes["vector"])}


def _text(meaning: Meaning, shapes: Mapping[str, Shape]) -> Fields:
    *_, classes = shapes["scores"]
    steps = math.prod(shapes["scores"]) // classes
    return {"steps": steps, "classes": classes, "blank": 0 if meaning.settings["blank"] == "first" else classes - 1}


FIELDS: Mapping[str, Callable[[Meaning, Mapping[str, Shape]], Fields]] = {
    DETECT: _detect,
    SEGMENT: _segment,
    KEYPOINTS: _keypoints,
    EMBED: _embed,
    TEXT: _text,
}
_PIXELS, _SCORE = 0.01, 1e-5
COLUMNS = {
    CLASSIFY: (0.0, 1e-6),  # class, score
    DETECT: (_PIXELS, _PIXELS, _PIXELS, _PIXELS, _SCORE, 0.0),  # left, top, right, bottom, score, class
    SEGMENT: (0.0,),  # the class of a pixel
    KEYPOINTS: (_PIXELS, _PIXELS, _SCORE),  # x, y, score
    EMBED: (1e-6,),
    TEXT: (0.0,),  # the class of a character
}
