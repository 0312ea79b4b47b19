"""This file times artifacts on devices: `edgeport benchmark --device`."""

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..artifacts.errors import UsageError
from ..artifacts.exit_codes import DONE
from ..cli.console import Console, table

if TYPE_CHECKING:
    from ..devices.job import Answer, Task
    from ..runtime.benchmark import Latency

NO_LATENCY = "Emulated: instructions of one inference, no latency; do not turn one into the other."


def benchmark(args: argparse.Namespace, console: Console) -> int:
    """Times all artifacts in one job on each device, or counts their instructions where it is emulated."""
    from ..devices.address import opened
    from ..devices.benchmark_model import time_by
    from ..devices.job import Job
    from ..devices.qemu import instructions, kernel_classes
    from .device_access import access, working

    tool = Path(args.benchmark_model) if args.benchmark_model else None
    if tool and not tool.is_file():
        raise UsageError(f"{tool}: no such file")
    values, texts = [], []
    with opened(args.device, access(args)) as boards:
        tasks = tasks_of(args)
        for board in boards:
            if board.emulated:
                job = Job(tasks, threads=args.threads, counted=5)
            else:
                job = Job(tasks, threads=args.threads, warmup=args.warmup_runs, runs=args.num_runs)
            with working(f"benchmark on {board.name}", board, {}, "benchmark", console):
                done = time_by(tool, board, job) if tool else board.run(job)
            results: list[dict[str, Any]] = []
            for i, (path, answer) in enumerate(zip(args.artifacts, done.answers, strict=True)):
                if board.emulated:
                    counted = instructions(answer.counts)
                    figure = {
                        "latency": None,
                        "kernels": kernel_classes(done, i) or None,
                        "instructions": dataclasses.asdict(counted) if counted else None,
                    }
                else:
                    figure = {"latency": dataclasses.asdict(latency_of(answer, job.warmup, args.threads))}
                results.append({"artifact": path, "runtime": answer.runtime, "emulated": board.emulated} | figure)
            for each in results:
                each["ratio"] = ratio(each, results[0])
            values.append({"device": board.name, "facts": done.facts, "results": results})
            texts.append(text_of(values[-1], args, tool is not None))
    console.result(values[0] if len(values) == 1 else values, "\n\n".join(texts))
    return DONE


def tasks_of(args: argparse.Namespace) -> list["Task"]:
    """The artifacts with random inputs, as each takes them."""
    import numpy as np

    from ..cli.benchmark import random
    from ..devices.job import Task
    from ..runtime.session import Portable, open_session
    from ..targets.registry import artifact

    rng, tasks = np.random.default_rng(args.seed), []
    for path in map(artifact, args.artifacts):
        task = Task(path, samples := [])
        _ = task.format  # what runs on no device says so, before it is opened
        session = open_session(path)
        assert isinstance(session, Portable)
        samples += [session.inward({spec.name: random(spec, rng) for spec in session.inputs}) for _ in range(4)]
        session.close()
        tasks.append(task)
    return tasks


def latency_of(answer: "Answer", warmup: int, threads: int) -> "Latency":
    from ..runtime.benchmark import Latency, latency

    if answer.summary is None:
        return latency(answer.times_ms, warmup, load_ms=answer.load_ms, threads=threads, runtime=answer.runtime)
    runs = int(answer.summary["runs"])
    figures = {name: value for name, value in answer.summary.items() if name != "runs"}
    return Latency(**figures, load_ms=answer.load_ms, runs=runs, warmup=warmup, threads=threads, runtime=answer.runtime)


def ratio(result: dict[str, Any], first: dict[str, Any]) -> float | None:
    """Of the medians, of the means where the device's tool tells no medians, of the instructions if emulated."""
    if result["latency"] is None:
        return (
            result["instructions"] and result["instructions"]["per_inference"] / first["instructions"]["per_inference"]
        )
    name = "median_ms" if result["latency"]["median_ms"] == result["latency"]["median_ms"] else "mean_ms"
    return result["latency"][name] / first["latency"][name]


def text_of(value: dict[str, Any], args: argparse.Namespace, by_tool: bool) -> str:
    """A device and its table, as `benchmark` prints it of this machine."""
    from ..cli.benchmark import SHOWN, cells
    from .device_access import described

    results = value["results"]
    above = f"{value['device']}  {described(value['facts'])}"
    if results[0]["emulated"]:
        header = ("artifact", "instructions", "ratio", "spread", "kernels")
        return "\n".join((above, table(header, [counted_cells(each) for each in results]), NO_LATENCY))
    header = ("artifact", *(name.replace("_ms", " ms") for name in SHOWN), "ratio", "runtime")
    order = "one after another" if by_tool else "interleaved"
    below = f"{args.num_runs} runs after {args.warmup_runs} to warm up, {args.threads} thread(s), {order}"
    return "\n".join((above, table(header, [cells(each) for each in results]), below))


def counted_cells(result: dict[str, Any]) -> tuple[str, ...]:
    counted, kernels = result["instructions"], result["kernels"] or "-"
    if counted is None:
        return (result["artifact"], "-", "-", "-", kernels)
    figures = f"{counted['per_inference']:,}", f"{result['ratio']:.2f}", f"{counted['spread']:.1e}"
    return (result["artifact"], *figures, kernels)
