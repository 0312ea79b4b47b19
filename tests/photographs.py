"""Real photographs for tests, from packages that ship some: scikit-learn's samples and scikit-image's data."""

import numpy as np
from demo import photograph
from edgeport.models import Variant
from PIL import Image

CALIBRATION = ("china", "flower", "coffee", "motorcycle_left", "retina", "hubble_deep_field", "brick", "grass")
VALIDATION = ("astronaut", "chelsea", "rocket")


def crops(names: tuple[str, ...], count: int, variant: Variant, seed: int = 0) -> list[np.ndarray]:
    """`count` random square crops, resized and normalised for `variant`: float32 (1, c, h, w) each."""
    rng = np.random.default_rng(seed)
    pictures = [photograph(n) for n in names]
    mean, std = (np.array(v, np.float32) for v in (variant.mean, variant.std))
    out = []
    for i in range(count):
        picture = pictures[i % len(pictures)]
        side = int(min(picture.size) * rng.uniform(0.4, 1))
        left, top = (int(rng.integers(0, s - side + 1)) for s in picture.size)
        picture = picture.crop((left, top, left + side, top + side)).resize(variant.input_size[:0:-1], Image.BICUBIC)
        picture = picture if variant.input_size[0] == 3 else picture.convert("L")
        x = (np.asarray(picture, np.float32).reshape(*variant.input_size[1:], -1) / 255 - mean) / std
        out.append(np.ascontiguousarray(x.transpose(2, 0, 1)[None], np.float32))
    return out
