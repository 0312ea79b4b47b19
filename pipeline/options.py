"""This file holds what `export` is asked for and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass

ALL = "all"
INPUTS = ("float32", "uint8")
TARGETS = ("tflite", "openvino", "coreml", "onnx")  # targets.py says what each is; this much is for `--help`
PROFILES = {  # target -> {profile: its scheme in quantize}, the default first
    "tflite": {"xnnpack": "TFLITE_XNNPACK", "npu": "TFLITE_NPU"},
    "openvino": {"openvino-cpu": "OPENVINO_CPU"},
    "coreml": {"coreml-ane": "COREML_ANE"},
    "onnx": {"onnxruntime-cpu": "ONNXRUNTIME_CPU"},
}
PRECISIONS = ("fp32", "fp16", "int8", "w8a32", "w8a16", "dynamic")
WEIGHTS_ONLY = ("w8a32", "w8a16", "dynamic")  # int8 weights, no calibration
RANGES = ("minmax", "average", "percentile", "entropy", "mse")  # as in quantize.observers
RANGE = "mse"  # on photographs, MobileViT-S: 21.0 dB, 17.4 with min-max; with corrected biases 24.6 and 21.4
BUDGETS = ("max_drop", "min_agreement", "min_snr")
NUM_VALIDATION, NUM_JUDGING = 50, 200
COREML_TARGETS = ("iOS16", "iOS17", "iOS18")


@dataclass(frozen=True, kw_only=True)
class Job:
    """What `export` was asked for; the names are those of its options."""

    model: str
    target: str = "tflite"
    precision: str = "fp32"
    profile: str | None = None
    weights: str = "auto"
    seed: int = 0
    num_classes: int | None = None
    input_shape: Sequence[tuple[str, tuple[int, ...]]] = ()
    input: str = "float32"
    input_layout: str = "nhwc"
    plain_operators: bool = False
    image_input: bool = False
    softmax: bool = False
    top_k: int = 0
    coreml_target: str | None = None
    labels: str | None = None
    calibration_data: str | None = None
    num_calibration_samples: int | None = None
    effort: str = "default"
    ranges: str = RANGE
    keep_float: Sequence[str] = ()
    max_drop: float | None = None
    min_agreement: float | None = None
    min_snr: float | None = None
    budget_steps: int = 16
    validation_data: str | None = None
    feeds: str | None = None
    num_validation_samples: int | None = None
    output_dir: str = "artifacts"
    num_runs: int = 50
    warmup_runs: int = 5
    threads: int = 1
    validate: bool = True
    benchmark: bool = True
    float_twin: bool = True  # an int8 artifact that is timed is compared with the float one

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of the targets that are built."""
        return TARGETS if self.target == ALL else (self.target,)

    def takes_pixels(self, target: str) -> bool:
        """Whether the target's artifacts take an image and normalise it themselves."""
        return self.input == "uint8" or (self.image_input and target == "coreml")

    @property
    def budget(self) -> tuple[str, float] | None:
        """(which, limit) of the accuracy budget, None where there is none."""
        goals = ((name, getattr(self, name)) for name in BUDGETS)
        return next(((name, limit) for name, limit in goals if limit is not None), None)

    @property
    def samples(self) -> int:
        """How many inputs validate at most: a budget of a few per cent needs some to tell."""
        return self.num_validation_samples or (NUM_JUDGING if self.budget else NUM_VALIDATION)

    @property
    def precisions(self) -> tuple[str, ...]:
        """What is built: an int8 artifact that is timed needs its float twin to be compared with."""
        twin = self.precision == "int8" and self.benchmark and self.float_twin
        return ("fp32", "int8") if twin else (self.precision,)


@dataclass(frozen=True, kw_only=True)
class Result:
    """One artifact, with the names that `--json` prints; None for what was not asked for, or could not be made."""

    model: str
    weights: str
    target: str
    precision: str
    artifact: str | None = None
    manifest: str | None = None
    size_bytes: int | None = None
    agreement: dict[str, float | None] | None = None
    latency: dict[str, float] | None = None
    ratio: float | None = None  # of the median to the float twin's
    emulated: bool | None = None  # it was not run by what runs it on a device: nothing was timed
    seconds: dict[str, float] | None = None
    peak_rss_mb: float | None = None
    delegate_partitions: int | None = None
    verdict: str


@dataclass(frozen=True)
class Spent:
    """What came of an accuracy budget.

    Attributes:
        budget: manifest.Budget as a dict.
        kept_float: the units that are float for its sake.
        frontier: a dict for each step of the search.
        table: the same for people.
    """

    budget: dict[str, float | str]
    kept_float: tuple[str, ...]
    frontier: list[dict]
    table: str


@dataclass(frozen=True)
class Outcome:
    """What came of one target: its artifacts, the one that was asked for last, and the exit code that it asks for."""

    results: tuple[Result, ...]
    code: int
    spent: "Spent | None" = None

    @property
    def asked(self) -> Result:
        """The artifact that was asked for."""
        return self.results[-1]
