"""This file is the verb `debug`: float against what runs in an artifact, layer by layer."""

import argparse
import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..artifacts.errors import UsageError
from ..artifacts.exit_codes import DONE
from ..artifacts.manifest import finite
from . import options
from .console import Console, table

if TYPE_CHECKING:
    import numpy as np
    import onnx_ir as ir

    from ..artifacts.manifest import Manifest
    from ..exporters.input_normalization import Folded
    from ..graph.fusion import Unit
    from ..graph.kernels import KernelSet
    from ..models import PreprocessSpec
    from ..quantize.diagnosis.compare_units import Layer
    from ..runtime.inspectors.inspector import Inspector

NAME, HELP = "debug", "compare an artifact with the float model layer by layer"
SHOWN = 20  # layers on the terminal
FEW = 4  # inputs that tell what values are like
FILES = ("layers.json", "layers.png", "layers.html")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artifact", metavar="ARTIFACT", help="what `edgeport export` made, with its manifest beside it")
    parser.add_argument("--reference", metavar="MODEL", help="the model of the manifest, where that is your own code")
    options.add_model(parser)
    parser.set_defaults(weights=None)
    options.add_validation(parser)
    parser.add_argument(
        "--output-dir", metavar="DIR", help=f"where {', '.join(FILES)} go (default: ARTIFACT.debug, beside it)"
    )
    parser.add_argument("--all", action="store_true", help=f"show all layers, not only the {SHOWN} worst")


def run(args: argparse.Namespace, console: Console) -> int:
    from ..artifacts.staging import Staging
    from ..quantize.diagnosis.compare_units import rank_worst_first
    from ..reporting.layer_chart import to_png
    from ..reporting.layer_page import page
    from ..targets import registry

    path = registry.artifact(args.artifact)
    value, layers = diagnosed(path, args, console)
    order = [layer.name for layer in rank_worst_first(layers)]
    folder = Path(args.output_dir) if args.output_dir else path.with_name(f"{path.name}.debug")
    value |= {"worst_first": order, "layers": [dataclasses.asdict(layer) for layer in layers]}
    with Staging(folder) as staging:
        title = f"{path.name}: {value['model']}, {value['samples']} inputs ({value['data']})"
        contents = (to_json(value), to_png(layers, title), page(layers, value))
        for name, content in zip(FILES, contents, strict=True):
            staging.write(name, content)
        staging.publish(FILES)
    value["files"] = [str(folder / name) for name in FILES]
    console.result(value, shown(rank_worst_first(layers), value, args.all))
    return DONE


def diagnosed(path: Path, args: argparse.Namespace, console: Console) -> tuple[dict[str, Any], "list[Layer]"]:
    """(the facts of the comparison, the layers in order of execution)."""
    from .. import quantize
    from ..artifacts.manifest import Manifest
    from ..exporters.canonicalize import is_quantized
    from ..graph.fusion import find_units
    from ..pipeline.prepare import to_graph
    from ..quantize.diagnosis import compare_units
    from ..quantize.diagnosis.isolated_units import match_artifact
    from ..runtime.inspectors.inspector import open_inspector
    from ..runtime.pixels import all_to_pixels, takes_image
    from ..runtime.session import manifest_path
    from .validate import inputs_of, the_subject

    inspector = open_inspector(path)
    if not manifest_path(path).exists():
        raise UsageError(f"{path}: has no manifest beside it, which says from what its float graph can be made again")
    manifest = Manifest.read(manifest_path(path))
    subject, seconds = the_subject(args, manifest, console), {}
    graph = to_graph(subject, console, seconds)
    if is_quantized(graph):
        raise UsageError(f"{subject.model}: brings its own quantisation, so there is no float graph to compare with")
    inputs = inputs_of(args, manifest, subject.takes, console)
    spec = subject.takes.preprocess if takes_image(inspector) else None
    inputs = inputs.in_pixels(spec) if spec else inputs
    found = folded_as_exported(graph, manifest, spec) if spec else None
    if found and spec:
        graph, inputs, spec = found.model, inputs.as_pixels(spec), None
    scheme = scheme_of(manifest)
    with console.stage("plan", seconds, "plan"):
        units = find_units(graph.graph, scheme)
        if manifest.calibration:
            steps = {value: map(int, text.split()) for value, text in manifest.calibration.equalization.items()}
            graph = quantize.apply_equalization(graph, steps)
        if manifest.scheme:  # rewrites and reasons need to know what the values are like, and a few inputs tell
            graph = scheme.apply_forms(graph)
            graph, statistics = scheme.apply_rewrites(graph, quantize.collect(graph, inputs.take(FEW).feeds()))
            units = quantize.plan(graph, statistics, scheme).units
        units = match_artifact(units, inspector, scheme)
    with console.stage(f"compare on {len(inputs)} inputs", seconds, "compare", len(inputs)) as advance:
        layers = compare_units.diagnose(
            *(graph, units, inspector, scheme, inputs.feeds()),
            arrange=arrangement(manifest, graph, units, inspector, scheme),
            to_artifact=lambda feed: all_to_pixels(feed, spec) if spec else feed,
            progress=advance,
        )
    inspector.close()
    facts = {
        "artifact": str(path),
        "model": subject.model,
        "weights": str(subject.weights),
        "target": manifest.target,
        "precision": manifest.precision,
        "samples": len(inputs),
        "data": inputs.source,
        "seconds": seconds,
        "warnings": console.warnings,
    }
    return facts, layers


def to_json(value: dict[str, Any]) -> bytes:
    """Strict JSON."""
    return (json.dumps(finite(value), indent=2, allow_nan=False) + "\n").encode()


def folded_as_exported(graph: "ir.Model", manifest: "Manifest", preprocess: "PreprocessSpec") -> "Folded | None":
    """The graph that reads pixels, where `export` made one for this target."""
    from ..exporters.input_normalization import folded
    from ..runtime.pixels import normalisation
    from ..targets.registry import TARGETS

    if not TARGETS[manifest.target].folds:
        return None
    return folded(graph, normalisation(preprocess), whole=manifest.scheme is not None)


def scheme_of(manifest: "Manifest") -> "KernelSet":
    """The scheme that the artifact was quantised by; of a float one its target's, whose kernels tell what is fused."""
    from ..targets.kernel_sets import KERNEL_SETS
    from ..targets.registry import TARGETS

    if not manifest.scheme:
        return TARGETS[manifest.target].scheme(None)
    scheme = KERNEL_SETS.get(manifest.scheme.upper())
    if scheme is None:
        raise UsageError(f"{manifest.artifact.file}: was quantised by {manifest.scheme}, which this version has not")
    return scheme


def arrangement(
    manifest: "Manifest", graph: "ir.Model", units: "Sequence[Unit]", inspector: "Inspector", scheme: "KernelSet"
) -> "Callable[[str, np.ndarray], np.ndarray | None]":
    """What puts a tensor's dimensions into the graph's order. Only TFLite's have another: they are lowered again."""
    if manifest.target != "tflite":
        return lambda name, tensor: tensor
    from .. import quantize
    from ..exporters.tflite.convert import layouts
    from ..quantize.diagnosis.isolated_units import rebuild_plan

    written = quantize.apply(graph, rebuild_plan(graph, units, inspector, scheme)) if manifest.scheme else graph
    layout = next((each.layout for each in manifest.inputs if each.layout), "nchw")
    views = layouts(written, kernels=scheme, input_layout=layout)
    outputs = {spec.name for spec in manifest.outputs}

    def arranged(name: str, tensor: "np.ndarray") -> "np.ndarray | None":
        view = views.get(name)
        if name in outputs:  # row-major
            return tensor
        return view.read(tensor) if view is not None and tensor.size == math.prod(view.shape) else None

    return arranged


def shown(layers: "Sequence[Layer]", value: dict[str, Any], everything: bool) -> str:
    """The result for people: the worst layers first."""
    header = (
        "module",
        "value",
        "kind",
        "runs",
        "alone",
        "channel",
        "accum.",
        "range",
        "clipped",
        "weight",
        "why float",
    )
    rows = [
        (
            layer.module or "-",
            "" if layer.name == layer.module else layer.name,
            layer.kind,
            layer.precision,
            decibels(layer.alone and layer.alone.snr_db),
            decibels(layer.alone and layer.alone.typical_channel_db),
            decibels(layer.accumulated and layer.accumulated.snr_db),
            percent(layer.range_use, 0),
            percent(layer.clipped, 2),
            decibels(layer.weight_snr_db),
            layer.why,
        )
        for layer in layers[: None if everything else SHOWN]
    ]
    left = len(layers) - len(rows)
    said = [
        table(header, rows),
        *([f"... and {left} better ones (--all shows them)"] if left else []),
        "SNR in dB against the float model: alone (on float inputs; its typical channel), accumulated; range: steps of "
        "256 reached; weight: the worst channel",
        *value["files"],
    ]
    return "\n".join(said)


def decibels(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:.1f}"


def percent(share: float | None, digits: int) -> str:
    return "-" if share is None else f"{share:.{digits}%}"
