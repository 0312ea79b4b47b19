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
        channels: 3 for colours, 1 for luminance.
        height, width: of the input.
        cover_height, cover_width: what the resized image just covers, has, or fits into, as `resize` says.
        resize: "crop", "stretch" or "letterbox".
        pad_value: of a letterbox.
        interpolation: a key of FILTERS, or "nearest".
        bgr: the model takes blue, green, red; images and pixels are RGB.
        divisor: what pixels are divided by before the mean is subtracted.
        mean, std: per channel, in the model's order.
        normalises: False where the model takes pixels, uint8, and normalises them itself.
        layout: "nhwc" or "nchw".
    """

    channels: int
    height: int
    width: int
    cover_height: int
    cover_width: int
    resize: str
    pad_value: int
    interpolation: str
    bgr: bool
    divisor: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    normalises: bool
    layout: str

    def pixels(self, image: np.ndarray) -> np.ndarray:
        """(h, w, 3) RGB, upright, uint8 -> (height, width, channels), uint8, RGB: resized, and cropped or padded."""
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise ValueError(f"an image is uint8 of shape (h, w, 3), not {image.dtype} of {image.shape}")
        if self.channels == 1:
            image = luminance(image)
        at = self.placement(*image.shape[:2])
        image = resize(image, at.height, at.width, self.interpolation)
        fill = self.pad_value if self.resize == "letterbox" else 0
        return window(image, at.top, at.left, self.height, self.width, fill)

    def placement(self, height: int, width: int) -> "Placement":
        """Where the input lies in an image of that height and width. Of an odd difference a letterbox has the smaller
        half above and on the left; a crop halves it to the even number."""
        high, wide = self.cover_height, self.cover_width
        if self.resize == "letterbox":
            high, wide = fitting(height, width, high, wide)
            top, left = -((self.height - high) // 2), -((self.width - wide) // 2)
        else:
            if self.resize == "crop":
                high, wide = covering(height, width, high, wide)
            top, left = round((high - self.height) / 2), round((wide - self.width) / 2)
        return Placement(height, width, high, wide, top, left)

    def tensor(self, pixels: np.ndarray) -> np.ndarray:
        """What the model takes: uint8 or float32, (1, h, w, c) or (1, c, h, w)."""
        if self.bgr:
            pixels = pixels[..., ::-1]
        if self.normalises:
            mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
            pixels = (pixels.astype(np.float32) / np.float32(self.divisor) - mean) / std
        if self.layout == "nchw":
            pixels = pixels.transpose(2, 0, 1)
        return np.ascontiguousarray(pixels[None])


@dataclass(frozen=True)
class Placement:
    """How pixels of the input become pixels of the image.

    Attributes:
        image_height, image_width: of the image.
        height, width: that it is resized to.
        top, left: where the input begins in the resized image; negative where there is a border.
    """

    image_height: int
    image_width: int
    height: int
    width: int
    top: int
    left: int

    def to_image(self, points: np.ndarray) -> np.ndarray:
        """(..., 2) x and y in pixels of the input -> in pixels of the image."""
        factors = np.array([self.image_width / self.width, self.image_height / self.height])
        return (points + np.array([self.left, self.top])) * factors


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


def fitting(height: int, width: int, fit_height: int, fit_width: int) -> tuple[int, int]:
    """(height, width) of the image, scaled with its ratio so that it just fits into the other size."""
    if fit_width * height <= fit_height * width:  # the width is what limits
        return max(rounded(fit_width * height, width), 1), fit_width
    return fit_height, max(rounded(fit_height * width, height), 1)


def rounded(dividend: int, divisor: int) -> int:
    """The quotient, a half to the even number."""
    whole, left = divmod(dividend, divisor)
    return whole + (2 * left > divisor or (2 * left == divisor and whole % 2 == 1))


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


def window(image: np.ndarray, top: int, left: int, height: int, width: int, fill: int) -> np.ndarray:
    """(height, width, c): the part of the image that begins there, filled where there is no image."""
    result = np.full((height, width, image.shape[2]), fill, np.uint8)
    part = image[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
    result[max(-top, 0) :, max(-left, 0) :][: part.shape[0], : part.shape[1]] = part
    return result
