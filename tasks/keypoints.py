"""Keypoints: places in the image, such as joints or the landmarks of a face."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .agreement import FigureSpec
from .pictures import draw_points
from .task import Arrays, Head, Meaning, Port, Roles, Size, Task, limits, only

# score_threshold: the keypoints of the float model that count. pck: a keypoint is right within so much of the longer
# side of the input.
SETTINGS = {"score_threshold": 0.0, "pck": 0.05}


def _match_heatmaps(ports: Sequence[Port], size: Size) -> Roles | None:
    return only(ports, "heatmaps", lambda s: len(s) == 4 and None not in s[1:] and min(s[2:]) >= 4)  # pyright: ignore


def _match_simcc(ports: Sequence[Port], size: Size) -> Roles | None:
    if len(ports) != 2 or any(len(port.shape) != 3 for port in ports) or ports[0].shape[1] != ports[1].shape[1]:
        return None
    return {"x": ports[0].name, "y": ports[1].name}


def _match_points(ports: Sequence[Port], size: Size) -> Roles | None:
    return only(
        ports,
        "points",
        lambda s: (len(s) == 3 and s[2] in (2, 3)) or (len(s) == 2 and s[1] is not None and s[1] % 2 == 0),
    )


def _match_pose(ports: Sequence[Port], size: Size) -> Roles | None:
    return only(ports, "detections", lambda s: len(s) == 3 and s[1] is not None and s[1] > 5 and (s[1] - 5) % 3 == 0)


def decode(meaning: Meaning, outputs: Arrays) -> np.ndarray:
    """(k, 3) x and y in pixels of the input, and the score of each keypoint."""
    (role, *_), (height, width) = outputs, meaning.size or (1, 1)
    return READERS[role](outputs, width, height, meaning.settings)


def _of_heatmaps(outputs: Arrays, width: int, height: int, settings: Mapping[str, Any]) -> np.ndarray:
    """(k, h, w): the middle of the highest cell, a quarter of one towards its higher neighbour."""
    maps = outputs["heatmaps"]
    count, rows, columns = maps.shape
    y, x = np.divmod(maps.reshape(count, -1).argmax(1), columns)
    padded, k = np.pad(maps, ((0, 0), (1, 1), (1, 1)), mode="edge"), np.arange(count)
    right = np.sign(padded[k, y + 1, x + 2] - padded[k, y + 1, x])
    below = np.sign(padded[k, y + 2, x + 1] - padded[k, y, x + 1])
    scores = maps.reshape(count, -1).max(1)
    return np.stack([(x + 0.5 + right / 4) * width / columns, (y + 0.5 + below / 4) * height / rows, scores], 1)


def _of_bins(outputs: Arrays, width: int, height: int, settings: Mapping[str, Any]) -> np.ndarray:
    """(k, bins) for x and for y: the highest bin."""
    x, y = outputs["x"], outputs["y"]
    at = x.argmax(1) * width / x.shape[1], y.argmax(1) * height / y.shape[1]
    return np.stack([*at, np.minimum(x.max(1), y.max(1))], 1)


def _of_boxes(outputs: Arrays, width: int, height: int, settings: Mapping[str, Any]) -> np.ndarray:
    """(5 + 3 k, boxes): those of the box with the highest score."""
    rows = outputs["detections"].T
    return rows[rows[:, 4].argmax(), 5:].reshape(-1, 3)


def _of_points(outputs: Arrays, width: int, height: int, settings: Mapping[str, Any]) -> np.ndarray:
    """(k, 2), (k, 3) or (2 k,): the coordinates; each counts where no scores are given."""
    points = outputs["points"]
    points = points.reshape(-1, 2) if points.ndim == 1 else points
    scores = points[:, 2] if points.shape[1] == 3 else np.ones(len(points))
    unit = (width, height) if settings["unit"] == "share" else (1, 1)
    return np.concatenate([points[:, :2] * unit, scores[:, None]], 1)


READERS = {"heatmaps": _of_heatmaps, "x": _of_bins, "detections": _of_boxes, "points": _of_points}


def compare(meaning: Meaning, ref: np.ndarray, cand: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """((k,) distances in pixels of the keypoints that count, (k,) whether each is right)."""
    counts = ref[:, 2] >= meaning.settings["score_threshold"]
    apart = np.hypot(*(ref - cand)[counts, :2].T)
    return apart, apart <= meaning.settings["pck"] * max(meaning.size or (1,))


def reduce(records: Sequence[tuple[np.ndarray, np.ndarray]]) -> Mapping[str, float]:
    """The share of right keypoints, and the mean distance."""
    apart = np.concatenate([each for each, _ in records])
    right = np.concatenate([each for _, each in records])
    return {"pck": float(right.mean()), "pixel_error": float(apart.mean())} if len(apart) else {}


def draw(meaning: Meaning, image: Any, answer: np.ndarray) -> Any:
    """A dot for each keypoint that counts."""
    return draw_points(image, answer[answer[:, 2] >= meaning.settings["score_threshold"], :2])


TASK = Task(
    name="keypoints",
    position=3,
    about="places in the image",
    heads=(
        Head(
            name="heatmaps",
            about="(1, keypoints, h, w): HRNet, SimpleBaseline",
            settings=SETTINGS,
            match=_match_heatmaps,
        ),
        Head(
            name="pose",
            about="(1, 5 + 3 keypoints, boxes), decoded; those of the best box: YOLOv8-pose, YOLO11-pose",
            settings=SETTINGS | {"score_threshold": 0.5},
            match=_match_pose,
        ),
        Head(
            name="simcc",
            about="x (1, keypoints, bins) and y (1, keypoints, bins): RTMPose",
            settings=SETTINGS,
            match=_match_simcc,
        ),
        Head(
            name="points",
            about="(1, keypoints, 2 or 3) or (1, 2 keypoints): coordinates",
            settings=SETTINGS | {"unit": "pixels"},
            match=_match_points,
        ),
    ),
    figures=(
        FigureSpec("pck", "PCK with float", form=".1%"),
        FigureSpec("pixel_error", "mean error in pixels", -1, ".2f"),
    ),
    decode=decode,
    compare=compare,
    reduce=reduce,
    must=limits(fp32={"pck": 0.99}, fp16={"pck": 0.95}, rounded={"pck": 0.5}),
    should=limits(fp32={}, fp16={}, rounded={"pck": 0.9}),
    budgets={"min_pck": "pck"},
    unknown="the float model is sure of no keypoint in these inputs",
    words={"unit": ("pixels", "share")},
    draw=draw,
)
