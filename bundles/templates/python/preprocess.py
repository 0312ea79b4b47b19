"""Resize, crop and normalise an image exactly as the model was checked with. Needs numpy alone.

The resampling is Pillow's, to the bit: two passes, each in 22-bit fixed point with 8-bit results.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

BITS = 22  # of a coefficient's fraction


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes the input.

    Attributes:
        channels: 3 for RGB, 1 for luminance.
        height, width: of the input.
        cover_height, cover_width: what the resized image just covers, before the crop.
        interpolation: a key of FILTERS, or "nearest".
        mean, std: per channel, of pixels scaled to 0..1.
        normalises: False where the model takes pixels, uint8, and normalises them itself.
        layout: "nhwc" or "nchw".
    """

    channels: int
    height: int
    width: int
    cover_height: int
    cover_width: int
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    normalises: bool
    layout: str

    def pixels(self, image: np.ndarray) -> np.ndarray:
        """(h, w, 3) RGB, upright, uint8 -> (height, width, channels), uint8: resized, and cropped in the centre."""
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise ValueError(f"an image is uint8 of shape (h, w, 3), not {image.dtype} of {image.shape}")
        if self.channels == 1:
            image = luminance(image)
        height, width = covering(image.shape[0], image.shape[1], self.cover_height, self.cover_width)
        return crop(resize(image, height, width, self.interpolation), self.height, self.width)

    def tensor(self, pixels: np.ndarray) -> np.ndarray:
        """What the model takes: uint8 or float32, (1, h, w, c) or (1, c, h, w)."""
        if self.normalises:
            mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
            pixels = (pixels.astype(np.float32) / np.float32(255) - mean) / std
        if self.layout == "nchw":
            pixels = pixels.transpose(2, 0, 1)
        return np.ascontiguousarray(pixels[None])


def upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """(h, w, c), turned and mirrored as EXIF's orientation says: 2 to 8; any other means that it is upright."""
    if 5 <= orientation <= 8:
        image = image.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return image


def luminance(image: np.ndarray) -> np.ndarray:
    """(h, w, 3) -> (h, w, 1): Rec. 601 in 16-bit fixed point."""
    red, green, blue = (image[..., channel : channel + 1].astype(np.uint32) for channel in range(3))
    return ((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16).astype(np.uint8)


def covering(height: int, width: int, cover_height: int, cover_width: int) -> tuple[int, int]:
    """(height, width) of the image, scaled with its ratio so that it just covers the other size."""
    if cover_width * height >= cover_height * width:  # the width is what limits
        return cover_width * height // width, cover_width
    return cover_height, cover_height * width // height


def resize(image: np.ndarray, height: int, width: int, interpolation: str) -> np.ndarray:
    """(h, w, c) -> (height, width, c), uint8."""
    if interpolation == "nearest":
        return image[nearest(image.shape[0], height)][:, nearest(image.shape[1], width)]
    support, weight = FILTERS[interpolation]
    if width != image.shape[1]:
        image = resampled(image.transpose(1, 0, 2), width, support, weight).transpose(1, 0, 2)
    if height != image.shape[0]:
        image = resampled(image, height, support, weight)
    return image


def resampled(image: np.ndarray, size: int, support: float, weight: Callable[[float], float]) -> np.ndarray:
    """The first axis brought to `size`: one pass."""
    result = np.empty((size, *image.shape[1:]), np.uint8)
    for i, (first, row) in enumerate(coefficients(image.shape[0], size, support, weight)):
        total = np.tensordot(row, image[first : first + len(row)].astype(np.int64), 1) + (1 << (BITS - 1))
        result[i] = np.clip(total >> BITS, 0, 255)
    return result


def coefficients(size: int, to: int, support: float, weight: Callable[[float], float]) -> list[tuple[int, np.ndarray]]:
    """For each of `to` results the first of the `size` pixels that it reads, and their weights in units of 2**-BITS."""
    scale = size / to
    stretch = max(scale, 1.0)  # downwards the filter widens: antialiasing
    reach, shrink = support * stretch, 1.0 / stretch
    rows = []
    for i in range(to):
        centre = (i + 0.5) * scale
        first = max(int(centre - reach + 0.5), 0)
        last = min(int(centre + reach + 0.5), size)
        row = [weight((x + first - centre + 0.5) * shrink) for x in range(last - first)]
        total = 0.0
        for number in row:
            total += number
        if total != 0:
            row = [number / total for number in row]
        whole = [int(number * (1 << BITS) + (-0.5 if number < 0 else 0.5)) for number in row]
        rows.append((first, np.array(whole, np.int64)))
    return rows


def triangle(x: float) -> float:
    return max(1.0 - abs(x), 0.0)


def cubic(x: float) -> float:
    """Keys' kernel with a = -0.5."""
    a, x = -0.5, abs(x)
    if x < 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * a if x < 2 else 0.0


def lanczos(x: float) -> float:
    return sinc(x) * sinc(x / 3) if -3 <= x < 3 else 0.0


def sinc(x: float) -> float:
    return math.sin(x * math.pi) / (x * math.pi) if x else 1.0


FILTERS = {"bilinear": (1.0, triangle), "bicubic": (2.0, cubic), "lanczos": (3.0, lanczos)}  # name: (support, weight)


def nearest(size: int, to: int) -> list[int]:
    """The pixel that each of `to` results takes; positions add up in float64, as Pillow does it."""
    step = size / to
    position, found = step * 0.5, []
    for _ in range(to):
        found.append(min(int(position), size - 1))
        position += step
    return found


def crop(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The centre; black where the image is smaller. An odd difference is halved to the even number."""
    top, left = round((image.shape[0] - height) / 2), round((image.shape[1] - width) / 2)
    result = np.zeros((height, width, image.shape[2]), np.uint8)
    part = image[max(top, 0) : top + height, max(left, 0) : left + width]
    result[max(-top, 0) :, max(-left, 0) :][: part.shape[0], : part.shape[1]] = part
    return result


def top(scores: np.ndarray, count: int) -> list[tuple[int, float]]:
    """(class, score) of the highest, best first; of equal ones the lower class."""
    return [(int(i), float(scores[i])) for i in np.argsort(-scores, kind="stable")[:count]]
