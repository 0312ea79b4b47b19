"""How near int8 .tflite files come to what the core reaches, whole and layer by layer.

python -m benchmarks.peak_shares [--artifacts DIR] [MODEL...]

Each model is exported with random weights, unless DIR/MODEL/MODEL_int8.tflite is there, and profiled on one thread by
`edgeport.profile`, which also probes the core. Lines of benchmarks/results/peak_shares.jsonl, then the page
docs/generated/peak_shares.md. Of a CPU with AMX, whose peak no network comes near, `python -m benchmarks.without_amx
python -m benchmarks.peak_shares` measures the rest.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import edgeport
from edgeport.pipeline.profile_result import ProfileResult

from benchmarks import journal
from benchmarks.matrix_page import table
from benchmarks.without_amx import has_amx

DATA = Path(__file__).parent / "results" / "peak_shares.jsonl"
PAGE = Path(__file__).parents[1] / "docs" / "generated" / "peak_shares.md"
RUNS = 40
MODELS = (
    *("resnet50", "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224", "efficientformer_l1", "mobilevit_s"),
    *("edgenext_small", "convnext_atto", "fastvit_t8", "levit_128s", "mobilenetv4_conv_small", "efficientnet_b0"),
    "mobilenetv3_large_100",
)
HEAD = """# Shares of the core's peak

Written by `python -m benchmarks.peak_shares`; do not edit. int8 .tflite files of random weights on one thread, by
`edgeport profile`: the time that all their multiplications would take at the peak of the same core, in parts of the
time of all kernels. The peak is what large convolutions reach in the same runtime, in int8 and in float, probed for
each file ([how](../guides/profile.md#the-figures-of-a-kernel)). What is missing are layers that are too small or too
narrow, and what multiplies nothing. Kernels of depthwise convolutions multiply one by one: the same peak counts for
them. This machine did other things at the same time, so peaks differ from probe to probe: where one is much lower than
in other lines, the probe was disturbed more than the network, and the share is too high.

{machine}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="default: all twelve")
    parser.add_argument("--artifacts", type=Path, metavar="DIR", help="of an export; else files are made and deleted")
    args = parser.parse_args()
    known = read()
    for model in args.models or MODELS:
        with tempfile.TemporaryDirectory(prefix="edgeport-") as folder:
            path = make(model, args.artifacts or Path(folder))
            row = facts(model, edgeport.profile(path, num_runs=RUNS, output_dir=Path(folder, "profile")))
        print(f"{model}: {row['share']:.0%} of {row['peak_gmacs_per_s']:.0f} GMAC/s", file=sys.stderr, flush=True)
        known[model] = row
        DATA.write_text("".join(f"{json.dumps(known[name])}\n" for name in MODELS if name in known))
    PAGE.write_text(page(known))
    return 0


def read() -> dict[str, dict[str, Any]]:
    """{model: what is known of it}."""
    return {row["model"]: row for row in journal.read(DATA)}


def make(model: str, folder: Path) -> Path:
    """The int8 artifact of a model, found or made."""
    found = folder / model / f"{model}_int8.tflite"
    if found.exists():
        return found
    options: dict[str, Any] = {"effort": "fast", "num_calibration_samples": 8, "validate": False, "benchmark": False}
    return edgeport.export(model, "tflite", precision="int8", weights="random", output_dir=folder, **options).path


def facts(model: str, result: ProfileResult) -> dict[str, Any]:
    """What the page says, and the layers: [value, us, MACs, share of the peak]."""
    assert result.peaks is not None
    computing = [kernel for kernel in result.kernels if kernel.of_peak is not None]
    depthwise = [kernel for kernel in computing if "DEPTHWISE_CONV_2D" in kernel.operators]
    product = [kernel for kernel in computing if kernel not in depthwise]
    return {
        "model": model,
        "cpu": f"{result.cpu} ({_instructions(result.peaks.instructions)}), {result.runtime}",
        "kernels_ms": round(result.kernels_ms, 3),
        "mmacs": round(sum(kernel.macs for kernel in computing) / 1e6, 1),
        "peak_gmacs_per_s": round(result.peaks.int8_gmacs_per_s, 1),
        "share": round(result.of_peak or 0.0, 4),
        "products": share(product, result),
        "depthwise": share(depthwise, result),
        "overhead": round(result.overhead_us / 1e3 / result.kernels_ms, 4),
        "layers": [[each.name, each.us, each.macs, round(each.of_peak or 0.0, 3)] for each in computing],
    }


def _instructions(known: str) -> str:
    """Of the CPU, without AMX where this process does not get it."""
    return ", ".join(each for each in known.split(", ") if has_amx() or not each.startswith("AMX"))


def share(kernels: Iterable[Any], result: ProfileResult) -> list[float]:
    """(of the time, of the peak in that time)."""
    kernels = list(kernels)
    time_us = sum(kernel.us for kernel in kernels)
    ideal_us = sum(kernel.us * kernel.of_peak for kernel in kernels)
    return [round(time_us / 1e3 / result.kernels_ms, 4), round(ideal_us / time_us, 4) if time_us else 0.0]


def page(known: dict[str, dict[str, Any]]) -> str:
    """The page, the highest share first."""
    rows = sorted(known.values(), key=lambda row: -row["share"])
    names = ["model", "MMAC", "kernels, ms", "peak, GMAC/s", "of peak", "products", "depthwise", "overhead", "layers"]
    machine = "Measured on " + "; ".join(dict.fromkeys(row["cpu"] for row in rows)) + "."
    legend = (
        "Products are convolutions and matrix products that are not depthwise: their part of the time, and what they "
        "reach of the peak in it; the same of depthwise ones. Overhead: what multiplies nothing in int8. Layers: how "
        "many of those with multiplications reach half of the peak."
    )
    cells = [
        [
            row["model"],
            f"{row['mmacs']:.0f}",
            f"{row['kernels_ms']:.2f}",
            f"{row['peak_gmacs_per_s']:.0f}",
            f"**{row['share']:.0%}**",
            *(f"{part:.0%} of time, at {reached:.0%}" for part, reached in (row["products"], row["depthwise"])),
            f"{row['overhead']:.0%}",
            f"{sum(layer[3] >= 0.5 for layer in row['layers'])} of {len(row['layers'])}",
        ]
        for row in rows
    ]
    return "\n".join([HEAD.format(machine=machine), *table(names, cells), "", legend, ""])


if __name__ == "__main__":
    sys.exit(main())
