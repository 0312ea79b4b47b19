"""The manifest: the facts about one artifact, in a .json file beside it."""

import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from .digest import sha256_of_artifact, size_of_artifact
from .errors import ManifestError
from .files import read_regular
from .json_reader import LARGEST, NotJson, convert, parse_json
from .preprocessing import check_preprocessing
from .sizes import SizeCheck, Sizes

QuantizedBy: TypeAlias = Literal["calibration", "training", "model"]

SCHEMA = 2  # raised when a reader of the former schema would misread a manifest; the former one is read, too
RANDOM = "RANDOM"


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Where the weights came from.

    Attributes:
        source: the checkpoint's path as given, or where public weights come from (a repository of the hub, a URL),
            "factory" for a module that came with its weights, or RANDOM.
        sha256: of the checkpoint file; of all tensors where there is no file.
        seed: of RANDOM weights, or of a new classifier head.
        key: under which key or prefix of the file they were; "" where they are all that it holds.
    """

    source: str
    sha256: str
    seed: int | None = None
    key: str = ""

    def __post_init__(self) -> None:
        if self.seed is not None and not 0 <= self.seed < 2**63:
            raise ValueError(f"the seed is out of range, {str(self.seed)[:40]}")

    def __str__(self) -> str:
        return f"{RANDOM} (seed {self.seed})" if self.source == RANDOM else self.source


@dataclass(frozen=True, kw_only=True)
class Input:
    """What the artifact takes, and how an image becomes it: value = (pixel * scale - mean) / std, pixels from 0 to 255.

    All of that is None for what is no image, and where nobody said it.

    Attributes:
        name: of the tensor, as the model has it.
        shape: logical, (n, c, h, w); None for a size that is left open, but for the height and width of the manifest's
            `sizes`, which are the default ones.
        layout: in which order the artifact takes it: "nchw" or "nhwc"; "image" for Core ML's own images; None where it
            has not four axes.
        dtype: "uint8" where the artifact takes pixels from 0 to 255 and normalises them itself.
        mean, std: of the normalisation, also where the caller does it: per channel of the scaled pixels, in the order
            of `color`.
        resize: (h, w) that the resized image just covers, has, or fits into, as `resize_mode` says.
        crop: (h, w) of the centre crop after it, or of the padded letterbox.
        crop_pct: the share of the resized image's shorter side that the crop keeps, as timm counts it.
        interpolation: of the resizing: "nearest", "bilinear", "bicubic" or "lanczos".
        scale: what pixels are multiplied by first; None in older manifests, for 1/255.
        color: the order of the model's channels: "rgb", "bgr" or "gray"; an artifact that takes pixels takes RGB, and
            brings them to this order itself. None in older manifests, for RGB or, of one channel, gray.
        resize_mode: "crop", "stretch" or "letterbox"; None in older manifests, for "crop".
        pad_value: of a letterbox: the pixel that it is padded with.
    """

    name: str
    shape: tuple[int | None, ...]
    layout: str | None
    dtype: str
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    resize: tuple[int, int] | None = None
    crop: tuple[int, int] | None = None
    crop_pct: float | None = None
    interpolation: str | None = None
    scale: float | None = None
    color: str | None = None
    resize_mode: str | None = None
    pad_value: int | None = None

    def __post_init__(self) -> None:
        if any(dim is not None and not 0 <= dim < 2**31 for dim in self.shape):
            raise ValueError(f"the shape holds a size out of range, {self.shape}")
        parts = ("mean", "std", "resize", "crop", "crop_pct", "interpolation")
        missing = [part for part in parts if getattr(self, part) is None]
        if 0 < len(missing) < len(parts):
            raise ValueError(f"how an image becomes the input is said without {', '.join(missing)}")
        check_preprocessing(self)


@dataclass(frozen=True, kw_only=True)
class Output:
    """What the artifact gives.

    Attributes:
        name: of the tensor, as the model has it.
        shape: logical, (n, c, h, w) or (n, classes); None for a size that is left open.
        dtype: "float32", or that of whole numbers.
        labels: the names of the classes, in their order; None where they are not known.
        kind: what it is: "numbers", "class scores", "whole numbers", "constant" or "empty"; None where nothing says it.
        agreement: figures of this output's comparison with the reference's; None where there was none.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    labels: tuple[str, ...] | None = None
    kind: str | None = None
    agreement: dict[str, float | None] | None = None


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The inputs that set the int8 ranges.

    Attributes:
        source: a folder or file as given, or "generated".
        count: how many inputs.
        inputs: a digest of each, so that nobody validates on them.
        observer: how a range was chosen from what was seen.
        effort: "fast" (ranges only), "default" (biases corrected), "high" (weights rounded by layer, too).
        correcting: how many of the inputs the effort used.
        equalization: {value: for each of its channels log2 of what it was divided by, and the weights behind it
            multiplied with, in eighths}.
        warning: that they are no real images; None where they are.
    """

    source: str
    count: int
    inputs: tuple[str, ...]
    observer: str
    effort: str
    correcting: int
    warning: str | None = None
    equalization: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CalibrationSpread:
    """How far int8 depends on which inputs calibrate: Q/DQ graphs from halves of them, against the float graph.

    Attributes:
        inputs: how many calibrate in a half.
        samples: how many others judge.
        snr_db: of each half's graph; None where it is no number.
        agreement: the share of equal top-1 classes of each; empty where the output is no row of classes.
        units: whose ranges differ most from half to half, by the noise that they make.
    """

    inputs: int
    samples: int
    snr_db: tuple[float | None, ...]
    agreement: tuple[float, ...] = ()
    units: tuple[str, ...] = ()

    @property
    def range_db(self) -> float:
        """The highest SNR less the lowest; infinite where one is no number."""
        known = [each for each in self.snr_db if each is not None]
        return max(known) - min(known) if len(known) == len(self.snr_db) else math.inf

    def __str__(self) -> str:
        shown = [f"SNR {_range([f'{each:.1f}' for each in sorted(x for x in self.snr_db if x is not None)])} dB"]
        if self.agreement:
            shown.append(f"top-1 agreement {_range([f'{each:.1%}' for each in sorted(self.agreement)])}")
        return f"{', '.join(shown)} over {len(self.snr_db)} halves of the calibration inputs"


def _range(numbers: Sequence[str]) -> str:
    return f"{numbers[0]} to {numbers[-1]}" if numbers else "none"


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What int8 was allowed to cost, and what it did cost on inputs that neither calibrated it nor steered the search.

    Attributes:
        goal: "max_drop", "min_agreement", "min_snr" (dB), or that of a task: "min_ap", "min_miou" and so on.
        limit: what the figure must not exceed (max_...), or has to reach.
        reached: the figure of the artifact; None where it is no number.
        standard_error: of the figure; None in older manifests, and for too few inputs.
        met: whether it is within the limit.
        samples: how many inputs judged.
        searched_on: how many others the search measured on.
        steps: how many the search took.
        problem: a sentence where the budget is not met, or "".
    """

    goal: str
    limit: float
    reached: float | None
    met: bool
    samples: int
    searched_on: int
    steps: int
    problem: str = ""
    standard_error: float | None = None


@dataclass(frozen=True, kw_only=True)
class AcceleratedRun:
    """An artifact as an accelerator computed it, in one precision of its arithmetic.

    Attributes:
        precision: "fp32" or "fp16".
        snr_db: how far it is from the reference, of several outputs the worst; None where it is no number.
        cpu_snr_db: how far it is from what the CPU makes of the same artifact; None where it is no number.
        verdict: "ok", "warn: ..." or "fail: ...".
    """

    precision: str
    snr_db: float | None
    cpu_snr_db: float | None
    verdict: str


@dataclass(frozen=True, kw_only=True)
class Accelerator:
    """What an accelerator took of an artifact when it was validated, and what it made of it.

    Attributes:
        name: "gpu", "npu" or "cpu".
        device: which it was, as its driver says.
        emulated: it was computed in software: right numbers, no times.
        operators: of the artifact.
        accelerated: how many of them it took; the CPU computes the others.
        refused: {operator and reason: how many it did not take for it}.
        runs: in each precision of its arithmetic.
    """

    name: str
    device: str
    emulated: bool
    operators: int
    accelerated: int
    refused: dict[str, int] = field(default_factory=dict)
    runs: tuple[AcceleratedRun, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TaskFigure:
    """A figure of a task, of the artifact against the float model.

    Attributes:
        value: over all inputs; None where it is no number.
        standard_error: of the value, by the jackknife over the inputs; None for fewer than two.
    """

    value: float | None
    standard_error: float | None = None


@dataclass(frozen=True, kw_only=True)
class Suppressed:
    """The outputs of a detector whose artifact does the non-maximum suppression behind them itself.

    Attributes:
        head: the convention by which they are boxes.
        outputs: {what an output is to the task: the model's name of it}; the artifact does not give them.
        settings: what decoding them depends on.
        max_detections: boxes that come out at most, as many rows as the artifact's outputs have; in rows behind the
            last the score is 0 and the class -1, and an output says how many count.
    """

    head: str
    outputs: dict[str, str]
    settings: dict[str, Any]
    max_detections: int

    def __post_init__(self) -> None:
        if not 1 <= self.max_detections < 2**31:
            raise ValueError(f"max_detections is out of range, {str(self.max_detections)[:40]}")


@dataclass(frozen=True, kw_only=True)
class Task:
    """What the outputs mean, and how the answers agree with the float model's.

    Attributes:
        name: "classify", "detect", "segment", "keypoints", "depth", "embed", "image", "text" or "generic".
        head: the convention by which outputs become answers, "yolo" or "detr" say.
        outputs: {what an output is to the task: its name}.
        settings: what decoding depends on: the form and unit of boxes, thresholds, the place of the blank.
        labels: names of classes or characters in their order, where they do not stand beside an output.
        told_by: who said what the outputs mean.
        figures: {name: figure}: "ap", "miou", "equal_strings" and so on.
        samples: how many inputs they come from.
        problem: why there are none, or "".
        pictures: the name of a file beside the manifest with answers drawn side by side; None where there is none.
        suppressed: what the artifact's non-maximum suppression reads; None where it does none.
    """

    name: str
    head: str
    outputs: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] | None = None
    told_by: str = ""
    figures: dict[str, TaskFigure] = field(default_factory=dict)
    samples: int = 0
    problem: str = ""
    pictures: str | None = None
    suppressed: Suppressed | None = None

    def __post_init__(self) -> None:
        if self.pictures is not None and ("/" in self.pictures or self.pictures in ("", ".", "..")):
            raise ValueError(f"{self.pictures[:60]!r} is no name of a file beside the manifest")


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """The file (or folder) itself.

    Attributes:
        file: its name; it lies beside the manifest.
        size_bytes: of the file and its data file, or of all files in the folder.
        sha256: of the file; of a folder, or a file with a data file beside it (NAME.data), of the names and digests of
            the files.
    """

    file: str
    size_bytes: int
    sha256: str

    def __post_init__(self) -> None:
        if "/" in self.file or self.file in ("", ".", ".."):
            raise ValueError(f"{self.file[:60]!r} is no name of a file beside the manifest")

    @classmethod
    def of(cls, path: Path) -> "Artifact":
        """The facts of a file, or of a folder: the sum of its files, the digest of their names and digests."""
        return cls(file=path.name, size_bytes=size_of_artifact(path), sha256=sha256_of_artifact(path))


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What was made, how, and how far it is from the reference.

    Holds no time, and of the host only its CPU's name: same inputs, same bytes.

    Attributes:
        model: a zoo name, or file.py:factory as given.
        num_classes: as asked for, None for the model's own.
        weights: where they came from.
        target: the format, a name of `edgeport.list_targets()`.
        precision: "fp32", "fp16", "int8", "int16x8", "w8a32", "w8a16" or "dynamic".
        inputs: what the artifact takes, in its order.
        outputs: what it gives, in its order.
        profile: the kind of device: of int8 its kernels, of float what it was written for; None for none in particular.
        calibration: the inputs that set the int8 ranges; None for what has none, also for a model that was quantised
            before.
        tools: {package: version} of what made the artifact.
        artifact: the file (or folder) itself.
        agreement: figures of the comparison with the reference, of several outputs the worst; None where it was not
            validated.
        validation: on what it was compared, and on how many inputs; None where it was not.
        cpu: the name of the CPU that it was compared on, whose kernels the figures come from; None where it was not.
        delegate_partitions: how many parts the CPU delegate of a .tflite runs it in; None for other formats.
        options: {name: value} of the target's own options.
        verdict: "ok", "warn: ..." (less than usual), "fail: ...", "over budget: ..." or "not validated".
        kept_float: the units of an int8 artifact that were asked to be float, by the name of what they compute.
        kept_int16: the same of int16 activations, on a device without float.
        activations: {type: how many tensors of a quantised .tflite are computed in it}; empty for others.
        budget: for whose sake, None where none was given.
        beyond_float16: {an operator's first output: why float16 cannot compute it}. Core ML computes these in float32;
            other formats compute all of an fp16 artifact in float32, and a device set to float16 (a GPU) would not.
        accelerator: what that of its profile made of it; None where the profile has none, or it was not there.
        task: what the outputs mean, and how the answers agree; None in older manifests.
        batches: of an artifact that takes any number of images at once, with how many it was run; empty for others.
        sizes: of an artifact that takes images of several heights and widths, which these are; None for one size.
        size_checks: how it agrees with the reference at some of them; int8 was calibrated at the default.
        calibration_spread: how far int8 depends on which inputs calibrate; None where nobody asked.
        quantized_by: where int8's scales come from: "calibration", "training" (`edgeport.prepare_qat`) or "model" (it
            came quantised); None for what has none, and in older manifests.
        schema: of these keys.
    """

    model: str
    num_classes: int | None
    weights: Weights
    target: str
    precision: str
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    profile: str | None
    calibration: Calibration | None
    tools: dict[str, str]
    artifact: Artifact
    agreement: dict[str, float | None] | None
    validation: str | None
    delegate_partitions: int | None
    verdict: str
    options: dict[str, Any] = field(default_factory=dict)
    kept_float: tuple[str, ...] = ()
    kept_int16: tuple[str, ...] = ()
    activations: dict[str, int] = field(default_factory=dict)
    budget: Budget | None = None
    cpu: str | None = None
    beyond_float16: dict[str, str] = field(default_factory=dict)
    accelerator: Accelerator | None = None
    task: Task | None = None
    batches: tuple[int, ...] = ()
    sizes: Sizes | None = None
    size_checks: tuple[SizeCheck, ...] = ()
    calibration_spread: CalibrationSpread | None = None
    quantized_by: QuantizedBy | None = None
    schema: int = SCHEMA

    def to_bytes(self) -> bytes:
        """UTF-8 JSON with sorted keys; NaN and infinity, which JSON does not have, as null."""
        text = json.dumps(
            finite(dataclasses.asdict(self)), indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False
        )
        return (text + "\n").encode()

    @classmethod
    def read(cls, path: Path) -> "Manifest":
        """The manifest in a file. Raises ManifestError, which says where in it what is wrong."""
        try:
            return cls.of_facts(parse_json(read_regular(path, LARGEST)))
        except OSError as e:
            raise ManifestError(f"{path}: cannot be read ({e.strerror or e})") from e
        except NotJson as e:
            raise ManifestError(f"{path}: is not an edgeport manifest ({e})") from e
        except ManifestError as e:
            raise ManifestError(f"{path}: {e}") from e

    @classmethod
    def of_facts(cls, facts: Any) -> "Manifest":
        """The manifest that a JSON object is. Raises NotJson, and ManifestError for one of another schema."""
        schema = convert(facts, _Versioned).schema
        if schema not in (SCHEMA, SCHEMA - 1):
            raise ManifestError(f"is a manifest of schema {schema}, this version reads {SCHEMA}")
        manifest = convert(_upgrade(facts) if schema < SCHEMA else facts, cls, extra=False)
        if not manifest.inputs or not manifest.outputs:
            raise NotJson(f"has no {'outputs' if manifest.inputs else 'inputs'}")
        return manifest

    def check_ports(self, inputs: Sequence[str], outputs: Sequence[str], where: Path) -> None:
        """Raises ManifestError unless the artifact at `where` has inputs and outputs of these names, in their order."""
        for what, described, names in (("inputs", self.inputs, inputs), ("outputs", self.outputs, outputs)):
            if [each.name for each in described] != list(names):
                raise ManifestError(f"{where}: has other {what} than its manifest says; export it again")


@dataclass(frozen=True)
class _Versioned:
    schema: int


def finite(value: Any) -> Any:
    """The value with every NaN and infinity in it as None, and halves of characters escaped, for strict JSON."""
    if isinstance(value, dict):
        return {finite(key): finite(each) for key, each in value.items()}
    if isinstance(value, str):
        return whole_characters(value)
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def whole_characters(text: str) -> str:
    """The text as UTF-8 can hold it.

    Python keeps bytes of a file's name that the locale cannot read as halves of characters; they are read as UTF-8, and
    written as \\xNN where they are none.
    """
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        pass
    try:
        content = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        content = text.encode("utf-8", "surrogatepass")
    return content.decode("utf-8", "backslashreplace")


def _upgrade(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts of a manifest of schema 1 in the words of schema 2; one release reads it."""
    kept = {key: value for key, value in facts.items() if key not in ("plain_operators", "deployment_target", "scheme")}
    plain, system = facts.get("plain_operators", False), facts.get("deployment_target")
    options = ({"plain_operators": True} if plain else {}) | ({"coreml_target": system} if system else {})
    return kept | {"profile": facts.get("scheme"), "options": options, "schema": SCHEMA}
