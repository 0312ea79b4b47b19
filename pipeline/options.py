"""The options of a job, in four records; their fields have the names of `edgeport.export`'s arguments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..artifacts.preprocessing import COLORS as COLORS
from ..artifacts.preprocessing import INTERPOLATIONS as INTERPOLATIONS
from ..artifacts.preprocessing import RESIZES as RESIZES
from ..runtime.residency import ACCELERATORS as ACCELERATORS
from ..runtime.residency import ARITHMETICS as ARITHMETICS
from ..targets.registry import default_precision
from ..targets.target import STATIC as STATIC

if TYPE_CHECKING:
    from ..models.stated_preprocess import Preprocess
    from .data.collection import DataLike
    from .input_spec import Shapes
    from .sources.source import ExampleInputs

INPUTS = ("float32", "uint8")
PRECISIONS = ("fp32", "fp16", "int8", "int16x8", "w8a32", "w8a16", "dynamic")
WEIGHTS_ONLY = ("w8a32", "w8a16", "dynamic")  # int8 weights, no calibration
EFFORTS = ("fast", "default", "high")
HALVES = (0, 2, 4, 6)  # of four parts of the calibration inputs, always a half and the other
RANGES = ("minmax", "average", "percentile", "entropy", "mse")  # as in quantize's observers
RANGE = "mse"  # on photographs, MobileViT-S: 21.0 dB, 17.4 with min-max; with corrected biases 24.6 and 21.4
# of int8, and the largest limit that makes sense of each: the classifier's and the numbers', then those of tasks
BUDGETS = {
    **{"max_drop": 1.0, "min_agreement": 1.0, "min_snr": float("inf")},
    **{"min_ap": 1.0, "min_miou": 1.0, "min_pck": 1.0, "max_abs_rel": float("inf"), "min_cosine": 1.0},
    **{"min_psnr": float("inf"), "max_string_errors": 1.0},
}
MAX_DETECTIONS = 100  # of an image, as COCO's evaluation ranks at most
NUM_VALIDATION, NUM_JUDGING = 50, 200
NUM_ACCELERATED = 2  # a GPU in software takes seconds for each input


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """How the model is made, and what its artifacts take and give.

    Attributes:
        weights: "auto", "pretrained", "random", the name of public weights, or a file.
        weights_key: under which key of the file; None for where they fit.
        seed: of random weights and generated inputs.
        num_classes: of a zoo or timm model; None for its own.
        input_shape: {name, or "" for the only input: sizes}.
        example_inputs: in place of shapes, for a module in memory.
        name: of the files, for a model in memory.
        preprocess: how an image becomes the input, as far as the caller says it.
        input: "float32", normalised arrays; "uint8", pixels, which the artifact normalises.
        softmax, top_k: what is put behind a classifier.
        nms: of a detector: how many boxes come out of non-maximum suppression in the artifact; 0 for none in it.
        dynamic: which sizes of the input are left open: "batch", "size=256:640:32" or "size=256,320"; None for none.
        labels: names of the classes: a file with one a line, or the names.
        task: what the outputs mean, TASK[:HEAD][,NAME=VALUE...]; None for what the model says, or they themselves do.
        target_options: {name: value} of single targets' own options.
    """

    weights: str = "auto"
    weights_key: str | None = None
    seed: int = 0
    num_classes: int | None = None
    input_shape: "Shapes" = field(default_factory=dict)
    example_inputs: "ExampleInputs | None" = None
    name: str | None = None
    preprocess: "Preprocess | None" = None
    input: str = "float32"
    softmax: bool = False
    top_k: int = 0
    nms: int = 0
    dynamic: str | Sequence[str] | None = None
    labels: str | Path | Sequence[str] | None = None
    task: str | None = None
    target_options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class QuantizationOptions:
    """The precision, and how int8 comes about.

    Attributes:
        precision: one of PRECISIONS; None for the default of the targets.
        profile: the kind of device; None for the target's default.
        calibration: the data that set the ranges; None for generated inputs.
        num_calibration_samples: at most so many; None for 300, or 32 generated ones.
        effort: "fast", ranges only; "default", biases corrected; "high", weights rounded layer by layer too.
        ranges: how a value's range comes from what calibration saw of it.
        calibration_halves: of how many halves of the calibration inputs int8 is tried: 0, 2, 4 or 6.
        keep_float: patterns of modules or values that stay float.
        keep_int16: the same of int16 activations, on a device without float.
        max_drop, min_agreement, min_snr: the accuracy budget, one of BUDGETS at most.
        min_ap, min_miou, min_pck, max_abs_rel, min_cosine, min_psnr, max_string_errors: the same on that of a task.
        budget_steps: that the search for it may take.
    """

    precision: str | None = None
    profile: str | None = None
    calibration: "DataLike | None" = None
    num_calibration_samples: int | None = None
    effort: str = "default"
    ranges: str = RANGE
    calibration_halves: int = 0
    keep_float: Sequence[str] = ()
    keep_int16: Sequence[str] = ()
    max_drop: float | None = None
    min_agreement: float | None = None
    min_snr: float | None = None
    min_ap: float | None = None
    min_miou: float | None = None
    min_pck: float | None = None
    max_abs_rel: float | None = None
    min_cosine: float | None = None
    min_psnr: float | None = None
    max_string_errors: float | None = None
    budget_steps: int = 16

    @property
    def budget(self) -> tuple[str, float] | None:
        """(which, limit) of the accuracy budget, None where there is none."""
        return next(iter(self.budgets.items()), None)

    @property
    def budgets(self) -> dict[str, float]:
        """{which: limit} of all that are given."""
        limits = {name: getattr(self, name) for name in BUDGETS}
        return {name: limit for name, limit in limits.items() if limit is not None}


@dataclass(frozen=True, kw_only=True)
class ValidationOptions:
    """What the artifact is compared with its reference on.

    Attributes:
        validate: whether it is.
        validation: the data; None for what is left of the calibration data, or generated inputs.
        num_validation_samples: at most so many; None for 50, or 200 where there is a budget.
        annotations: the true boxes of the images, a COCO file or a folder of YOLO's text files.
    """

    validate: bool = True
    validation: "DataLike | None" = None
    num_validation_samples: int | None = None
    annotations: str | Path | None = None


@dataclass(frozen=True, kw_only=True)
class TimingOptions:
    """How latency is measured.

    Attributes:
        benchmark: whether it is; an int8 artifact then has its float twin made and timed beside it.
        num_runs, warmup_runs: timed runs, and runs before them.
        threads: CPU threads of the artifact.
        float_twin: whether an int8 artifact that is timed is compared with the float one.
    """

    benchmark: bool = True
    num_runs: int = 50
    warmup_runs: int = 5
    threads: int = 1
    float_twin: bool = True


@dataclass(frozen=True, kw_only=True)
class Job:
    """What `export` is asked for.

    Attributes:
        targets: their names.
        output_dir: artifacts go to output_dir/MODEL/.
    """

    targets: tuple[str, ...]
    output_dir: Path = Path("artifacts")
    model: ModelOptions = field(default_factory=ModelOptions)
    quantization: QuantizationOptions = field(default_factory=QuantizationOptions)
    validation: ValidationOptions = field(default_factory=ValidationOptions)
    timing: TimingOptions = field(default_factory=TimingOptions)

    @property
    def precision(self) -> str:
        """What is asked for, or what the targets write where nothing is."""
        return self.quantization.precision or default_precision(self.targets)

    @property
    def precisions(self) -> tuple[str, ...]:
        """What is built: a quantised artifact that is timed needs its float twin to be compared with."""
        twin = self.precision in STATIC and self.timing.benchmark and self.timing.float_twin
        return ("fp32", self.precision) if twin else (self.precision,)

    @property
    def num_validating(self) -> int:
        """How many inputs validate at most: a budget of a few per cent needs some to tell."""
        return self.validation.num_validation_samples or (NUM_JUDGING if self.quantization.budget else NUM_VALIDATION)
