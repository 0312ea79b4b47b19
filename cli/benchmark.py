"""The command `benchmark`: artifacts are timed side by side."""

import argparse
import dataclasses
import math
from typing import TYPE_CHECKING, Any

import edgeport

from ..pipeline.text_table import printable
from . import options
from .console import Console

if TYPE_CHECKING:
    from ..pipeline.results import DeviceBenchmark

NAME, HELP = "benchmark", "time artifacts side by side"
NO_LATENCY = "Emulated: instructions of one inference, no latency; do not turn one into the other."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artifacts", metavar="ARTIFACT", nargs="+", help="of any format; ratios are to the first")
    options.add(parser, options.TIMING_OPTIONS)
    options.add(parser, ("seed",), help="of the random inputs")
    options.add(parser, ("size", "accelerator", "device", *options.ACCESS_OPTIONS, "benchmark_model"))


def run(args: argparse.Namespace, console: Console) -> int:
    from ..pipeline.benchmark import benchmark
    from ..pipeline.device_runs import benchmark_on_device
    from ..pipeline.text_table import format_table

    arguments = options.pick(args, ("num_runs", "warmup_runs", "threads", "seed"))
    if args.device and args.accelerator:
        raise edgeport.UsageError("--accelerator is of this machine: leave out --device")
    if args.device and args.size:
        raise edgeport.UsageError("--size is for this machine: leave out --device")
    if args.device:
        access, tool = options.access(args), args.benchmark_model
        found = benchmark_on_device(
            *(args.device, *args.artifacts),
            access=access,
            benchmark_model=tool,
            progress=console.progress,
            **arguments,
        )
        values = [each.to_json() for each in found]
        text = "\n\n".join(describe(each, args) for each in found)
        console.result(values[0] if len(values) == 1 else values, text)
        return 0
    if args.benchmark_model:
        raise edgeport.UsageError("--benchmark-model is for a device: name it by --device")
    result = benchmark(
        *args.artifacts, accelerator=args.accelerator, size=args.size, progress=console.progress, **arguments
    )
    rows = [
        cells(each.path, dataclasses.asdict(each.latency) if each.latency else None, each.ratio)
        for each in result.results
    ]
    cpus = "".join(sorted({f", on {each.latency.cpu}" for each in result.results if each.latency}))
    console.result(result.to_json(), f"{format_table(HEADER, rows)}\n{conditions(args, 'interleaved')}{cpus}")
    return 0


SHOWN = ("median_ms", "p90_ms", "mean_ms", "std_ms", "min_ms", "first_ms", "load_ms")
HEADER = ("artifact", *(name.replace("_ms", " ms") for name in SHOWN), "ratio", "runtime")


def conditions(args: argparse.Namespace, order: str) -> str:
    """How it was timed."""
    return f"{args.num_runs} runs after {args.warmup_runs} to warm up, {args.threads} thread(s), {order}"


def cells(artifact: str, latency: dict[str, Any] | None, ratio: float | None) -> tuple[str, ...]:
    """A row of the table."""
    if latency is None:
        return (artifact, *("-" for _ in SHOWN), "-", "emulated")
    times = ("-" if math.isnan(latency[name]) else f"{latency[name]:.3f}" for name in SHOWN)
    return (artifact, *times, f"{ratio:.2f}", latency["runtime"])


def describe(measured: "DeviceBenchmark", args: argparse.Namespace) -> str:
    """A device and its table."""
    from ..pipeline.device_runs import describe_device
    from ..pipeline.text_table import format_table

    results = measured.results
    above = printable(f"{measured.device}  {describe_device(measured.facts)}")
    if results[0]["emulated"]:
        header = ("artifact", "instructions", "ratio", "spread", "kernels")
        return "\n".join((above, format_table(header, [counted_cells(each) for each in results]), NO_LATENCY))
    rows = [cells(each["artifact"], each["latency"], each["ratio"]) for each in results]
    order = "one after another" if args.benchmark_model else "interleaved"
    return "\n".join((above, format_table(HEADER, rows), conditions(args, order)))


def counted_cells(result: dict[str, Any]) -> tuple[str, ...]:
    """A row of instructions."""
    counted, kernels = result["instructions"], result["kernels"] or "-"
    if counted is None:
        return (result["artifact"], "-", "-", "-", kernels)
    figures = f"{counted['per_inference']:,}", f"{result['ratio']:.2f}", f"{counted['spread']:.1e}"
    return (result["artifact"], *figures, kernels)
