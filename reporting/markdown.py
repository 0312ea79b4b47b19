"""Writes a report as Markdown, for a summary of a CI run or a pull request."""

import re
from collections.abc import Sequence

from ..artifacts.printable import printable
from .columns import Twins, cell, shown_columns
from .comparison import Comparison, name
from .folder import Findings
from .records import Row
from .summary import about_random, headline


def markdown(heading: str, found: Findings, comparison: Comparison | None) -> str:
    """The tables and sentences of a report; without the charts."""
    parts = [f"# {text(heading)}", headline(found)]
    random = about_random(found.rows)
    parts += [f"**{text(random)}**"] if random else []
    if found.problems:
        parts += ["## Files that could not be read", _list(found.problems)]
    if comparison:
        worse, better = comparison.regressions, comparison.improvements
        parts.append(f"## Against {text(comparison.baseline)}: {len(worse)} worse, {len(better)} better")
        parts.append(f"Worse means: {comparison.limits}, failed, or gone.")
        parts += [_list([f"{name(each.row)}: {each.text}" for each in worse])] if worse else []
        parts += [_list([f"better: {name(each.row)}: {each.text}" for each in better])] if better else []
        parts += [_list(comparison.apart)] if comparison.apart else []
    parts += ["## Results", _table(found.rows, comparison)]
    return "\n\n".join(parts) + "\n"


def _table(rows: Sequence[Row], comparison: Comparison | None) -> str:
    twins = Twins(rows)
    columns = shown_columns(rows, twins)
    lines = [[column.head for column in columns], ["---:" if column.numeric else "---" for column in columns]]
    for row in rows:
        cells = []
        for column in columns:
            change = comparison.of(row, column.figure) if comparison else None
            shown = text(cell(column, row, twins))
            cells.append(f"**{shown} (worse)**" if change and change.worse else shown)
        lines.append(cells)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _list(sentences: Sequence[str]) -> str:
    return "\n".join("- " + MARKER.sub(r"\1\\\2", text(sentence)) for sentence in sentences)


ESCAPED = str.maketrans({**{c: f"\\{c}" for c in "\\*_#~$"}, **{c: f"&#{ord(c)};" for c in "<>|`[]&"}})
MARKER = re.compile(r"^(\d*)([-+.)])(?=\s|\2|$)")  # would begin a list or a rule, in an item of a list, too


def text(value: object) -> str:
    """Text that Markdown and the HTML in it leave alone, on one line; for a heading, a table's cell, a sentence."""
    return printable(" ".join(str(value).split())).translate(ESCAPED).replace("://", "&#58;//")


def code(value: object) -> str:
    """Text as a code span, behind more backticks than it has in a row; not for a table, whose cells end at "|"."""
    shown = printable(" ".join(str(value).split())) or " "
    fence = "`" * (max(map(len, re.findall("`+", shown)), default=0) + 1)
    space = " " * (shown[0] == "`" or shown[-1] == "`")
    return f"{fence}{space}{shown}{space}{fence}"
