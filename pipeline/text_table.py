"""Tables and JSON as text, for a terminal and for scripts."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from ..artifacts.manifest import finite
from ..artifacts.printable import printable


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Text columns: numbers in the middle right-aligned, the first and the last column left-aligned.

    A name in a cell stays in it: its line breaks are escaped.
    """
    cells = [[printable(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    ends = (0, len(header) - 1)
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in ends else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    )


def format_facts(facts: Iterable[tuple[str, object]], width: int) -> str:
    """A line for each fact, with its name in front; a fact stays in its line."""
    return "\n".join(f"{printable(name):{width}} {printable(fact)}" for name, fact in facts)


def to_json(value: Any) -> str:
    """One line of strict JSON; NaN and infinity, which it does not have, as null."""
    return json.dumps(finite(value), allow_nan=False)
