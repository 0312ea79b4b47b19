"""Core AI: an .aimodel folder, for iOS 27 and macOS 27; elsewhere Apple's runtime runs it on the CPU."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .target import IMAGE_INPUT, IOS_SOURCES, AppRuntime, Profile, Recipe, Target

if TYPE_CHECKING:
    import onnx_ir as ir

    from ..graph.kernels import KernelSet
    from ..runtime.contents.contents import Contents
    from ..runtime.inspectors.inspector import Inspector
    from ..runtime.session import Session

HALF = frozenset({"fp16", "int8", "w8a16"})  # the Neural Engine has no float32


def _neural_engine() -> "KernelSet":
    from .kernel_sets.coreai import COREAI_ANE

    return COREAI_ANE


def _lower(graph: "ir.Model", path: Path, recipe: Recipe) -> None:
    from ..exporters.coreai import convert

    convert(
        graph,
        path,
        precision="fp16" if recipe.precision in HALF else "fp32",
        pixels=recipe.pixels,
        image=_takes_image(recipe),
        float32=recipe.beyond_float16,
        metadata=recipe.metadata | ({"layout": _layout(recipe)} if recipe.pixels else {}),
    )


def _takes_image(recipe: Recipe) -> bool:
    return recipe.pixels and bool(recipe.options[IMAGE_INPUT.name])


def _layout(recipe: Recipe) -> str:
    if _takes_image(recipe):
        return "image"
    return "nhwc" if recipe.pixels else "nchw"


def _open(path: Path, threads: int, options: Mapping[str, Any]) -> "Session":
    from ..runtime.sessions.coreai import CoreAISession

    return CoreAISession(path, threads=threads, **options)


def _read_contents(path: Path) -> "Contents":
    from ..runtime.contents.coreai import read_contents

    return read_contents(path)


def _inspect(path: Path) -> "Inspector":
    from ..runtime.inspectors.coreai import CoreAIInspector

    return CoreAIInspector(path)


TARGET = Target(
    name="coreai",
    position=5,
    ending=".aimodel",
    is_folder=True,
    extra="coreai",
    needs={"coreai": "coreai-core"},
    purposes={"coreai-core": ".aimodel folders: writing and running; experimental"},
    machines="x86-64 Linux and macOS",
    profiles=(Profile(name="coreai-ane", device="Neural Engine, by Apple's guide", load_kernels=_neural_engine),),
    precision="fp16",
    experimental=True,
    refused={
        "int16x8": "edgeport writes none for Core AI, whose activations it quantises to int8; take int8, or tflite",
        "dynamic": "Core AI rounds no activations at run time; take int8, w8a16 or w8a32",
    },
    float16=HALF,
    limits={"fp16": "computed fp16"},  # Apple's runtime on the CPU also sums in float16
    options=(IMAGE_INPUT,),
    why_no_suppression=lambda recipe: "Core AI's library has no such operator",
    lower=_lower,
    open=_open,
    inspect=_inspect,
    no_profiler="Core AI has no profiler here: on a Mac or an iPhone Xcode's performance report tells the time of each "
    "operation; here the same model can be profiled as .tflite, .onnx or OpenVINO IR",
    read_contents=_read_contents,
    layout=_layout,
    wants_image=lambda options: bool(options[IMAGE_INPUT.name]),
    app_runtimes={
        "ios": AppRuntime(
            name="core-ai",
            layouts=("nchw", "nhwc"),
            sources={f"swift/core_ai/{name}": place for name, place in IOS_SOURCES.items()},
            waits=True,
        )
    },
)
