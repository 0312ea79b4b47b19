"""What the wrapper of a bundle has to know."""

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..artifacts.errors import UsageError
from ..artifacts.manifest import Manifest
from ..artifacts.preprocessing import INTERPOLATIONS, RESIZES
from ..artifacts.printable import find_unwritable
from ..models import PreprocessSpec
from ..models.preprocess import cover
from ..models.preprocess_facts import from_facts
from ..runtime.footprint import Footprint
from ..runtime.session import IMAGE, Labelled, Session
from ..runtime.session_wrappers import bare_session
from ..targets.accelerators import Coverage, best_known
from ..targets.registry import target_of
from ..targets.target import AppRuntime, Target
from ..tasks.registry import CLASSIFY, TEXT
from ..tasks.text import alphabet
from .android_package import DEFAULT
from .answers import Answers, find_answers
from .wrappers import WRAPPERS

NUMBERS = ("float32", "int32", "int64")  # of outputs that wrappers read
NO_FOOTPRINT = Footprint(runtime="")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is the same in every language.

    Attributes:
        artifact: the file or folder, by its name.
        opened: what the runtime opens: that, or a file in it.
        scores, scores_index: the output with a number for each class.
        takes_pixels: uint8 goes in; else float32, normalised.
        nhwc: its layout, else nchw.
        golden: the names of the golden images.
        tolerance: what a score may be off, in steps where scores are integers.
        probabilities: the scores are such, else logits.
        package: of the Kotlin files, on Android.
        verdict: the manifest's.
        runtime: what an app needs to run the artifact.
        classes: how many scores there are.
        footprint: of a microcontroller's artifact, whose ends are of `input_type` and `score_type`, "int8" or "uint8";
            `input_of_pixel` is what each pixel value becomes, (channels, 256).
        residency: what accelerators take of it.
        answers: how its outputs become answers.
        batch: how many images the artifact takes at once; None for any number.
    """

    platform: str
    model: str
    precision: str
    artifact: str
    opened: str
    input_name: str
    scores: str
    scores_index: int
    spec: PreprocessSpec
    takes_pixels: bool
    nhwc: bool
    labels: tuple[str, ...]
    verdict: str
    runtime: AppRuntime
    answers: Answers
    golden: tuple[str, ...] = ()
    tolerance: float = 0.0
    probabilities: bool = False
    package: str = DEFAULT
    classes: int = 0
    footprint: Footprint = NO_FOOTPRINT
    input_type: str = "float32"
    score_type: str = "float32"
    input_of_pixel: bytes = field(default=b"", repr=False)

    residency: tuple[Coverage, ...] = ()
    batch: int | None = 1

    @property
    def task(self) -> str:
        """What the model is for."""
        return self.answers.task

    @property
    def integers(self) -> bool:
        """Whether the app gives and takes the artifact's own integers."""
        return self.runtime.integers

    @property
    def computes_in_int8(self) -> bool:
        """Whether its arithmetic is int8."""
        return self.precision in ("int8", "dynamic")

    @property
    def input_bytes(self) -> int:
        """The size of the input."""
        return math.prod(self.spec.input_size) * (1 if self.takes_pixels else 4)

    def to_json(self) -> dict[str, Any]:
        """For bundle.json, which the Python wrapper reads."""
        channels, height, width = self.spec.input_size
        cover_height, cover_width = cover(self.spec)
        how = {
            "channels": channels,
            "height": height,
            "width": width,
            "cover_height": cover_height,
            "cover_width": cover_width,
            "resize": self.spec.resize,
            "pad_value": self.spec.pad_value,
            "interpolation": self.spec.interpolation,
            "bgr": self.spec.color == "bgr" and not self.takes_pixels,
            "divisor": self.spec.divisor,
            "mean": list(self.spec.mean),
            "std": list(self.spec.std),
            "normalises": not self.takes_pixels,
            "layout": "nhwc" if self.nhwc else "nchw",
        }
        names = ("platform", "model", "precision", "artifact", "verdict", "golden")
        facts = {name: getattr(self, name) for name in names} | {"preprocessing": how} | self.answers.to_json()
        if self.task == CLASSIFY:
            facts |= {name: getattr(self, name) for name in ("scores", "tolerance", "probabilities")}
        if self.integers:
            facts["footprint"] = self.footprint.to_json()
        if self.runtime.name:
            facts["runtime"] = self.runtime.name
        if self.platform == "android":
            facts["gpu_tolerance"] = {each.role: each.gpu_tolerance for each in self.answers.outputs}
        return facts


def collect_facts(
    path: Path,
    platform: str,
    manifest: Manifest,
    session: Session,
    runtime: AppRuntime,
    opens: Path,
    package: str = DEFAULT,
    tasks: tuple[str, ...] = tuple(WRAPPERS),
) -> Facts:
    """The facts of an artifact; its runtime opens `opens`, the artifact or a file in it.

    Raises UsageError unless it takes one image, and its task is one of `tasks`, which the platform has wrappers for.
    """
    taken = manifest.inputs[0]
    if len(manifest.inputs) != 1 or len(taken.shape) != 4:
        raise UsageError(f"{path}: takes no image; a bundle is for models of one image")
    if runtime.layouts and taken.layout and taken.layout not in runtime.layouts:
        raise UsageError(
            f"{path}: takes {taken.layout!r}, which the wrapper of {runtime.name} does not give; export it with "
            "--input uint8 in place of --image-input"
        )
    spec = from_facts(dataclasses.asdict(taken))
    if spec is None:
        raise UsageError(
            f"{path}: its manifest does not say how an image becomes the input, which the app has to know; say how the "
            "model was trained (value = (pixel * scale - mean) / std), for example: edgeport bundle "
            f"{path} --platform {platform} --scale 1/255 --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225 --color rgb "
            "--resize crop --crop-pct 0.875; in Python: preprocess={'scale': '1/255', 'mean': ..., 'std': ...}"
        )
    for name, value, known in (
        ("interpolation", spec.interpolation, INTERPOLATIONS),
        ("resize_mode", spec.resize, RESIZES),
    ):
        if value not in known:
            raise UsageError(f"{path}: its manifest says {name} {value!r}; the wrappers know {', '.join(known)}")
    batch, channels, height, width = taken.shape
    if batch is not None and batch > 1:
        raise UsageError(f"{path}: takes {batch} images at once; a bundle for {platform} gives one at a time")
    channels, height, width = (dim or 1 for dim in (channels, height, width))
    answers = find_answers(path, platform, tasks, manifest, session, (height, width))
    taken_type, given_types = session.inputs[0].dtype, [each.dtype for each in answers.outputs]
    whole = "int8" in (taken_type, *given_types) or "uint8" in given_types
    if "int16" in (taken_type, *given_types):
        raise UsageError(
            f"{path}: takes {taken_type} and gives {', '.join(given_types)}, which the wrappers do not; export it with "
            "--int16x8 for the CPU, whose ends are float32, or with --int8 and a budget, whose ends are int8"
        )
    if whole and not runtime.integers:
        raise UsageError(
            f"{path}: takes {taken_type} and gives {', '.join(given_types)}; a bundle takes pixels or "
            "float32 and gives float32: export it with --input uint8 --output-type float32"
        )
    strange = next((each for each in given_types if each not in NUMBERS and not whole), None)
    if strange:
        raise UsageError(f"{path}: gives {strange}; a bundle for {platform} reads {', '.join(NUMBERS)}")
    bare, target = bare_session(session), target_of(path)
    in_file = bare.labels if isinstance(bare, Labelled) else ()
    labels = _labels(answers, manifest, tuple(map(str, in_file)))
    for index, label in enumerate(labels):
        wrong = find_unwritable(label)
        if wrong is not None:
            raise UsageError(f"{path}: the name of class {index} has {wrong}, which a line of labels.txt cannot hold")
    scores = answers.outputs[0]
    return Facts(
        platform=platform,
        model=manifest.model,
        precision=manifest.precision,
        artifact=path.name,
        opened=f"{path.name}/{opens.name}" if opens != path else path.name,
        input_name=taken.name,
        scores=scores.name,
        scores_index=scores.index,
        spec=dataclasses.replace(spec, input_size=(channels, height, width)),
        takes_pixels=taken.dtype == IMAGE,
        nhwc=taken.layout == "nhwc",
        labels=labels,
        verdict=manifest.verdict,
        runtime=runtime,
        package=package,
        classes=scores.size,
        input_type=taken_type,
        score_type=scores.dtype,
        residency=_residency(path, manifest, target),
        answers=answers,
        batch=batch,
    )


def _labels(answers: Answers, manifest: Manifest, in_file: tuple[str, ...]) -> tuple[str, ...]:
    """The names of classes; of text a character for each class, "" for the blank where nobody says it."""
    if answers.meaning is None:
        return in_file or manifest.outputs[answers.outputs[0].index].labels or ()
    told = manifest.task.labels if manifest.task else None
    return tuple(alphabet(answers.meaning, answers.decoding["classes"])) if answers.task == TEXT else told or ()


def _residency(path: Path, manifest: Manifest, target: Target | None) -> tuple[Coverage, ...]:
    """What accelerators take of an artifact."""
    if target is None or target.read_contents is None:
        return ()
    return tuple(best_known(target.predict_coverage(target.read_contents(path)), manifest.accelerator))
