"""Writes a report as Markdown, for a summary of a CI run or a pull request."""

from collections.abc import Sequence

from .columns import Twins, cell, shown_columns
from .comparison import Comparison, name
from .folder import Findings
from .records import Row
from .summary import about_random, headline


def markdown(heading: str, found: Findings, comparison: Comparison | None) -> str:
    """The tables and sentences of a report; without the charts."""
    parts = [f"# {_text(heading)}", headline(found)]
    random = about_random(found.rows)
    parts += [f"**{_text(random)}**"] if random else []
    if found.problems:
        parts += ["## Files that could not be read", _list(found.problems)]
    if comparison:
        worse, better = comparison.regressions, comparison.improvements
        parts.append(f"## Against {_text(comparison.baseline)}: {len(worse)} worse, {len(better)} better")
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
            shown = _text(cell(column, row, twins))
            cells.append(f"**{shown} (worse)**" if change and change.worse else shown)
        lines.append(cells)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _list(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {_text(sentence)}" for sentence in sentences)


ESCAPED = str.maketrans({**{each: f"\\{each}" for each in "\\*_#"}, **{each: f"&#{ord(each)};" for each in "<>|`[]&"}})


def _text(text: str) -> str:
    """Text that Markdown and the HTML in it leave alone, on one line."""
    shown = "".join(each if each.isprintable() else "?" for each in " ".join(str(text).split()))
    return shown.translate(ESCAPED)
