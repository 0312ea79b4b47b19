"""This file is the verb `benchmark`: artifacts are timed side by side."""

import argparse
import dataclasses

from . import options
from .console import Console, table

NAME, HELP = "benchmark", "time artifacts side by side"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artifacts", metavar="ARTIFACT", nargs="+", help="files; ratios are to the first")
    options.add_timing(parser)
    parser.add_argument("--seed", type=options.seed, default=0, help="of the random inputs")


def run(args: argparse.Namespace, console: Console) -> int:
    import numpy as np

    from ..runtime.benchmark import benchmark, peak_rss_mb
    from ..runtime.session import open_session

    rng, seconds = np.random.default_rng(args.seed), {}
    sessions = {f"{i}": open_session(path, threads=args.threads) for i, path in enumerate(args.artifacts)}
    feeds = {
        label: [{spec.name: random(spec.shape, rng) for spec in session.inputs} for _ in range(4)]
        for label, session in sessions.items()
    }
    with console.stage(f"benchmark, {args.num_runs} runs each", seconds, "benchmark"):
        latencies = benchmark(sessions, feeds, runs=args.num_runs, warmup=args.warmup_runs)
    first = latencies["0"].median_ms
    results = [
        {"artifact": path, "latency": dataclasses.asdict(latency), "ratio": latency.median_ms / first}
        for path, latency in zip(args.artifacts, latencies.values(), strict=True)
    ]
    shown = ("median_ms", "p90_ms", "mean_ms", "std_ms", "min_ms", "first_ms", "load_ms")
    rows = [
        (
            result["artifact"],
            *(f"{result['latency'][name]:.3f}" for name in shown),
            f"{result['ratio']:.2f}",
            result["latency"]["runtime"],
        )
        for result in results
    ]
    header = ("artifact", *(name.replace("_ms", " ms") for name in shown), "ratio", "runtime")
    below = f"{args.num_runs} runs after {args.warmup_runs} to warm up, {args.threads} thread(s), interleaved"
    console.result({"results": results, "peak_rss_mb": peak_rss_mb()}, f"{table(header, rows)}\n{below}")
    return 0


def random(shape: tuple[int | None, ...], rng):
    """Normal noise, float32; an open dimension is 1."""
    return rng.standard_normal([1 if dim is None else dim for dim in shape]).astype("float32")
