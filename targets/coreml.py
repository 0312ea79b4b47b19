"""Core ML: an .mlpackage folder, for Apple's devices; elsewhere the saved file is run by runtime/mil."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .target import IMAGE_INPUT, IOS_SOURCES, AppRuntime, Option, Profile, Recipe, Target

if TYPE_CHECKING:
    import onnx_ir as ir

    from ..artifacts.manifest import Manifest
    from ..graph.kernels import KernelSet
    from ..runtime.contents.contents import Contents
    from ..runtime.inspectors.inspector import Inspector
    from ..runtime.session import Session
    from .clients.client import Client

OLDEST_SYSTEM = "iOS17"  # the first with int8 activations
HALF = frozenset({"fp16", "int8", "w8a16"})  # the Neural Engine has no float32


def _neural_engine() -> "KernelSet":
    from .kernel_sets.coreml import COREML_ANE

    return COREML_ANE


def _lower(graph: "ir.Model", path: Path, recipe: Recipe) -> None:
    from ..exporters.coreml import convert

    convert(
        graph,
        path,
        precision="fp16" if recipe.precision in HALF else "fp32",
        minimum_target=recipe.options["coreml_target"],
        image_input=recipe.pixels,
        bgr=recipe.pixels and recipe.metadata["preprocess"]["color"] == "bgr",
        labels=recipe.metadata["labels"],
        float32=recipe.beyond_float16,
        sizes=recipe.sizes,
        metadata=recipe.metadata,
    )


def _open(path: Path, threads: int, options: Mapping[str, Any]) -> "Session":
    from ..runtime.sessions.coreml import CoreMLSession

    return CoreMLSession(path, threads=threads, **options)


def _read_contents(path: Path) -> "Contents":
    from ..runtime.contents.coreml import read_contents

    return read_contents(path)


def _list_clients(path: Path, contents: "Contents", manifest: "Manifest | None") -> "tuple[Client, ...]":
    from .clients.coreml import list_clients

    return list_clients(path, contents, manifest)


def _inspect(path: Path) -> "Inspector":
    from ..runtime.inspectors.coreml import CoreMLInspector

    return CoreMLInspector(path)


TARGET = Target(
    name="coreml",
    position=3,
    ending=".mlpackage",
    is_folder=True,
    extra="coreml",
    needs={"coremltools": "coremltools"},
    purposes={"coremltools": ".mlpackage folders: writing; on a Mac also running"},
    profiles=(Profile(name="coreml-ane", device="Neural Engine, by its documentation", load_kernels=_neural_engine),),
    refused={
        "int16x8": "Core ML's activations are int8 or float; take int8, or tflite",
        "dynamic": "Core ML rounds no activations at run time; take int8, w8a16 or w8a32",
    },
    float16=HALF,
    options=(
        IMAGE_INPUT,
        Option(
            name="coreml_target",
            choices=("iOS16", "iOS17", "iOS18"),
            default=OLDEST_SYSTEM,
            help=f"coreml: the oldest system that it runs on (default: {OLDEST_SYSTEM}, the first with int8)",
        ),
    ),
    why_no_suppression=lambda recipe: "it needs iOS 17" if recipe.options["coreml_target"] == "iOS16" else "",
    why_one_size=lambda profile, options: "sizes that are computed need iOS 17" * (options["coreml_target"] == "iOS16"),
    lower=_lower,
    open=_open,
    inspect=_inspect,
    no_profiler="Core ML has no profiler here: on a Mac or an iPhone Xcode's performance report tells the time of each "
    "operation; here the same model can be profiled as .tflite, .onnx or OpenVINO IR",
    read_contents=_read_contents,
    list_clients=_list_clients,
    orders_channels=True,
    layout=lambda recipe: "image" if recipe.pixels else "nchw",
    wants_image=lambda options: bool(options[IMAGE_INPUT.name]),
    app_runtimes={"ios": AppRuntime(sources={f"swift/core_ml/{name}": place for name, place in IOS_SOURCES.items()})},
)
