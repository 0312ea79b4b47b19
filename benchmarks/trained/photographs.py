"""Cut the task out of real photographs: of which of nineteen pictures is a small crop?

The photographs are those that scikit-learn and scikit-image bring along. Each is divided into square tiles; a tile
gives crops to one split alone, so nothing that is measured was seen in training, not even in part. Crops differ in
place, size, orientation, brightness and white balance, so that neither scale nor colour gives the picture away. Of four
crops the one with most contrast is taken: a piece of blue sky is nobody's.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

NAMES = (
    *("astronaut", "brick", "camera", "cell", "chelsea", "china", "coffee", "coins", "flower"),
    *("grass", "gravel", "hubble_deep_field", "ihc", "moon", "motorcycle_left", "page", "retina", "rocket", "text"),
)
SIZE = 64  # pixels of a crop's side
TILE = 64  # pixels of the photograph; the smallest one has 7 x 2 tiles
SIDES = (40, 64)  # pixels of the photograph that a crop shows, from and to
DRAWN = 4  # crops, of which one is taken
GAIN = (0.7, 1.3)  # of the brightness, and once more of each colour by its square root
TURNS = 6
# Which tiles, of TURNS in a row, give the crops of a split, and how many crops.
SPLITS = {
    "train": ((0, 1, 3, 4), 6000),
    "calibration": ((0, 1, 3, 4), 300),
    "validation": ((2,), 800),
    "test": ((5,), 2000),
}


def crops(split: str, draw: int = 0) -> Iterator[tuple[np.ndarray, int]]:
    """(uint8 (64, 64, 3), index in NAMES) each, the same ones at every call, the classes in turn; each `draw` gives
    others of the same tiles."""
    turns, count = SPLITS[split]
    index = list(SPLITS).index(split)
    rng = np.random.default_rng((index, draw) if draw else index)
    pictures = [photograph(name) for name in NAMES]
    for i in range(count):
        picture = pictures[i % len(NAMES)]
        columns, rows = (side // TILE for side in picture.size)
        tiles = [(c, r) for c in range(columns) for r in range(rows) if (c + 2 * r) % TURNS in turns]
        drawn = [crop(picture, tiles[rng.integers(len(tiles))], rng) for _ in range(DRAWN)]
        chosen = max(drawn, key=lambda pixels: float(pixels.mean(2).std()))
        turned = np.rot90(chosen, rng.integers(4))
        gains = rng.uniform(*GAIN) * rng.uniform(*GAIN, 3) ** 0.5
        yield np.clip(turned * gains, 0, 255).astype(np.uint8), i % len(NAMES)


def crop(picture: Image.Image, tile: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A square of a tile, (column, row): uint8 (64, 64, 3)."""
    side = int(rng.integers(SIDES[0], SIDES[1] + 1))
    left, top = (int(TILE * place + rng.integers(0, TILE - side + 1)) for place in tile)
    box = (left, top, left + side, top + side)
    return np.asarray(picture.resize((SIZE, SIZE), Image.Resampling.BICUBIC, box))


@cache
def photograph(name: str) -> Image.Image:
    """RGB; large ones at half their size."""
    if name in ("china", "flower"):
        from sklearn.datasets import load_sample_image

        return Image.fromarray(load_sample_image(f"{name}.jpg"))
    import skimage.data

    (path,) = Path(skimage.data.__file__).parent.glob(f"{name}.*g")
    picture = Image.open(path).convert("RGB")
    return picture.reduce(2) if min(picture.size) > 800 else picture


def write(folder: Path, splits: tuple[str, ...] = ("calibration", "validation", "test")) -> None:
    """Writes the crops as PNG files: SPLIT/NAME/NUMBER.png."""
    for split in splits:
        for i, (pixels, label) in enumerate(crops(split)):
            into = folder / split / NAMES[label]
            into.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(into / f"{i:04}.png")
