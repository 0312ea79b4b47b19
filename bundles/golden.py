"""Makes the golden files of a bundle: images, what the model sees of them, and what it answers."""

import dataclasses
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..models.preprocess import list_images, load_image, preprocess, resize_and_crop
from ..runtime.session import Portable, Session, to_nhwc
from ..runtime.session_wrappers import PROBABILITIES
from .detection import golden_boxes, meaning_of
from .facts import Facts

if TYPE_CHECKING:
    from ..artifacts.manifest import Manifest

COUNT = 3
LARGEST = 641  # pixels of a photograph's longer side: enough to be scaled down, small enough to ship
# of the model's input (height, width): smaller, larger, of another ratio; odd sizes
_SIZES = ((0.43, 0.61), (1.37, 1.91), (2.3, 1.13))
# What an output may be off elsewhere, in standard deviations of its values: other kernels add in another order, or
# compute in half precision; int8 kernels of another delegate round elsewhere.
_TOLERANCE = {"fp32": 1e-3, "w8a32": 1e-3, "fp16": 5e-2, "w8a16": 5e-2, "int8": 0.25, "dynamic": 0.25}
STORED = {"float32": "<f4", "int8": "i1", "uint8": "u1"}
# The same on a GPU, which computes in float16, and int8 as float of what the integers stand for. Measured with LiteRT's
# GPU accelerator in float16 on networks with drawn weights: 0.007 to 0.036, efficientnet_b0 0.27; int8 0.03 to 0.6.
_GPU_TOLERANCE = {"int8": 0.6, "dynamic": 0.6}
_GPU_FLOAT_TOLERANCE = 0.3


def choose_pictures(folder: str | Path | None, facts: Facts) -> list[Image.Image]:
    """COUNT photographs of the folder, made smaller, or generated pictures. Raises ImageError."""
    if folder is None:
        return [_generated(i, facts.spec.input_size[1:]) for i in range(COUNT)]
    paths = list_images(str(folder))
    found = [load_image(paths[i * len(paths) // COUNT]) for i in range(min(COUNT, len(paths)))]
    for image in found:
        image.thumbnail((LARGEST, LARGEST))
    return found


def _generated(number: int, size: tuple[int, ...]) -> Image.Image:
    """Blocks of colour, smooth and hard, with grain: edges and full range for the resampling."""
    rng = np.random.default_rng(number)
    height, width = (int(side * factor) | 1 for side, factor in zip(size, _SIZES[number], strict=True))
    smooth = Image.fromarray(rng.integers(0, 256, (7, 5, 3), dtype=np.uint8)).resize((width, height))
    hard = Image.fromarray(rng.integers(0, 256, (9, 11, 3), dtype=np.uint8)).resize((width, height), 0)
    mixed = (np.asarray(smooth, np.int32) + np.asarray(hard)) // 2 + rng.integers(-40, 41, (height, width, 3))
    return Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8))


def make_golden(facts: Facts, session: Session, images: list[Image.Image], manifest: "Manifest") -> dict[str, bytes]:
    """{file: content}. Of image 0: 0.png and 0.ppm, 0.pixels (uint8 h, w, c), 0.input (as the artifact takes it) and
    0.output (the scores, float32 or the artifact's integers; of a detector all outputs that decoding reads, and 0.boxes
    what it makes of them), all in little-endian order without a header."""
    contents = {}
    for i, image in enumerate(images):
        pixels = resize_and_crop(image, facts.spec)
        tensor = pixels.transpose(2, 0, 1)[None] if facts.takes_pixels else preprocess(image, facts.spec)[None]
        feeds = {session.inputs[0].name: np.ascontiguousarray(tensor)}
        contents |= {f"{i}.{kind}": encode(image, kind) for kind in ("png", "ppm")}
        contents[f"{i}.pixels"] = pixels.tobytes()
        if facts.integers:
            contents[f"{i}.input"], contents[f"{i}.output"] = run_integers(session, feeds, facts)
            continue
        stored = to_nhwc(tensor) if facts.nhwc else feeds[session.inputs[0].name]
        contents[f"{i}.input"] = stored.tobytes()
        if facts.detection:
            given = session.run(feeds)
            parts = [given[name].astype("<f4") for name in facts.detection["outputs"].values()]
            contents[f"{i}.output"] = b"".join(part.tobytes() for part in parts)
            meaning = meaning_of(dict(facts.detection), manifest, facts.spec)
            contents[f"{i}.boxes"] = golden_boxes(meaning, given, image, facts.spec).tobytes()
            continue
        contents[f"{i}.output"] = session.run(feeds)[facts.scores].astype("<f4").tobytes()
    return contents


def run_integers(session: Session, feeds: dict[str, np.ndarray], facts: Facts) -> tuple[bytes, bytes]:
    """(the input, the scores) as the artifact itself has them."""
    assert isinstance(session, Portable)
    given = session.inward(feeds)
    return given[0].tobytes(), session.raw(given)[facts.scores_index].tobytes()


def find_gpu_tolerance(scores: list[np.ndarray], facts: Facts) -> float:
    """What a score may be off on a GPU."""
    share = _GPU_TOLERANCE.get(facts.precision, _GPU_FLOAT_TOLERANCE)
    return float(np.float32(max(share * float(np.concatenate(scores).std()), 1e-6)))


def read_scores(contents: dict[str, bytes], facts: Facts) -> list[np.ndarray]:
    """The scores of each image, as numbers."""
    stored = [
        np.frombuffer(data, STORED[facts.score_type]) for name, data in contents.items() if name[-7:] == ".output"
    ]
    if not facts.integers:
        return stored
    quant = facts.footprint.outputs[facts.scores_index]
    return [(each.astype(np.float32) - quant.zero_point) * np.float32(quant.scale) for each in stored]


def find_tolerance(scores: list[np.ndarray], facts: Facts) -> float:
    """What a score may be off on other hardware; in steps, where scores are integers."""
    share = _TOLERANCE[facts.precision] * float(np.concatenate(scores).std())
    if facts.integers:
        return float(max(int(share / facts.footprint.outputs[facts.scores_index].scale), 1))
    return float(np.float32(max(share, 1e-6)))


def find_tolerances(golden: list[np.ndarray], facts: Facts) -> dict[str, float]:
    """What each output of a detector may be off on other hardware."""
    if not facts.detection:
        return {}
    sizes, share = facts.detection["sizes"], _TOLERANCE[facts.precision]
    names, ends = list(sizes), np.cumsum(list(sizes.values()))[:-1]
    parts = zip(*(np.split(each, ends) for each in golden), strict=True)
    stds = [float(np.concatenate(part).std()) for part in parts]
    return {name: float(np.float32(max(share * std, 1e-6))) for name, std in zip(names, stds, strict=True)}


def are_probabilities(scores: list[np.ndarray]) -> bool:
    """Whether every image's scores are shares of 1, as far as int8 has steps for them."""
    return all(each.min() >= 0 and abs(each.sum() - 1) < 0.05 for each in scores)


def encode(image: Image.Image, kind: str) -> bytes:
    """The file's bytes."""
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def add_golden(known: Facts, made: dict[str, bytes]) -> Facts:
    """The facts and what the golden files say."""
    names, scores = tuple(sorted({name.partition(".")[0] for name in made})), read_scores(made, known)
    return dataclasses.replace(
        known,
        golden=names,
        tolerance=find_tolerance(scores, known),
        gpu_tolerance=find_gpu_tolerance(scores, known),
        probabilities=known.scores == PROBABILITIES or are_probabilities(scores),
        tolerances=find_tolerances(scores, known),
    )
