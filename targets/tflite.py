"""TFLite: .tflite files for LiteRT, on phones, boards and microcontrollers."""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..artifacts.errors import UsageError
from .target import STATIC, AppRuntime, Option, Profile, Recipe, Target

if TYPE_CHECKING:
    import numpy as np
    import onnx_ir as ir

    from ..artifacts.manifest import Manifest
    from ..graph.kernels import KernelSet
    from ..runtime.contents.contents import Contents
    from ..runtime.footprint import Footprint
    from ..runtime.inspectors.accelerated import Exposed
    from ..runtime.inspectors.inspector import Inspector
    from ..runtime.profilers.kernel import Kernel
    from ..runtime.profilers.session import ProfilingSession
    from ..runtime.session import Session
    from .accelerators import Coverage
    from .clients.client import Client


OUTPUT_TYPES = ("float32", "int8", "uint8", "int16")
ANDROID_SOURCES = {
    "ModelRunner.kt": "src/main/kotlin/PACKAGE/ModelRunner.kt",
    "GoldenDeviceTest.kt": "src/androidTest/kotlin/PACKAGE/GoldenDeviceTest.kt",
}


def _kernels(name: str) -> "KernelSet":
    from .kernel_sets import tflite

    return getattr(tflite, name)


_XNNPACK = Profile(
    name="xnnpack",
    device="CPU of a phone or board",
    load_kernels=partial(_kernels, "TFLITE_XNNPACK"),
    load_int16_kernels=partial(_kernels, "TFLITE_INT16"),
    precisions=STATIC,
)
_NPU = Profile(
    name="npu",
    device="a device without float: int8 in and out",
    load_kernels=partial(_kernels, "TFLITE_NPU"),
    load_int16_kernels=partial(_kernels, "TFLITE_NPU_INT16"),
    integer_only=True,
    precisions=STATIC,
)
_MICRO = Profile(
    name="micro",
    device="a microcontroller with TensorFlow Lite Micro: int8 in and out",
    load_kernels=partial(_kernels, "TFLITE_MICRO"),
    load_int16_kernels=partial(_kernels, "TFLITE_MICRO_INT16"),
    integer_only=True,
    precisions=STATIC,
)


_GPU = Profile(
    name="gpu",
    device="LiteRT's GPU delegate: at most 4 axes, operators that it has",
    load_kernels=partial(_kernels, "TFLITE_XNNPACK"),
    accelerator="gpu",
    float16=True,
    precisions=("fp32", "fp16", "w8a32"),
    refusal="a GPU computes an int8 file in float, of dequantised numbers, and no faster; take fp32, fp16 or w8a32",
)


def _lower(graph: "ir.Model", path: Path, recipe: Recipe) -> None:
    from ..exporters.tflite.convert import convert

    quantized = recipe.precision in STATIC
    profile = recipe.profile if quantized else _XNNPACK
    kernels = profile.kernels(recipe.precision)
    plain = recipe.profile == _GPU or recipe.options["plain_operators"]
    content = convert(
        graph,
        input_layout=recipe.options["input_layout"],
        pixels=recipe.pixels,
        half_weights=recipe.half_weights,
        int8_weights={"w8a32": "hybrid" if plain else "stored", "dynamic": "hybrid"}.get(recipe.precision, "widened"),
        plain=plain,
        output_type=(recipe.options["output_type"] or _output_type(recipe)) if quantized else None,
        sizes=recipe.sizes,
        kernels=kernels,
        metadata={**recipe.metadata, **({"kernels": kernels.name} if profile is _MICRO else {})},
    )
    path.write_bytes(content)


def _output_type(recipe: Recipe) -> str:
    """Of the outputs that are real numbers, where nobody asks for another."""
    if not recipe.profile.integer_only:
        return "float32"
    return "int16" if recipe.precision == "int16x8" else "int8"


def _why_no_suppression(recipe: Recipe) -> str:
    if recipe.precision in STATIC and recipe.profile.integer_only:
        return f"profile {recipe.profile.name} computes in integers, boxes do not"
    if recipe.options["output_type"] not in (None, "float32"):
        return f"boxes are float32, not --output-type {recipe.options['output_type']}"
    return ""


def _why_one_size(profile: Profile, options: Mapping[str, Any]) -> str:
    return "" if profile is _XNNPACK else f"profile {profile.name} plans its memory for one size"


def _open(path: Path, threads: int, options: Mapping[str, Any]) -> "Session":
    from ..runtime.sessions.tflite import TFLiteSession
    from ..runtime.sessions.tflite_micro import MicroSession

    session = TFLiteSession(path, threads=threads, **options)
    if not session.reference:
        return session
    session.close()
    return MicroSession(path, threads=threads, keep=bool(options.get("keep")))


def _open_accelerated(path: Path, accelerator: str, precision: str, threads: int) -> "Session":
    from ..runtime.sessions.tflite_accelerated import CompiledModelSession

    return CompiledModelSession(path, accelerator=accelerator, precision=precision, threads=threads)


def _describe_events(path: Path, told: Mapping[str, Any]) -> "tuple[list[Kernel], np.ndarray]":
    from ..runtime.profilers.tflite import describe

    return describe(path, told)


def _check_profiled(path: Path) -> None:
    from ..runtime.sessions.tflite import MICRO_KERNELS
    from ..runtime.sessions.tflite_ports import read_facts

    if read_facts(path).kernels == MICRO_KERNELS:
        raise UsageError(f"{path}: is for TensorFlow Lite Micro, whose kernels have no time here to be profiled")


def _open_profiler(path: Path, threads: int) -> "ProfilingSession":
    from ..runtime.profilers.session import ProfilingSession
    from ..runtime.profilers.tflite import LocalEvents
    from ..runtime.sessions.tflite import TFLiteSession

    _check_profiled(path)
    return ProfilingSession(
        lambda: TFLiteSession(path, threads=threads),
        lambda session: LocalEvents(path, threads, cast(TFLiteSession, session)),
        partial(_describe_events, path),
    )


def _plan_activations(path: Path) -> int:
    from ..runtime.sessions.tflite_footprint import plan_activations
    from ..runtime.sessions.tflite_graph import read_graph

    return plan_activations(read_graph(path))


def _expose(path: Path, names: "Collection[str]", copy: Path) -> "Mapping[str, Exposed]":
    from ..runtime.sessions.tflite_exposed import expose

    return expose(path, names, copy)


def _read_contents(path: Path) -> "Contents":
    from ..runtime.contents.tflite import read_contents

    return read_contents(path)


def _predict_coverage(contents: "Contents") -> "tuple[Coverage, ...]":
    from .accelerators import predict_gpu

    return (predict_gpu(contents),)


def _list_clients(path: Path, contents: "Contents", manifest: "Manifest | None") -> "tuple[Client, ...]":
    from .clients.tflite import list_clients

    return list_clients(path, contents, manifest)


def _inspect(path: Path) -> "Inspector":
    from ..runtime.inspectors.tflite import TFLiteInspector

    return TFLiteInspector(path)


def _footprint(path: Path) -> "Footprint":
    from ..runtime.sessions.tflite_footprint import measure_footprint
    from .kernel_sets.tflite import MICRO_OPERATORS

    return measure_footprint(path, MICRO_OPERATORS)


def _read_in_graph_order(
    graph: "ir.Model", layout: str, kernels: "KernelSet", profile: str | None, options: Mapping[str, Any]
) -> "Mapping[str, Callable[[np.ndarray], np.ndarray | None]]":
    import math

    from ..exporters.tflite.convert import layouts

    plain = profile == _GPU.name or bool(options.get("plain_operators"))
    views = layouts(graph, kernels=kernels, input_layout=layout, plain=plain)
    return {
        name: lambda tensor, view=view: view.read(tensor) if tensor.size == math.prod(view.shape) else None
        for name, view in views.items()
    }


_INTERPRETER = AppRuntime(
    name="interpreter",
    gradle=("com.google.ai.edge.litert:litert:1.4.2",),
    sources={f"kotlin/interpreter/{name}": place for name, place in ANDROID_SOURCES.items()},
)
_COMPILED_MODEL = AppRuntime(
    name="compiled-model",
    gradle=("com.google.ai.edge.litert:litert:2.3.0", "com.google.ai.edge.litert:litert-gpu:2.3.0"),
    sources={f"kotlin/compiled_model/{name}": place for name, place in ANDROID_SOURCES.items()},
    others={_INTERPRETER.name: _INTERPRETER},
)


TARGET = Target(
    name="tflite",
    position=1,
    ending=".tflite",
    extra="tflite",
    needs={"ai_edge_litert": "ai-edge-litert", "flatbuffers": "flatbuffers"},
    purposes={
        "ai-edge-litert": ".tflite files: the schema, the interpreter",
        "flatbuffers": ".tflite files: writing",
    },
    profiles=(_XNNPACK, _NPU, _MICRO, _GPU),
    refused={"w8a16": "its CPU delegate does not compute in half precision; for int16 activations take int16x8"},
    options=(
        Option(
            name="input_layout",
            choices=("nhwc", "nchw"),
            default="nhwc",
            help="of a .tflite's image input; the other formats take nchw",
            elsewhere="ignored",
        ),
        Option(
            name="plain_operators",
            default=False,
            help="tflite: the operators of profile gpu, in any precision; deprecated",
            deprecated="--profile gpu",
        ),
        Option(
            name="output_type",
            choices=OUTPUT_TYPES,
            help="tflite, int8 and int16x8: of the outputs that are numbers (default: float32; int8, or int16 of "
            "int16x8, for profiles npu and micro); with uint8, and --input uint8, both ends of the file are as Task "
            "Library and MediaPipe want them of a full-integer model",
            precisions=STATIC,
            choices_of={"int8": ("float32", "int8", "uint8"), "int16x8": ("float32", "int16")},
        ),
    ),
    why_no_suppression=_why_no_suppression,
    why_one_size=_why_one_size,
    lower=_lower,
    open=_open,
    inspect=_inspect,
    open_profiler=_open_profiler,
    describe_events=_describe_events,
    check_profiled=_check_profiled,
    plan_activations=_plan_activations,
    read_contents=_read_contents,
    predict_coverage=_predict_coverage,
    list_clients=_list_clients,
    accelerators=("cpu", "gpu", "npu"),
    expose=_expose,
    open_accelerated=_open_accelerated,
    layout=lambda recipe: recipe.options["input_layout"],
    folds=True,
    device_runtime="tflite",
    device_packages=("ai-edge-litert",),
    device_tool="benchmark_model",
    counted=2,  # LiteRT's are all alike
    read_in_graph_order=_read_in_graph_order,
    footprint=_footprint,
    app_runtimes={
        "android": _COMPILED_MODEL,
        "web": AppRuntime(
            sources={"web/runtime_litert.ts": "src/runtime.ts", "web/package_litert.json": "package.json"},
            output_types=("float32", "int32", "uint8"),
            advice={
                "fp16": "in WebAssembly LiteRT.js takes 2 to 4 times as long with float16 weights as in fp32: take "
                "int8 or dynamic for a small file, or fp32"
            },
        ),
        "micro": AppRuntime(cmake="-DTFLM_DIR=FOLDER_OF_TFLITE_MICRO", session={"reference": True}, integers=True),
        "linux": AppRuntime(
            distribution="ai-edge-litert",
            cmake="-DLITERT_DIR=FOLDER_OF_LIBLITERT",
            sources={
                "cpp/model_litert.cpp": "cpp/model_litert.cpp",
                "python/runtime_litert.py": "python/model_runtime.py",
            },
        ),
    },
)
