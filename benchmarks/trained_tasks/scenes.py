"""Compose pictures of which all is known: objects drawn on crops of real photographs.

A scene has a few solid shapes, with their boxes and a map of classes; a figure has seven joints. Backgrounds, and the
pieces of photographs that some objects are filled with, are of other photographs in each split.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from benchmarks.trained.photographs import photograph

SHAPES = ("disc", "ring", "box", "triangle", "star", "cross")
JOINTS = ("head", "neck", "hip", "left hand", "right hand", "left foot", "right foot")
SIDE = 160  # pixels of a scene
FIGURE_SIDE = 96  # pixels of a picture with a figure
PIECE_SIDE = 224  # pixels of a mere piece of a photograph
FINE = 2  # drawn so much larger, then reduced: smooth edges
SIZES = (20, 84)  # pixels of an object's box, from and to
MOST_OBJECTS = 5
MOST_OVERLAP = 0.25  # of a new object's box with one that is there
LEARNT = ("astronaut", "brick", "camera", "china", "coins", "grass", "hubble_deep_field", "motorcycle_left", "page")
BACKGROUNDS = {
    "train": LEARNT,
    "calibration": LEARNT[:-1],
    "test": ("chelsea", "coffee", "flower", "gravel", "rocket", "retina"),
}
SEEDS = {"train": 0, "calibration": 1, "test": 2}


@dataclass(frozen=True)
class Scene:
    """A picture with shapes.

    Attributes:
        pixels: uint8 (h, w, 3).
        boxes: float32 (n, 4), the corners left, top, right, bottom in pixels; objects that are mostly hidden have none.
        classes: int64 (n,), places in SHAPES.
        labels: uint8 (h, w), 0 for the background, else 1 + the class.
    """

    pixels: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray
    labels: np.ndarray


def scenes(split: str, count: int) -> Iterator[Scene]:
    """The same ones at every call."""
    rng = np.random.default_rng([SEEDS[split], 0])
    for _ in range(count):
        yield scene(BACKGROUNDS[split], rng)


def scene(names: tuple[str, ...], rng: np.random.Generator) -> Scene:
    """One, on a piece of one of these photographs."""
    canvas, labels = background(names, SIDE, rng), np.zeros((SIDE, SIDE), np.uint8)
    owner, boxes, classes = np.zeros((SIDE, SIDE), np.uint8), [], []
    for _ in range(int(rng.integers(1, MOST_OBJECTS + 1))):
        width, height = (int(size) for size in rng.integers(SIZES[0], SIZES[1] + 1) * rng.uniform(0.8, 1.25, 2))
        left, top = (int(rng.integers(0, max(SIDE - size, 1))) for size in (width, height))
        box = (left, top, min(left + width, SIDE), min(top + height, SIDE))
        if any(overlap(box, other) > MOST_OVERLAP for other in boxes):
            continue
        kind = int(rng.integers(len(SHAPES)))
        mask = Image.new("L", (SIDE * FINE, SIDE * FINE))
        draw_shape(
            ImageDraw.Draw(mask), SHAPES[kind], tuple(FINE * edge for edge in box), float(rng.uniform(-0.4, 0.4))
        )
        mask = mask.reduce(FINE)
        canvas.paste(filling(names, SIDE, rng), mask=mask)
        inside = np.asarray(mask) > 127
        labels[inside], owner[inside] = kind + 1, len(boxes) + 1
        boxes.append(box)
        classes.append(kind)
    seen = [(extent(owner == i + 1), kind) for i, kind in enumerate(classes)]
    kept = [(box, kind) for box, kind in seen if box is not None]
    return Scene(
        pixels=finish(canvas, rng),
        boxes=np.array([box for box, _ in kept], np.float32).reshape(-1, 4),
        classes=np.array([kind for _, kind in kept], np.int64),
        labels=labels,
    )


def figures(split: str, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(uint8 (96, 96, 3), float32 (7, 2) x and y of JOINTS in pixels), the same ones at every call."""
    rng = np.random.default_rng([SEEDS[split], 1])
    for _ in range(count):
        canvas = background(BACKGROUNDS[split], FIGURE_SIDE, rng)
        joints = pose(rng)
        mask = Image.new("L", (FIGURE_SIDE * FINE, FIGURE_SIDE * FINE))
        draw_figure(ImageDraw.Draw(mask), joints * FINE, FINE * float(rng.uniform(3.5, 6)))
        canvas.paste(filling(BACKGROUNDS[split], FIGURE_SIDE, rng), mask=mask.reduce(FINE))
        yield finish(canvas, rng), joints.astype(np.float32)


def pieces(split: str, count: int) -> Iterator[tuple[np.ndarray, None]]:
    """(uint8 (224, 224, 3), nothing that is known of it), the same ones at every call."""
    rng = np.random.default_rng([SEEDS[split], 2])
    for _ in range(count):
        yield finish(background(BACKGROUNDS[split], PIECE_SIDE, rng), rng), None


def pictures(task: str, split: str, count: int) -> Iterator[tuple[np.ndarray, Any]]:
    """(uint8 (h, w, 3), what is true of it) of a task."""
    if task == "embed":
        yield from pieces(split, count)
    elif task == "keypoints":
        yield from figures(split, count)
    else:
        yield from ((each.pixels, each) for each in scenes(split, count))


def background(names: tuple[str, ...], side: int, rng: np.random.Generator) -> Image.Image:
    """A square piece of a photograph, of any size, turned, mirrored and in other colours: there are few photographs."""
    picture = photograph(names[rng.integers(len(names))])
    shown = int(min(picture.size) * rng.uniform(0.2, 1))
    left, top = (int(rng.integers(0, size - shown + 1)) for size in picture.size)
    piece = picture.resize((side, side), Image.Resampling.BICUBIC, (left, top, left + shown, top + shown))
    pixels = np.rot90(np.asarray(piece, np.float32), rng.integers(4))
    pixels = pixels[:, ::-1] if rng.random() < 0.5 else pixels
    pixels = pixels[..., rng.permutation(3)] * rng.uniform(0.6, 1.3, 3)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def filling(names: tuple[str, ...], side: int, rng: np.random.Generator) -> Image.Image:
    """What an object is made of: a colour that changes over it, or a photograph in that colour."""
    first, last = rng.integers(0, 256, (2, 3))
    ramp = np.linspace(0, 1, side)[:, None] if rng.random() < 0.5 else np.linspace(0, 1, side)[None]
    colours = first + (last - first) * 0.4 * np.broadcast_to(ramp, (side, side))[..., None]
    if rng.random() < 0.3:
        colours = 0.65 * colours + 0.35 * np.asarray(background(names, side, rng), np.float32)
    return Image.fromarray(np.clip(colours, 0, 255).astype(np.uint8))


def finish(canvas: Image.Image, rng: np.random.Generator) -> np.ndarray:
    """As a camera takes it: a little blur, noise, another exposure."""
    if rng.random() < 0.3:
        canvas = canvas.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1))))
    pixels = np.asarray(canvas, np.float32) * rng.uniform(0.75, 1.2)
    return np.clip(pixels + rng.normal(0, rng.uniform(0, 6), pixels.shape), 0, 255).astype(np.uint8)


def draw_shape(draw: ImageDraw.ImageDraw, shape: str, box: tuple[int, ...], turn: float) -> None:
    """Paints it white within the box (left, top, right, bottom), polygons turned by so many radians."""
    left, top, right, bottom = box
    if shape in ("disc", "ring"):
        draw.ellipse(box, fill=255)
        if shape == "ring":
            inset = ((right - left) * 0.27, (bottom - top) * 0.27)
            draw.ellipse((left + inset[0], top + inset[1], right - inset[0], bottom - inset[1]), fill=0)
        return
    corners = np.array(OUTLINES[shape], np.float64) @ np.array(
        [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]
    )
    corners = (corners - corners.min(0)) / np.ptp(corners, axis=0) * (right - left, bottom - top) + (left, top)
    draw.polygon([tuple(corner) for corner in corners], fill=255)


def _star() -> list[tuple[float, float]]:
    turns = np.arange(10) * np.pi / 5
    reach = np.where(np.arange(10) % 2 == 0, 1.0, 0.42)
    return [(float(x), float(y)) for x, y in zip(reach * np.sin(turns), -reach * np.cos(turns), strict=True)]


OUTLINES = {
    "box": [(-1, -1), (1, -1), (1, 1), (-1, 1)],
    "triangle": [(0, -1), (1, 0.8), (-1, 0.8)],
    "star": _star(),
    "cross": [
        *((-0.3, -1), (0.3, -1), (0.3, -0.3), (1, -0.3), (1, 0.3), (0.3, 0.3)),
        *((0.3, 1), (-0.3, 1), (-0.3, 0.3), (-1, 0.3), (-1, -0.3), (-0.3, -0.3)),
    ],
}


def pose(rng: np.random.Generator) -> np.ndarray:
    """(7, 2) x and y of the joints in a picture of FIGURE_SIDE; left is the left of the picture."""
    lean = rng.uniform(-0.35, 0.35)
    limbs = {  # from which joint, how long, in which direction: 0 is down, positive to the right
        "neck": ("head", 0.22, lean),
        "hip": ("neck", 0.32, lean),
        "left hand": ("neck", 0.34, -rng.uniform(0.4, 2.6)),
        "right hand": ("neck", 0.34, rng.uniform(0.4, 2.6)),
        "left foot": ("hip", 0.4, lean - rng.uniform(0.15, 1.1)),
        "right foot": ("hip", 0.4, lean + rng.uniform(0.15, 1.1)),
    }
    places = {"head": np.zeros(2)}
    for joint, (start, length, angle) in limbs.items():
        places[joint] = places[start] + length * np.array([np.sin(angle), np.cos(angle)])
    joints = np.stack([places[joint] for joint in JOINTS])
    joints *= FIGURE_SIDE * rng.uniform(0.55, 0.85) / np.ptp(joints, axis=0).max()
    room = FIGURE_SIDE - 16 - np.ptp(joints, axis=0)
    return joints - joints.min(0) + 8 + rng.uniform(0, 1, 2) * room


def draw_figure(draw: ImageDraw.ImageDraw, joints: np.ndarray, width: float) -> None:
    """Paints it white, its limbs of that width in pixels."""
    at = {joint: tuple(place) for joint, place in zip(JOINTS, joints, strict=True)}
    for start, end in (("head", "neck"), ("neck", "hip"), ("neck", "left hand"), ("neck", "right hand")):
        draw.line((*at[start], *at[end]), fill=255, width=round(width))
    for side in ("left", "right"):
        draw.line((*at["hip"], *at[f"{side} foot"]), fill=255, width=round(width))
    for joint, radius in (("head", 1.5 * width), *((joint, 0.6 * width) for joint in JOINTS[1:])):
        x, y = at[joint]
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)


def overlap(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """Intersection over union of two boxes."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / ((one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1]) - both)


def extent(mask: np.ndarray) -> tuple[int, int, int, int] | None:
    """The box of what is seen of an object; None where that is next to nothing."""
    if np.count_nonzero(mask) < 60:
        return None
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
