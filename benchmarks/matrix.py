"""The export matrix: which models export to which target and precision, how exactly, how large, how fast.

    python -m benchmarks.matrix                     the models without a result, then the page
    python -m benchmarks.matrix --limit 3           three models more
    python -m benchmarks.matrix --large             the larger models: float, to TFLite and OpenVINO
    python -m benchmarks.matrix resnet18 --again    these, also if they are there
    python -m benchmarks.matrix --render            the page again from what is there

Results are kept in benchmarks/results/matrix.jsonl, the page is docs/generated/matrix.md.
Interrupted, it goes on with the next model: a model's line is written when all its cells are known.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from edgeport import get_variant, list_models
from edgeport.pipeline.sweep.process import Processes

from benchmarks import matrix_page
from benchmarks.cells import Cell, due, store
from benchmarks.matrix_page import PRECISIONS, RESULTS, TARGETS
from benchmarks.photographs import write_photographs

ROOT = Path(__file__).parents[1]
LARGEST = 30e6  # parameters; of a family whose smallest variant is larger, that one

Plan = dict[str, tuple[str, ...]]  # {target: precisions}


def select_models(*, large: bool = False) -> list[str]:
    """Every family's smallest variant and every name below LARGEST parameters, or all others; the smallest first."""
    variants = sorted((get_variant(name) for name in list_models()), key=lambda v: v.params)
    smallest = {variant.family: variant.name for variant in reversed(variants)}
    return [v.name for v in variants if large != (v.params < LARGEST or v.name == smallest[v.family])]


def plan_cells(name: str) -> Plan:
    """What is run for a model."""
    return (
        {"tflite": ("fp32",), "openvino": ("fp32",)}
        if name in select_models(large=True)
        else dict.fromkeys(TARGETS, PRECISIONS)
    )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.matrix", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", metavar="MODEL", help="only these (default: those of the matrix)")
    parser.add_argument("--jobs", type=int, default=1, help="models at a time, one thread each (default: 1)")
    parser.add_argument("--limit", type=int, metavar="N", help="stop after N models")
    parser.add_argument("--large", action="store_true", help="the larger models instead, fewer cells of them")
    parser.add_argument("--timeout", type=float, default=1800, metavar="S", help="per model (default: 1800)")
    parser.add_argument("--again", action="store_true", help="also models that are there")
    parser.add_argument("--failed", action="store_true", help="also models that are there, and did not pass everywhere")
    parser.add_argument("--render", action="store_true", help="run nothing, write the page")
    args = parser.parse_args(argv)
    if not args.render:
        names = [get_variant(name).name for name in args.models] or select_models(large=args.large)
        names = due(names, RESULTS, again=args.again, failed=args.failed)[: args.limit]
        run({name: plan_cells(name) for name in names}, RESULTS, args.jobs, args.timeout)
    matrix_page.write()
    return 0


def run(plans: Mapping[str, Plan], results: Path, jobs: int, timeout_s: float) -> None:
    """Runs the models, `jobs` at a time; a line of progress for each, and its cells in `results`."""
    started, processes = time.perf_counter(), Processes()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        write_photographs(Path(folder))
        running = {
            pool.submit(model_cells, name, plan, Path(folder), timeout_s, processes): name
            for name, plan in plans.items()
        }
        try:
            for count, done in enumerate(as_completed(running), start=1):
                cells = [{**cell, "jobs": jobs} for cell in done.result()]
                store(cells, results)
                passed = f"{sum(cell['passed'] for cell in cells)} of {len(cells)} cells passed"
                minutes = (time.perf_counter() - started) / 60
                print(
                    f"[{count}/{len(plans)}] {running[done]}: {passed}; {minutes:.1f} min, "
                    f"about {minutes / count * (len(plans) - count):.0f} to go",
                    flush=True,
                )
        except KeyboardInterrupt:
            processes.kill()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def model_cells(name: str, cells: Plan, photographs: Path, timeout_s: float, processes: Processes) -> list[Cell]:
    """All cells of one model, made by a process of its own; the last word on each target and precision counts."""
    precision = next(iter(cells.values()))[-1]
    command = [sys.executable, "-m", "benchmarks.matrix_job", name, str(photographs), precision, *cells]
    environment = {"OMP_NUM_THREADS": "1", "EDGEPORT_OFFLINE": "1"}
    ended = processes.run(command, folder=ROOT, timeout_s=timeout_s, environment=environment)
    why = f"the process ended with code {ended.code}: {ended.last_words}"
    if ended.code is None:
        why = f"not done after {timeout_s:g} s"
    found = {
        (target, precision): failed_cell(target, precision, why) for target in cells for precision in cells[target]
    }
    for line in ended.out.splitlines():
        cell = json.loads(line)
        found[cell["target"], cell["precision"]] = cell
    return [{"model": name, **cell, "model_seconds": round(ended.seconds, 1)} for cell in found.values()]


def failed_cell(target: str, precision: str, why: str) -> Cell:
    return {"target": target, "precision": precision, "passed": False, "verdict": f"error: {why}"}


if __name__ == "__main__":
    sys.exit(main())
