"""`edgeport.prepare_qat`: from a model to a module with fake quantisation where the int8 plan of a target rounds."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..artifacts.errors import UsageError
from ..models.stated_preprocess import PreprocessLike
from ..targets.registry import get_target
from .data.collection import DataLike
from .export import check_job, make_job
from .input_spec import ShapesLike
from .int8 import Int8Builder
from .isolation import isolated
from .options import RANGE
from .prepare import prepare
from .progress import Progress, ProgressCallback
from .sources.loading import load_source
from .sources.source import ExampleInputs, ModelLike
from .sources.trained_quantization import Origin

if TYPE_CHECKING:
    from ..quantize.training.module import QatModule


@isolated
def prepare_qat(
    model: ModelLike,
    target: str,
    *,
    profile: str | None = None,
    calibration: DataLike | None = None,
    num_calibration_samples: int | None = None,
    effort: str = "default",
    ranges: str = RANGE,
    keep_float: Sequence[str] = (),
    input_shape: ShapesLike | None = None,
    example_inputs: ExampleInputs | None = None,
    name: str | None = None,
    preprocess: PreprocessLike | None = None,
    progress: ProgressCallback | None = None,
) -> "QatModule":
    """Makes a trainable module of a model, with fake quantisation exactly where its int8 artifact rounds.

    It computes the float graph that int8 starts from, for batches, in PyTorch. The same folds are done as for the
    artifact (each BatchNorm is folded with its running statistics), the same values are rounded, with the same layout
    of scales and zero points, and the same units stay in float, since both come from one plan. Rounding passes
    gradients straight through; weights and the scales of activations are trained. Where it starts is what `export`
    would have made of the same arguments.

    Args:
        model: as `export`: a trained nn.Module, or what `edgeport.load` takes or returns. It is left as it is.
        target: the format that will be exported, a name of `edgeport.list_targets()` that has int8.
        profile: the kind of device; None for the target's default.
        calibration: data that set the ranges to start from, as for `export`: the model's preprocessed inputs, float32
            (n, c, h, w), or images.
        num_calibration_samples: at most so many; None for 300.
        effort: of the calibration that training starts from: "fast", "default" or "high".
        ranges: how a value's first range comes from what calibration saw of it, as for `export`.
        keep_float: patterns of modules or values that stay float.
        input_shape, example_inputs, name, preprocess: as `edgeport.load`.
        progress: called with an `Event` for each stage, note and warning.

    Returns:
        A `QatModule`, in eval mode: train it in your own loop, then `edgeport.export(module, target,
        precision="int8")` writes what it has become, without another calibration.

    Raises:
        UsageError: an argument is wrong, does not fit the others, or the target has no int8.
        ExportError: the model cannot be exported; UnsupportedOp also names an operator that cannot be trained through,
            with its module.
        QuantizeError: it cannot be quantised with these data, or nothing of it runs in int8.
        RuntimeUnavailable, ImageError, InputShapeError: as `export`.
        UnknownModel, UnknownCheckpoint, DownloadError, WeightsError, ModelFileError: as `export`.

    Example:
        >>> qat = edgeport.prepare_qat(model, "tflite", calibration=photos, example_inputs=batch).train()
        >>> optimizer = torch.optim.AdamW(qat.parameters(), lr=1e-4, weight_decay=0)
        >>> for images, labels in loader:
        ...     optimizer.zero_grad()
        ...     torch.nn.functional.cross_entropy(qat(images), labels).backward()
        ...     optimizer.step()
        >>> result = edgeport.export(qat, "tflite", precision="int8", validation=held_out)
    """
    from .. import quantize
    from ..quantize.training.module import QatModule, Template

    arguments = {
        **{"precision": "int8", "profile": profile, "calibration": calibration, "effort": effort, "ranges": ranges},
        **{"num_calibration_samples": num_calibration_samples, "keep_float": keep_float, "name": name},
        **{"input_shape": input_shape, "example_inputs": example_inputs, "preprocess": preprocess},
        **{"validate": False, "benchmark": False, "output_dir": Path()},
    }
    job, heard = make_job((target,), arguments), Progress(progress)
    check_job(job)
    known = get_target(target)
    known.check_precision("int8")
    asked = job.model
    given = {
        "shapes": asked.input_shape,
        "example_inputs": example_inputs,
        "name": name,
        "preprocess": asked.preprocess,
    }
    source = load_source(model, heard, **given)
    if source.trained_for:
        raise UsageError(f"{source.model}: is prepared already, for {source.trained_for[0]}; train and export it")
    prepared = prepare(job, source, heard)
    if prepared.prequantized:
        raise UsageError(f"{source.model}: brings its own quantisation; prepare the float model")
    builder = Int8Builder(known, prepared, heard, prepared.seconds)
    kept = builder.select()
    plan = builder.plan(kept)
    if not any(unit.is_integer for unit in plan.units):
        raise quantize.QuantizeError(
            f"{source.model}: nothing of it runs in int8 on {target}; there is nothing to train"
        )
    wide = next((unit for unit in plan.units if unit.precision == "int16"), None)
    if wide is not None:
        raise quantize.QuantizeError(
            f"{source.model}: '{wide.output}' would be int16 ({wide.why}), and training rounds to int8 alone; take "
            "another profile, which keeps it float"
        )
    tuned = builder.tune(plan)
    graph, plan = quantize.scale_outputs(tuned.graph, plan, tuned.scalings)
    template = Template(graph, plan, target, known.profile(profile).name, Origin.of(source))
    return QatModule(template, builder.kernels).eval()
