"""Writes the layers of an artifact as one HTML page that needs nothing but itself."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .html_page import document, text
from .layer_chart import FLOOR_DB, figures, has_int8, svg, title, worst_of

if TYPE_CHECKING:
    from ..quantize.diagnosis.compare_units import Layer, Likeness

FULL_DB = 60  # of a bar in the table
BAR_PX = 60  # its length
TEXTS = ("module", "value", "kind", "runs", "why float")
KEYS = (  # style, what it stands for
    ("line accumulated", "accumulated: the artifact's own value against the float model's"),
    ("alone", "isolated: on the float model's values (whole or typical channel)"),
    ("worst", "the worst of them"),
    ("island", "runs in float"),
)
HEADER = (
    *("#", "module", "value", "kind", "runs", "isolated dB", "typical channel dB", "accumulated dB", "range"),
    *("clipped", "weight dB", "worst channel", "why float"),
)


def page(layers: Sequence["Layer"], facts: dict[str, Any]) -> bytes:
    """The chart and a table in order of execution, which a click on a heading sorts. `facts`: of the comparison."""
    artifact = Path(facts["artifact"]).name
    said = (
        f"{facts['model']}, weights {facts['weights']}, {facts['target']} {facts['precision']}, "
        f"{facts['samples']} inputs ({facts['data']})"
    )
    heads = "".join(f'<th scope="col"{"" if head in TEXTS else NUMBER}>{head}</th>' for head in HEADER)
    rows = "\n".join(map(_row, layers))
    body = f"""<h1>{text(artifact)}, layer by layer</h1><p class="faint">{text(said)}</p>
{drawn(layers, artifact)}
<h2>Every layer</h2>
<p><small>SNR against the float model. Isolated: the layer on the float model's values. Accumulated: the artifact's own
values. Range: the share of the 256 steps that the values reach. Weight: its worst channel after rounding. A click on
a heading sorts.</small></p>
<div class="scroll tall" tabindex="0" role="region" aria-label="Every layer"><table class="sortable wide">
<thead><tr>{heads}</tr></thead><tbody>
{rows}
</tbody></table></div>"""
    return document(f"{artifact}: layers", body)


def drawn(layers: Sequence["Layer"], what: str) -> str:
    """The chart, which scrolls where it is wider than the page, and the worst layers with their figures."""
    worst = "".join(
        f"<li>{text(title(layer))}<br><small>{text(figures(layer))}</small></li>" for layer in worst_of(layers)
    )
    keys = KEYS if has_int8(layers) else KEYS[:1]
    legend = "".join(f'<span class="key"><i class="{name}"></i>{words}</span>' for name, words in keys)
    return (
        f"<p>{legend}</p>"
        f'<div class="scroll layers" tabindex="0" role="region" aria-label="Layers of {text(what)}">'
        f"{svg(layers, f'SNR of the layers of {what}; the worst are listed below')}</div>"
        + (f'<h3>Worst isolated</h3><ol class="worst">{worst}</ol>' if worst else "")
    )


NUMBER = ' class="number"'


def _row(layer: "Layer") -> str:
    cells = (
        _number(layer.position, "{}"),
        *(f"<td>{text(shown)}</td>" for shown in (layer.module, layer.value, layer.kind, layer.precision)),
        _likeness(layer.alone, "alone"),
        _number(layer.alone and layer.alone.typical_channel_db, "{:.1f}"),
        _likeness(layer.accumulated, "accumulated"),
        _number(layer.range_use, "{:.0%}"),
        _number(layer.clipped, "{:.2%}"),
        _number(layer.weight_snr_db, "{:.1f}"),
        _number(layer.weight_channel, "{}"),
        f"<td>{text(layer.why)}</td>",
    )
    return f'<tr class="{text(layer.precision)}" title="{text(figures(layer))}">{"".join(cells)}</tr>'


def _number(value: float | None, shown: str) -> str:
    return (
        f'<td{NUMBER} data-key="{"" if value is None else value}">{"" if value is None else shown.format(value)}</td>'
    )


def _likeness(likeness: "Likeness | None", name: str) -> str:
    """The SNR behind a bar as long as it."""
    if likeness is None:
        return f'<td{NUMBER} data-key=""></td>'
    width = BAR_PX * min(max(likeness.snr_db, FLOOR_DB), FULL_DB) / FULL_DB
    bar = f'<span class="bar"><i class="{name}" style="width:{width:.0f}px"></i></span>'
    return f'<td{NUMBER} data-key="{likeness.snr_db}">{bar}{likeness.snr_db:.1f}</td>'
