"""This file is the way from a model's name to artifacts on disk: everything that `edgeport export` does, in order."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..exporters.atomic import Staging
from ..exporters.manifest import Artifact, Calibration, Input, Manifest, Output
from ..runtime.benchmark import Latency, benchmark, peak_rss_mb
from ..runtime.compare import Agreement, compare, judge
from ..runtime.session import Session, TensorSpec, manifest_path, open_session
from . import targets
from .console import Console
from .inputs import GENERATED, NOT_REAL, NUM_CALIBRATION, Inputs, apart, to_calibrate, to_validate
from .subject import Subject, load_subject

if TYPE_CHECKING:
    import onnx_ir as ir

INPUT = "image"
NOT_VALIDATED = "not validated"
OBSERVER = "mse"  # on photographs, MobileViT-S: 21.0 dB, 17.4 with min-max; with corrected biases 24.6 and 21.4
NUM_CORRECTING = 64  # calibration inputs that correct biases: all of them are in memory at once


@dataclass(frozen=True, kw_only=True)
class Job:
    """What `export` was asked for; the names are those of its options."""

    model: str
    target: str = "tflite"
    precision: str = "fp32"
    weights: str = "auto"
    seed: int = 0
    num_classes: int | None = None
    input_shape: tuple[int, int, int] | None = None
    input_layout: str = "nhwc"
    calibration_data: str | None = None
    num_calibration_samples: int | None = None
    validation_data: str | None = None
    num_validation_samples: int = 50
    output_dir: str = "artifacts"
    num_runs: int = 50
    warmup_runs: int = 5
    threads: int = 1
    validate: bool = True
    benchmark: bool = True

    @property
    def precisions(self) -> tuple[str, ...]:
        """What is built: an int8 artifact that is timed needs its float twin to be compared with."""
        return ("fp32", "int8") if self.precision == "int8" and self.benchmark else (self.precision,)


@dataclass(frozen=True, kw_only=True)
class Result:
    """One artifact, with the names that `--json` prints; None for what was not asked for."""

    model: str
    weights: str
    target: str
    precision: str
    artifact: str
    manifest: str
    size_bytes: int
    agreement: dict[str, float | None] | None
    latency: dict[str, float] | None
    ratio: float | None  # of the median to the float twin's
    seconds: dict[str, float]
    peak_rss_mb: float
    delegate_partitions: int | None
    verdict: str


def run(job: Job, console: Console) -> list[Result]:
    """Builds, checks and publishes the artifacts of a job; the one that was asked for comes last.

    Nothing is at its destination before all of it is whole, and nothing else is left behind.
    """
    target = targets.check(job.target)
    subject = load_subject(
        job.model,
        console,
        weights=job.weights,
        seed=job.seed,
        num_classes=job.num_classes,
        input_shape=job.input_shape,
    )
    calibration, validation = choose_inputs(job, subject, console)
    folder = Path(job.output_dir) / subject.name
    with Staging(folder) as staging:
        shared: dict[str, float] = {}
        graphs = {"fp32": to_graph(subject, console, shared)}
        if calibration:
            graphs["int8"] = quantized(graphs["fp32"], target.scheme, calibration, console, shared)
        seconds = {precision: dict(shared) for precision in job.precisions}
        names, sessions, agreements, manifests = {}, {}, {}, {}
        for precision in job.precisions:
            names[precision] = f"{subject.name}_{precision}{target.suffix}"
            calibrated = described(calibration) if calibration and precision == "int8" else None
            facts = embedded(subject, precision, calibrated)
            with console.stage(f"lower {precision}", seconds[precision], "lower"):
                content = target.lower(graphs[precision], job.input_layout, facts)
            with console.stage(f"write {precision}", seconds[precision], "write"):
                path = staging.write(names[precision], content)
            del content
            sessions[precision] = open_session(path, threads=job.threads)
            if job.validate:
                with console.stage(
                    f"validate {precision} on {len(validation)} inputs", seconds[precision], "validate", len(validation)
                ) as advance:
                    feeds = validation.feeds(INPUT, advance)
                    agreements[precision] = compare(reference(subject), sessions[precision], feeds)
            manifests[precision] = manifest(
                job,
                subject,
                precision,
                target,
                Artifact.of(path),
                sessions[precision],
                calibrated,
                agreements.get(precision),
                f"{validation.source}, {len(validation)} inputs" if job.validate else None,
                partitions(path),
            )
        latencies: dict[str, Latency] = {}
        if job.benchmark:
            feeds = [{INPUT: array} for array in validation.take(4)]
            with console.stage(f"benchmark, {job.num_runs} runs", seconds[job.precision], "benchmark"):
                latencies = benchmark(sessions, feeds, runs=job.num_runs, warmup=job.warmup_runs)
        for session in sessions.values():
            session.close()
        beside = [manifest_path(Path(name)).name for name in names.values()]
        for name, precision in zip(beside, job.precisions, strict=True):
            staging.write(name, manifests[precision].to_bytes())
        staging.publish([*names.values(), *beside], first_remove=beside)
    return [
        Result(
            model=job.model,
            weights=str(subject.weights),
            target=job.target,
            precision=precision,
            artifact=str(folder / names[precision]),
            manifest=str(manifest_path(folder / names[precision])),
            size_bytes=manifests[precision].artifact.size_bytes,
            agreement=manifests[precision].agreement,
            latency=dataclasses.asdict(latencies[precision]) if latencies else None,
            ratio=latencies[precision].median_ms / latencies["fp32"].median_ms if "fp32" in latencies else None,
            seconds=seconds[precision],
            peak_rss_mb=peak_rss_mb(),
            delegate_partitions=manifests[precision].delegate_partitions,
            verdict=manifests[precision].verdict,
        )
        for precision in job.precisions
    ]


def choose_inputs(job: Job, subject: Subject, console: Console) -> tuple[Inputs | None, Inputs]:
    """(the inputs that calibrate, None for float; the inputs that validate and are timed)."""
    data = job.validation_data or job.calibration_data
    if subject.assumed and data and not data.endswith(".npz"):
        console.note("images are normalised with ImageNet's mean and std; give an .npz for anything else")
    count, spec = job.num_validation_samples, subject.preprocess
    validation = to_validate(spec, console, data=data, count=count, seed=job.seed)
    if job.precision != "int8":
        return None, validation.take(count)
    wanted = job.num_calibration_samples
    calibration = to_calibrate(spec, console, data=job.calibration_data, count=wanted, seed=job.seed)
    wanted = wanted or NUM_CALIBRATION
    if job.validate:
        return apart(calibration, validation, (wanted, count), console)
    return calibration.take(wanted), validation.take(count)


def to_graph(subject: Subject, console: Console, seconds: dict[str, float]) -> "ir.Model":
    """The canonical float graph."""
    import torch

    from ..exporters.canonicalize import canonicalize
    from ..exporters.from_torch import from_torch

    with console.stage("export from PyTorch", seconds, "torch_export"):
        example = (torch.zeros(subject.input_shape),)
        graph = from_torch(subject.module, example, input_names=(INPUT,), output_names=subject.output_names)
    with console.stage("canonicalize", seconds, "canonicalize"):
        return canonicalize(graph)


def quantized(
    graph: "ir.Model", scheme: str, calibration: Inputs, console: Console, seconds: dict[str, float]
) -> "ir.Model":
    """The graph with int8 written into it."""
    from .. import quantize

    count = len(calibration)
    with console.stage(f"calibrate on {count} inputs", seconds, "calibrate", count) as advance:
        statistics = quantize.collect(graph, calibration.feeds(INPUT), progress=advance)
        plan = quantize.plan(graph, statistics, getattr(quantize, scheme), observer=OBSERVER)
    with console.stage("correct the biases", seconds, "calibrate"):
        corrected = quantize.correct_biases(graph, plan, calibration.take(NUM_CORRECTING).feeds(INPUT))
        return quantize.apply(corrected, plan)


def reference(subject: Subject) -> Session:
    """The PyTorch module itself, on one thread like all of this: its figures shall not depend on the core count."""
    from ..runtime.torch_session import TorchSession

    inputs = [TensorSpec(INPUT, subject.input_shape, "float32")]
    return TorchSession(subject.module, inputs, subject.output_names, threads=1)


def partitions(path: Path) -> int | None:
    """Delegate partitions, for the one format that has them."""
    if path.suffix != ".tflite":
        return None
    from ..runtime.tflite_session import delegate_partitions

    return delegate_partitions(path)


def described(calibration: Inputs) -> Calibration:
    """Calibration inputs for the manifest; the loud warning goes in where they are no images."""
    return Calibration(
        source=calibration.source,
        count=len(calibration),
        inputs=tuple(calibration.digests()),
        observer=OBSERVER,
        correcting=min(len(calibration), NUM_CORRECTING),
        warning=NOT_REAL if calibration.source == GENERATED else None,
    )


def embedded(subject: Subject, precision: str, calibration: Calibration | None) -> dict[str, Any]:
    """The facts that go into the artifact itself. No paths of this machine: the same model gives the same bytes."""
    weights = dataclasses.asdict(subject.weights) | {"source": Path(subject.weights.source).name}
    return {
        "edgeport": targets.installed("edgeport"),
        "model": subject.name,
        "weights": weights,
        "precision": precision,
        "preprocess": preprocessing(subject),
        "calibration": calibration
        and {"count": calibration.count, "real_images": not calibration.warning, "warning": calibration.warning},
    }


def preprocessing(subject: Subject) -> dict[str, Any]:
    """How an image becomes the input, in the words of manifest.Input."""
    spec = subject.preprocess
    height, width = spec.input_size[1:]
    return {
        "mean": spec.mean,
        "std": spec.std,
        "resize": (int(height / spec.crop_pct), int(width / spec.crop_pct)),
        "crop": (height, width),
        "crop_pct": spec.crop_pct,
        "interpolation": spec.interpolation,
    }


def manifest(
    job: Job,
    subject: Subject,
    precision: str,
    target: targets.Target,
    artifact: Artifact,
    session: Session,
    calibration: Calibration | None,
    agreement: Agreement | None,
    validation: str | None,
    delegate_partitions: int | None,
) -> Manifest:
    """The facts of one artifact."""
    layout = job.input_layout
    return Manifest(
        model=subject.model,
        num_classes=subject.num_classes,
        weights=subject.weights,
        target=job.target,
        precision=precision,
        inputs=tuple(
            Input(name=spec.name, shape=spec.shape, layout=layout, dtype=spec.dtype, **preprocessing(subject))
            for spec in session.inputs
        ),
        outputs=tuple(Output(name=spec.name, shape=spec.shape, dtype=spec.dtype) for spec in session.outputs),
        scheme=target.scheme.lower() if precision == "int8" else None,
        calibration=calibration,
        tools=targets.tools(target),
        artifact=artifact,
        agreement=figures(agreement),
        validation=validation,
        delegate_partitions=delegate_partitions,
        verdict=judge(agreement, precision) if agreement else NOT_VALIDATED,
    )


def figures(agreement: Agreement | None) -> dict[str, float | None] | None:
    """The numbers of an agreement; why they cannot be believed is the verdict's to say."""
    if agreement is None:
        return None
    return {key: value for key, value in dataclasses.asdict(agreement).items() if key != "problem"}
