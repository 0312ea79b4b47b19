"""120 models of timm, at least one of each of its files that holds a classifier below 100 M parameters, in float.

python -m benchmarks.timm_models                  those without a result, then the page
python -m benchmarks.timm_models swin_tiny_patch4_window7_224 --again
python -m benchmarks.timm_models --failed         those that did not pass everywhere once more

Results are kept in benchmarks/results/timm.jsonl, the page is docs/generated/timm.md.
"""

import argparse
import sys
from collections.abc import Sequence

from benchmarks import matrix
from benchmarks.cells import Cell, due, read
from benchmarks.matrix_page import ROOT, by_key, seeds, table

NAMES = (ROOT / "benchmarks" / "timm_models.txt").read_text(encoding="utf-8").split()
RESULTS, PAGE = ROOT / "benchmarks" / "results" / "timm.jsonl", ROOT / "docs" / "generated" / "timm.md"
TARGETS = ("tflite", "coreml", "openvino")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.timm_models",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these, of any of timm's (default: the list)")
    parser.add_argument("--jobs", type=int, default=1, help="models at a time, one thread each (default: 1)")
    parser.add_argument("--timeout", type=float, default=900, metavar="S", help="per model (default: 900)")
    parser.add_argument("--again", action="store_true", help="also models that are there")
    parser.add_argument("--failed", action="store_true", help="also models that are there, and did not pass everywhere")
    parser.add_argument("--render", action="store_true", help="run nothing, write the page")
    args = parser.parse_args(argv)
    if not args.render:
        names = (f"timm:{name}" for name in args.names or NAMES)
        plan = dict.fromkeys(TARGETS, ("fp32",))
        plans = dict.fromkeys(due(names, RESULTS, again=args.again, failed=args.failed), plan)
        matrix.run(plans, RESULTS, args.jobs, args.timeout)
    PAGE.write_text(page(read(RESULTS)), encoding="utf-8")
    return 0


def page(cells: list[Cell]) -> str:
    """docs/generated/timm.md."""
    known = by_key(cells)
    models = sorted({cell["model"] for cell in cells})
    passed = [name for name in models if all(known[name, target, "fp32"]["passed"] for target in TARGETS)]
    failures = [cell for cell in cells if not cell["passed"]]
    return "\n".join(
        [
            "# timm's models, in float",
            "",
            "Written by `python -m benchmarks.timm_models`; do not edit. `timm:NAME` with seeded random weights for",
            f"which all tensors matter: {len(passed)} of {len(models)} pass on {', '.join(TARGETS)}. A cell is the",
            "largest error, on crops of photographs, over the standard deviation of the outputs.",
            *seeds(cells),
            "",
            *table(
                ["model", *TARGETS], ([name, *(show_cell(known[name, t, "fp32"]) for t in TARGETS)] for name in models)
            ),
            "",
            *(["## What did not pass", ""] if failures else []),
            *(f"- {cell['model']}, {cell['target']}: {cell['verdict']}" for cell in failures),
            "",
        ]
    )


def show_cell(cell: Cell) -> str:
    error = cell.get("max_abs_over_std")
    return ("" if cell["passed"] else "**fails** ") + (f"{error:.0e}" if error is not None else "")


if __name__ == "__main__":
    sys.exit(main())
