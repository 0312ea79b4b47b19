"""The main job on real photographs: MobileViT-S to TFLite, fp32 and int8, checked against PyTorch, timed side by side.

Run by `make demo`. The photographs ship with scikit-learn and scikit-image; calibration and validation see different
ones. The weights are random unless a checkpoint is given: speed, size and agreement are real, the classes are not.
"""

import argparse
import sys
from pathlib import Path

import edgeport
import numpy as np
from PIL import Image

CALIBRATION = ("china", "flower", "coffee", "motorcycle_left", "retina", "hubble_deep_field", "brick", "grass")
VALIDATION = ("astronaut", "chelsea", "rocket", "gravel")


def photograph(name: str) -> Image.Image:
    """A photograph by the name that its package gives it."""
    if name in ("china", "flower"):
        from sklearn.datasets import load_sample_image

        return Image.fromarray(load_sample_image(f"{name}.jpg"))
    import skimage.data

    (path,) = Path(skimage.data.__file__).parent.glob(f"{name}.*g")
    return Image.open(path).convert("RGB")


def write_crops(names: tuple[str, ...], count: int, folder: Path) -> None:
    """`count` square crops of the photographs, of different sizes and places, as JPEG files."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for i in range(count):
        picture = photograph(names[i % len(names)])
        side = int(min(picture.size) * rng.uniform(0.5, 1))
        left, top = (int(rng.integers(0, s - side + 1)) for s in picture.size)
        crop = picture.crop((left, top, left + side, top + side))
        crop.save(folder / f"{names[i % len(names)]}_{i:03}.jpg", quality=95)


def report_event(event: edgeport.Event) -> None:
    """Print what is going on."""
    if event.kind == "end":
        print(f"{event.text}: {event.seconds:.1f} s", flush=True)
    elif event.kind in ("note", "warning"):
        print(f"{event.kind}: {event.text}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="photographs and artifacts go here")
    parser.add_argument("--model", default="mobilevit_s")
    parser.add_argument("--weights", default="random", help="a checkpoint, or random (seeded)")
    args = parser.parse_args()
    write_crops(CALIBRATION, 96, args.folder / "calibration")
    write_crops(VALIDATION, 32, args.folder / "validation")
    result = edgeport.export(
        args.model,
        "tflite",
        precision="int8",
        weights=args.weights,
        calibration=args.folder / "calibration",
        validation=args.folder / "validation",
        output_dir=args.folder / "artifacts",
        progress=report_event,
    )
    for each in (result.float_twin, result):
        print(f"\n{each}")
    return result.exit_code


if __name__ == "__main__":
    sys.exit(main())
