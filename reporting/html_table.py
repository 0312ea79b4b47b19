"""How a result shows itself in a notebook."""

import html
from collections.abc import Sequence


def html_table(rows: Sequence[tuple[str, str]]) -> str:
    """A small table of names and values, for a notebook."""
    cells = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
        for name, value in rows
    )
    return f"<table>{cells}</table>"
