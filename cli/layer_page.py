"""This file writes the layers of an artifact as one HTML page that needs nothing but itself."""

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .layer_chart import FLOOR_DB, figures

if TYPE_CHECKING:
    from ..quantize.diagnosis import Layer, Likeness

FULL_DB = 60  # of a bar in the table
STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; color: #222; margin: 24px auto; max-width: 1400px; padding: 0 16px; }
svg { width: 100%; height: auto; border: 1px solid #e4e4e4; }
table { border-collapse: collapse; width: 100%; margin-top: 20px; font-variant-numeric: tabular-nums; }
th { text-align: left; position: sticky; top: 0; background: #fff; border-bottom: 2px solid #ccc; cursor: pointer; }
td, th { padding: 3px 10px 3px 0; } td { border-bottom: 1px solid #eee; } tr.float td { color: #888; }
tr:hover td { background: #f6f9fc; } .number { text-align: right; }
.bar { display: inline-block; height: 9px; margin-right: 6px; vertical-align: middle; }
small { color: #777; }
"""
SORT = """
for (const head of document.querySelectorAll("th")) head.onclick = () => {
  const body = document.querySelector("tbody"), at = head.cellIndex;
  const key = row => row.cells[at].dataset.key ?? row.cells[at].textContent;
  const order = (a, b) => isNaN(a - b) || a === "" || b === "" ? (a === "") - (b === "") || (a < b ? -1 : 1) : a - b;
  body.append(...[...body.rows].sort((a, b) => order(key(a), key(b))));
};
"""
HEADER = (
    *("#", "module", "value", "kind", "runs", "alone dB", "typical channel dB", "accumulated dB", "range", "clipped"),
    *("weight dB", "worst channel", "why float"),
)


def page(layers: Sequence["Layer"], facts: dict[str, Any], chart: str) -> bytes:
    """The chart and a table in order of execution, which a click on a heading sorts. `facts`: of the comparison."""
    said = (
        f"{facts['model']}, weights {facts['weights']}, {facts['target']} {facts['precision']}, "
        f"{facts['samples']} inputs ({facts['data']})"
    )
    heads = "".join(f"<th>{head}</th>" for head in HEADER)
    rows = "\n".join(map(_row, layers))
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{_text(facts["artifact"])}</title><style>{STYLE}</style></head>
<body><h2>{_text(facts["artifact"])}</h2><p>{_text(said)}</p>
{chart}
<p><small>SNR against the float model. Alone: the layer on the float model's values. Accumulated: the artifact's own
values. Range: the share of the 256 steps that the values reach. Weight: its worst channel after rounding. A click on
a heading sorts.</small></p>
<table><thead><tr>{heads}</tr></thead><tbody>
{rows}
</tbody></table><script>{SORT}</script></body></html>
""".encode()


def _row(layer: "Layer") -> str:
    cells = (
        _number(layer.position, "{}"),
        *(f"<td>{_text(text)}</td>" for text in (layer.module, layer.name, layer.kind, layer.precision)),
        _likeness(layer.alone, "#9dc3e6"),
        _number(layer.alone and layer.alone.typical_channel_db, "{:.1f}"),
        _likeness(layer.accumulated, "#1f3b63"),
        _number(layer.range_use, "{:.0%}"),
        _number(layer.clipped, "{:.2%}"),
        _number(layer.weight_snr_db, "{:.1f}"),
        _number(layer.weight_channel, "{}"),
        f"<td>{_text(layer.why)}</td>",
    )
    return f'<tr class="{layer.precision}" title="{_text(figures(layer))}">{"".join(cells)}</tr>'


def _number(value: float | None, shown: str) -> str:
    if value is None:
        return '<td class="number" data-key=""></td>'
    return f'<td class="number" data-key="{value}">{shown.format(value)}</td>'


def _likeness(likeness: "Likeness | None", colour: str) -> str:
    """The SNR with a bar as long as it."""
    if likeness is None:
        return '<td data-key=""></td>'
    width = 90 * min(max(likeness.snr_db, FLOOR_DB), FULL_DB) / FULL_DB
    bar = f'<span class="bar" style="width:{width:.0f}px;background:{colour}"></span>'
    return f'<td data-key="{likeness.snr_db}">{bar}{likeness.snr_db:.1f}</td>'


def _text(text: str) -> str:
    return html.escape(str(text), quote=True)
