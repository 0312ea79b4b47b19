"""The frame of every HTML page that edgeport writes: one file that fetches nothing, light and dark.

A page reads without JavaScript, too; with it, the headings of a table sort. The policy in its head lets a browser run
that script alone and fetch nothing at all, whatever a model or a layer may be called.
"""

import base64
import hashlib
import html
from collections.abc import Iterable

from ..artifacts.printable import printable

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fff; --raised: #f6f7f9; --ink: #1d2126; --faint: #5f6772; --line: #dfe3e8; --link: #1f5fbf;
  --ok: #1a7f43; --warn: #8a5a00; --fail: #b3261e; --none: #5f6772;
  --ok-back: #e5f5ea; --warn-back: #fdf1d8; --fail-back: #fde8e6; --none-back: #eceff2;
  --fp32: #2563c9; --fp16: #0f7f76; --int8: #d0561c;
  --alone: #9dc3e6; --worst: #d9622b; --worst-column: #fbe3d6; --accumulated: #1f3b63; --island: #f1f1f1;
}
@media (prefers-color-scheme: dark) { :root {
  --paper: #14171b; --raised: #1d2127; --ink: #e7eaee; --faint: #9aa4b0; --line: #333a43; --link: #8ab8ff;
  --ok: #6fd495; --warn: #f0c060; --fail: #ff9a92; --none: #9aa4b0;
  --ok-back: #16321f; --warn-back: #3a2d0e; --fail-back: #45201d; --none-back: #262b32;
  --fp32: #7fb0ff; --fp16: #4fd0c4; --int8: #ff9a63;
  --alone: #3d6a94; --worst: #ff8a50; --worst-column: #3d271b; --accumulated: #cfe0ff; --island: #23282f;
} }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; color: var(--ink);
  background: var(--paper); margin: 0 auto; max-width: 1400px; padding: 24px 24px 64px; overflow-wrap: break-word; }
h1 { font-size: 1.6em; line-height: 1.25; margin: 0 0 4px; } h2 { font-size: 1.2em; margin: 40px 0 8px; }
h3 { font-size: 1em; margin: 20px 0 4px; } p { margin: 4px 0 12px; max-width: 75em; }
.faint, small, figcaption { color: var(--faint); } small { font-size: .87em; }
code { font: .92em ui-monospace, "DejaVu Sans Mono", monospace; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.tiles { display: flex; flex-wrap: wrap; gap: 10px; list-style: none; margin: 16px 0; padding: 0; }
.tiles li { background: var(--raised); border-radius: 8px; padding: 8px 16px; min-width: 92px; }
.tiles b { display: block; font-size: 1.5em; line-height: 1.2; font-variant-numeric: tabular-nums; }
.ok { color: var(--ok); } .warn { color: var(--warn); } .fail { color: var(--fail); } .none { color: var(--none); }
.badge { border-radius: 4px; padding: 1px 7px; font-weight: 600; font-size: .87em; white-space: nowrap; }
.badge.ok { background: var(--ok-back); } .badge.warn { background: var(--warn-back); }
.badge.fail { background: var(--fail-back); } .badge.none { background: var(--none-back); }
.box { border-left: 4px solid var(--fail); background: var(--raised); border-radius: 0 8px 8px 0; padding: 8px 16px;
  margin: 16px 0; } .box.ok { border-color: var(--ok); color: inherit; } .box.warn { border-color: var(--warn);
  color: inherit; } .box ul { margin: 4px 0; padding-left: 20px; } .box h2 { margin: 4px 0; }
.scroll { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .93em; }
th { text-align: left; vertical-align: bottom; border-bottom: 2px solid var(--line); font-weight: 600;
  background: var(--paper); } thead th { position: sticky; top: 0; z-index: 1; }
td, th { padding: 5px 14px 5px 0; } td { border-bottom: 1px solid var(--line); vertical-align: top; }
tbody th { text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; font-weight: 600; }
th.number { text-align: right; } td.number { text-align: right; white-space: nowrap; } td.word { min-width: 6.6em; }
.cards td, .cards tbody th, dt, dd, summary, li { overflow-wrap: anywhere; } .cards tbody th { min-width: 14em; }
.cards td.text { min-width: 16em; } tbody tr:hover > * { background: var(--raised); }
th button { font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer;
  text-align: inherit; }
th button::after { content: " \\2195"; color: var(--faint); font-weight: 400; }
th[aria-sort=ascending] button::after { content: " \\2191"; color: var(--link); }
th[aria-sort=descending] button::after { content: " \\2193"; color: var(--link); }
.wide td { white-space: nowrap; } .tall { max-height: 85vh; }
.bar { display: inline-block; width: 60px; margin-right: 8px; text-align: left; }
.bar i { display: inline-block; height: 9px; }
tr.float td, tr.float th { color: var(--faint); }
i.alone { background: var(--alone); } i.accumulated { background: var(--accumulated); }
i.worst { background: var(--worst); } i.island { background: var(--island); outline: 1px solid var(--line); }
.change { display: block; font-size: .85em; white-space: normal; min-width: 7em; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 350px), 1fr)); gap: 12px 24px; }
figure { margin: 0; max-width: 520px; } figcaption { font-size: .93em; }
svg { display: block; width: 100%; height: auto; } img { display: block; max-width: 100%; height: auto; }
figure b { color: var(--ink); } .layers svg { min-width: 1100px; }
details { border: 1px solid var(--line); border-radius: 8px; margin: 10px 0; padding: 8px 14px; }
summary { cursor: pointer; } details[open] > summary { margin-bottom: 8px; }
ol.worst { columns: 2; column-gap: 32px; padding-left: 24px; } ol.worst li { break-inside: avoid; margin-bottom: 6px; }
dl { display: grid; grid-template-columns: minmax(auto, max-content) minmax(0, 1fr); gap: 2px 16px;
  margin: 4px 0 16px; }
dt { color: var(--faint); } dd { margin: 0; }
.key { display: inline-flex; vertical-align: middle; font-size: .93em; gap: 6px;
  align-items: center; margin-right: 18px; }
.key svg, .key i { flex: none; width: 14px; height: 14px; } .key i.line { width: 24px; height: 3px; }
@media (max-width: 1060px) {
  .cards, .cards tbody { display: block; }
  .cards thead tr { display: flex; flex-wrap: wrap; gap: 2px 14px; border-bottom: 2px solid var(--line); }
  .cards thead th { display: block; position: static; border: 0; padding: 0; font-size: .93em; }
  .cards tbody tr { display: grid; grid-template-columns: repeat(auto-fill, minmax(6.2em, 1fr)); gap: 6px 12px;
    border: 1px solid var(--line); border-radius: 8px; margin: 10px 0; padding: 8px 12px; }
  .cards tbody tr > * { display: block; border: 0; padding: 0; text-align: left; white-space: normal; min-width: 0; }
  .cards tbody tr > :is(th, .text) { grid-column: 1 / -1; } .cards tbody th { font-size: 1.06em; }
  .cards td:empty, .cards .text::before { display: none; }
  .cards td::before { content: attr(data-label); display: block; color: var(--faint); font-size: .85em; }
}
@media (max-width: 760px) {
  body { padding: 16px 14px 48px; } ol.worst { columns: 1; }
  dl { grid-template-columns: minmax(0, 1fr); } dd { margin-bottom: 6px; }
}
@media print { thead th { position: static; } body { max-width: none; } }
"""

SCRIPT = """
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  const key = (row, at) => row.cells[at].dataset.key ?? row.cells[at].textContent;
  const order = (a, b) => isNaN(a) || isNaN(b) ? a.localeCompare(b, undefined, { numeric: true }) : a - b;
  heads.forEach((head, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach(each => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].map(row => [key(row, at), row]);
      const full = rows.filter(([value]) => value !== "").sort(([a], [b]) => down ? order(b, a) : order(a, b));
      body.append(...[...full, ...rows.filter(([value]) => value === "")].map(([, row]) => row));
    });
  });
}
"""


def document(title: str, body: str) -> bytes:
    """A whole page in UTF-8. `body` is HTML; what a browser cannot show (lone surrogates) becomes a question mark."""
    allowed = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'; base-uri 'none'"
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{text(title)}</title>
<style>{STYLE}</style>
</head>
<body>
{body}
<script>{SCRIPT}</script>
</body>
</html>
""".encode("utf-8", "replace")


def text(value: object) -> str:
    """Anything as text that is nothing but text, in an element or an attribute; control characters are shown."""
    return html.escape(printable(value, keep="\n\t"), quote=True)


def items(sentences: Iterable[str]) -> str:
    """A list of sentences."""
    return f"<ul>{''.join(f'<li>{text(sentence)}</li>' for sentence in sentences)}</ul>"
