"""Run the zoo on LiteRT's GPU.

    python -m benchmarks.gpu_zoo [NAME ...]    what has no row yet, or these names
    python -m benchmarks.gpu_zoo --cpu-time    what profile gpu costs on the CPU
    python -m benchmarks.gpu_zoo --page        docs/generated/gpu_zoo.md again

Rows go to results/gpu_zoo.jsonl, one for each name and profile. Without names it takes the smallest variant of each
family first, then the others, up to 30 million parameters. A GPU in software needs some ten seconds for a billion
multiply-accumulates: a model that does more, and takes smaller images, is given them, and its row says so.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import edgeport
import numpy as np
from edgeport.models import Variant, get_variant

from benchmarks import journal
from benchmarks.peers.peers import MODELS
from benchmarks.variants import smallest_of_families, sorted_variants

ROOT = Path(__file__).parents[1]
ROWS = ROOT / "benchmarks" / "results" / "gpu_zoo.jsonl"
PAGE = ROOT / "docs" / "generated" / "gpu_zoo.md"
MOST_PARAMS = 30e6
PROFILES = ("gpu", "xnnpack")  # xnnpack is the default
LEAST_DB = 60.0  # from the CPU, in float32
MOST_MACS = 1e9  # of a network that is run at its own size
SIDES = 64  # a smaller image has sides of whole multiples
TIMED = "cpu time"  # in place of a profile, of a row of times
ROUNDS = 60


Row = dict[str, Any]


def names() -> list[str]:
    """The smallest of each family, then the others, each by its multiply-accumulates."""
    first = smallest_of_families(_macs, MOST_PARAMS)
    others = [variant for variant in sorted_variants(_macs, MOST_PARAMS) if variant not in first]
    return [variant.name for variant in first + others]


def _macs(variant: Variant) -> float:
    return variant.macs


def draw(name: str) -> edgeport.ModelSource:
    """A model with random weights, whose graph is made once for all profiles."""
    variant = get_variant(name)
    channels, *sides = variant.input_size
    shrink = math.sqrt(MOST_MACS / variant.macs)
    smaller = (channels, *(max(SIDES, int(side * shrink) // SIDES * SIDES) for side in sides))
    source = None
    if shrink < 1 and max(smaller[1:]) < max(sides):
        with contextlib.suppress(edgeport.UsageError):  # it takes images of one size
            source = edgeport.load(name, weights="random", input_shape=smaller)
    source = source or edgeport.load(name, weights="random")
    return dataclasses.replace(source, graph=source.graph().clone)


def measure(name: str, profiles: Sequence[str]) -> Iterator[Row]:
    """The rows of a name, with random weights and one image of noise; profiles with the same file have one run."""
    source = draw(name)
    (taken,) = source.input_spec.inputs
    shared: Row = {"name": name}
    if tuple(taken.shape[1:]) != get_variant(name).input_size:
        shared["input"] = "x".join(map(str, taken.shape[1:]))
    known: dict[bytes, Row] = {}
    for profile in profiles:
        options = {"profile": profile} if profile == "gpu" else {}
        with tempfile.TemporaryDirectory() as folder:
            try:
                made = edgeport.export(source, "tflite", validate=False, benchmark=False, output_dir=folder, **options)
                content = made.path.read_bytes()
                if content not in known:
                    known[content] = on_gpu(made.path)
                found = known[content]
            except edgeport.EdgeportError as e:
                found = {"error": str(e)}
        yield shared | {"profile": profile} | found


def on_gpu(path: Path) -> Row:
    """What LiteRT's GPU takes of a file, and how far it is from the CPU."""
    facts = edgeport.validate(path, accelerator="gpu", num_validation_samples=1).accelerator
    assert facts is not None, "an accelerator was asked for"
    row: Row = {"operators": facts.operators, "accelerated": facts.accelerated, "runtime": facts.runtime}
    row |= {run.precision: round(run.cpu_snr_db, 1) for run in facts.runs}
    return row | {"refused": sorted({f"{each['operator']}: {each['reason']}" for each in facts.refused})}


def time_on_cpu(name: str) -> Row:
    """The row of a name's CPU times, one thread: profile gpu beside the default, a run of each after the other."""
    with tempfile.TemporaryDirectory() as folder:
        sessions = []
        for profile in PROFILES:
            options = {"profile": profile} if profile == "gpu" else {}
            made = edgeport.export(
                *(name, "tflite"),
                weights="random",
                validate=False,
                benchmark=False,
                output_dir=f"{folder}/{profile}",
                **options,
            )
            sessions.append(edgeport.open_session(made.path))
        (taken,) = sessions[0].inputs
        feeds = {taken.name: np.random.default_rng(0).standard_normal(taken.shape, np.float32)}
        seconds: list[list[float]] = [[], []]
        for _ in range(ROUNDS):
            for session, spent in zip(sessions, seconds, strict=True):
                start = time.process_time()
                session.run(feeds)
                spent.append(time.process_time() - start)
    ours, default = (1000 * statistics.median(each) for each in seconds)
    return {"name": name, "profile": TIMED, "gpu_ms": round(ours, 3), "default_ms": round(default, 3)}


def share(row: Row) -> str:
    """How much of a file the accelerator takes."""
    whole = row["accelerated"] == row["operators"]
    return "whole" if whole else f"{row['accelerated']} of {row['operators']}"


def page(found: Sequence[Row]) -> str:
    """The page's text."""
    return "\n".join(
        [
            "# The zoo on LiteRT's GPU",
            "",
            "Written by `python -m benchmarks.gpu_zoo --page`; do not edit. Random weights, noise, LiteRT's GPU",
            "accelerator on Mesa's software Vulkan; dB from what the CPU makes of the same file, in both precisions.",
            f"Of {len(names())} names with less than {MOST_PARAMS / 1e6:.0f} million parameters. Images have the size",
            "that a model names, or smaller where the table says so: for those with more than a billion",
            "multiply-accumulates that take it.",
            "",
            "Below 30 dB in float16 it is the sums: the delegate adds a convolution's products in float16. With sums",
            "in float32 and all else in float16, as PyTorch's half precision has it on a CPU, the same weights and",
            "input give 46 dB (spnasnet_100), 45 (fbnetc_100), 46 (gernet_s) and 33 (levit_128s). Some networks",
            "amplify rounding besides: with these weights convmixer_768_32 makes 15 dB of an input with 60 dB, and",
            "PyTorch's own float32 has 76 dB from float64.",
            "",
            *(line for profile in PROFILES for line in _table(profile, found)),
            *_times([row for row in found if row["profile"] == TIMED]),
        ]
    )


def _times(found: Sequence[Row]) -> Iterator[str]:
    if not found:
        return
    ratios = [row["gpu_ms"] / row["default_ms"] for row in found]
    yield "## What profile gpu costs on the CPU"
    yield ""
    yield f"Median CPU time of {ROUNDS} runs of each file, one after the other, one thread. Geometric mean of the"
    yield f"ratios: {math.exp(statistics.fmean(map(math.log, ratios))):.3f}."
    yield ""
    yield "| model | gpu, ms | default, ms | ratio |"
    yield "|---|---|---|---|"
    for row, ratio in zip(found, ratios, strict=True):
        yield f"| {row['name']} | {row['gpu_ms']:.2f} | {row['default_ms']:.2f} | {ratio:.3f} |"
    yield ""


def _table(profile: str, known: Sequence[Row]) -> Iterator[str]:
    found = [row for row in known if row["profile"] == profile]
    run = [row for row in found if "error" not in row]
    whole = [row for row in run if row["accelerated"] == row["operators"]]
    wrong = [row for row in run if row["fp32"] < LEAST_DB]
    yield f"## Profile {profile}"
    yield f"{len(found)} names: {len(whole)} whole, {len(wrong)} below {LEAST_DB:.0f} dB in float32."
    yield ""
    yield "| model | on the GPU | float32, dB | float16, dB | refused |"
    yield "|---|---|---|---|---|"
    for row in sorted(found, key=lambda row: row["name"]):
        name = f"{row['name']}, {row['input']}" if "input" in row else row["name"]
        if "error" in row:
            yield f"| {name} | - | - | - | {row['error']} |"
        else:
            yield f"| {name} | {share(row)} | {row['fp32']} | {row['fp16']} | {'; '.join(row['refused'])} |"
    yield ""


def main(arguments: Sequence[str]) -> None:
    done = {(row["name"], row["profile"]) for row in journal.read(ROWS)}
    if list(arguments) == ["--cpu-time"]:
        for name in MODELS:
            if (name, TIMED) not in done:
                _keep(time_on_cpu(name))
    elif list(arguments) != ["--page"]:
        for name in arguments or names():
            if left := [profile for profile in PROFILES if (name, profile) not in done]:
                for row in measure(name, left):
                    _keep(row)
    PAGE.write_text(page(journal.read(ROWS)))


def _keep(row: Row) -> None:
    journal.append([row], ROWS)
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
