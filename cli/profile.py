"""The command `profile`: where the time and the memory of an artifact go."""

import argparse
from typing import TYPE_CHECKING, Any

import edgeport

from ..pipeline.text_table import printable
from . import options
from .console import Console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..pipeline.profile_result import KernelGroup, ProfiledKernel, ProfileResult

NAME, HELP = "profile", "where the time and the memory of an artifact go, operator by operator"
SHOWN = 16  # rows of each table
GROUPS = ("module", "kind", "operator", "kernel")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artifact", metavar="ARTIFACT", help="a .tflite, an OpenVINO IR or an .onnx")
    parser.add_argument("--against", metavar="ARTIFACT", help="another one beside it: which module gained")
    parser.add_argument(
        "--by",
        choices=GROUPS,
        action="append",
        default=[],
        help="tables to print, may be repeated (default: kind and module)",
    )
    parser.add_argument("--all", action="store_true", help=f"all rows, not only the first {SHOWN}")
    options.add(parser, ("num_runs", "threads"))
    options.add(parser, ("seed",), help="of the random inputs")
    parser.add_argument("--no-probe", action="store_true", help="do not measure what the core reaches in the runtime")
    words = "folder for profile.json and profile.html (default: ARTIFACT.profile)"
    options.add_output(parser, "output_dir", metavar="DIR", help=words)
    words = "where it is profiled, as a job of its own (default: here); an emulated CPU has no times"
    options.add(parser, ("device",), help=words, metavar="local|ssh:[USER@]HOST[:PORT]|adb[:SERIAL]")
    options.add(parser, (*options.ACCESS_OPTIONS, "benchmark_model"))


def run(args: argparse.Namespace, console: Console) -> int:
    from ..pipeline.profile import profile

    if args.benchmark_model and not args.device:
        raise edgeport.UsageError("--benchmark-model is for a device: name it by --device")
    result = profile(
        args.artifact,
        against=args.against,
        probe=not args.no_probe,
        device=args.device,
        access=options.access(args) if args.device else None,
        benchmark_model=args.benchmark_model,
        output_dir=args.output_dir,
        progress=console.progress,
        **options.pick(args, ("num_runs", "threads", "seed")),
    )
    console.result(result.to_json(), describe(result, args.by or ["kind", "module"], args.all))
    return 0


def describe(result: "ProfileResult", by: "Sequence[str]", everything: bool) -> str:
    """The result for people."""
    groups = {"module": result.modules, "kind": result.kinds, "operator": result.operators}
    tables = [
        _kernel_table(result, everything) if name == "kernel" else _group_table(name, groups[name], everything)
        for name in dict.fromkeys(by)
    ]
    return "\n\n".join(
        [
            "\n".join(_head(result)),
            *tables,
            *_changes(result, everything),
            "\n".join(map(str, map(printable, result.files))),
        ]
    )


def _head(result: "ProfileResult") -> list[str]:
    from ..pipeline.device_runs import describe_device

    latency, memory, peaks = result.latency, result.memory, result.peaks
    known = latency.median_ms == latency.median_ms
    run_ms, typical = (latency.median_ms, "") if known else (latency.mean_ms, "on average ")
    lines = [
        f"{printable(result.artifact)}: {typical}{run_ms:.3f} ms a run, kernels {result.kernels_ms:.3f} ms "
        f"({result.accounted:.0%} of a run), overhead {result.overhead_us / 1e3:.3f} ms",
        f"{printable(result.runtime)}, {result.threads} thread(s), {printable(result.cpu)}, {latency.runs} runs; "
        f"load {latency.load_ms:.1f} ms, first run {latency.first_ms:.2f} ms",
    ]
    if result.device:
        lines.insert(1, printable(f"{result.device}  {describe_device(result.facts)}"))
    if peaks is not None:
        lines.append(
            f"the core reaches {peaks.int8_gmacs_per_s:.0f} GMAC/s in int8, {peaks.float_gmacs_per_s:.0f} in float, "
            f"copies {peaks.memory_gbytes_per_s:.0f} GB/s in memory, {peaks.cache_gbytes_per_s:.0f} in cache "
            f"({peaks.instructions or 'instructions not known'}); the artifact {result.of_peak:.0%} of that"
        )
    planned = memory.activations_bytes
    lines.append(
        f"memory: weights {memory.weights_bytes / 1e6:.2f} MB"
        + (f", activations {planned / 1e6:.2f} MB" if planned is not None else "")
        + "".join(
            f", {name} {grown:.1f} MB"
            for name, grown in (("loaded", memory.loaded_mb), ("peak", memory.peak_mb))
            if grown is not None
        )
    )
    return lines


def _group_table(name: str, groups: "Sequence[KernelGroup]", everything: bool) -> str:
    header = (name, "ms", "share", "overhead ms", "kernels", "MMAC", "GMAC/s", "MB moved")
    rows = [
        (
            group.name,
            f"{group.us / 1e3:.3f}",
            f"{group.share:.1%}",
            f"{group.overhead_us / 1e3:.3f}",
            str(group.kernels),
            f"{group.macs / 1e6:.1f}" if group.macs else "-",
            f"{group.gmacs_per_s:.1f}" if group.gmacs_per_s else "-",
            f"{group.bytes_moved / 1e6:.2f}",
        )
        for group in groups
    ]
    return _table(header, rows, everything)


def _kernel_table(result: "ProfileResult", everything: bool) -> str:
    header = ("value", "us", "share", "kind", "MMAC", "GMAC/s", "of peak", "GB/s", "kernel")
    slowest = sorted(result.kernels, key=lambda kernel: -kernel.us)
    return _table(header, [_kernel_row(kernel) for kernel in slowest], everything)


def _kernel_row(kernel: "ProfiledKernel") -> tuple[str, ...]:
    return (
        kernel.name or "-",
        f"{kernel.us:.1f}",
        f"{kernel.share:.1%}",
        kernel.kind,
        f"{kernel.macs / 1e6:.1f}" if kernel.macs else "-",
        f"{kernel.gmacs_per_s:.1f}" if kernel.gmacs_per_s else "-",
        f"{kernel.of_peak:.0%}" if kernel.of_peak is not None else "-",
        f"{kernel.gbytes_per_s:.1f}" if kernel.gbytes_per_s else "-",
        kernel.implementation,
    )


def _changes(result: "ProfileResult", everything: bool) -> list[str]:
    if result.against is None:
        return []
    rows = [
        (each.module, f"{each.us / 1e3:.3f}", f"{each.against_us / 1e3:.3f}", f"{each.gained_us / 1e3:+.3f}")
        for each in result.changes
    ]
    total = f"against {printable(result.against.artifact)}: {result.against.kernels_ms:.3f} ms in kernels"
    return [f"{total}\n{_table(('module', 'ms', 'against ms', 'gained ms'), rows, everything)}"]


def _table(header: "Sequence[str]", rows: "Sequence[Any]", everything: bool) -> str:
    from ..pipeline.text_table import format_table

    shown = rows if everything else rows[:SHOWN]
    left = len(rows) - len(shown)
    return format_table(header, shown) + (f"\n... and {left} more (--all shows them)" if left else "")
