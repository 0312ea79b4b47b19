"""How far a GPU in float16 is from the CPU: `python -m benchmarks.gpu_float16 [--naive] [NAME ...]`.

Without names it takes every family's smallest variant of the zoo below LARGEST parameters, with drawn weights, and goes
on where it was: results are in results/gpu_float16.json. A model with less than ENOUGH decibels is also run in an
emulation that rounds each result to float16 but adds up in float32: what that loses, any float16 loses.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import edgeport
import numpy as np
from edgeport.artifacts.errors import EdgeportError
from edgeport.exporters.canonicalize import canonicalize
from edgeport.runtime.output_kinds import decibel

from benchmarks.gpu_float16.emulation import run_float16
from benchmarks.variants import smallest_of_families

LARGEST = 12.5e6  # parameters: a GPU in software needs a minute for a model of that size
ENOUGH = 30.0  # decibels
TIME_LIMIT_S = 600.0
RESULTS = Path(__file__).parents[1] / "results" / "gpu_float16.json"

Result = dict[str, Any]
Arrays = dict[str, np.ndarray]


def smallest_variants() -> list[str]:
    """Every family's smallest variant below LARGEST parameters, the smallest first."""
    return [variant.name for variant in smallest_of_families(lambda variant: variant.params, LARGEST)]


def measure(name: str, profile: str | None) -> Result:
    """The decibels between CPU and GPU of one model's file."""
    with tempfile.TemporaryDirectory() as folder:
        result = edgeport.export(
            name, "tflite", profile=profile, weights="random", output_dir=folder, benchmark=False, validate=False
        )
        manifest = json.loads(result.manifest_path.read_text())
        found: Result = {"beyond_float16": manifest.get("beyond_float16") or {}}
        cpu = edgeport.open_session(result.path, threads=2)
        feed = {spec.name: normal(spec.shape) for spec in cpu.inputs}
        expected = cpu.run(feed)
        cpu.close()
        for precision in ("fp32", "fp16"):
            found |= run_on_gpu(result.path, precision, feed, expected)
    if not (found["fp16"] or 0) >= ENOUGH:
        graph = canonicalize(edgeport.load(name, weights="random").graph())
        found["rounded"] = snr_db(expected, run_float16(graph, feed, layers="float32"))
    return found


def run_on_gpu(path: Path, precision: str, feed: Arrays, expected: Arrays) -> Result:
    """The decibels, and how much is on the GPU. One in software gives up where the machine has too much else to do."""
    for last in (False, True):
        try:
            gpu = edgeport.open_session(
                path, accelerator="gpu", accelerator_precision=precision, time_limit_s=TIME_LIMIT_S
            )
            residency, got = gpu.residency, gpu.run(feed)
            gpu.close()
            assert residency is not None
            shares = {"operators": residency.operators, "accelerated": residency.accelerated}
            return {precision: snr_db(expected, got), **shares}
        except EdgeportError as e:
            if last:
                return {precision: None, "error": str(e).removeprefix(f"{path}: ")}
    raise AssertionError


def normal(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def snr_db(expected: Arrays, got: Arrays) -> float | None:
    """Of all outputs; None where a number is none."""
    pairs = [(expected[name].astype(np.float64), got[name].astype(np.float64)) for name in expected]
    if not all(np.isfinite(array).all() for _, array in pairs):
        return None
    signal = sum(float(np.sum(array**2)) for array, _ in pairs)
    return round(decibel(signal, sum(float(np.sum((other - array) ** 2)) for array, other in pairs)), 1)


def table(results: dict[str, Result]) -> str:
    """As Markdown."""
    lines = ["| model | on the GPU | fp32 dB | fp16 dB | each result rounded, dB | told |", "|---|---|---|---|---|---|"]
    for name, found in results.items():
        share = f"{found['accelerated']}/{found['operators']}" if "operators" in found else "-"
        cells = [found.get(key) for key in ("fp32", "fp16", "rounded")]
        numbers = ["" if cell is None else f"{cell:.1f}" for cell in cells]
        told = "; ".join(f"{value}: {why}" for value, why in list(found["beyond_float16"].items())[:1])
        lines.append(f"| {name} | {share} | {' | '.join(numbers)} | {told or found.get('error', '')} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--naive", action="store_true", help="files of the default profile; nothing is kept")
    args = parser.parse_args()
    results: dict[str, Result] = json.loads(RESULTS.read_text()) if RESULTS.exists() and not args.naive else {}
    for name in args.names or [name for name in smallest_variants() if name not in results]:
        results[name] = measure(name, None if args.naive else "gpu")
        print(name, results[name], flush=True)
        if not args.naive:
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print(table(results))


if __name__ == "__main__":
    main()
