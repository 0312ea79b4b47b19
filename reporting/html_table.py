"""How a result shows itself in a notebook."""

from collections.abc import Sequence

from .html_page import text


def html_table(rows: Sequence[tuple[str, str]]) -> str:
    """A small table of names and values, for a notebook."""
    cells = "".join(
        f"<tr><th style='text-align:left'>{text(name)}</th><td>{text(value)}</td></tr>" for name, value in rows
    )
    return f"<table>{cells}</table>"
