"""Turn image files into model inputs, with the numbers of timm's evaluation transform."""

import math
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ..artifacts.errors import ImageError
from ..artifacts.files import open_regular
from ..artifacts.preprocessing import RESIZES
from .spec import PreprocessSpec

__all__ = [
    "ImageError",
    "PreprocessSpec",
    "cover",
    "list_images",
    "load_image",
    "preprocess",
    "resize_and_crop",
]

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm")
_RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def list_images(folder: str | os.PathLike[str]) -> list[Path]:
    """List the image files in `folder` and below it, by extension; hidden files and folders are left out.

    Args:
        folder: a folder of images, in folders of any depth.

    Returns:
        The files, sorted by path.

    Raises:
        ImageError: there are no images, or `folder` is no readable folder.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     for name in ("b.jpg", "a.png", "notes.txt", ".hidden.png"):
        ...         Path(folder, name).touch()
        ...     [path.name for path in list_images(folder)]
        ['a.png', 'b.jpg']
    """
    folder = Path(folder)
    if not os.path.isdir(folder):
        raise ImageError(f"{folder} is {'a file, not a' if os.path.exists(folder) else 'no'} folder of images")
    found = []
    for where, folders, files in os.walk(folder, onerror=_unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(where, name) for name in files if not name.startswith(".") and name.lower().endswith(EXTENSIONS)]
    if not found:
        raise ImageError(f"there are no images in {folder} (looked for {', '.join(EXTENSIONS)})")
    return sorted(found)


def load_image(path: str | os.PathLike[str]) -> Image.Image:
    """Read an image as RGB, upright (its EXIF orientation applied); of an animation, the first frame.

    Alpha is dropped, 16-bit grey is scaled to 8 bits.

    Args:
        path: of the file, in any format that PIL reads.

    Returns:
        The image, 8 bits a channel.

    Raises:
        ImageError: the file is missing, no image, damaged, or has pixels of unknown range.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile(suffix=".png") as file:
        ...     Image.new("L", (4, 3), 7).save(file.name)
        ...     image = load_image(file.name)
        >>> image.size, image.getpixel((0, 0))
        ((4, 3), (7, 7, 7))
    """
    try:
        with open_regular(path) as file, Image.open(file) as image:
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
    """Turn an image into a model's input, with the numbers of timm's evaluation transform.

    The image is resized as `spec.resize` says, brought to the model's order of colours, and normalised:
    (pixel * scale - mean) / std. docs/guides/preprocess.md says all of it to the bit.

    Args:
        image: of any size and mode, as `load_image` gives it.
        spec: how; a `Variant` is such a spec. One channel means luminance, three are colours.

    Returns:
        float32 (channels, height, width), contiguous, normalised.

    Raises:
        ValueError: an unknown interpolation.

    Example:
        >>> from edgeport.models import get_variant
        >>> x = preprocess(Image.new("RGB", (640, 480)), get_variant("mobilevit_s"))
        >>> x.shape, x.dtype
        ((3, 256, 256), dtype('float32'))
    """
    pixels = resize_and_crop(image, spec)
    scaled = (pixels[..., ::-1] if spec.color == "bgr" else pixels).astype(np.float32) / np.float32(spec.divisor)
    mean, std = np.array(spec.mean, np.float32), np.array(spec.std, np.float32)
    normalised = (scaled - mean) / std
    return np.ascontiguousarray(normalised.transpose(2, 0, 1), dtype=np.float32)  # hwc -> chw


def resize_and_crop(image: Image.Image, spec: PreprocessSpec) -> NDArray[np.uint8]:
    """Resize and crop, stretch or letterbox an image to what the model sees of it, before the normalisation.

    First the columns are resampled, then the rows, each to 8 bits.

    Args:
        image: of any size and mode.
        spec: of the model; its mean, std and order of colours play no part.

    Returns:
        uint8 (height, width, channels), 0..255, RGB or luminance.

    Raises:
        ValueError: an unknown interpolation or way of resizing.

    Example:
        >>> resize_and_crop(Image.new("RGB", (640, 480)), PreprocessSpec()).shape
        (224, 224, 3)
    """
    channels, height, width = spec.input_size
    if spec.interpolation not in _RESAMPLING:
        raise ValueError(f"interpolation must be one of {', '.join(_RESAMPLING)}, not {spec.interpolation!r}")
    image = image.convert("L" if channels == 1 else "RGB")
    wide, high = resized_size(image.size, spec)
    resampling = _RESAMPLING[spec.interpolation]
    image = image.resize((wide, image.height), resampling).resize((wide, high), resampling)  # Pillow 13 may turn it
    if spec.resize == "letterbox":
        canvas = Image.new(image.mode, (width, height), (spec.pad_value,) * channels)
        canvas.paste(image, ((width - wide) // 2, (height - high) // 2))
        return np.asarray(canvas).reshape(height, width, channels)
    left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    image = image.crop((left, top, left + width, top + height))  # PIL pads with black outside
    return np.asarray(image).reshape(height, width, channels)


def resized_size(size: tuple[int, int], spec: PreprocessSpec) -> tuple[int, int]:
    """Compute the size that an image is brought to, before the crop or the padding.

    Args:
        size: (width, height) of the image, in pixels.
        spec: of the model.

    Returns:
        (width, height) in pixels.

    Raises:
        ValueError: an unknown way of resizing.

    Example:
        >>> resized_size((640, 480), PreprocessSpec(resize="letterbox"))
        (224, 168)
    """
    height, width = cover(spec)
    match spec.resize:
        case "crop":
            return covering(size, height, width)
        case "stretch":
            return width, height
        case "letterbox":
            return fitting(size, height, width)
    raise ValueError(f"resize must be one of {', '.join(RESIZES)}, not {spec.resize!r}")


def cover(spec: PreprocessSpec) -> tuple[int, int]:
    """Compute the size that the resized image covers, has or fits into, before the crop: floor(input_size / crop_pct).

    A letterbox has no crop: it fits into the input itself.

    Args:
        spec: of the model.

    Returns:
        (height, width) in pixels.

    Example:
        >>> cover(PreprocessSpec(crop_pct=0.875))
        (256, 256)
    """
    _, height, width = spec.input_size
    if spec.resize == "letterbox":
        return height, width
    return math.floor(height / spec.crop_pct), math.floor(width / spec.crop_pct)


def covering(size: tuple[int, int], height: int, width: int) -> tuple[int, int]:
    """Compute the size of an image that is scaled, keeping its ratio, until it just covers another size.

    Args:
        size: (width, height) of the image, in pixels.
        height: to cover, in pixels.
        width: to cover, in pixels.

    Returns:
        (width, height) in pixels, the longer side rounded down.

    Example:
        >>> covering((640, 480), 256, 256)
        (341, 256)
    """
    w, h = size
    if width * h >= height * w:  # the width is what limits
        return width, width * h // w
    return height * w // h, height


def fitting(size: tuple[int, int], height: int, width: int) -> tuple[int, int]:
    """Compute the size of an image that is scaled, keeping its ratio, until it just fits into another size.

    Args:
        size: (width, height) of the image, in pixels.
        height: to fit into, in pixels.
        width: to fit into, in pixels.

    Returns:
        (width, height) in pixels, the shorter side rounded, halves to the even number, and 1 at least.

    Example:
        >>> fitting((640, 480), 256, 256)
        (256, 192)
    """
    w, h = size
    if width * h <= height * w:  # the width is what limits
        return width, max(_rounded_quotient(width * h, w), 1)
    return max(_rounded_quotient(height * w, h), 1), height


def _rounded_quotient(dividend: int, divisor: int) -> int:
    whole, left = divmod(dividend, divisor)
    return whole + (2 * left > divisor or (2 * left == divisor and whole % 2 == 1))


def _unreadable(error: OSError) -> None:
    raise ImageError(f"{error.filename} cannot be read: {error.strerror}") from error
