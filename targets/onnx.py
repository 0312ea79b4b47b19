"""ONNX: an .onnx file for ONNX Runtime, on servers, in browsers and on phones."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..artifacts.digest import files_of
from .target import AppRuntime, Profile, Recipe, Target

if TYPE_CHECKING:
    import numpy as np
    import onnx_ir as ir

    from ..graph.kernels import KernelSet
    from ..runtime.contents.contents import Contents
    from ..runtime.inspectors.inspector import Inspector
    from ..runtime.profilers.kernel import Kernel
    from ..runtime.profilers.session import ProfilingSession
    from ..runtime.session import Session


def _cpu() -> "KernelSet":
    from .kernel_sets.onnx import ONNXRUNTIME_CPU

    return ONNXRUNTIME_CPU


def _lower(graph: "ir.Model", path: Path, recipe: Recipe) -> None:
    from ..exporters.onnx.convert import write

    write(
        graph,
        path,
        pixels=recipe.pixels,
        half_weights=recipe.half_weights,
        dynamic=recipe.precision == "dynamic",
        any_batch=recipe.any_batch,
        sizes=recipe.sizes,
        metadata=recipe.metadata,
    )


def _open(path: Path, threads: int, options: Mapping[str, Any]) -> "Session":
    from ..runtime.sessions.onnx import OnnxSession

    return OnnxSession(path, threads=threads, **options)


def _describe_events(path: Path, told: Mapping[str, Any]) -> "tuple[list[Kernel], np.ndarray]":
    from ..runtime.profilers.onnx import describe

    return describe(path, told)


def _profiler_files() -> dict[str, bytes]:
    from ..devices.backends.onnx import OWN
    from ..runtime.profilers.onnx import own_steps

    return {OWN: own_steps()}


def _open_profiler(path: Path, threads: int) -> "ProfilingSession":
    from ..runtime.profilers.onnx import open_events
    from ..runtime.profilers.session import ProfilingSession
    from ..runtime.sessions.onnx import OnnxSession

    return ProfilingSession(
        lambda: OnnxSession(path, threads=threads),
        lambda session: open_events(path, threads),
        partial(_describe_events, path),
    )


def _read_contents(path: Path) -> "Contents":
    from ..runtime.contents.onnx import read_contents

    return read_contents(path)


def _inspect(path: Path) -> "Inspector":
    from ..runtime.inspectors.onnx import OnnxInspector

    return OnnxInspector(path)


def _device_files(path: Path) -> tuple[Path, ...]:
    return tuple(files_of(path))


TARGET = Target(
    name="onnx",
    position=4,
    ending=".onnx",
    extra="",
    needs={"onnx": "onnx", "onnxruntime": "onnxruntime"},
    purposes={"onnx": "the graph's schema", "onnxruntime": "calibration, .onnx files"},
    profiles=(Profile(name="onnxruntime-cpu", device="CPU", load_kernels=_cpu),),
    refused={
        "int16x8": "ONNX Runtime's CPU has no kernels of int16 activations; take int8, or tflite",
        "w8a16": "ONNX Runtime has no CPU kernels for 16-bit activations; take int8 or w8a32",
    },
    any_batch=True,
    why_one_size=lambda profile, options: "",
    lower=_lower,
    open=_open,
    inspect=_inspect,
    open_profiler=_open_profiler,
    describe_events=_describe_events,
    profiler_files=_profiler_files,
    read_contents=_read_contents,
    folds=True,
    device_runtime="onnx",
    device_files=_device_files,
    device_packages=("onnxruntime",),
    app_runtimes={
        "linux": AppRuntime(
            distribution="onnxruntime",
            sources={"python/runtime_onnxruntime.py": "python/model_runtime.py"},
        ),
        "web": AppRuntime(
            sources={"web/runtime_onnxruntime.ts": "src/runtime.ts", "web/package_onnxruntime.json": "package.json"},
            single_file=True,
            advice={
                "int8": "in WebAssembly ONNX Runtime Web gains little from int8 (0.7 to 1.4 times the time of fp32): "
                "take an int8 .tflite, which LiteRT.js runs in a third of that time, or fp16 for a small file"
            },
        ),
    },
)
