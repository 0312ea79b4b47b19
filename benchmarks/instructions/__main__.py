"""The instructions of an inference of ten small .tflite files, beside those in the repository.

python -m benchmarks.instructions            compare; exit code 1 where a file costs over 3 % more, with the operator
python -m benchmarks.instructions --write    keep what is counted now

Counting needs valgrind, and asks no clock: the same files give the same counts within some 0.3 %, whatever else the
machine does. valgrind's CPU has AVX2 and not more; the counts are of LiteRT's kernels for that.
"""

import argparse
import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import edgeport

from .compare import describe, find_changes, is_dearer, missing
from .count import NotCounted, count, count_operators, counter, list_operators

DATA = Path(__file__).parents[1] / "results" / "instructions.json"
ARTIFACTS = (  # model, precision: a family each of what int8 and the layout passes have rules for
    *((f"{family}_test", "int8") for family in ("mobilenetv2", "mobilenetv3", "efficientnet", "mobilevit", "vit")),
    *((f"{family}_test", "int8") for family in ("swin", "convnext", "levit")),
    *((f"{family}_test", "fp32") for family in ("mobilevit", "convnext")),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {DATA.name} instead of comparing with it")
    write = parser.parse_args().write
    try:
        tools = {"counter": counter(), "runtime": f"ai-edge-litert {version('ai-edge-litert')}"}
        kept = {} if write else json.loads(DATA.read_text())
        if not write and (other := {name: kept[name] for name in tools if kept[name] != tools[name]}):
            here = ", ".join(tools[name] for name in other)
            print(
                f"the counts in {DATA.name} are of {', '.join(other.values())}, not of {here}: --write", file=sys.stderr
            )
            return 2
        with tempfile.TemporaryDirectory(prefix="edgeport-") as folder:
            paths = {f"{model} {precision}": make(model, precision, folder) for model, precision in ARTIFACTS}
            totals = dict(zip(paths, count(list(paths.values())), strict=True))
            return keep(paths, totals, tools) if write else compare(paths, totals, kept["artifacts"])
    except NotCounted as e:
        print(e, file=sys.stderr)
        return 2


def make(model: str, precision: str, folder: str) -> Path:
    """The .tflite of a model with random weights."""
    options: dict[str, Any] = {"effort": "fast", "num_calibration_samples": 2} if precision == "int8" else {}
    made = edgeport.export(
        *(model, "tflite"),
        precision=precision,
        weights="random",
        validate=False,
        benchmark=False,
        output_dir=folder,
        **options,
    )
    return made.path


def keep(paths: dict[str, Path], totals: dict[str, int], tools: dict[str, str]) -> int:
    """Writes the counts, one artifact a line."""
    lines = []
    for name, path in paths.items():
        print(f"{name}: {totals[name]:,}", flush=True)
        entry = {"instructions": totals[name], "operators": list_operators(path)}
        lines.append(f"  {json.dumps(name)}: {json.dumps(entry)}")
    head = "".join(f" {json.dumps(key)}: {json.dumps(value)},\n" for key, value in tools.items())
    artifacts = ",\n".join(lines)
    DATA.write_text(f'{{\n{head} "artifacts": {{\n{artifacts}\n }}\n}}\n')
    return 0


def compare(paths: dict[str, Path], totals: dict[str, int], kept: dict[str, Any]) -> int:
    """Prints what got dearer; 1 where anything did."""
    if unknown := missing(kept, totals):
        print(f"{DATA.name} and ARTIFACTS differ in {', '.join(unknown)}: --write")
        return 2
    code = 0
    for name, now in totals.items():
        before = kept[name]["instructions"]
        if is_dearer(before, now):
            code = 1
            changes = find_changes([tuple(each) for each in kept[name]["operators"]], list_operators(paths[name]))
            costs = count_operators(paths[name], [change.place for change in changes]) if changes else []
            print(describe(name, before, now, dict(zip(changes, costs, strict=True))), flush=True)
        else:
            print(f"{name}: {now:,} ({now / before - 1:+.2%})", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
