"""This file is the verb `benchmark`: artifacts are timed side by side."""

import argparse
import dataclasses
import math
from typing import TYPE_CHECKING

from ..artifacts.errors import UsageError
from . import options
from .console import Console, table

if TYPE_CHECKING:
    from ..runtime.session import TensorSpec

NAME, HELP = "benchmark", "time artifacts side by side"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artifacts", metavar="ARTIFACT", nargs="+", help="of any format; ratios are to the first")
    options.add_timing(parser)
    parser.add_argument("--seed", type=options.seed, default=0, help="of the random inputs")
    options.add_device(parser)
    parser.add_argument(
        "--benchmark-model",
        metavar="PATH",
        help="the LiteRT project's program of that name, for a device without Python; .tflite files alone",
    )


def run(args: argparse.Namespace, console: Console) -> int:
    import numpy as np

    if args.device:
        from ..pipeline.device_benchmark import benchmark as benchmark_there

        return benchmark_there(args, console)
    if args.benchmark_model:
        raise UsageError("--benchmark-model is for a device: name it by --device")
    from ..runtime.benchmark import benchmark, peak_rss_mb
    from ..runtime.session import open_session
    from ..targets.registry import artifact

    rng, seconds = np.random.default_rng(args.seed), {}
    sessions = [open_session(artifact(path), threads=args.threads) for path in args.artifacts]
    real = {f"{i}": session for i, session in enumerate(sessions) if not session.emulated}
    for path, session in zip(args.artifacts, sessions, strict=True):
        if session.emulated:
            console.note(f"{path}: is not timed, because here it can only be emulated ({session.runtime})")
    feeds = {
        label: [{spec.name: random(spec, rng) for spec in session.inputs} for _ in range(4)]
        for label, session in real.items()
    }
    latencies = {}
    if real:
        with console.stage(f"benchmark, {args.num_runs} runs each", seconds, "benchmark"):
            latencies = benchmark(real, feeds, runs=args.num_runs, warmup=args.warmup_runs)
    first = next(iter(latencies.values()), None)
    results = []
    for i, path in enumerate(args.artifacts):
        latency = latencies.get(f"{i}")
        results.append(
            {
                "artifact": path,
                "latency": dataclasses.asdict(latency) if latency else None,
                "ratio": latency.median_ms / first.median_ms if latency and first else None,
                "emulated": latency is None,
            }
        )
    header = ("artifact", *(name.replace("_ms", " ms") for name in SHOWN), "ratio", "runtime")
    below = f"{args.num_runs} runs after {args.warmup_runs} to warm up, {args.threads} thread(s), interleaved"
    rows = [cells(each) for each in results]
    console.result({"results": results, "peak_rss_mb": peak_rss_mb()}, f"{table(header, rows)}\n{below}")
    return 0


SHOWN = ("median_ms", "p90_ms", "mean_ms", "std_ms", "min_ms", "first_ms", "load_ms")


def cells(result: dict) -> tuple[str, ...]:
    """A row of the table."""
    latency = result["latency"]
    if latency is None:
        return (result["artifact"], *("-" for _ in SHOWN), "-", "emulated")
    times = ("-" if math.isnan(latency[name]) else f"{latency[name]:.3f}" for name in SHOWN)
    return (result["artifact"], *times, f"{result['ratio']:.2f}", latency["runtime"])


def random(spec: "TensorSpec", rng):
    """Normal noise, float32, or pixels for an image, uint8; an open dimension is 1."""
    shape = [1 if dim is None else dim for dim in spec.shape]
    return rng.integers(0, 256, shape, "uint8") if spec.dtype == "uint8" else rng.standard_normal(shape, "float32")
