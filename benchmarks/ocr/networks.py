"""PP-OCR's three trained networks, as the package rapidocr-onnxruntime brings them along, and how each is judged."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from edgeport import Session

from benchmarks.ocr.pictures import ANGLE, LINE, PAGE, as_input, lines, pages

PACKAGES = Path(sys.prefix) / "clients"  # its package alone, without the OpenCV that it asks for (Makefile)
RESULTS = Path(__file__).parents[1] / "results" / "ocr.jsonl"
BLANK = 0  # the class of CTC that stands for no character
TARGETS = ("tflite", "openvino", "onnx")
SURE = 0.9  # below, the direction of a line is not believed: PP-OCR's own
THRESHOLD = 0.3  # from which a pixel of the detector's map is text: PP-OCR's own


@dataclass(frozen=True)
class Network:
    """One of the three.

    Attributes:
        file: pattern of its name.
        shape: of its input.
        inputs: (split, count) -> the inputs, float32 (1, *shape).
        agree: (float outputs, others) -> per input how far they agree, 0..1.
        least: {target: of the mean of that, in int8}.
        counts: how many inputs test it, and calibrate it.
        told: what `agree` is, in words.
    """

    file: str
    shape: tuple[int, int, int]
    inputs: Callable[[str, int], Iterator[np.ndarray]]
    agree: Callable[[Sequence[np.ndarray], Sequence[np.ndarray]], list[float]]
    least: dict[str, float]
    counts: dict[str, int]
    told: str

    @property
    def path(self) -> Path | None:
        """Its file; None where the package is not installed."""
        return next(iter(sorted((PACKAGES / "rapidocr_onnxruntime" / "models").glob(self.file))), None)


def line_inputs(split: str, count: int) -> Iterator[np.ndarray]:
    return (as_input(line.pixels, LINE) for line in lines(split, count))


def angle_inputs(split: str, count: int) -> Iterator[np.ndarray]:
    """Every second line stands upside down."""
    for i, line in enumerate(lines(split, count)):
        yield as_input(line.pixels[::-1, ::-1] if i % 2 else line.pixels, ANGLE)


def page_inputs(split: str, count: int) -> Iterator[np.ndarray]:
    return (as_input(np.asarray(page), PAGE) for page in pages(split, count))


def read(probabilities: np.ndarray) -> str:
    """What (1, places, classes) say, without repetitions and blanks."""
    best = probabilities[0].argmax(-1)
    characters = alphabet()
    return "".join(characters[each] for i, each in enumerate(best) if each != BLANK and (i == 0 or each != best[i - 1]))


@cache
def alphabet() -> tuple[str, ...]:
    """The character of each class; the file says it, but for blank and space."""
    import onnxruntime

    session = onnxruntime.InferenceSession(NETWORKS["recogniser"].path)
    return ("", *session.get_modelmeta().custom_metadata_map["character"].splitlines(), " ")


def same_strings(wanted: Sequence[np.ndarray], got: Sequence[np.ndarray]) -> list[float]:
    return [float(read(a) == read(b)) for a, b in zip(wanted, got, strict=True)]


def same_class(wanted: Sequence[np.ndarray], got: Sequence[np.ndarray]) -> list[float]:
    """Of those alone of which the float network is sure."""
    return [float(a.argmax() == b.argmax()) for a, b in zip(wanted, got, strict=True) if a.max() >= SURE]


def overlap(wanted: Sequence[np.ndarray], got: Sequence[np.ndarray]) -> list[float]:
    """Intersection over union of what is text, of each page."""
    pairs = [(a > THRESHOLD, b > THRESHOLD) for a, b in zip(wanted, got, strict=True)]
    return [float((a & b).sum() / max((a | b).sum(), 1)) for a, b in pairs]


def run_all(session: Session, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The one output of each."""
    (name,) = (spec.name for spec in session.inputs)
    return [next(iter(session.run({name: array}).values())) for array in inputs]


NETWORKS = {
    "detector": Network(
        "*det*.onnx",
        PAGE,
        page_inputs,
        overlap,
        {"tflite": 0.975, "openvino": 0.98, "onnx": 0.98},
        {"calibration": 48, "test": 24},
        "IoU of the text's map",
    ),
    "angle": Network(
        "*cls*.onnx",
        ANGLE,
        angle_inputs,
        same_class,
        dict.fromkeys(TARGETS, 1.0),
        {"calibration": 128, "test": 400},
        "same direction, where float is sure",
    ),
    "recogniser": Network(
        "*rec*.onnx",
        LINE,
        line_inputs,
        same_strings,
        {"tflite": 0.95, "openvino": 0.96, "onnx": 0.95},
        {"calibration": 200, "test": 400},
        "same string",
    ),
}
