"""`edgeport.debug`: float against what runs in an artifact, layer by layer."""

import dataclasses
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..artifacts.check import manifest_path
from ..artifacts.errors import UsageError
from ..artifacts.manifest import Manifest, finite
from ..artifacts.staging import Staging
from ..models.foreign_preprocess import read_preprocess
from ..models.stated_preprocess import PreprocessLike
from ..reporting.html_table import html_table
from ..reporting.layer_chart import to_png
from ..reporting.layer_page import page
from ..runtime.pixels import all_to_pixels
from ..runtime.session_wrappers import takes_image
from ..targets.foreign import open_accelerated_inspector
from ..targets.registry import artifact_path, get_target, open_inspector
from .data.collection import DataLike
from .input_spec import ShapesLike, read_shapes
from .isolation import isolated
from .options import NUM_VALIDATION, STATIC
from .pixel_input import fold_normalization
from .prepare import prove, to_graph
from .preprocess_question import Question
from .progress import Progress, ProgressCallback
from .sources.source import ModelLike
from .validate import Comparison, choose_inputs, example_command, find_source

if TYPE_CHECKING:
    import numpy as np
    import onnx_ir as ir

    from ..graph.fusion import Unit
    from ..graph.kernels import KernelSet
    from ..quantize.diagnosis.compare_units import Layer
    from ..runtime.inspectors.inspector import Inspector

FEW = 4  # inputs that tell what values are like
FILES = ("layers.json", "layers.png", "layers.html")


@dataclass(frozen=True, kw_only=True)
class DebugResult:
    """An artifact beside the float model, layer by layer.

    Attributes:
        artifact: its path.
        model, weights, target, precision: of it.
        samples, data: how many inputs, and from where.
        layers: in order of execution; the fields of each are those of "layers" in layers.json.
        worst_first: their names, the one that int8 hurts most first.
        outputs: of several outputs the name, kind and figures of each, as `export` found them.
        files: the chart, the page and the same facts as JSON.
    """

    artifact: str
    model: str
    weights: str
    target: str
    precision: str
    samples: int
    data: str
    layers: "Sequence[Layer]" = field(repr=False)
    worst_first: tuple[str, ...] = field(repr=False)
    seconds: dict[str, float] = field(repr=False)
    outputs: Sequence[dict[str, Any]] = field(default=(), repr=False)
    warnings: tuple[str, ...] = field(default=(), repr=False)
    files: tuple[Path, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The object that `edgeport debug --json` prints; layers.json has all of it but the files."""
        value = {each.name: getattr(self, each.name) for each in dataclasses.fields(self) if each.name != "files"}
        value |= {"layers": [dataclasses.asdict(layer) for layer in self.layers]}
        value |= {"worst_first": list(self.worst_first), "warnings": list(self.warnings)}
        value["outputs"] = list(self.outputs)
        return value | ({"files": [str(file) for file in self.files]} if self.files else {})

    def worst(self) -> "list[Layer]":
        """The layers, the one that int8 hurts most first."""
        known = {layer.name: layer for layer in self.layers}
        return [known[name] for name in self.worst_first]

    def _repr_html_(self) -> str:
        rows = [(layer.name, layer.precision) for layer in self.worst()[:10]]
        return html_table([("artifact", self.artifact), *rows])


@isolated
def debug(
    artifact: str | Path,
    *,
    reference: ModelLike | None = None,
    data: DataLike | None = None,
    num_validation_samples: int = NUM_VALIDATION,
    weights: str | None = None,
    weights_key: str | None = None,
    seed: int = 0,
    num_classes: int | None = None,
    input_shape: ShapesLike | None = None,
    preprocess: PreprocessLike | None = None,
    output_dir: str | Path | None = None,
    accelerator: str | None = None,
    accelerator_precision: str = "fp16",
    progress: ProgressCallback | None = None,
) -> DebugResult:
    """Compares an artifact with the float model, layer by layer: where int8 hurts, and why what is float is float.

    Args:
        artifact: what `edgeport.export` made, with its manifest beside it.
        reference: the model of the manifest, where that is your own code or was a model in memory.
        data: to compare on, as `edgeport.export` takes it; None for generated inputs.
        num_validation_samples: at most so many; 50 where none is given.
        weights, weights_key, seed, num_classes, input_shape: of the reference, as `edgeport.load`.
        preprocess: how an image becomes the input, as `edgeport.validate`.
        output_dir: where layers.json, layers.png and layers.html go; None for ARTIFACT.debug, beside it.
        accelerator: "gpu" or "npu": the layers' values are those that it computes of a .tflite; None for the CPU.
        accelerator_precision: of a GPU's arithmetic: "fp16", as phones compute by default, or "fp32".
        progress: called with an `Event` for each stage, note and warning.

    Returns:
        The layers with their figures, and the files.

    Raises:
        UsageError: no manifest beside it, or its float graph cannot be made again.
        ArtifactError, ManifestError, RuntimeUnavailable, ImageError, WriteError: as `edgeport.validate` and `export`.

    Example:
        >>> edgeport.debug("artifacts/resnet18/resnet18_int8.tflite", data="photos/").worst_first[:3]
    """
    told = Progress(progress)
    comparison = Comparison(
        artifact=artifact,
        reference=reference,
        data=data,
        num_validation_samples=num_validation_samples,
        weights=weights,
        weights_key=weights_key,
        seed=seed,
        num_classes=num_classes,
        shapes=read_shapes(input_shape),
        preprocess=read_preprocess(preprocess),
    )
    path = artifact_path(artifact)
    result = diagnose(path, comparison, told, opener(accelerator, accelerator_precision))
    folder = Path(output_dir) if output_dir else path.with_name(f"{path.name}.debug")
    facts = result.to_json()
    with Staging(folder) as staging:
        title = f"{path.name}: {result.model}, {result.samples} inputs ({result.data})"
        contents = (to_json(facts), to_png(result.layers, title), page(result.layers, facts))
        for name, content in zip(FILES, contents, strict=True):
            staging.write(name, content)
        staging.publish(FILES)
    return dataclasses.replace(result, files=tuple(folder / name for name in FILES))


def opener(accelerator: str | None, precision: str) -> "Callable[[Path], Inspector]":
    """What opens the artifact to look inside."""
    if accelerator is None:
        return open_inspector
    return lambda path: open_accelerated_inspector(path, accelerator, precision)


def diagnose(
    path: Path, comparison: Comparison, progress: Progress, look_into: "Callable[[Path], Inspector]" = open_inspector
) -> DebugResult:
    """The comparison itself."""
    from .. import quantize
    from ..exporters.canonicalize import is_quantized
    from ..graph.fusion import find_units
    from ..graph.open_sizes import declare_open
    from ..quantize.diagnosis.compare_units import diagnose as compare_units
    from ..quantize.diagnosis.compare_units import rank_worst_first
    from ..quantize.diagnosis.isolated_units import match_artifact

    inspector = look_into(path)
    if not os.path.exists(manifest_path(path)):
        raise UsageError(f"{path}: has no manifest beside it, which says from what its float graph can be made again")
    manifest = Manifest.read(manifest_path(path))
    source, seconds = find_source(comparison, manifest, progress), {}
    imported, graph = to_graph(source, progress, seconds)
    if manifest.sizes:
        declare_open(graph)
    if is_quantized(graph):
        raise UsageError(f"{source.model}: brings its own quantisation, so there is no float graph to compare with")
    question = Question(source.model, example_command(comparison, "debug"))
    inputs = choose_inputs(comparison, manifest, source.input_spec, question, progress)
    prove(source, imported, graph, inputs, progress, seconds)
    target = get_target(manifest.target)
    spec = source.input_spec.preprocess if takes_image(inspector.inputs) else None
    inputs = inputs.round_to_pixels(spec) if spec else inputs
    found = fold_normalization(graph, target, spec, quantized=manifest.precision in STATIC) if spec else None
    if found and spec:
        graph, inputs, spec = found.model, inputs.as_pixels(spec), None
    kernels = kernels_of(manifest)
    with progress.stage("plan", seconds, "plan"):
        units = find_units(graph.graph, kernels)
        if manifest.calibration:
            steps = {value: map(int, text.split()) for value, text in manifest.calibration.equalization.items()}
            graph = quantize.apply_equalization(graph, steps)
        if manifest.precision in STATIC:
            # rewrites and reasons need to know what the values are like, and a few inputs tell
            graph = kernels.apply_forms(graph)
            graph, statistics = kernels.apply_rewrites(graph, quantize.collect(graph, inputs.take(FEW).feeds()))
            int16 = "all" if manifest.precision == "int16x8" else manifest.kept_int16
            units = quantize.plan(graph, statistics, kernels, int16=int16).units
        units = match_artifact(units, inspector, kernels)
    with progress.stage(f"compare on {len(inputs)} inputs", seconds, "compare", len(inputs)) as advance:
        layers = compare_units(
            *(graph, units, inspector, kernels, inputs.feeds()),
            arrange=graph_order(manifest, graph, units, inspector, kernels),
            to_artifact=lambda feed: all_to_pixels(feed, spec) if spec else feed,
            progress=advance,
        )
    inspector.close()
    return DebugResult(
        artifact=str(path),
        model=source.model,
        weights=str(source.weights),
        target=manifest.target,
        precision=manifest.precision,
        samples=len(inputs),
        data=inputs.source,
        layers=layers,
        worst_first=tuple(layer.name for layer in rank_worst_first(layers)),
        seconds=seconds,
        outputs=recorded_outputs(manifest),
        warnings=tuple(progress.warnings),
    )


def recorded_outputs(manifest: Manifest) -> tuple[dict[str, Any], ...]:
    """{"name", "kind", figures} of each of several outputs that the artifact was validated on."""
    found = [{"name": each.name, "kind": each.kind, **each.agreement} for each in manifest.outputs if each.agreement]
    return tuple(found) if len(found) > 1 else ()


def to_json(value: dict[str, Any]) -> bytes:
    """Strict JSON."""
    return (json.dumps(finite(value), indent=2, allow_nan=False) + "\n").encode()


def kernels_of(manifest: Manifest) -> "KernelSet":
    """The kernels that the artifact was quantised for; of a float one its target's, which tell what is fused."""
    target = get_target(manifest.target)
    if not manifest.profile:
        return target.kernels()
    profile = target.recorded_profile(manifest.profile)
    if profile is None:
        raise UsageError(
            f"{manifest.artifact.file}: was written for profile {manifest.profile}, which this version has not"
        )
    return profile.kernels(manifest.precision)


def graph_order(
    manifest: Manifest, graph: "ir.Model", units: "Sequence[Unit]", inspector: "Inspector", kernels: "KernelSet"
) -> "Callable[[str, np.ndarray], np.ndarray | None]":
    """What puts a tensor's dimensions into the graph's order; a target that has another lowers the graph again."""
    read_in_graph_order = get_target(manifest.target).read_in_graph_order
    if read_in_graph_order is None:
        return lambda name, tensor: tensor
    from .. import quantize
    from ..quantize.diagnosis.isolated_units import rebuild_plan

    written = graph
    if manifest.precision in STATIC:
        written = quantize.apply(graph, rebuild_plan(graph, units, inspector, kernels))
    layout = next((each.layout for each in manifest.inputs if each.layout), "nchw")
    readers = read_in_graph_order(written, layout, kernels, manifest.profile, manifest.options)
    outputs = {spec.name for spec in manifest.outputs}

    def arrange(name: str, tensor: "np.ndarray") -> "np.ndarray | None":
        if name in outputs:  # row-major
            return tensor
        reader = readers.get(name)
        return reader(tensor) if reader is not None else None

    return arrange
