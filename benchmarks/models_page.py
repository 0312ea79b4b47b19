"""Write docs/generated/models.md, the page of the zoo: `make tables`, or `python -m benchmarks.models_page`."""

import csv
import sys
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from edgeport.models import Variant, get_variant, list_checkpoints, list_models
from edgeport.models.export_status import EXPORT_STATUS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "generated" / "models.md"
STATED = ROOT / "benchmarks" / "results" / "stated_counts.csv"
sys.path.insert(0, str(ROOT / "tests"))

from references import REFERENCES  # noqa: E402  what the tests compare with what

LINKS = {"arXiv": "https://arxiv.org/abs/", "doi": "https://doi.org/"}


def page() -> str:
    """The page's text."""
    families = groupby(sorted(map(get_variant, list_models()), key=lambda v: (v.family, v.params)), lambda v: v.family)
    return "\n".join(
        [
            "# The models",
            "",
            "Written by `make tables`; do not edit. Parameters and multiply-accumulates (MACs, of convolutions, linear",
            "layers and matrix products for one image) are with the classes of the public weights. The reference is",
            "what the tests compare parameter names, counts and outputs with. The targets are those whose exports",
            "passed when [the matrix](matrix.md) was last run: `int8` means fp32 and int8.",
            "",
            *(line for name, variants in families for line in family(name, list(variants))),
            *stated(),
        ]
    )


def family(name: str, variants: list[Variant]) -> list[str]:
    papers = ", ".join(dict.fromkeys(link(variant.paper) for variant in variants))
    its = REFERENCES.get(name)
    library = (its.library or "a second implementation, in the tests") if its else "not compared yet"
    rows = (
        (
            variant.name,
            f"{variant.params:,}",
            f"{variant.macs / 1e6:,.1f} M",
            "x".join(map(str, variant.input_size)),
            next((each.licence for each in list_checkpoints(variant.name)), "-"),
            passed(variant.name),
        )
        for variant in variants
    )
    header = ("name", "parameters", "MACs", "input", "weights' licence", "targets")
    return [
        f"## {name}",
        "",
        f"Paper: {papers}. Reference: {library or 'not compared yet'}.",
        "",
        *table(header, rows),
        "",
    ]


def link(paper: str) -> str:
    kind, _, number = paper.partition(":")
    return f"[{paper}]({LINKS[kind]}{number})" if kind in LINKS else paper


def passed(name: str) -> str:
    """The targets, each with the last precision that passed."""
    if name not in EXPORT_STATUS:
        return "not run"
    last = {target: precisions[-1] for target, precisions in EXPORT_STATUS[name].items() if precisions}
    return ", ".join(f"{target} {precision}" for target, precision in last.items()) or "none"


def stated() -> list[str]:
    """Where a count that is stated elsewhere is not the reference's, and why."""
    with STATED.open(encoding="utf-8") as file:
        rows = [
            (row["name"], f"{int(row['params']):,}", f"{int(row['stated_params']):,}", row["reason"])
            for row in csv.DictReader(file)
        ]
    return [
        "## Other counts",
        "",
        "Inventories of models state other parameter counts for some of these names. The reference decides, for it is",
        "what public weights fit; the difference is in what the other count is of.",
        "",
        *table(("name", "reference", "stated", "what the stated count has"), rows),
        "",
    ]


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """A table of Markdown."""
    header = tuple(header)
    return [f"| {' | '.join(cells)} |" for cells in (header, ("---",) * len(header), *rows)]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
