"""Writes the profile of an artifact as one HTML page that needs nothing but itself."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .html_page import document, items, text
from .profile_chart import COLOURS, STYLE, bars, strip

NUMBER = ' class="number"'
MB = 1e6
GROUP_HEADER = ("", "kernels", "ms", "share", "overhead ms", "MMAC", "GMAC/s", "MB moved")
KERNEL_HEADER = (
    *("#", "module", "value", "operators", "kernel", "kind", "us", "p90 us", "share", "MMAC", "GMAC/s"),
    *("of peak", "kB", "GB/s", "shape", "partition"),
)
WORDS = ("", "module", "value", "operators", "kernel", "kind", "shape")


def page(facts: Mapping[str, Any]) -> bytes:
    """The page. `facts`: what ProfileResult.to_json gives."""
    name = Path(facts["artifact"]).name
    against = facts["against"]
    where = f"{facts['device']}: " if facts["device"] else ""
    ran = f"{facts['runtime']}, {facts['threads']} thread(s), {facts['cpu']}, {facts['latency']['runs']} runs"
    body = f"""<style>{STYLE}</style>
<h1>{text(name)}: where the time and the memory go</h1><p class="faint">{text(where + ran)}</p>
{_tiles(facts)}
{_warnings(facts)}
<p>{_legend(facts["kernels"])}</p>
<div class="scroll layers" tabindex="0" role="region" aria-label="Kernels in order">{strip(facts["kernels"])}</div>
<h2>Modules</h2>
{_compared(name, against)}
<div class="scroll layers" tabindex="0" role="region" aria-label="Modules">
{bars(facts["kernels"], against["kernels"] if against else (), Path(against["artifact"]).name if against else "")}</div>
<h2>What the core reaches</h2>
{_peaks(facts["peaks"], facts["device"])}
<h2>Memory</h2>
{_memory(facts)}
{_changes(facts)}
{_groups("Kinds", facts["kinds"])}
{_groups("Operators", facts["operators"])}
{_groups("All modules", facts["modules"])}
<h2>Every kernel</h2>
<p><small>In order of execution: what the runtime has timed as one. The median of warm runs in which it did not have to
wait, and the 90th percentile of all. MAC/s are of convolutions and matrix products as the file has them, beside the
peak of the probe in the same arithmetic; bytes are of what it reads and writes, each tensor once.
A click on a heading sorts.</small></p>
{_table(KERNEL_HEADER, [_kernel(i, kernel) for i, kernel in enumerate(facts["kernels"])], "Every kernel")}"""
    return document(f"{name}: profile", body)


def _tiles(facts: Mapping[str, Any]) -> str:
    latency, memory = facts["latency"], facts["memory"]
    overhead = facts["overhead_us"] / 1e3 / facts["kernels_ms"] if facts["kernels_ms"] else 0
    typical = "median" if latency["median_ms"] == latency["median_ms"] else "mean"
    tiles = [
        (f"{latency[f'{typical}_ms']:.2f} ms", f"{typical} latency"),
        (f"{facts['kernels_ms']:.2f} ms", f"kernels' sum, {facts['accounted']:.0%} of a run"),
        (f"{overhead:.0%}", f"of it overhead ({facts['overhead_us'] / 1e3:.2f} ms)"),
        (f"{sum(kernel['macs'] for kernel in facts['kernels']) / 1e6:.0f}", "million MACs"),
        (f"{latency['load_ms']:.0f} ms", "to load"),
        (f"{latency['first_ms']:.1f} ms", "first run"),
        (f"{memory['weights_bytes'] / MB:.2f} MB", "weights"),
    ]
    if facts["cpu_ms"] is not None:
        tiles.insert(1, (f"{facts['cpu_ms']:.2f} ms", "of the processor in a run"))
    if memory["peak_mb"] is not None:
        tiles.append((f"{memory['peak_mb']:.0f} MB", "peak of the process's growth"))
    if facts["of_peak"] is not None:
        tiles.insert(4, (f"{facts['of_peak']:.0%}", "of the core's peak"))
    if facts["partitions"] is not None:
        tiles.append((f"{facts['partitions']}", "delegate partition(s)"))
    return f'<ul class="tiles">{"".join(f"<li><b>{text(big)}</b>{text(small)}</li>" for big, small in tiles)}</ul>'


def _warnings(facts: Mapping[str, Any]) -> str:
    return f'<div class="box warn">{items(facts["warnings"])}</div>' if facts["warnings"] else ""


def _legend(kernels: Sequence[Mapping[str, Any]]) -> str:
    total = sum(kernel["us"] for kernel in kernels) or 1.0
    keys = []
    for (kind, overhead), (name, words) in COLOURS.items():
        us = sum(each["us"] for each in kernels if (each["kind"], each["overhead"]) == (kind, overhead))
        if us:
            share = f"{words} {us / 1e3:.2f} ms, {us / total:.1%}"
            keys.append(f'<span class="key"><i style="background:var(--{name})"></i>{text(share)}</span>')
    return "".join(keys)


def _compared(name: str, against: Mapping[str, Any] | None) -> str:
    if against is None:
        return ""
    other = Path(against["artifact"]).name
    return (
        f'<p><span class="key"><i style="background:var(--p-against)"></i>{text(other)}, the thin bar below each</span>'
        f"{text(other)} takes {against['kernels_ms']:.2f} ms; what stands last is how much more {text(name)} takes.</p>"
    )


def _peaks(peaks: Mapping[str, Any] | None, device: str) -> str:
    if peaks is None:
        where = f" on {device}" if device else ""
        return f"<p>Not probed{text(where)}: what share of its peak a kernel reaches is not known.</p>"
    return (
        f"<p>In the same runtime and with the same threads a chain of large convolutions reaches "
        f"<b>{peaks['int8_gmacs_per_s']:.0f} GMAC/s</b> in int8 and <b>{peaks['float_gmacs_per_s']:.0f} GMAC/s</b> in "
        f"float; a copy moves {peaks['memory_gbytes_per_s']:.0f} GB/s in memory and "
        f"{peaks['cache_gbytes_per_s']:.0f} GB/s in the core's cache. Matrix instructions of this CPU: "
        f"{text(peaks['instructions'] or 'not known')}.</p>"
    )


def _memory(facts: Mapping[str, Any]) -> str:
    memory = facts["memory"]
    rows = [("weights", f"{memory['weights_bytes'] / MB:.2f} MB of constants in the file")]
    if memory["activations_bytes"] is not None:
        planned = f"{memory['activations_bytes'] / MB:.2f} MB, placed by their lifetimes as LiteRT's planner does it"
        rows.append(("activations", planned))
    if memory["largest_bytes"] is not None:
        moment = f"{memory['largest_bytes'] / MB:.2f} MB alive at once, while {memory['largest_at']} is computed"
        rows.append(("largest moment", moment))
    if memory["loaded_mb"] is not None:
        grown = f"{memory['loaded_mb']:.1f} MB more in the process than before, the runtime's code included"
        rows.append(("loaded", grown))
    if memory["peak_mb"] is not None:
        rows.append(("peak", f"{memory['peak_mb']:.1f} MB more until the end of the first runs"))
    return f"<dl>{''.join(f'<dt>{text(name)}</dt><dd>{text(said)}</dd>' for name, said in rows)}</dl>"


def _changes(facts: Mapping[str, Any]) -> str:
    if not facts["changes"]:
        return ""
    rows = [
        f"<tr><td>{text(each['module'])}</td>{_number(each['us'] / 1e3, '{:.3f}')}"
        f"{_number(each['against_us'] / 1e3, '{:.3f}')}{_number(each['gained_us'] / 1e3, '{:+.3f}')}</tr>"
        for each in facts["changes"]
    ]
    other = Path(facts["against"]["artifact"]).name
    header = ("module", "ms", f"ms in {other}", "gained ms")
    return f"<h2>Which module gained</h2>{_table(header, rows, 'Changes')}"


def _groups(title: str, groups: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        f"<tr><td>{text(each['name'])}</td>{_number(each['kernels'], '{}')}{_number(each['us'] / 1e3, '{:.3f}')}"
        f"{_number(each['share'], '{:.1%}')}{_number(each['overhead_us'] / 1e3, '{:.3f}')}"
        f"{_number(each['macs'] / 1e6 if each['macs'] else None, '{:.2f}')}{_number(each['gmacs_per_s'], '{:.1f}')}"
        f"{_number(each['bytes_moved'] / MB, '{:.3f}')}</tr>"
        for each in groups
    ]
    return f"<h2>{title}</h2>{_table(GROUP_HEADER, rows, title)}"


def _kernel(i: int, kernel: Mapping[str, Any]) -> str:
    words = (kernel["module"], kernel["name"], " + ".join(kernel["operators"]), kernel["implementation"])
    cells = (
        _number(i, "{}"),
        *(f"<td>{text(each)}</td>" for each in words),
        f"<td>{text(kernel['kind'])}{' (overhead)' if kernel['overhead'] else ''}</td>",
        _number(kernel["us"], "{:.1f}"),
        _number(kernel["p90_us"], "{:.1f}"),
        _number(kernel["share"], "{:.2%}"),
        _number(kernel["macs"] / 1e6 if kernel["macs"] else None, "{:.2f}"),
        _number(kernel["gmacs_per_s"], "{:.1f}"),
        _number(kernel["of_peak"], "{:.0%}"),
        _number(kernel["bytes_moved"] / 1e3 if kernel["bytes_moved"] else None, "{:.1f}"),
        _number(kernel["gbytes_per_s"], "{:.1f}"),
        f"<td>{text('x'.join(map(str, kernel['shape'])))}</td>",
        _number(kernel["partition"], "{}"),
    )
    return f"<tr>{''.join(cells)}</tr>"


def _number(value: float | None, shown: str) -> str:
    return (
        f'<td{NUMBER} data-key="{"" if value is None else value}">{"" if value is None else shown.format(value)}</td>'
    )


def _table(header: Sequence[str], rows: Sequence[str], label: str) -> str:
    heads = "".join(f'<th scope="col"{"" if head in WORDS else NUMBER}>{text(head) or "name"}</th>' for head in header)
    lines = "\n".join(rows)
    return (
        f'<div class="scroll tall" tabindex="0" role="region" aria-label="{text(label)}"><table class="sortable wide">'
        f"<thead><tr>{heads}</tr></thead><tbody>\n{lines}\n</tbody></table></div>"
    )
