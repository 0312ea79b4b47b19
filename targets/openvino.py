"""OpenVINO: a folder with an IR (.xml and .bin), for Intel's CPUs."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .target import AppRuntime, Profile, Recipe, Target

if TYPE_CHECKING:
    import numpy as np
    import onnx_ir as ir

    from ..artifacts.manifest import Manifest
    from ..graph.kernels import KernelSet
    from ..runtime.contents.contents import Contents
    from ..runtime.inspectors.inspector import Inspector
    from ..runtime.profilers.kernel import Kernel
    from ..runtime.profilers.session import ProfilingSession
    from ..runtime.session import Session
    from .clients.client import Client


def _cpu() -> "KernelSet":
    from .kernel_sets.openvino import OPENVINO_CPU

    return OPENVINO_CPU


def _lower(graph: "ir.Model", path: Path, recipe: Recipe) -> None:
    from ..exporters.openvino.convert import convert

    path.mkdir()
    convert(
        graph,
        path,
        pixels=recipe.pixels,
        half_weights=recipe.half_weights,
        any_batch=recipe.any_batch,
        sizes=recipe.sizes,
        metadata=recipe.metadata,
    )


def _open(path: Path, threads: int, options: Mapping[str, Any]) -> "Session":
    from ..runtime.sessions.openvino import OpenVINOSession

    return OpenVINOSession(path, threads=threads, **options)


def _describe_events(path: Path, told: Mapping[str, Any]) -> "tuple[list[Kernel], np.ndarray]":
    from ..runtime.profilers.openvino import describe

    return describe(path, told)


def _open_profiler(path: Path, threads: int) -> "ProfilingSession":
    from ..runtime.profilers.openvino import open_events
    from ..runtime.profilers.session import ProfilingSession
    from ..runtime.sessions.openvino import OpenVINOSession

    return ProfilingSession(
        lambda: OpenVINOSession(path, threads=threads),
        lambda session: open_events(path, threads),
        partial(_describe_events, path),
    )


def _read_contents(path: Path) -> "Contents":
    from ..runtime.contents.openvino import read_contents

    return read_contents(path)


def _list_clients(path: Path, contents: "Contents", manifest: "Manifest | None") -> "tuple[Client, ...]":
    from .clients.openvino import list_clients

    return list_clients(path, contents, manifest)


def _inspect(path: Path) -> "Inspector":
    from ..runtime.inspectors.openvino import OpenVINOInspector

    return OpenVINOInspector(path)


def _device_files(path: Path) -> tuple[Path, ...]:
    xml = sorted(path.glob("*.xml"))[0] if path.is_dir() else path
    return xml, xml.with_suffix(".bin")


TARGET = Target(
    name="openvino",
    position=2,
    ending="_openvino_model",
    is_folder=True,
    also_opens=(".xml",),
    extra="openvino",
    needs={"openvino": "openvino"},
    purposes={"openvino": "OpenVINO models"},
    profiles=(Profile(name="openvino-cpu", device="CPU", load_kernels=_cpu),),
    refused={
        "int16x8": "its plugins have no kernels of int16 activations; take int8, or tflite",
        "w8a16": "its CPU plugin has no kernels for 16-bit activations; take int8 or w8a32",
        "dynamic": "there it is a setting of the runtime (DYNAMIC_QUANTIZATION_GROUP_SIZE); take w8a32",
    },
    any_batch=True,
    why_one_size=lambda profile, options: "",
    lower=_lower,
    open=_open,
    inspect=_inspect,
    open_profiler=_open_profiler,
    describe_events=_describe_events,
    read_contents=_read_contents,
    list_clients=_list_clients,
    device_runtime="openvino",
    device_files=_device_files,
    device_packages=("openvino",),
    large_on_device=True,  # its wheel is as large as all the others together
    app_runtimes={
        "linux": AppRuntime(
            distribution="openvino",
            cmake="-DCMAKE_PREFIX_PATH=FOLDER_OF_OPENVINO",
            sources={
                "cpp/model_openvino.cpp": "cpp/model_openvino.cpp",
                "python/runtime_openvino.py": "python/model_runtime.py",
            },
        ),
    },
)
