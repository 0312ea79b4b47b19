"""Run the zoo on LiteRT's GPU: `python -m benchmarks.gpu_zoo [NAME ...]`, or `--page` for docs/generated/gpu_zoo.md.

Rows go to results/gpu_zoo.jsonl, one for each name and profile; what has a row is left out. Without names it takes the
smallest variant of each family first, then the others, up to 30 million parameters.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import edgeport
from edgeport.models import get_variant, list_models

ROOT = Path(__file__).parents[1]
ROWS = ROOT / "benchmarks" / "results" / "gpu_zoo.jsonl"
PAGE = ROOT / "docs" / "generated" / "gpu_zoo.md"
MOST_PARAMS = 30e6
PROFILES = ("gpu", "xnnpack")  # xnnpack is the default
LEAST_DB = 60.0  # from the CPU, in float32


def names() -> list[str]:
    """The smallest of each family, then the others, each by its multiply-accumulates."""
    variants = sorted((get_variant(name) for name in list_models()), key=lambda variant: variant.macs)
    small = [variant for variant in variants if variant.params < MOST_PARAMS]
    first = list({variant.family: variant for variant in reversed(small)}.values())[::-1]
    return [variant.name for variant in first + [variant for variant in small if variant not in first]]


def measure(name: str, profile: str) -> dict[str, Any]:
    """The row of a name, with random weights and one image of noise."""
    row: dict[str, Any] = {"name": name, "profile": profile}
    options = {"profile": profile} if profile == "gpu" else {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            made = edgeport.export(
                name, "tflite", weights="random", validate=False, benchmark=False, output_dir=folder, **options
            )
            done = edgeport.validate(made.path, accelerator="gpu", num_validation_samples=1)
        except edgeport.EdgeportError as e:
            return row | {"error": str(e)}
    facts = done.accelerator
    assert facts is not None, "an accelerator was asked for"
    row |= {"operators": facts.operators, "accelerated": facts.accelerated, "runtime": facts.runtime}
    row |= {run.precision: round(run.cpu_snr_db, 1) for run in facts.runs}
    return row | {"refused": sorted({f"{each['operator']}: {each['reason']}" for each in facts.refused})}


def rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []


def page(found: Sequence[dict[str, Any]]) -> str:
    """The page's text."""
    return "\n".join(
        [
            "# The zoo on LiteRT's GPU",
            "",
            "Written by `python -m benchmarks.gpu_zoo --page`; do not edit. Random weights, noise, LiteRT's GPU",
            "accelerator on Mesa's software Vulkan; dB from what the CPU makes of the same file, in both precisions.",
            "",
            *(line for profile in PROFILES for line in _table(profile, [r for r in found if r["profile"] == profile])),
        ]
    )


def _table(profile: str, found: Sequence[dict[str, Any]]) -> Iterator[str]:
    run = [row for row in found if "error" not in row]
    whole = [row for row in run if row["accelerated"] == row["operators"]]
    wrong = [row for row in run if row["fp32"] < LEAST_DB]
    yield f"## Profile {profile}"
    yield f"{len(found)} names: {len(whole)} whole, {len(wrong)} below {LEAST_DB:.0f} dB in float32."
    yield ""
    yield "| model | on the GPU | float32, dB | float16, dB | refused |"
    yield "|---|---|---|---|---|"
    for row in sorted(found, key=lambda row: row["name"]):
        if "error" in row:
            yield f"| {row['name']} | - | - | - | {row['error']} |"
        else:
            share = "whole" if row in whole else f"{row['accelerated']} of {row['operators']}"
            yield f"| {row['name']} | {share} | {row['fp32']} | {row['fp16']} | {'; '.join(row['refused'])} |"
    yield ""


def main(arguments: Sequence[str]) -> None:
    if list(arguments) == ["--page"]:
        PAGE.write_text(page(rows()))
        return
    done = {(row["name"], row["profile"]) for row in rows()}
    for profile in PROFILES:
        for name in arguments or names():
            if (name, profile) not in done:
                line = json.dumps(measure(name, profile))
                with ROWS.open("a") as file:
                    file.write(f"{line}\n")
                print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
