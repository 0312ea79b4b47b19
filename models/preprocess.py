"""This file turns image files into model inputs, with the numbers of timm's evaluation transform."""

import math
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ..artifacts.errors import ImageError
from .registry import PreprocessSpec

__all__ = ["ImageError", "PreprocessSpec", "cover", "list_images", "load_image", "preprocess", "seen"]

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm")
_RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def list_images(folder: str | os.PathLike[str]) -> list[Path]:
    """The image files in `folder` and below it, by extension, sorted by path; hidden files and folders left out.

    Raises ImageError where there are none, or `folder` is no readable folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ImageError(f"{folder} is {'a file, not a' if folder.exists() else 'no'} folder of images")
    found = []
    for where, folders, files in os.walk(folder, onerror=_unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(where, name) for name in files if not name.startswith(".") and name.lower().endswith(EXTENSIONS)]
    if not found:
        raise ImageError(f"there are no images in {folder} (looked for {', '.join(EXTENSIONS)})")
    return sorted(found)


def load_image(path: str | os.PathLike[str]) -> Image.Image:
    """The image as RGB, upright (its EXIF orientation applied). Of an animation, the first frame.

    Alpha is dropped, 16-bit grey is scaled to 8. Raises ImageError where the file is missing, no image, or damaged.
    """
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)  # also decodes
    except Image.UnidentifiedImageError as e:
        raise ImageError(f"{path} is not an image") from e
    except Exception as e:  # a damaged file makes PIL's decoders raise anything at all
        raise ImageError(f"{path} is not a readable image: {getattr(e, 'strerror', None) or e}") from e
    if upright.mode.startswith("I;16"):  # PIL's own conversion clips at 255
        upright = Image.fromarray((np.asarray(upright) / 257).round().astype(np.uint8))
    elif upright.mode in ("I", "F"):
        raise ImageError(f"{path} has pixels of unknown range ({upright.mode}); save it with 8 bits a channel")
    return upright.convert("RGB")


def preprocess(image: Image.Image, spec: PreprocessSpec) -> NDArray[np.float32]:
    """The model's input for an image: float32 (c, h, w), normalised.

    The image is resized, keeping its ratio, so that it just covers floor(input_size / crop_pct), cropped in the centre
    (padded with black where it is still smaller), scaled to 0..1, and normalised by `spec.mean` and `spec.std`. One
    channel means luminance, three RGB. A Variant is such a spec. docs/guides/preprocess.md says all of it to the bit.
    Raises ValueError for an unknown interpolation.
    """
    pixels = seen(image, spec).astype(np.float32) / np.float32(255)
    mean, std = np.array(spec.mean, np.float32), np.array(spec.std, np.float32)
    normalised = (pixels - mean) / std
    return np.ascontiguousarray(normalised.transpose(2, 0, 1), dtype=np.float32)  # hwc -> chw


def seen(image: Image.Image, spec: PreprocessSpec) -> NDArray[np.uint8]:
    """What the model sees of an image, before the normalisation: uint8 (h, w, c), resized and cropped.

    First the columns are resampled, then the rows, each to 8 bits. Raises ValueError for an unknown interpolation.
    """
    channels, height, width = spec.input_size
    if spec.interpolation not in _RESAMPLING:
        raise ValueError(f"interpolation must be one of {', '.join(_RESAMPLING)}, not {spec.interpolation!r}")
    image = image.convert("L" if channels == 1 else "RGB")
    wide, high = covering(image.size, *cover(spec))
    resampling = _RESAMPLING[spec.interpolation]
    image = image.resize((wide, image.height), resampling).resize((wide, high), resampling)  # Pillow 13 may turn it
    left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    image = image.crop((left, top, left + width, top + height))  # PIL pads with black outside
    return np.asarray(image).reshape(height, width, channels)


def cover(spec: PreprocessSpec) -> tuple[int, int]:
    """(height, width) that the resized image just covers, before the crop."""
    _, height, width = spec.input_size
    return math.floor(height / spec.crop_pct), math.floor(width / spec.crop_pct)


def covering(size: tuple[int, int], height: int, width: int) -> tuple[int, int]:
    """(width, height) of an image of `size` (width, height), scaled with its ratio so that it covers the other size."""
    w, h = size
    if width * h >= height * w:  # the width is what limits
        return width, width * h // w
    return height * w // h, height


def _unreadable(error: OSError) -> None:
    raise ImageError(f"{error.filename} cannot be read: {error.strerror}") from error
