"""The zoo on LiteRT's GPU: what it takes of each model's .tflite, and how far it is from the CPU.

    python -m benchmarks.gpu_zoo [--profile gpu|default] [MODEL...]    one line each in results/gpu_zoo.jsonl
    python -m benchmarks.gpu_zoo --render                              the page docs/generated/gpu.md

Without names: every model below 30 M parameters, but for those that are there already. Needs the GPU in software:
`edgeport devices setup gpu`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import edgeport
import numpy as np
from edgeport.pipeline.data.dataset import random_array
from edgeport.runtime.output_kinds import decibel
from edgeport.targets.gpu_measured import RUNTIME

RESULTS = Path(__file__).parent / "results" / "gpu_zoo.jsonl"
PAGE = Path(__file__).parents[1] / "docs" / "generated" / "gpu.md"
LARGEST = 30e6  # parameters
RIGHT_DB, HALF_DB = 60.0, 30.0  # from the CPU's result, in float32 and in float16

HEAD = """# The zoo on a phone's GPU

Written by `python -m benchmarks.gpu_zoo --render`; do not edit. Models below 30 million parameters with random weights,
exported to .tflite, on {runtime}'s GPU accelerator ([in software](../guides/accelerators.md)), beside the same
file on the CPU: 10 log10(sum cpu² / sum difference²) of random inputs, in float32 and in float16 arithmetic. Whole: the
accelerator computes every operator.
"""


def measure(name: str, profile: str) -> dict[str, Any]:
    """One model's line."""
    row: dict[str, Any] = {"model": name, "profile": profile}
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        try:
            made = edgeport.export(
                name,
                target="tflite",
                profile=None if profile == "default" else profile,
                weights="random",
                validate=False,
                benchmark=False,
                output_dir=folder,
            )
            row |= {"export_s": round(time.process_time() - start, 1), **run(made.path)}
        except edgeport.EdgeportError as e:
            row["error"] = str(e)
    return row


def run(path: Path) -> dict[str, Any]:
    """What the accelerator takes of a file, and how far it is from the CPU."""
    facts: dict[str, Any] = {}
    cpu, rng = edgeport.open_session(path), np.random.default_rng(0)
    feeds = {spec.name: random_array(spec, rng) for spec in cpu.inputs}
    expected = cpu.run(feeds)
    for precision in ("fp32", "fp16"):
        session: Any = edgeport.open_session(path, accelerator="gpu", accelerator_precision=precision)
        residency = session.residency
        facts |= {"operators": residency.operators, "accelerated": residency.accelerated}
        facts["refused"] = Counter(f"{each.operator}: {each.reason}" for each in residency.refused)
        facts[f"{precision}_db"] = snr(expected, session.run(feeds))
        session.close()
    return facts


def snr(expected: Mapping[str, np.ndarray], got: Mapping[str, np.ndarray]) -> float | None:
    """Of all outputs together, in dB; None where one is no number."""
    pairs = [(array.astype(np.float64), got[name].astype(np.float64)) for name, array in expected.items()]
    apart = sum(float(np.sum((a - b) ** 2)) for a, b in pairs)
    return round(decibel(sum(float(np.sum(a * a)) for a, _ in pairs), apart), 1) if np.isfinite(apart) else None


def read() -> dict[tuple[str, str], dict[str, Any]]:
    """{(model, profile): its last line}."""
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    return {(row["model"], row["profile"]): row for row in map(json.loads, lines)}


def names() -> list[str]:
    """Of the models that are measured."""
    return [name for name in edgeport.list_models() if edgeport.get_variant(name).params < LARGEST]


def render(rows: Iterable[dict[str, Any]]) -> str:
    """The page."""
    sections = [HEAD.format(runtime=RUNTIME)]
    by_profile: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_profile.setdefault(row["profile"], []).append(row)
    for profile, found in sorted(by_profile.items()):
        sections += [f"## Profile {profile}\n", summary(found), "", *table(found), ""]
    return "\n".join(sections)


def summary(rows: list[dict[str, Any]]) -> str:
    """What they come to."""
    made = [row for row in rows if "error" not in row]
    whole = [row for row in made if row["accelerated"] == row["operators"]]
    wrong = [row["model"] for row in made if (row["fp32_db"] or 0) < RIGHT_DB]
    low = [row["model"] for row in made if (row["fp16_db"] or 0) < HALF_DB]
    middle = statistics.median([row["fp16_db"] or 0 for row in made]) if made else 0
    return (
        f"{len(whole)} of {len(rows)} whole. Below {RIGHT_DB:.0f} dB in float32: {len(wrong)}"
        f"{' (' + ', '.join(wrong) + ')' if wrong else ''}. Below {HALF_DB:.0f} dB in float16: {len(low)}"
        f"{' (' + ', '.join(low) + ')' if low else ''}; the median is {middle:.0f} dB."
    )


def table(rows: list[dict[str, Any]]) -> Iterable[str]:
    """A line for each model."""
    yield "| model | on the GPU | float32 dB | float16 dB | refused |"
    yield "|---|---|---|---|---|"
    for row in sorted(rows, key=lambda row: row["model"]):
        if "error" in row:
            yield f"| {row['model']} | - | - | - | {row['error']} |"
            continue
        whole = row["accelerated"] == row["operators"]
        where = f"whole, {row['operators']}" if whole else f"{row['accelerated']} of {row['operators']}"
        refused = "; ".join(f"{count} {reason}" for reason, count in row["refused"].items()) if not whole else ""
        figures = " | ".join("not finite" if row[key] is None else f"{row[key]:.0f}" for key in ("fp32_db", "fp16_db"))
        yield f"| {row['model']} | {where} | {figures} | {refused} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL")
    parser.add_argument("--profile", default="gpu", choices=["gpu", "default"])
    parser.add_argument("--render", action="store_true")
    args = parser.parse_args()
    if args.render:
        PAGE.write_text(render(read().values()))
        return
    known = read()
    for name in args.models or [each for each in names() if (each, args.profile) not in known]:
        row = measure(name, args.profile)
        print(json.dumps(row), flush=True)
        with RESULTS.open("a") as file:
            file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
