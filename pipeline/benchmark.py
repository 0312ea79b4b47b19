"""`edgeport.benchmark`: artifacts are timed side by side."""

from pathlib import Path

from ..artifacts.counts import check_count
from ..artifacts.errors import UsageError
from ..artifacts.sizes import read_size
from ..runtime.benchmark import benchmark as benchmark_sessions
from ..runtime.benchmark import peak_rss_mb
from ..runtime.session import at_size
from ..targets.foreign import open_session
from ..targets.registry import artifact_path
from .data.dataset import random_array
from .isolation import isolated
from .progress import Progress, ProgressCallback
from .results import BenchmarkResult, Timing

NUM_FEEDS = 4  # different inputs, taken in turn


@isolated
def benchmark(
    *artifacts: str | Path,
    num_runs: int = 50,
    warmup_runs: int = 5,
    threads: int = 1,
    seed: int = 0,
    accelerator: str | None = None,
    size: str | tuple[int, int] | None = None,
    progress: ProgressCallback | None = None,
) -> BenchmarkResult:
    """Times artifacts side by side in this process, interleaved, on random inputs.

    Args:
        *artifacts: of any format; ratios are to the first.
        num_runs: timed runs of each.
        warmup_runs: runs before them.
        threads: CPU threads of each.
        seed: of the inputs.
        accelerator: "gpu", "npu" or "cpu": LiteRT's CompiledModel runs .tflite files there, a GPU in float16 as phones
            do; None for each format's own runtime on the CPU. A GPU in software is not timed.
        size: of the images, (height, width) or "320x480", of artifacts that take several; None for each one's default.
        progress: called with an `Event` for each stage, note and warning.

    Returns:
        The latencies in ms, in the order of the artifacts; none for what can only be emulated on this machine.

    Raises:
        UsageError: no artifact, a number below 1, the accelerator takes no such file, or an artifact not that size.
        ArtifactError: no such file, or not what its ending or its manifest says.
        RuntimeUnavailable: what runs it is not installed, or there is no such accelerator here.

    Example:
        >>> times = edgeport.benchmark(result.float_twin.path, result.path)
        >>> times.results[1].ratio
    """
    import numpy as np

    if not artifacts:
        raise UsageError("benchmark: give at least one artifact")
    for name, count in (("num_runs", num_runs), ("warmup_runs", warmup_runs), ("threads", threads)):
        check_count(name, count)
    wanted = read_size(size)
    told, rng = Progress(progress), np.random.default_rng(seed)
    sessions = [open_session(artifact_path(path), threads=threads, accelerator=accelerator) for path in artifacts]
    real = {f"{i}": session for i, session in enumerate(sessions) if not session.emulated}
    taken = {f"{i}": at_size(each.inputs, wanted, artifacts[i]) for i, each in enumerate(sessions)}
    for path, session in zip(artifacts, sessions, strict=True):
        if session.emulated:
            told.note(f"{path}: is not timed, because here it can only be emulated ({session.runtime})")
    feeds = {
        label: [{spec.name: random_array(spec, rng) for spec in taken[label]} for _ in range(NUM_FEEDS)]
        for label in real
    }
    latencies = {}
    if real:
        with told.stage(f"benchmark, {num_runs} runs each", {}, "benchmark"):
            latencies = benchmark_sessions(real, feeds, runs=num_runs, warmup=warmup_runs)
    for session in sessions:
        session.close()
    first = next(iter(latencies.values()), None)
    timings = []
    for i, path in enumerate(artifacts):
        latency = latencies.get(f"{i}")
        ratio = latency.median_ms / first.median_ms if latency and first else None
        timings.append(Timing(path=str(path), latency=latency, ratio=ratio))
    return BenchmarkResult(results=tuple(timings), peak_rss_mb=peak_rss_mb())
