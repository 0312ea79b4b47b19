"""This file lists the formats that `export` can write: a new one is a row here and its converter in exporters."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..artifacts.errors import RuntimeUnavailable, UsageError
from ..pipeline.options import PROFILES
from ..runtime.session import SESSIONS

if TYPE_CHECKING:
    import onnx_ir as ir

    from ..exporters.input_normalization import Normalisation
    from ..graph.kernels import KernelSet


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a converter has to know beside the graph; each reads what concerns it.

    Attributes:
        metadata: facts for the file, "preprocess" and "labels" among them.
        input_layout: of a .tflite's image input, "nhwc" or "nchw".
        plain_operators: a .tflite's float convolutions and means stay one operator each.
        profile: of the device's int8 kernels, of those that the target has.
        pixels: the artifact takes pixels, uint8.
        normalisation: what the graph has to do with them first, None where it takes pixels, or none go in.
        softmax, top_k: what is put behind a classifier.
        coreml_target: the oldest system that a Core ML model runs on.
    """

    precision: str
    metadata: dict[str, Any]
    input_layout: str
    profile: str
    coreml_target: str
    plain_operators: bool = False
    pixels: bool = False
    normalisation: "Normalisation | None" = None
    softmax: bool = False
    top_k: int = 0

    @property
    def halves(self) -> bool:
        """Whether float constants are stored in half precision."""
        return self.precision == "fp16"


@dataclass(frozen=True)
class Target:
    """A format.

    Attributes:
        ending: of the names of its artifacts.
        extra: the extra of `pip install edgeport[...]` that brings what it needs; "" for none.
        needs: {module: distribution} that have to be there.
        profiles: {name for --profile: the name in quantize.schemes of its int8 scheme}, the default first.
        lower: (graph as the artifact computes it, its path, recipe) -> the artifact lies there.
        layout: recipe -> how the artifact takes an image, for the manifest.
        folds: the normalisation is cheaper in the first convolution than in front of it.
    """

    name: str
    ending: str
    extra: str
    needs: dict[str, str]
    profiles: dict[str, str]
    lower: Callable[["ir.Model", Path, Recipe], None]
    layout: Callable[[Recipe], str] = lambda recipe: "nhwc" if recipe.pixels else "nchw"
    folds: bool = False

    def profile(self, asked: str | None) -> str:
        """The name of the asked profile where the target has it, else of the default."""
        return asked if asked in self.profiles else next(iter(self.profiles))

    def scheme(self, asked: str | None) -> "KernelSet":
        """The int8 scheme of a profile."""
        from .kernel_sets import KERNEL_SETS

        return KERNEL_SETS[self.profiles[self.profile(asked)]]

    @property
    def install(self) -> str:
        """What pip has to install for it."""
        return f"edgeport[{self.extra}]" if self.extra else "edgeport"

    def write(self, graph: "ir.Model", path: Path, recipe: Recipe) -> None:
        """The artifact of a canonical graph. Raises ExportError."""
        from ..exporters.classifier_head import headed
        from ..exporters.input_normalization import folded, normalised

        if recipe.normalisation:
            found = folded(graph, recipe.normalisation, whole=False) if self.folds else None
            graph = found.model if found else normalised(graph, recipe.normalisation)
        if recipe.softmax or recipe.top_k:
            graph = headed(graph, softmax=recipe.softmax, top_k=recipe.top_k)
        self.lower(graph, path, recipe)

    def missing(self) -> list[str]:
        """The distributions that are not installed."""
        return [name for module, name in self.needs.items() if importlib.util.find_spec(module) is None]


def _tflite(graph: "ir.Model", path: Path, recipe: Recipe) -> None:
    from ..exporters.tflite.convert import convert

    int8 = recipe.precision == "int8"
    content = convert(
        graph,
        input_layout=recipe.input_layout,
        pixels=recipe.pixels,
        half_weights=recipe.halves,
        int8_weights={"w8a32": "stored", "dynamic": "hybrid"}.get(recipe.precision, "widened"),
        plain=recipe.plain_operators,
        kernels=TARGETS["tflite"].scheme(recipe.profile if int8 else None),
        metadata=recipe.metadata,
    )
    path.write_bytes(content)


def _openvino(graph: "ir.Model", path: Path, recipe: Recipe) -> None:
    from ..exporters.openvino.convert import convert

    path.mkdir()
    convert(graph, path, pixels=recipe.pixels, compress_to_fp16=recipe.halves, metadata=recipe.metadata)


def _coreml(graph: "ir.Model", path: Path, recipe: Recipe) -> None:
    from ..exporters.coreml import convert

    labels = recipe.metadata["labels"]
    if labels and (recipe.softmax or recipe.top_k):
        raise UsageError(
            "coreml: with --labels Core ML itself gives the probabilities; leave out --softmax and --top-k"
        )
    twice = next((label for label in labels or () if labels.count(label) > 1), None)
    if twice is not None:
        raise UsageError(f"coreml: label {twice!r} stands for {labels.count(twice)} classes; Core ML needs other names")
    convert(
        graph,
        path,
        precision="fp32" if recipe.precision in ("fp32", "w8a32") else "fp16",  # the Neural Engine has no float32
        minimum_target=recipe.coreml_target,
        image_input=recipe.pixels,
        labels=labels,
        metadata=recipe.metadata,
    )


def _onnx(graph: "ir.Model", path: Path, recipe: Recipe) -> None:
    from ..exporters.onnx import dynamic_linear
    from ..exporters.onnx.convert import convert

    graph = dynamic_linear.rewrite(graph) if recipe.precision == "dynamic" else graph
    path.write_bytes(convert(graph, pixels=recipe.pixels, compress_to_fp16=recipe.halves, metadata=recipe.metadata))


_LITERT = {"ai_edge_litert": "ai-edge-litert", "flatbuffers": "flatbuffers"}

TARGETS = {
    target.name: target
    for target in (
        Target(
            *("tflite", ".tflite", "tflite", _LITERT, PROFILES["tflite"], _tflite),
            lambda recipe: recipe.input_layout,
            folds=True,
        ),
        Target("openvino", "_openvino_model", "openvino", {"openvino": "openvino"}, PROFILES["openvino"], _openvino),
        Target(
            *("coreml", ".mlpackage", "coreml", {"coremltools": "coremltools"}, PROFILES["coreml"], _coreml),
            lambda recipe: "image" if recipe.pixels else "nchw",
        ),
        Target(
            *("onnx", ".onnx", "", {"onnx": "onnx", "onnxruntime": "onnxruntime"}, PROFILES["onnx"], _onnx), folds=True
        ),
    )
}

# what decides about the bytes of an artifact or the figures of its validation
_TOOLS = ("edgeport", "torch", "onnx-ir", "onnxscript", "onnxruntime", "numpy")


def check(name: str) -> Target:
    """The target of that name, ready to be used. Raises RuntimeUnavailable, naming the extra."""
    target = TARGETS[name]
    if target.missing():
        raise RuntimeUnavailable(
            f"target {name} needs {' and '.join(target.missing())}: pip install '{target.install}'"
        )
    return target


# (precision, target) -> why there is no such artifact, and what to take instead
REFUSED = {
    ("w8a16", "tflite"): "its CPU delegate has no kernels for 16-bit activations; take int8 or w8a32",
    ("w8a16", "openvino"): "its CPU plugin has no kernels for 16-bit activations; take int8 or w8a32",
    ("w8a16", "onnx"): "ONNX Runtime has no CPU kernels for 16-bit activations; take int8 or w8a32",
    ("dynamic", "openvino"): "there it is a setting of the runtime (DYNAMIC_QUANTIZATION_GROUP_SIZE); take w8a32",
    ("dynamic", "coreml"): "Core ML rounds no activations at run time; take int8, w8a16 or w8a32",
}


def refuse(name: str, precision: str) -> None:
    """Raises UnsupportedOp where the target has no such precision."""
    from ..artifacts.errors import UnsupportedOp

    if (precision, name) in REFUSED:
        raise UnsupportedOp(f"{name}: no precision {precision}: {REFUSED[precision, name]}")


def artifact(path: str) -> Path:
    """The artifact that a path names: of an OpenVINO model's .xml the folder, beside which its manifest lies."""
    folder = Path(path).parent
    return folder if path.endswith(".xml") and folder.name.endswith(TARGETS["openvino"].ending) else Path(path)


def is_artifact(path: str) -> bool:
    """Whether the name ends like an artifact's."""
    return path.rstrip("/").endswith(tuple(SESSIONS))


def named(path: Path) -> str | None:
    """The name of the target whose artifacts end as the path does, or None."""
    return next((target.name for target in TARGETS.values() if path.name.endswith(target.ending)), None)


def tools(target: Target) -> dict[str, str]:
    """{distribution: version}, for the manifest."""
    return {name: installed(name) or "unknown" for name in (*_TOOLS, *target.needs.values())}


def installed(distribution: str) -> str | None:
    """The installed version, or None."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
