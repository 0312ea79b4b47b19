"""Writes a report as one HTML page."""

import base64
from collections.abc import Iterable, Sequence
from itertools import groupby

from ..quantize.diagnosis.compare_units import Layer, Likeness
from .columns import Column, Twins, cell, shown_columns
from .comparison import Comparison, name
from .folder import Findings
from .html_page import document, items, text
from .layer_chart import title, worst_of
from .layer_page import drawn
from .records import LOCAL, Layers, Row
from .scatter import PRECISIONS, charts, mark, rank, scatter
from .summary import STATES, about_random, counts, headline, is_random

OPEN_PICTURES = 2  # so many are shown at once; of more each opens by a click


def page(heading: str, found: Findings, comparison: Comparison | None) -> bytes:
    """The whole page."""
    parts = [
        f"<header><h1>{text(heading)}</h1><p class=faint>{text(headline(found))}</p>",
        f"{_tiles(found, comparison)}</header>",
        "<main>",
        _random(found.rows),
        _problems(found),
        _comparison(comparison) if comparison else "",
        _table(found.rows, comparison),
        _answers(found.pictures),
        _charts(found.rows),
        _layers(found.layers),
        _devices(found.rows),
        _made(found.rows),
        "</main>",
    ]
    return document(f"edgeport report: {heading}", "\n".join(part for part in parts if part))


def _tiles(found: Findings, comparison: Comparison | None) -> str:
    tiles = [(state, count, words) for (state, words), count in zip(STATES.items(), counts(found.rows), strict=True)]
    if comparison:
        worse, better = len(comparison.regressions), len(comparison.improvements)
        tiles += [("fail" if worse else "ok", worse, "worse than the baseline"), ("ok", better, "better")]
    shown = "".join(
        f'<li class="{state if count else "none"}"><b>{count}</b>{words}</li>'
        for state, count, words in tiles
        if count or words.startswith("worse")
    )
    return f"<ul class=tiles>{shown}</ul>"


def _problems(found: Findings) -> str:
    if not found.problems and not found.notes:
        return ""
    parts = []
    if found.problems:
        parts.append(f'<section class="box"><h2>Files that could not be read</h2>{items(found.problems)}</section>')
    if found.notes:
        parts.append(f"<details><summary>{len(found.notes)} other files</summary>{items(found.notes)}</details>")
    return "".join(parts)


def _random(rows: Sequence[Row]) -> str:
    """What random weights mean, where there are any."""
    said = about_random(rows)
    return f'<section class="box warn"><p><b>{text(said)}</b></p></section>' if said else ""


def _comparison(comparison: Comparison) -> str:
    worse, better = comparison.regressions, comparison.improvements
    verdict = f"{len(worse)} worse" if worse else "nothing is worse"
    parts = [
        f'<section class="box {"" if worse else "ok"}"><h2>Against {text(comparison.baseline)}: {verdict}</h2>',
        f"<p><small>{comparison.compared} of the rows are in both. Worse means: {text(comparison.limits)}, failed, or "
        "gone.</small></p>",
        items(f"{name(change.row)}: {change.text}" for change in worse) if worse else "",
    ]
    for words, sentences in (
        (f"{len(better)} better", [f"{name(change.row)}: {change.text}" for change in better]),
        (f"{len(comparison.new)} new", [name(row) for row in comparison.new]),
        (f"{len(comparison.apart)} latencies not compared", comparison.apart),
    ):
        if sentences:
            parts.append(f"<details><summary>{words}</summary>{items(sentences)}</details>")
    return "".join((*parts, "</section>"))


def _table(rows: Sequence[Row], comparison: Comparison | None) -> str:
    twins = Twins(rows)
    columns = shown_columns(rows, twins)
    heads = "".join(f"<th scope=col role=columnheader{_numeric(column)}>{text(column.head)}</th>" for column in columns)
    body = "\n".join(
        f"<tr role=row>{''.join(_cell(column, row, twins, comparison) for column in columns)}</tr>" for row in rows
    )
    return (
        '<h2 id=results>Results</h2><div class=scroll><table class="sortable cards" role=table aria-labelledby=results>'
        f"<thead role=rowgroup><tr role=row>{heads}</tr></thead>\n<tbody role=rowgroup>\n{body}\n</tbody></table></div>"
    )


def _numeric(column: Column) -> str:
    form = "number" if column.numeric else "text" if column.figure == "verdict" else "word"
    return f" class={form}"


def _cell(column: Column, row: Row, twins: Twins, comparison: Comparison | None) -> str:
    value, shown = column.key(row, twins), text(cell(column, row, twins))
    change = comparison.of(row, column.figure) if comparison else None
    label = f'data-label="{text(column.head)}"'
    if column.figure == "model":
        return f"<th scope=row role=rowheader>{shown}</th>"
    if column.figure == "weights" and is_random(row):
        shown = f'<span class="badge warn">{shown}</span>'
    if column.figure == "verdict":
        first, _, rest = row.said.partition(": ") if row.state in ("warn", "fail") else (row.said, "", "")
        first, rest = ("failed", row.said) if row.problems else (first, rest)
        outputs = items(f"{name}: {words}" for name, words in row.outputs.items()) if row.outputs else ""
        shown = f'<span><span class="badge {row.state}">{text(first)}</span> {text(rest)}{outputs}</span>'
    marked = ""
    if change:
        state, sign = ("fail", "worse") if change.worse else ("ok", "better")
        was = f", was {text(change.was)}" if change.was else ""
        marked = f'<span class="change {state}">{sign}{was}</span>'
    key = "" if value is None else value
    return f'<td role=cell {label} data-key="{text(key)}"{_numeric(column)}>{shown}{marked}</td>'


def _charts(rows: Sequence[Row]) -> str:
    figures_, without = [], []
    for (target, device), axes in charts(rows).items():
        own = [row for row in rows if (row.target or "", row.device or "") == (target, device)]
        place = f"{target} on {'this machine' if device == LOCAL else device}"
        if not axes:
            without.append(place)
        for axis in axes:
            label = f"{place}: {axis.words} against latency"
            drawn = scatter(own, axis, label)
            caption = f"<b>{text(place)}</b><br>{axis.words} against median latency"
            figures_.append(f"<figure><figcaption>{caption}</figcaption>{drawn}</figure>")
    if not figures_:
        return ""
    known = sorted(
        {row.precision for row in rows if row.latency and row.precision}, key=lambda p: (p not in PRECISIONS, p)
    )
    keys = "".join(f"<span class=key>{_mark(precision)}{text(precision)}</span>" for precision in known)
    note = (
        f"<p><small>Without a latency, so without a point: {text(', '.join(without))}.</small></p>" if without else ""
    )
    return (
        f"<h2>Latency against accuracy</h2><p>{keys}<small>Up is more accurate, left is faster; a line joins the "
        "precisions of a model; of many points those that nothing beats stand out.</small></p>"
        f'<div class="charts">{"".join(figures_)}</div>{note}'
    )


def _mark(precision: str) -> str:
    return f'<svg viewBox="0 0 14 14" aria-hidden=true>{mark(precision, 7, 7)}</svg>'


def _answers(pictures: Sequence[tuple[Row, bytes]]) -> str:
    """What the float models and their artifacts answer, side by side."""
    if not pictures:
        return ""
    parts = []
    for row, content in pictures:
        heading = f"{row.model} {row.target} {row.precision}"
        said = f"{heading}: {row.answers}" if row.answers else heading
        source = f"data:image/png;base64,{base64.b64encode(content).decode()}"
        shown = f'<img loading=lazy alt="{text(f"answers of {said}")}" src="{source}">'
        is_open = " open" if len(pictures) <= OPEN_PICTURES else ""
        parts.append(
            f"<details{is_open}><summary><b>{text(heading)}</b> {text(row.answers or '')}</summary>{shown}</details>"
        )
    return f"<h2>Answers</h2>{''.join(parts)}"


def _layers(found: Sequence[Layers]) -> str:
    if not found:
        return ""
    parts = [
        "<h2>Layer by layer</h2><p><small>SNR against the float model, as <code>edgeport debug</code> measured it. "
        "Isolated: the layer on the float model's values. Accumulated: the artifact's own values.</small></p>"
    ]
    for each in found:
        layers = [_layer(facts) for facts in each.layers]
        worst = next((f"worst {title(each)}, {each.badness_db:.1f} dB isolated" for each in worst_of(layers)), "")
        worst = worst or f"{len(layers)} layers"
        heading = f"{each.model} {each.target} {each.precision}"
        parts.append(
            f"<details{' open' if len(found) == 1 else ''}><summary><b>{text(heading)}</b>: {text(worst)}</summary>"
            f"<p><small>{text(each.artifact)}, {each.samples} inputs ({text(each.data)})</small></p>"
            f"{drawn(layers, heading)}</details>"
        )
    return "".join(parts)


def _layer(facts) -> Layer:
    """A layer of the JSON, which `records` has checked; what it does not say is empty."""

    def likeness(name: str) -> Likeness | None:
        said = facts.get(name) or {}
        snr_db = said.get("snr_db")
        if snr_db is None:
            return None
        return Likeness(snr_db, said.get("cosine") or 0.0, said.get("typical_channel_db", snr_db) or snr_db)

    texts = {key: str(facts.get(key) or "") for key in ("name", "module", "kind", "precision", "why", "seen_through")}
    numbers = {key: facts.get(key) for key in ("range_use", "clipped", "weight_snr_db", "weight_channel")}
    return Layer(
        position=int(facts.get("position") or 0),
        accumulated=likeness("accumulated"),
        alone=likeness("alone"),
        **texts,
        **numbers,
    )


def _devices(rows: Sequence[Row]) -> str:
    """What is known of each device, and with what its latencies were taken."""
    parts = []
    for device, group in groupby(
        sorted(rows, key=lambda row: row.device or LOCAL), key=lambda row: row.device or LOCAL
    ):
        own = list(group)
        facts: dict[str, str] = {}
        for row in own:
            facts |= row.device_facts
        timed = [row.latency for row in own if row.latency]
        facts |= {
            "runtimes": ", ".join(sorted({row.runtime for row in own if row.runtime})),
            "threads": _several(latency.get("threads") for latency in timed),
            "timed runs": _several(latency.get("runs") for latency in timed),
            "runs before them": _several(latency.get("warmup") for latency in timed),
        }
        listed = "".join(f"<dt>{text(key)}</dt><dd>{text(fact)}</dd>" for key, fact in facts.items() if fact)
        if listed:
            parts.append(f"<h3>{text('this machine (local)' if device == LOCAL else device)}</h3><dl>{listed}</dl>")
    return f"<h2>Devices</h2>{''.join(parts)}" if parts else ""


def _several(values: Iterable[float | None]) -> str:
    return ", ".join(f"{value:g}" for value in sorted({value for value in values if value is not None}))


def _made(rows: Sequence[Row]) -> str:
    """How the artifacts were made: what their manifests say, once for all that say the same."""
    parts = []
    made = [row for row in rows if row.facts]
    for model, group in groupby(sorted(made, key=lambda row: row.model or ""), key=lambda row: row.model or ""):
        same: dict[tuple, list[Row]] = {}
        for row in sorted(group, key=lambda row: (row.target or "", rank(row))):
            facts = tuple((key, fact) for key, fact in row.facts.items() if key != "sha256")
            if not any(row.artifact == other.artifact for others in same.values() for other in others):
                same.setdefault(facts, []).append(row)
        inner = []
        for facts, several in same.items():
            heading = ", ".join(f"{row.target} {row.precision}" for row in several)
            listed = "".join(f"<dt>{text(key)}</dt><dd>{text(fact)}</dd>" for key, fact in facts)
            files = "".join(
                f"<dt>{text(row.artifact)}</dt><dd><code>{text(row.facts.get('sha256', ''))}</code></dd>"
                for row in several
            )
            inner.append(f"<h3>{text(heading)}</h3><dl>{listed}{files}</dl>")
        parts.append(f"<details><summary>{text(model)}</summary>{''.join(inner)}</details>")
    return f"<h2>How they were made</h2>{''.join(parts)}" if parts else ""
