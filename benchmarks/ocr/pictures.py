"""Render text on real photographs: lines for a recogniser, and pages for a detector.

What calibrates and what tests has nothing in common but the photographs: other fonts, other words, another seed. Fonts
are those that Matplotlib and Pillow bring along, words are the names of ImageNet's classes, beside numbers, prices,
dates, times and codes. Pixels are BGR, as PP-OCR's networks were trained.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from edgeport.models import imagenet_classes
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from benchmarks.trained.photographs import NAMES, photograph

LINE, ANGLE, PAGE = (3, 48, 320), (3, 48, 192), (3, 480, 640)  # what the networks take
PILLOW = "Pillow's own"
FONTS = {
    "calibration": (
        *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"),
        *("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "cmr10"),
    ),
    "test": (
        *("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSansMono", "DejaVuSansMono-Bold"),
        *("cmss10", "cmtt10", PILLOW),
    ),
}
PHOTOGRAPHS = tuple(name for name in NAMES if name not in ("page", "text"))  # these two show text themselves
CODE = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789"
LONGEST = 22  # characters of a line, which is as wide as the recogniser's input then
SUPERSAMPLED = 2  # text is drawn so many times as large


@dataclass(frozen=True)
class Line:
    """A picture of one line, and what stands there."""

    pixels: np.ndarray  # uint8 (height, width, 3)
    text: str


def lines(split: str, count: int) -> Iterator[Line]:
    """The same ones at every call; the first ones of more are those of fewer."""
    random = seeded(split, 0)
    for _ in range(count):
        yield draw_line(sentence(split, random), split, random)


def pages(split: str, count: int) -> Iterator[np.ndarray]:
    """Photographs with lines of several sizes, turned a little: uint8, of PAGE's size."""
    random = seeded(split, 1)
    _, height, width = PAGE
    for _ in range(count):
        page, top = background((width, height), random), int(random.integers(8, 40))
        while True:
            text = lettering(sentence(split, random), split, int(random.integers(14, 44)), random)
            text = text.rotate(random.uniform(-4, 4), Image.Resampling.BICUBIC, expand=True)
            if top + text.height > height:
                break
            left = int(random.integers(0, max(width - text.width, 1)))
            page.paste(ink(page.crop((left, top, left + text.width, top + text.height)), random), (left, top), text)
            top += text.height + int(random.integers(0, 40))
        yield disturb(page, random)


def seeded(split: str, kind: int) -> np.random.Generator:
    return np.random.default_rng([list(FONTS).index(split), kind])


def sentence(split: str, random: np.random.Generator) -> str:
    """A name, now and then with a number or more; of one number only rarely."""
    kinds: tuple[Callable[[], str], ...] = (
        lambda: str(int(random.integers(10 ** int(random.integers(1, 7))))),
        lambda: f"{random.choice(['$', ''])}{random.uniform(0, 500):.2f}",
        lambda: f"{2000 + random.integers(40)}-{random.integers(1, 13):02}-{random.integers(1, 29):02}",
        lambda: f"{random.integers(24):02}:{random.integers(60):02}",
        lambda: "".join(random.choice(list(CODE), int(random.integers(4, 9)))),
    )
    parts = [str(random.choice(words(split)))] if random.random() < 0.8 else []
    if not parts or random.random() < 0.3:
        parts.append(kinds[random.integers(len(kinds))]())
    change = (str, str.upper, str.title)[random.integers(3)]
    return change(" ".join(parts))[:LONGEST].strip()


@cache
def words(split: str) -> tuple[str, ...]:
    """Every second name of a class, without those that the other split has a part of, too."""
    names = [name for name in imagenet_classes() if name.isascii() and len(name) <= LONGEST]
    halves = {name: names[first::2] for first, name in enumerate(FONTS)}
    (other,) = (half for name, half in halves.items() if name != split)
    theirs = {part.lower() for name in other for part in name.split()} if split == "test" else set()
    return tuple(name for name in halves[split] if not theirs & set(name.lower().split()))


def draw_line(text: str, split: str, random: np.random.Generator) -> Line:
    """One line on a piece of a photograph, seen a little from the side."""
    letters = lettering(text, split, int(random.integers(20, 40)), random)
    letters = lean(letters, random)
    picture = background(letters.size, random)
    picture.paste(ink(picture, random), (0, 0), letters)
    return Line(np.asarray(disturb(picture, random)), text)


def lettering(text: str, split: str, size: int, random: np.random.Generator) -> Image.Image:
    """How much of each pixel is text, with a margin around it: grey."""
    letters = font(str(random.choice(FONTS[split])), size * SUPERSAMPLED)
    left, top, right, bottom = letters.getbbox(text)
    margins = random.integers(size // 8, size // 3 + 1, 4) * SUPERSAMPLED
    extent = (int(right - left + margins[0] + margins[1]), int(bottom - top + margins[2] + margins[3]))
    drawn = Image.new("L", extent)
    ImageDraw.Draw(drawn).text((margins[0] - left, margins[2] - top), text, 255, font=letters)
    return drawn.resize((extent[0] // SUPERSAMPLED, extent[1] // SUPERSAMPLED), Image.Resampling.BOX)


@cache
def font(name: str, size: int) -> ImageFont.FreeTypeFont:
    if name == PILLOW:
        letters = ImageFont.load_default(size)
        assert isinstance(letters, ImageFont.FreeTypeFont), "Pillow was built without FreeType"
        return letters
    import matplotlib

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf", size)


def lean(picture: Image.Image, random: np.random.Generator) -> Image.Image:
    """The picture with each corner moved a little, as one sees it that stands beside it."""
    width, height = picture.size
    corners = np.array([(0, 0), (0, height), (width, height), (width, 0)], float)
    moved = corners + random.uniform(-0.06, 0.06, (4, 2)) * height
    equations = [
        row
        for (x, y), (u, v) in zip(corners, moved, strict=True)
        for row in ([x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y])
    ]
    coefficients = np.linalg.solve(np.array(equations), moved.ravel())
    return picture.transform(picture.size, Image.Transform.PERSPECTIVE, tuple(coefficients), Image.Resampling.BICUBIC)


def background(size: tuple[int, int], random: np.random.Generator) -> Image.Image:
    """A piece of a photograph, at times much paler, as paper and signs are."""
    picture = photograph(str(random.choice(PHOTOGRAPHS)))
    zoom = max(size[0] / picture.width, size[1] / picture.height) * random.uniform(1, 1.5)
    picture = picture.resize((round(picture.width * zoom) + 1, round(picture.height * zoom) + 1))
    left, top = (int(random.integers(0, have - want + 1)) for have, want in zip(picture.size, size, strict=True))
    piece = picture.crop((left, top, left + size[0], top + size[1]))
    paper = tuple(int(level) for level in random.integers(0, 256, 3))
    return Image.blend(piece, Image.new("RGB", size, paper), random.uniform(0.3, 1))


def ink(behind: Image.Image, random: np.random.Generator) -> tuple[int, int, int]:
    """A colour that can be read there."""
    mean = np.asarray(behind, float).mean((0, 1))
    limits = (0, 70) if mean.mean() > 127 else (185, 256)
    red, green, blue = (int(level) for level in random.integers(*limits, 3))
    return red, green, blue


def disturb(picture: Image.Image, random: np.random.Generator) -> Image.Image:
    """A little out of focus, and noise."""
    blurred = np.asarray(picture.filter(ImageFilter.GaussianBlur(random.uniform(0, 0.8))), float)
    noise = random.standard_normal(blurred.shape) * random.uniform(0, 8)
    return Image.fromarray(np.clip(blurred + noise, 0, 255).astype(np.uint8))


def as_input(pixels: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """float32 (1, 3, height, width) in -1..1, BGR: as high as the network takes it, the rest of its width empty."""
    _, height, width = shape
    wide = min(width, max(1, round(pixels.shape[1] * height / pixels.shape[0])))
    resized = Image.fromarray(pixels).resize((wide, height), Image.Resampling.BILINEAR)
    array = np.zeros((1, *shape), np.float32)
    array[0, :, :, :wide] = np.asarray(resized, np.float32)[:, :, ::-1].transpose(2, 0, 1) / 127.5 - 1
    return array
