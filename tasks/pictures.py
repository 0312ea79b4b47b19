"""Draws answers on images, and images side by side."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIDE = 320  # pixels of a picture's longer side, about
GAP, LINE = 8, 16  # pixels between pictures, and of a line of text
FONT = 12
# Colours that are told apart, also by the colour-blind: Okabe and Ito (2008), then Tol's muted ones (2021).
COLORS = (
    *((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167)),
    *((51, 34, 136), (136, 204, 238), (17, 119, 51), (153, 153, 51), (221, 204, 119), (204, 102, 119), (136, 34, 85)),
)
# From the least to the largest number: dark blue, green, yellow, as "viridis" has them.
SCALE = np.array([(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)], np.float64)


def color(index: int) -> tuple[int, int, int]:
    """The colour of a class."""
    return COLORS[index % len(COLORS)]


def to_image(pixels: np.ndarray) -> Image.Image:
    """(h, w, 1 or 3) from 0 to 255 -> an image in colours."""
    whole = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return Image.fromarray(np.repeat(whole, 3, 2) if whole.shape[2] == 1 else whole)


def draw_boxes(image: Image.Image, corners: np.ndarray, classes: np.ndarray, words: Sequence[str]) -> Image.Image:
    """The image with boxes (left, top, right, bottom in its pixels) and what is said of each; the first on top. Of a
    box that is larger than the image, the part that is in it."""
    image, factor = enlarge(image)
    canvas = ImageDraw.Draw(image)
    most = np.tile(np.array(image.size) - 1.0, 2)
    for box, each, said in reversed(list(zip(corners * factor, classes, words, strict=True))):
        left, top, right, bottom = np.clip(box, 0, most).tolist()
        if not (left < right and top < bottom):
            continue
        canvas.rectangle((left, top, right, bottom), outline=color(int(each)), width=2)
        _label(canvas, (left, max(top - LINE, 0)), said, color(int(each)), image.width)
    return image


def draw_classes(image: Image.Image, classes: np.ndarray, strength: float = 0.6) -> Image.Image:
    """The image under the colours of (h, w) classes; class 0, mostly the background, is left clear."""
    image, _ = enlarge(image)
    palette = np.array([color(int(each) - 1) for each in range(int(classes.max()) + 1)], np.uint8)
    colors = Image.fromarray(palette[classes]).resize(image.size, Image.Resampling.NEAREST)
    mask = Image.fromarray(((classes > 0) * round(255 * strength)).astype(np.uint8))
    return Image.composite(colors, image, mask.resize(image.size, Image.Resampling.NEAREST))


def draw_points(image: Image.Image, points: np.ndarray) -> Image.Image:
    """The image with a dot at each (x, y) in its pixels."""
    image, factor = enlarge(image)
    canvas = ImageDraw.Draw(image)
    for index, (x, y) in enumerate(points * factor):
        canvas.ellipse((x - 4, y - 4, x + 4, y + 4), fill=color(index), outline="white")
    return image


def draw_numbers(image: Image.Image, numbers: np.ndarray) -> Image.Image:
    """(h, w) numbers as colours, from the least to the largest, as large as the image is shown."""
    low, high = float(numbers.min()), float(numbers.max())
    at = (numbers - low) / ((high - low) or 1.0) * (len(SCALE) - 1)
    below = np.clip(at.astype(int), 0, len(SCALE) - 2)
    share = (at - below)[..., None]
    colors = SCALE[below] * (1 - share) + SCALE[below + 1] * share
    return to_image(colors).resize(enlarge(image)[0].size, Image.Resampling.BILINEAR)


def caption(image: Image.Image, lines: Sequence[str]) -> Image.Image:
    """The image with lines of text below it."""
    image, _ = enlarge(image)
    font = ImageFont.load_default(FONT)
    width = max(image.width, *(round(font.getlength(line)) + GAP for line in lines)) if lines else image.width
    taller = Image.new("RGB", (width, image.height + LINE * len(lines)), "white")
    taller.paste(image)
    for number, line in enumerate(lines):
        ImageDraw.Draw(taller).text((2, image.height + LINE * number), line, fill="black", font=font)
    return taller


def enlarge(image: Image.Image) -> tuple[Image.Image, float]:
    """(the image with a longer side of about SIDE pixels, by how much it has grown)."""
    factor = SIDE / max(image.size)
    size = [max(round(side * factor), 1) for side in image.size]
    way = Image.Resampling.LANCZOS if factor < 1 else Image.Resampling.BICUBIC
    return image.convert("RGB").resize((size[0], size[1]), way), factor


def side_by_side(rows: Sequence[Sequence[Image.Image]], heads: Sequence[str]) -> Image.Image:
    """Rows of pictures under the heads of their columns, on white."""
    shown = [[each if SIDE <= max(each.size) <= 2 * SIDE else enlarge(each)[0] for each in row] for row in rows]
    widths = [max(row[column].width for row in shown) for column in range(len(heads))]
    heights = [max(each.height for each in row) for row in shown]
    size = sum(widths) + GAP * (len(heads) + 1), sum(heights) + GAP * (len(rows) + 1) + LINE
    canvas, font = Image.new("RGB", size, "white"), ImageFont.load_default(FONT)
    left = GAP
    for column, (head, width) in enumerate(zip(heads, widths, strict=True)):
        ImageDraw.Draw(canvas).text((left, 4), head, fill="black", font=font)
        top = LINE + GAP
        for row, height in zip(shown, heights, strict=True):
            canvas.paste(row[column], (left, top))
            top += height + GAP
        left += width + GAP
    return canvas


def _label(
    canvas: ImageDraw.ImageDraw, at: tuple[float, float], words: str, back: tuple[int, int, int], width: int
) -> None:
    """Words from there on, or further to the left where the image ends, which is so wide."""
    font = ImageFont.load_default(FONT)
    at = (max(min(at[0], width - 3 - canvas.textlength(words, font=font)), 2), at[1])
    left, top, right, bottom = canvas.textbbox(at, words, font=font)
    canvas.rectangle((left - 2, top - 1, right + 2, bottom + 1), fill=back)
    dark = sum(back) < 380
    canvas.text(at, words, fill="white" if dark else "black", font=font)
