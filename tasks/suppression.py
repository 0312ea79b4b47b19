"""Non-maximum suppression that an artifact does itself: what its detector gives, and what comes out."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..artifacts.errors import UsageError
from ..runtime.session import Session, TensorSpec, Widens
from ..runtime.session_wrappers import SessionWrapper
from .boxes import MOST_BOXES, MOST_CANDIDATES
from .detect import NMS_HEAD, SUPPRESSED, find_boxes
from .registry import DETECT, get_task
from .task import Meaning

VALUES = "detection_values"  # of each box, what stands behind its classes: coefficients of masks, keypoints
SHARED = ("score_threshold", "iou_threshold", "lowest_score")  # settings that the boxes keep


@dataclass(frozen=True, kw_only=True)
class Suppression:
    """What is put behind a detector whose boxes are still to be suppressed.

    Attributes:
        meaning: of the detector's own outputs.
        max_detections: boxes that come out, the highest scores first; rows behind the last have score 0 and class -1.
    """

    meaning: Meaning
    max_detections: int

    def to_meaning(self) -> Meaning:
        """What the outputs behind it mean."""
        task = get_task(DETECT)
        head = next(each for each in task.heads if each.name == NMS_HEAD)
        settings = {**head.settings, **{name: self.meaning.settings[name] for name in SHARED}}
        return Meaning(
            task=task,
            head=head,
            outputs=SUPPRESSED,
            settings=settings | {"max_detections": self.max_detections},
            size=self.meaning.size,
            labels=self.meaning.labels,
            told_by=self.meaning.told_by,
        )

    def rows(self, candidates: int) -> int:
        """How many rows come out where the detector gives so many boxes."""
        return min(self.max_detections, candidates, MOST_CANDIDATES)


def check_suppression(meaning: Meaning, max_detections: int, model: str) -> Suppression:
    """The suppression behind a model's outputs.

    Raises UsageError where they are no boxes that are still to be suppressed, or too many are asked for.
    """
    if not 1 <= max_detections <= MOST_BOXES:
        raise UsageError(f"--nms {max_detections}: from 1 to {MOST_BOXES} boxes can come out")
    if meaning.task.name != DETECT:
        raise UsageError(
            f"--nms is for detectors; {model} is for {meaning.task.name}, as {meaning.told_by} says: --task detect "
            "says that its outputs are boxes"
        )
    if not meaning.settings["nms"] or not meaning.head.batched:
        raise UsageError(f"--nms: the boxes of {model} ({meaning.head.name}) need none; leave it out")
    return Suppression(meaning=meaning, max_detections=max_detections)


def count_candidates(meaning: Meaning, shapes: Mapping[str, tuple[int | None, ...]]) -> int:
    """How many boxes the detector gives, by the shapes of its outputs."""
    name = meaning.outputs.get("detections")
    if name is None:
        return shapes[meaning.outputs["boxes"]][1] or 0
    return shapes[name][2 if meaning.settings["layout"] == "columns" else 1] or 0


class SuppressedSession(SessionWrapper):
    """A detector with non-maximum suppression behind it, as `export --nms` puts it; of images one by one."""

    def __init__(self, session: Session, suppression: Suppression):
        super().__init__(session)
        self._suppression, self._meaning = suppression, suppression.meaning
        own = self._meaning.outputs.values()
        self._others = [spec for spec in session.outputs if spec.name not in own]
        shapes_of = {spec.name: spec.shape for spec in session.outputs}
        self._rows = suppression.rows(count_candidates(self._meaning, shapes_of))
        self._values = int(self._meaning.settings["ignored"]) if "detections" in self._meaning.outputs else 0
        rows = self._rows
        shapes = {"boxes": (1, rows, 4), "scores": (1, rows), "classes": (1, rows), "count": (1,)}
        types = {"classes": "int64", "count": "int64"}
        made = [TensorSpec(name, shapes[role], types.get(role, "float32")) for role, name in SUPPRESSED.items()]
        if self._values:
            made.append(TensorSpec(VALUES, (1, rows, self._values), "float32"))
        self.outputs = (*self._others, *made)
        if isinstance(session, Widens):
            self.double = lambda: SuppressedSession(session.double(), suppression)

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        given = self.bare.run(feeds)
        arrays = {role: given[name][0] for role, name in self._meaning.outputs.items()}
        found, places = find_boxes(self._meaning, arrays)
        count = min(len(found), self._rows)
        boxes, scores = np.zeros((1, self._rows, 4), np.float32), np.zeros((1, self._rows), np.float32)
        classes = np.full((1, self._rows), -1, np.int64)
        boxes[0, :count], scores[0, :count] = found.corners[:count], found.scores[:count]
        classes[0, :count] = found.classes[:count]
        made = {"boxes": boxes, "scores": scores, "classes": classes, "count": np.array([count], np.int64)}
        outputs = {spec.name: given[spec.name] for spec in self._others}
        outputs |= {name: made[role] for role, name in SUPPRESSED.items()}
        if self._values:
            rows = arrays["detections"].T if self._meaning.settings["layout"] == "columns" else arrays["detections"]
            values = np.zeros((1, self._rows, self._values), np.float32)
            values[0, :count] = rows[places[:count], rows.shape[1] - self._values :]
            outputs[VALUES] = values
        return outputs
