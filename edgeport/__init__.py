"""edgeport takes a PyTorch vision model to a phone or an edge board, and proves that it still works there.

    import edgeport

    model = edgeport.load("mobilevit_s")
    photos = edgeport.images("photos/")
    result = edgeport.export(model, "tflite", precision="int8", calibration=photos, output_dir="out")
    print(result)  # size, latency, SNR and top-1 agreement with the model, the verdict

Importing it imports nothing heavy: each name is looked up when it is first used. The functions print nothing, change
nothing of the process, and raise EdgeportError or one of its classes. They report to a progress callback, if given one,
and to the logger "edgeport".
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from .artifacts.errors import (
        ArtifactError,
        DeviceError,
        DownloadError,
        EdgeportError,
        ExportError,
        FeedError,
        ImageError,
        InputShapeError,
        ManifestError,
        ModelFileError,
        QuantizeError,
        RuntimeUnavailable,
        UnknownCheckpoint,
        UnknownModel,
        UsageError,
        WeightsError,
        WriteError,
    )
    from .artifacts.exit_codes import EXIT_CODES
    from .artifacts.manifest import Manifest
    from .bundles.create import BundleResult, bundle
    from .models import create_model, get_variant, list_models
    from .models.stated_preprocess import Preprocess, PreprocessLike
    from .pipeline.benchmark import benchmark
    from .pipeline.data.collection import DataLike, ImageFolder, images
    from .pipeline.debug import DebugResult, debug
    from .pipeline.device_runs import DeviceAccess, benchmark_on_device, validate_on_device
    from .pipeline.doctor import Diagnosis, doctor
    from .pipeline.export import export, export_all
    from .pipeline.info import info
    from .pipeline.input_spec import ShapesLike
    from .pipeline.load import load
    from .pipeline.profile import profile
    from .pipeline.profile_result import KernelGroup, MemoryUse, ModuleChange, ProfiledKernel, ProfileResult
    from .pipeline.progress import Event, ProgressCallback
    from .pipeline.qat import prepare_qat
    from .pipeline.results import (
        BenchmarkResult,
        BudgetSearch,
        DeviceBenchmark,
        DeviceFacts,
        ExportFailure,
        ExportResult,
        Timing,
        ValidationResult,
    )
    from .pipeline.sources.source import ExampleInputs, ModelLike, ModelSource
    from .pipeline.sweep.run import SweepResult, sweep
    from .pipeline.validate import validate
    from .quantize.training.module import QatModule
    from .reporting.report import ReportResult, report
    from .runtime.agreement import Agreement, OutputAgreement
    from .runtime.benchmark import Latency
    from .runtime.profilers.peaks import Peaks
    from .runtime.session import Session, TensorSpec
    from .targets.foreign import open_session
    from .targets.registry import list_targets
    from .tasks.agreement import Figure, TaskAgreement
    from .tasks.registry import list_tasks

# where each name is defined: a public function has no name of a subpackage, which an import would put in its place
_PLACES = {
    "artifacts.errors": (
        *("ArtifactError", "DeviceError", "DownloadError", "EdgeportError", "ExportError", "FeedError", "ImageError"),
        *("InputShapeError", "ManifestError", "ModelFileError", "QuantizeError", "RuntimeUnavailable"),
        *("UnknownCheckpoint", "UnknownModel", "UsageError", "WeightsError", "WriteError"),
    ),
    "artifacts.exit_codes": ("EXIT_CODES",),
    "artifacts.manifest": ("Manifest",),
    "bundles.create": ("BundleResult", "bundle"),
    "models": ("create_model", "get_variant", "list_models"),
    "models.stated_preprocess": ("Preprocess", "PreprocessLike"),
    "pipeline.benchmark": ("benchmark",),
    "pipeline.data.collection": ("DataLike", "ImageFolder", "images"),
    "pipeline.debug": ("DebugResult", "debug"),
    "pipeline.device_runs": ("DeviceAccess", "benchmark_on_device", "validate_on_device"),
    "pipeline.doctor": ("Diagnosis", "doctor"),
    "pipeline.export": ("export", "export_all"),
    "pipeline.info": ("info",),
    "pipeline.input_spec": ("ShapesLike",),
    "pipeline.load": ("load",),
    "pipeline.profile": ("profile",),
    "pipeline.profile_result": ("KernelGroup", "MemoryUse", "ModuleChange", "ProfiledKernel", "ProfileResult"),
    "pipeline.progress": ("Event", "ProgressCallback"),
    "pipeline.qat": ("prepare_qat",),
    "pipeline.results": (
        *("BenchmarkResult", "BudgetSearch", "DeviceBenchmark", "DeviceFacts", "ExportFailure", "ExportResult"),
        *("Timing", "ValidationResult"),
    ),
    "pipeline.sources.source": ("ExampleInputs", "ModelLike", "ModelSource"),
    "pipeline.sweep.run": ("SweepResult", "sweep"),
    "pipeline.validate": ("validate",),
    "quantize.training.module": ("QatModule",),
    "reporting.report": ("ReportResult", "report"),
    "runtime.benchmark": ("Latency",),
    "runtime.profilers.peaks": ("Peaks",),
    "runtime.agreement": ("Agreement", "OutputAgreement"),
    "runtime.session": ("Session", "TensorSpec"),
    "targets.foreign": ("open_session",),
    "targets.registry": ("list_targets",),
    "tasks.agreement": ("Figure", "TaskAgreement"),
    "tasks.registry": ("list_tasks",),
}
_PLACE_OF = {name: place for place, names in _PLACES.items() for name in names}

__all__ = [
    "EXIT_CODES",
    "Agreement",
    "ArtifactError",
    "BenchmarkResult",
    "BudgetSearch",
    "BundleResult",
    "DataLike",
    "DebugResult",
    "DeviceAccess",
    "DeviceBenchmark",
    "DeviceError",
    "DeviceFacts",
    "Diagnosis",
    "DownloadError",
    "EdgeportError",
    "Event",
    "ExampleInputs",
    "ExportError",
    "ExportFailure",
    "ExportResult",
    "FeedError",
    "Figure",
    "ImageError",
    "ImageFolder",
    "InputShapeError",
    "KernelGroup",
    "Latency",
    "Manifest",
    "ManifestError",
    "MemoryUse",
    "ModelFileError",
    "ModelLike",
    "ModelSource",
    "ModuleChange",
    "OutputAgreement",
    "Peaks",
    "Preprocess",
    "PreprocessLike",
    "ProfileResult",
    "ProfiledKernel",
    "ProgressCallback",
    "QatModule",
    "QuantizeError",
    "ReportResult",
    "RuntimeUnavailable",
    "Session",
    "ShapesLike",
    "SweepResult",
    "TaskAgreement",
    "TensorSpec",
    "Timing",
    "UnknownCheckpoint",
    "UnknownModel",
    "UsageError",
    "ValidationResult",
    "WeightsError",
    "WriteError",
    "__version__",
    "benchmark",
    "benchmark_on_device",
    "bundle",
    "create_model",
    "debug",
    "doctor",
    "export",
    "export_all",
    "get_variant",
    "images",
    "info",
    "list_models",
    "list_targets",
    "list_tasks",
    "load",
    "open_session",
    "prepare_qat",
    "profile",
    "report",
    "sweep",
    "validate",
    "validate_on_device",
]


if not TYPE_CHECKING:  # a type checker knows the names from above, and is to complain of others

    def __getattr__(name: str) -> Any:
        if name not in _PLACE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import importlib
        import warnings

        with warnings.catch_warnings():  # some libraries add filters when they are imported
            value = getattr(importlib.import_module(f"{__name__}.{_PLACE_OF[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
