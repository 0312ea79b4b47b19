"""`edgeport.export`: the way from a model to artifacts on disk that are checked, timed and described."""

import dataclasses
import difflib
import inspect
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ..artifacts.counts import check_count
from ..artifacts.errors import UsageError, exit_code
from ..artifacts.exit_codes import BUG
from ..artifacts.staging import Staging
from ..models.foreign_preprocess import read_preprocess
from ..models.stated_preprocess import PreprocessLike
from ..targets.registry import everyday_targets, get_target, require_target, target_options
from ..targets.registry import targets as known_targets
from ..tasks.find import read_task
from .build import build
from .checks import check_choice, check_share
from .data.collection import DataLike
from .input_spec import ShapesLike, read_shapes
from .isolation import isolated
from .open_sizes import check_target, read_dynamic
from .options import (
    BUDGETS,
    EFFORTS,
    HALVES,
    INPUTS,
    PRECISIONS,
    RANGE,
    RANGES,
    STATIC,
    Job,
    ModelOptions,
    QuantizationOptions,
    TimingOptions,
    ValidationOptions,
)
from .prepare import Prepared, prepare
from .progress import Progress, ProgressCallback
from .results import ExportFailure, ExportResult
from .sources.loading import load_source
from .sources.source import ExampleInputs, ModelLike

LOG = logging.getLogger("edgeport")
R = TypeVar("R", ModelOptions, QuantizationOptions, ValidationOptions, TimingOptions)


@isolated
def export(
    model: ModelLike,
    target: str | None = None,
    *,
    precision: str | None = None,
    profile: str | None = None,
    calibration: DataLike | None = None,
    num_calibration_samples: int | None = None,
    effort: str = "default",
    ranges: str = RANGE,
    keep_float: Sequence[str] = (),
    keep_int16: Sequence[str] = (),
    max_drop: float | None = None,
    min_agreement: float | None = None,
    min_snr: float | None = None,
    min_ap: float | None = None,
    min_miou: float | None = None,
    min_pck: float | None = None,
    max_abs_rel: float | None = None,
    min_cosine: float | None = None,
    min_psnr: float | None = None,
    max_string_errors: float | None = None,
    budget_steps: int = 16,
    calibration_halves: int = 0,
    validation: DataLike | None = None,
    num_validation_samples: int | None = None,
    annotations: str | Path | None = None,
    validate: bool = True,
    benchmark: bool = True,
    num_runs: int = 50,
    warmup_runs: int = 5,
    threads: int = 1,
    weights: str = "auto",
    weights_key: str | None = None,
    seed: int = 0,
    num_classes: int | None = None,
    input_shape: ShapesLike | None = None,
    example_inputs: ExampleInputs | None = None,
    name: str | None = None,
    preprocess: PreprocessLike | None = None,
    input: str = "float32",
    softmax: bool = False,
    top_k: int = 0,
    nms: int = 0,
    dynamic: str | Sequence[str] | None = None,
    labels: str | Path | Sequence[str] | None = None,
    task: str | None = None,
    output_dir: str | Path = "artifacts",
    progress: ProgressCallback | None = None,
    **target_options: str | bool | None,
) -> ExportResult:
    """Makes an artifact of a model, checks it against the model, times it, and describes it in a manifest.

    Nothing is printed and nothing of the process is changed. A file appears whole or not at all.

    Args:
        model: what `edgeport.load` takes or returns.
        target: the format, a name of `edgeport.list_targets()`; None for the first, tflite.
        precision: "fp32"; "fp16": weights in half precision; "int8": static, W8A8; "w8a32", "w8a16": weights in 8 bits,
            computed in float (in half precision); "dynamic": linear layers also round what they read, at run time. None
            for the target's default: fp16 of a format whose devices compute in that, else fp32.
        profile: the kind of device, as `edgeport list --profiles` names it; None for the target's default.
        calibration: data for int8: a folder of images, `edgeport.images(...)`, an .npz, an array (n, c, h, w), a dict
            of arrays by input, or what yields samples or batches, such as a DataLoader. Arrays are preprocessed inputs.
        num_calibration_samples: at most so many; None for 300.
        effort: of int8. "fast": ranges only; "default": biases corrected; "high": weights rounded layer by layer too.
        ranges: how a value's range comes from what calibration saw of it: "mse" (the default), "minmax", "average",
            "percentile" or "entropy".
        keep_float: patterns of modules or values that stay float in an int8 artifact.
        keep_int16: patterns of those that have int16 activations in an int8 artifact for a device without float
            (profiles npu and micro of tflite). There a budget, too, raises units to int16 instead of to float.
        max_drop: return units to float until top-1 falls by at most so much (0.01: one point), on validation data with
            classes. One of the budgets at most.
        min_agreement: the same, until top-1 is the float model's on so many of the validation inputs.
        min_snr: the same, until the outputs' SNR is so many decibels.
        min_ap, min_miou, min_pck: the same, until the boxes' average precision, the maps' mean intersection over union
            or the share of right keypoints is so much, with the float model's answers for true.
        max_abs_rel, min_cosine, min_psnr: the same of the relative error of depths, the mean cosine of embeddings, and
            the PSNR of images in dB.
        max_string_errors: the same, until at most so many of the strings (0.05) differ from the float model's.
        budget_steps: that the search may take.
        calibration_halves: also quantise from 2, 4 or 6 halves of the calibration inputs, and tell how far the SNR and
            the top-1 agreement of int8 depend on which of them calibrate (`ExportResult.spread`).
        validation: data to compare on; None for a part of the calibration data, or generated inputs.
        num_validation_samples: at most so many; None for 50, or 200 where there is a budget.
        annotations: the true boxes of the validation images, for a detector: a COCO file of instances, or a folder of
            YOLO's text files. The float model's AP and the artifact's are then told, too.
        validate: whether the artifact is compared with the model.
        benchmark: whether it is timed; an int8 one beside its float twin, which is then made too.
        num_runs: timed runs, of the benchmark.
        warmup_runs: runs before them.
        threads: CPU threads of the artifact.
        weights, weights_key, seed, num_classes, input_shape, example_inputs, name, preprocess: as `edgeport.load`.
        input: "float32", normalised arrays; "uint8", pixels as a camera gives them, normalised inside.
        softmax: of a classifier: give probabilities instead of logits.
        top_k: of a classifier: also give the highest scores and their classes.
        nms: of a detector: how many boxes come out of non-maximum suppression in the artifact; 0 for none in it. What
            a target cannot do is left to the application, and a note says so.
        dynamic: "batch": the artifact takes any number of images at once, where the target has it; it is run with
            several numbers of them before it is published. "size=256:640:32": images whose height and width are each
            from 256 to 640 in steps of 32, or, as in "size=256,320,640", one of those; it is compared with the model at
            several of them before it is published. Or a list of both.
        labels: names of the classes or characters, or a file with one a line.
        task: what the outputs mean: a name of `edgeport.list_tasks()`, the convention of its head behind ":" and other
            settings behind "," ("detect:yolo,score_threshold=0.4"). Answers are then compared and judged, not numbers
            alone. None for what the model's package says, or what plain outputs are.
        output_dir: artifacts go to output_dir/MODEL/.
        progress: called with an `Event` for each stage, note and warning.
        **target_options: options of single targets: `input_layout`, `plain_operators` and `output_type` (tflite),
            `image_input` (coreml and coreai) and `coreml_target` (coreml).

    Returns:
        What was made. Its `ok` and `verdict` say how it was judged; an artifact that disagrees with its model is kept,
        and marked in its manifest.

    Raises:
        UsageError: an argument is wrong, does not fit the others, or names a file that is; or images are given, or
            pixels asked for, and nobody says how an image becomes the input.
        ExportError: the model cannot be exported; UnsupportedOp, UnsupportedAttribute, DynamicShape, NotCanonical and
            ArtifactTooLarge say why.
        QuantizeError: it cannot be quantised with these data.
        RuntimeUnavailable: what the target needs is not installed; the message names the extra.
        ImageError: a folder without images, or a damaged one.
        WriteError: the output cannot be written.
        UnknownModel, UnknownCheckpoint, DownloadError, WeightsError, ModelFileError, InputShapeError: as
            `edgeport.load`.

    Example:
        >>> result = edgeport.export(model, "tflite", precision="int8", calibration="photos/")
        >>> print(result.path, result.verdict)
    """
    arguments = dict(locals())
    for each in ("model", "target", "progress", "target_options"):
        del arguments[each]
    names = (target or next(iter(known_targets())),)
    (result,) = run_job(make_job(names, arguments | target_options), model, Progress(progress))
    assert isinstance(result, ExportResult)  # an error would have come through
    return result


@isolated
def export_all(
    model: ModelLike,
    targets: Sequence[str] | None = None,
    *,
    progress: ProgressCallback | None = None,
    **options: Any,
) -> list[ExportResult | ExportFailure]:
    """Exports a model to several targets, from one graph and one calibration.

    Args:
        model: as `export`.
        targets: their names; None for all but the experimental ones.
        progress: as `export`.
        **options: the other arguments of `export`.

    Returns:
        A result for each target, in their order; an ExportFailure for one that could not be made, the others are made
        all the same.

    Raises:
        UsageError: as `export`, for what is wrong for all targets.
        ExportError, QuantizeError, ImageError, WriteError: as `export`, where it happens before any target's own part.
        UnknownModel, UnknownCheckpoint, DownloadError, WeightsError, ModelFileError, InputShapeError: as `load`.

    Example:
        >>> for result in edgeport.export_all("lenet5", ["tflite", "onnx"], weights="random"):
        ...     print(result.target, result.verdict)
    """
    names = tuple(everyday_targets() if targets is None else targets)
    return run_job(make_job(names, options), model, Progress(progress), stop_at_error=False)


def make_job(targets: tuple[str, ...], arguments: Mapping[str, Any]) -> Job:
    """The job of `export`'s arguments: four records, filled by name; what is in none of them is a target's option.

    Raises UsageError for an argument that nothing knows.
    """
    left = dict(arguments)
    left["input_shape"] = read_shapes(left.get("input_shape"))
    left["preprocess"] = read_preprocess(left.get("preprocess"))
    for name in ("keep_float", "keep_int16"):
        given = left.get(name, ())
        left[name] = (given,) if isinstance(given, str) else tuple(given)
    output_dir = Path(left.pop("output_dir", "artifacts"))

    def fill(record: type[R], **more: Any) -> R:
        names = [each.name for each in dataclasses.fields(record) if each.name in left]
        return record(**{name: left.pop(name) for name in names}, **more)

    quantization, validation, timing = fill(QuantizationOptions), fill(ValidationOptions), fill(TimingOptions)
    own = target_options()
    model = fill(ModelOptions, target_options={name: left.pop(name) for name in [*left] if name in own})
    if left:
        known = [*inspect.signature(export).parameters, *own]
        near = difflib.get_close_matches(next(iter(left)), known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"export has no argument {next(iter(left))!r}{hint}")
    return Job(
        targets=targets,
        output_dir=output_dir,
        model=model,
        quantization=quantization,
        validation=validation,
        timing=timing,
    )


def run_job(
    job: Job, model: ModelLike, progress: Progress, *, stop_at_error: bool = True
) -> list[ExportResult | ExportFailure]:
    """Builds, checks and publishes the artifacts of a job, one target after the other.

    Nothing is at its destination before all of one target's artifacts are whole, and nothing else is left behind.
    With `stop_at_error` an error comes through; without, it is a result, and the next target goes on.
    """
    check_job(job)
    if stop_at_error:
        for each in job.targets:
            require_target(each).check_precision(job.precision)
            check_target(job, get_target(each))
    asked = job.model
    for option, _ in target_options().values():
        if option.deprecated and asked.target_options.get(option.name):
            progress.warn(f"{option.flag} goes with the next release; take {option.deprecated}")
    source = load_source(
        model,
        progress,
        weights=asked.weights,
        weights_key=asked.weights_key,
        seed=asked.seed,
        num_classes=asked.num_classes,
        shapes=asked.input_shape,
        example_inputs=asked.example_inputs,
        name=asked.name,
        preprocess=asked.preprocess,
    )
    with Staging(job.output_dir / source.name) as staging:
        prepared = prepare(job, source, progress)
        attempt = build_target if stop_at_error else try_to_build
        results = [attempt(prepared.job, name, prepared, staging, progress) for name in job.targets]
    shared = tuple(progress.warnings)  # of all targets, also those that came before
    return [with_warnings(result, shared, progress) for result in results]


def with_warnings(
    result: ExportResult | ExportFailure, shared: tuple[str, ...], progress: Progress
) -> ExportResult | ExportFailure:
    """The result with the warnings of its job, and one where int8 is slower than float."""
    if isinstance(result, ExportFailure):
        return dataclasses.replace(result, warnings=shared)
    if result.precision in STATIC and result.ratio is not None and result.ratio > 1:
        slow = (
            f"{result.target}: {result.precision} is SLOWER than fp32 on this machine: {result.ratio:.2f} of its time"
        )
        progress.warn(slow)
        shared = (*shared, slow)
    return dataclasses.replace(result, warnings=shared)


def check_dynamic(job: Job) -> None:
    """Raises UsageError for a size that cannot be left open."""
    asked = read_dynamic(job.model.dynamic)
    if asked.batch and job.model.nms:
        raise UsageError("--dynamic batch and --nms: boxes are suppressed in one image; leave one of them out")
    if asked.sides and job.model.nms:
        raise UsageError("--dynamic size and --nms: the boxes of one size are suppressed; leave one of them out")


def check_job(job: Job) -> None:
    """Raises UsageError for what no model could make right: unknown names, options that do not go together."""
    asked, options = job.quantization, job.model.target_options
    if not job.targets:
        raise UsageError("target: there is none; give one or several")
    for name in job.targets:
        get_target(name)
    check_choice("precision", job.precision, PRECISIONS)
    check_choice("effort", asked.effort, EFFORTS)
    check_choice("ranges", asked.ranges, RANGES)
    check_choice("calibration_halves", asked.calibration_halves, HALVES)
    if asked.calibration_halves and job.precision not in STATIC:
        raise UsageError(f"--calibration-halves is for --int8, not for --precision {job.precision}")
    check_choice("input", job.model.input, INPUTS)
    check_dynamic(job)
    if job.model.task:
        read_task(job.model.task)
    check_numbers(job)
    check_target_options(job)
    if job.model.input == "uint8" and options.get("input_layout", "nhwc") != "nhwc":
        raise UsageError("--input uint8 takes the image as it lies in memory, NHWC; leave out --input-layout")
    budgets = [*asked.budgets]
    if len(budgets) > 1:
        raise UsageError(f"{' and '.join(budgets)}: give one of them")
    if job.precision not in STATIC:
        for name in budgets + ["keep_float"] * bool(asked.keep_float):
            raise UsageError(f"--{name.replace('_', '-')} is for --int8, not for --precision {job.precision}")
    check_profile(job)
    if budgets and not job.validation.validate:
        raise UsageError(f"--{budgets[0].replace('_', '-')} has to be measured; leave out --no-validate")


def check_profile(job: Job) -> None:
    """Raises UsageError for a profile that the targets do not have, or that the other options do not go with."""
    asked, given = job.quantization, ", ".join(job.targets)
    profile = None
    if asked.profile:
        profiles = {profile.name: profile for name in job.targets for profile in get_target(name).profiles}
        if asked.profile not in profiles:
            raise UsageError(f"--profile {asked.profile} is not of {given}, which has {' and '.join(profiles)}")
        profile = profiles[asked.profile]
        if job.precision not in profile.precisions:
            wanted = " and ".join(profile.precisions)
            raise UsageError(
                f"--profile {profile.name} is for --precision {wanted}, not for {job.precision}; {profile.refusal}"
            )
        if profile.integer_only and asked.keep_float:
            raise UsageError(
                f"profile {asked.profile} has no float that units could stay in; take --keep-int16, or leave it out"
            )
        if profile.integer_only and asked.budgets and job.precision == "int16x8":
            raise UsageError(
                f"profile {asked.profile} has nothing finer than int16 to raise units to; leave out the budget, or "
                "take --int8, whose budget raises as few of them to int16 as it needs"
            )
    raises = profile is not None and profile.integer_only and profile.load_int16_kernels is not None
    if asked.keep_int16 and not (raises and job.precision == "int8"):
        raise UsageError(
            "--keep-int16 is for --int8 with a profile without float (npu and micro of tflite); for int16 activations "
            "everywhere take --int16x8"
        )


def check_numbers(job: Job) -> None:
    """Raises UsageError for a number out of its range."""
    asked = job.quantization
    for name, count in (
        ("num_calibration_samples", asked.num_calibration_samples),
        ("num_validation_samples", job.validation.num_validation_samples),
        ("budget_steps", asked.budget_steps),
        ("num_runs", job.timing.num_runs),
        ("warmup_runs", job.timing.warmup_runs),
        ("threads", job.timing.threads),
    ):
        check_count(name, count)
    for name, limit in asked.budgets.items():
        check_share(name, limit, most=BUDGETS[name])


def check_target_options(job: Job) -> None:
    """Raises UsageError for an option that no target has, or only others, or of a wrong value."""
    known = target_options()
    for name, value in job.model.target_options.items():
        option, names = known[name]
        if option.choices and value != option.default:
            check_choice(name, value, option.choices)
        if value and not set(names) & set(job.targets) and option.elsewhere == "error":
            raise UsageError(f"{option.flag} is for --target {' and '.join(names)}, not for {', '.join(job.targets)}")
        if value and option.precisions and job.precision not in option.precisions:
            raise UsageError(f"{option.flag} is for --precision {' and '.join(option.precisions)}, not {job.precision}")
        left = option.choices_of.get(job.precision)
        if value and left and value not in left:
            raise UsageError(f"{option.flag} {value} is not of {job.precision}, which has {' and '.join(left)}")


def build_target(job: Job, name: str, prepared: Prepared, staging: Staging, progress: Progress) -> ExportResult:
    """One target; its errors come through."""
    get_target(name).check_precision(job.precision)
    return build(job, require_target(name), prepared, staging, progress)


def try_to_build(
    job: Job, name: str, prepared: Prepared, staging: Staging, progress: Progress
) -> ExportResult | ExportFailure:
    """One of several targets; its error is a result, so that the others go on."""
    try:
        return build_target(job, name, prepared, staging, progress)
    except Exception as e:  # even a bug in one target is none in the others
        code, sentence = exit_code(e), str(e)
        if code == BUG:
            LOG.exception("target %s", name)
            sentence = f"a bug: {type(e).__name__}: {e}"
        return ExportFailure(
            model=prepared.source.model,
            weights=str(prepared.source.weights),
            target=name,
            precision=job.precision,
            error=sentence if name in sentence else f"{name}: {sentence}",
            exit_code=code,
        )
