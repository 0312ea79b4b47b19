"""Uses most of the public API as a user would, with every type spelled out.

`.ci/wheel_check.py` has the types checked against the wheel, and runs it there. It imports edgeport, NumPy and PyTorch
alone, and works in the folder where it is started.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import edgeport
import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

WORDS: list[str] = []


class Network(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.head = torch.nn.Linear(8, 4)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.conv(image)).mean((2, 3)))


def hear(event: edgeport.Event) -> None:
    if event.kind == "warning":
        WORDS.append(event.text)


def load_models() -> list[edgeport.ModelSource]:
    """What a model may be given as."""
    names: list[str] = edgeport.list_models()
    family: str = edgeport.get_variant(names[0]).family
    module: torch.nn.Module = edgeport.create_model("lenet5", num_classes=4)
    print(family, len(list(module.parameters())))
    sources: list[edgeport.ModelSource] = [
        edgeport.load("lenet5", weights="random", seed=1, progress=hear),
        edgeport.load(module, input_shape=(1, 32, 32), name="digits"),
        edgeport.load(Network(), example_inputs=torch.zeros(1, 3, 32, 32)),
        edgeport.load(Network(), example_inputs={"image": np.zeros((1, 3, 32, 32), np.float32)}),
        edgeport.load(Network(), input_shape={"image": (1, 3, 32, 32)}),
    ]
    for source in sources:
        shapes: list[tuple[int | None, ...]] = [each.shape for each in source.input_spec.inputs]
        print(source.name, shapes, source.output_names, source.weights.sha256, source.warnings)
    return sources


def list_data() -> Sequence[edgeport.DataLike]:
    """What data may be given as; each holds eight images."""
    images = torch.rand(8, 3, 32, 32)
    data = TensorDataset(images, torch.arange(8) % 4)
    return (
        images,
        images.numpy(),
        {"image": images},
        [image for image in images],
        [{"image": image.numpy()} for image in images],
        ((image, 0) for image in images.numpy()),
        data,
        DataLoader(data, batch_size=4),
    )


def export(model: edgeport.ModelLike, data: edgeport.DataLike) -> edgeport.ExportResult:
    result: edgeport.ExportResult = edgeport.export(
        model,
        "tflite",
        precision="int8",
        calibration=data,
        validation=list_data()[0],
        num_runs=3,
        input_layout="nhwc",
        output_dir=Path("out"),
        progress=hear,
    )
    agreement: edgeport.Agreement | None = result.agreement
    latency: edgeport.Latency | None = result.latency
    if agreement and latency:
        snr_db: float = agreement.snr_db
        top1: float | None = agreement.top1
        median_ms: float = latency.median_ms
        print(snr_db, top1, median_ms)
    ratio: float | None = result.ratio
    search: edgeport.BudgetSearch | None = result.search
    size: int = result.size_bytes
    ok: bool = result.ok
    facts: Mapping[str, Any] = result.to_json()
    print(ratio, search, size, ok, facts["verdict"], edgeport.EXIT_CODES[result.exit_code])
    return result


def export_to_all(model: edgeport.ModelLike) -> None:
    for each in edgeport.export_all(model, ["tflite", "onnx"], benchmark=False, output_dir="all"):
        if isinstance(each, edgeport.ExportFailure):
            error: str = each.error
            print(each.target, error)
        else:
            path: Path = each.path
            print(each.target, path)


def train_for_int8() -> edgeport.ExportResult:
    """A step of quantisation-aware training."""
    images = torch.rand(8, 3, 32, 32)
    qat: edgeport.QatModule = edgeport.prepare_qat(
        Network(), "onnx", calibration=images, effort="fast", example_inputs=images[:1], name="trained", progress=hear
    )
    optimizer = torch.optim.SGD(qat.train().parameters(), lr=1e-3)
    torch.nn.functional.cross_entropy(qat(images), torch.arange(8) % 4).backward()
    optimizer.step()
    names: tuple[str, ...] = qat.output_names
    print(qat.target, qat.profile, names, qat.trained_batches)
    return edgeport.export(qat, "onnx", precision="int8", validation=images, benchmark=False, output_dir="trained")


def check(result: edgeport.ExportResult, model: edgeport.ModelLike) -> None:
    """Runs, compares, times and describes an artifact."""
    session: edgeport.Session = edgeport.open_session(result.path, threads=1)
    given: edgeport.TensorSpec = session.inputs[0]
    outputs: dict[str, np.ndarray] = session.run({given.name: np.zeros((1, 3, 32, 32), np.float32)})
    print({name: array.shape for name, array in outputs.items()})
    session.close()
    judged: edgeport.ValidationResult = edgeport.validate(result.path, reference=model, data=list_data()[-1])
    snr_db: float = judged.agreement.snr_db
    layers: edgeport.DebugResult = edgeport.debug(result.path, reference=model, output_dir="layers")
    print(snr_db, judged.verdict, [layer.name for layer in layers.worst()], layers.files)
    if result.float_twin:
        times: edgeport.BenchmarkResult = edgeport.benchmark(result.float_twin.path, result.path, num_runs=3)
        second: edgeport.Timing = times.results[1]
        print(second.latency, second.ratio)
    costs: edgeport.ProfileResult = edgeport.profile(result.path, num_runs=4, probe=False, output_dir="costs")
    slowest: edgeport.KernelGroup = costs.modules[0]
    kernel: edgeport.ProfiledKernel = costs.kernels[0]
    print(slowest.name, slowest.us, kernel.module, kernel.kind, costs.memory.weights_bytes, costs.changes)
    manifest: edgeport.Manifest = edgeport.Manifest.read(result.manifest_path)
    layout: str | None = manifest.inputs[0].layout
    print(layout, manifest.profile, edgeport.info(result.path)["runtime"])


def check_on_devices(path: Path) -> None:
    access = edgeport.DeviceAccess()
    judged: list[edgeport.ValidationResult] = edgeport.validate_on_device("local", path, access=access)
    device: edgeport.DeviceFacts | None = judged[0].device
    times: list[edgeport.DeviceBenchmark] = edgeport.benchmark_on_device("local", path, num_runs=3)
    print(device.name if device else None, times[0].device)


def summarise() -> None:
    done: edgeport.SweepResult = edgeport.sweep(
        models=["lenet5"], targets=["onnx"], precisions=["fp32"], weights="random"
    )
    page: edgeport.ReportResult = edgeport.report(done.folder)
    made: edgeport.BundleResult = edgeport.bundle(next(done.folder.rglob("*.onnx")), "linux")
    found: edgeport.Diagnosis = edgeport.doctor()
    print(page.page, len(page.rows), made.folder, made.files, found.targets, edgeport.list_targets())


def main() -> int:
    source = load_models()[2]
    results: list[edgeport.ExportResult] = [export(source, data) for data in list_data()]
    export_to_all(Network().eval() if not source.name else source)
    check(results[-1], source)
    print(train_for_int8().verdict)
    check_on_devices(edgeport.export("lenet5", weights="random", benchmark=False).path)
    summarise()
    try:
        edgeport.export("lenet6")
    except edgeport.UnknownModel as error:
        code: int = error.exit_code
        print(error, code, WORDS)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
