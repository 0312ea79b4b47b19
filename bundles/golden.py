"""Makes the golden files of a bundle: images, what the model sees of them, and what it answers."""

import dataclasses
import io
from pathlib import Path

import numpy as np
from PIL import Image

from ..models.preprocess import list_images, load_image, preprocess, resize_and_crop
from ..runtime.session import Portable, Session, to_nhwc
from ..runtime.session_wrappers import PROBABILITIES
from ..tasks.registry import CLASSIFY
from .answers import Answers
from .facts import Facts
from .golden_answers import golden_answer

COUNT = 3
LARGEST_OUTPUTS = 2**20  # numbers: of a model that gives more, one image is enough to ship
LARGEST = 641  # pixels of a photograph's longer side: enough to be scaled down, small enough to ship
# of the model's input (height, width): smaller, larger, of another ratio; odd sizes
_SIZES = ((0.43, 0.61), (1.37, 1.91), (2.3, 1.13))
# What an output may be off elsewhere, in standard deviations of its values: other kernels add in another order, or
# compute in half precision; int8 kernels of another delegate round elsewhere.
_TOLERANCE = {"fp32": 1e-3, "w8a32": 1e-3, "fp16": 5e-2, "w8a16": 5e-2, "int16x8": 5e-2, "int8": 0.25, "dynamic": 0.25}
STORED = {"int8": "i1", "uint8": "u1", "int16": "<i2"}
# The same on a GPU, which computes in float16, and int8 as float of what the integers stand for. Measured with LiteRT's
# GPU accelerator in float16 on networks with drawn weights: 0.007 to 0.036, efficientnet_b0 0.27; int8 0.03 to 0.6.
_GPU_TOLERANCE = {"int8": 0.6, "dynamic": 0.6}
_GPU_FLOAT_TOLERANCE = 0.3


def choose_pictures(folder: str | Path | None, facts: Facts) -> list[Image.Image]:
    """COUNT photographs of the folder, made smaller, or generated pictures; one for a model that gives very many
    numbers. Raises ImageError."""
    count = 1 if sum(each.size for each in facts.answers.outputs) > LARGEST_OUTPUTS else COUNT
    if folder is None:
        return [_generated(i, facts.spec.input_size[1:]) for i in range(count)]
    paths = list_images(str(folder))
    found = [load_image(paths[i * len(paths) // COUNT]) for i in range(min(count, len(paths)))]
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


def make_golden(facts: Facts, session: Session, images: list[Image.Image]) -> dict[str, bytes]:
    """{file: content}. Of image 0: 0.png and 0.ppm, 0.pixels (uint8 h, w, c), 0.input (as the artifact takes it),
    0.output (float32, all outputs that the answer comes from, one behind the other, or the scores as the artifact's
    integers), and 0.answer (what they are in the image, float32), all in little-endian order without a header."""
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
        given = session.run(feeds)
        parts = [given[each.name].astype("<f4") for each in facts.answers.outputs]
        contents[f"{i}.output"] = b"".join(part.tobytes() for part in parts)
        contents[f"{i}.answer"] = golden_answer(facts.answers, given, image, facts.spec).tobytes()
    return contents


def run_integers(session: Session, feeds: dict[str, np.ndarray], facts: Facts) -> tuple[bytes, bytes]:
    """(the input, the scores) as the artifact itself has them."""
    assert isinstance(session, Portable)
    given = session.inward(feeds)
    return given[0].tobytes(), session.raw(given)[facts.scores_index].tobytes()


def read_scores(contents: dict[str, bytes], facts: Facts) -> list[np.ndarray]:
    """All outputs of each image that are stored, as numbers."""
    kind = STORED[facts.score_type] if facts.integers else "<f4"
    stored = [np.frombuffer(data, kind) for name, data in contents.items() if name[-7:] == ".output"]
    if not facts.integers:
        return stored
    quant = facts.footprint.outputs[facts.scores_index]
    return [(each.astype(np.float32) - quant.zero_point) * np.float32(quant.scale) for each in stored]


def find_steps(scores: list[np.ndarray], facts: Facts) -> float:
    """How many steps of its integers a score may be off on other hardware."""
    share = _TOLERANCE[facts.precision] * float(np.concatenate(scores).std())
    return float(max(int(share / facts.footprint.outputs[facts.scores_index].scale), 1))


def with_tolerances(golden: list[np.ndarray], facts: Facts) -> Answers:
    """The answers with what a number of each output may be off on other hardware, and on a GPU."""
    if facts.integers:
        return facts.answers
    shares = _TOLERANCE[facts.precision], _GPU_TOLERANCE.get(facts.precision, _GPU_FLOAT_TOLERANCE)
    outputs = facts.answers.outputs
    parts = zip(*(np.split(each, np.cumsum([out.size for out in outputs])[:-1]) for each in golden), strict=True)
    known = []
    for output, part in zip(outputs, parts, strict=True):
        std = float(np.concatenate(part).std())
        here, on_gpu = (float(np.float32(max(share * std, 1e-6))) for share in shares)
        known.append(dataclasses.replace(output, tolerance=here, gpu_tolerance=on_gpu))
    return dataclasses.replace(facts.answers, outputs=tuple(known))


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
    answers = with_tolerances(scores, known)
    return dataclasses.replace(
        known,
        golden=names,
        tolerance=find_steps(scores, known) if known.integers else answers.outputs[0].tolerance,
        probabilities=known.scores == PROBABILITIES or (known.task == CLASSIFY and are_probabilities(scores)),
        answers=answers,
    )
