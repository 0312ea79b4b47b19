"""Draws where the time of an artifact goes: all kernels in order of execution, and a bar for each module."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from .html_page import text
from .layer_chart import Line, Rect, Shape, Text, shape_svg

WIDTH = 1400  # pixels
STRIP_LEFT, STRIP_RIGHT, STRIP_TOP, STRIP_TALL = 8, 1392, 8, 54
BARS_LEFT, BARS_RIGHT, ROW = 300, 990, 26  # of a module's bar; the figures stand behind it
MOST_ROWS, DEEPEST = 32, 5  # of modules along the chart, which decide how deep their paths go
LETTER = 8.4  # pixels of one, about
INK, FAINT, GRID = "var(--ink)", "var(--faint)", "var(--line)"
# (kind, whether it is overhead): (name of the colour, what it stands for)
COLOURS = {
    ("int8", False): ("p-int8", "int8 arithmetic"),
    ("int16", False): ("p-int16", "int16 arithmetic"),
    ("float", False): ("p-float", "float arithmetic"),
    ("other", False): ("p-other", "whole numbers"),
    ("float", True): ("p-island", "float islands among integers"),
    ("conversion", True): ("p-conversion", "conversion between types or scales"),
    ("layout", True): ("p-layout", "layout: transposes, copies"),
}
STYLE = """
:root { --p-int8: #2d5fa8; --p-int16: #2f8f83; --p-float: #8fb3e0; --p-other: #9aa4b0; --p-island: #e5b83a;
  --p-conversion: #e0762f; --p-layout: #b8302a; --p-against: #8a929c; }
@media (prefers-color-scheme: dark) { :root { --p-int8: #5b8fdd; --p-int16: #4db8a8; --p-float: #35598a;
  --p-other: #6b747e; --p-island: #d9ae35; --p-conversion: #e58542; --p-layout: #e0605a; --p-against: #6b747e; } }
"""

Kernel = Mapping[str, Any]


def colour(kernel: Kernel) -> str:
    """Of its kind, and of whether that is overhead."""
    name, _ = COLOURS.get((kernel["kind"], kernel["overhead"]), COLOURS["other", False])
    return f"var(--{name})"


def depth_of(kernels: Sequence[Kernel]) -> int:
    """How many parts of the modules' paths the chart shows: as many as there is room for."""
    depth = 1
    for deeper in range(2, DEEPEST + 1):
        if len({prefix(kernel["module"], deeper) for kernel in kernels}) > MOST_ROWS:
            break
        depth = deeper
    return depth


def prefix(module: str, depth: int) -> str:
    return ".".join(module.split(".")[:depth])


def strip(kernels: Sequence[Kernel]) -> str:
    """Every kernel in order of execution, as wide as its time, over the modules' names."""
    total = sum(kernel["us"] for kernel in kernels) or 1.0
    scale = (STRIP_RIGHT - STRIP_LEFT) / total
    bottom, x = STRIP_TOP + STRIP_TALL, float(STRIP_LEFT)
    shapes: list[Shape] = []
    for kernel in kernels:
        width = kernel["us"] * scale
        shapes.append(Rect(x, STRIP_TOP, width, STRIP_TALL, colour(kernel), tip=tip(kernel)))
        x += width
    start, free = float(STRIP_LEFT), 0.0
    for name, run in groupby(_with_module(kernels), key=lambda pair: prefix(pair[0], 2)):
        end = start + sum(kernel["us"] for _, kernel in run) * scale
        shapes.append(Line(((start, bottom), (start, bottom + 8)), FAINT))
        middle, reach = (start + end) / 2, LETTER * len(name) / 2
        if name and middle - reach > free and middle + reach < WIDTH and end - start > 12:
            shapes.append(Text(middle, bottom + 18, name, colour=FAINT, anchor="middle"))
            free = middle + reach + 6
        start = end
    return _svg(shapes, bottom + 32, "Time of every kernel in order of execution, coloured by its kind")


def bars(kernels: Sequence[Kernel], against: Sequence[Kernel] = (), other: str = "", depth: int | None = None) -> str:
    """A bar for each module in order of execution, in parts by kind; below it, thin, what it takes in the other one."""
    depth = depth or depth_of([*kernels, *against])
    rows = _rows(kernels, depth)
    theirs = {name: sum(kernel["us"] for kernel in group) for name, group in _rows(against, depth).items()}
    names = list(dict.fromkeys((*rows, *theirs)))
    total = sum(kernel["us"] for kernel in kernels) or 1.0
    most = max([sum(k["us"] for k in group) for group in rows.values()] + list(theirs.values()) + [1e-9])
    scale = (BARS_RIGHT - BARS_LEFT) / most
    shapes: list[Shape] = []
    for i, name in enumerate(names):
        top = 8 + i * ROW
        group = rows.get(name, [])
        us, x = sum(kernel["us"] for kernel in group), float(BARS_LEFT)
        shapes.append(Text(BARS_LEFT - 10, top + 9, shortened(name) or "(no module)", colour=INK, anchor="end"))
        tall = 11 if against else 18
        for kind in COLOURS:
            part = [kernel for kernel in group if (kernel["kind"], kernel["overhead"]) == kind]
            width = sum(kernel["us"] for kernel in part) * scale
            if part:
                said = f"{name}: {COLOURS[kind][1]}, {len(part)} kernels, {sum(k['us'] for k in part):.0f} us"
                shapes.append(Rect(x, top, width, tall, colour(part[0]), tip=said))
                x += width
        if against:
            their = theirs.get(name, 0.0)
            shapes.append(
                Rect(BARS_LEFT, top + 12, their * scale, 5, "var(--p-against)", tip=f"{other}: {their:.0f} us")
            )
            x = max(x, BARS_LEFT + their * scale)
        shapes.append(Text(x + 8, top + 9, _figures(group, us, total, theirs.get(name) if against else None), size=12))
    return _svg(shapes, 16 + len(names) * ROW, "Time of each module, by kind")


def tip(kernel: Kernel) -> str:
    """A kernel in a few lines."""
    said = [f"{kernel['us']:.0f} us ({kernel['share']:.1%})"]
    if kernel["gmacs_per_s"]:
        said.append(f"{kernel['gmacs_per_s']:.1f} GMAC/s")
    if kernel["gbytes_per_s"]:
        said.append(f"{kernel['gbytes_per_s']:.1f} GB/s")
    computes = " + ".join(kernel["operators"]) or "put in by the runtime"
    return f"{kernel['name'] or kernel['module']}\n{computes}: {kernel['implementation']}\n{', '.join(said)}"


def shortened(name: str, most: int = 38) -> str:
    """Its end, where it is long."""
    return name if len(name) <= most else f"...{name[3 - most :]}"


def _figures(group: Sequence[Kernel], us: float, total: float, theirs: float | None) -> str:
    said = [f"{us / 1e3:.2f} ms", f"{us / total:.0%}"]
    overhead = sum(kernel["us"] for kernel in group if kernel["overhead"])
    if us and overhead / us >= 0.05:
        said.append(f"{overhead / us:.0%} overhead")
    computing = sum(kernel["us"] for kernel in group if kernel["macs"])
    if computing:
        said.append(f"{sum(kernel['macs'] for kernel in group) / computing / 1e3:.0f} GMAC/s")
    if theirs is not None:
        said.append(f"{(us - theirs) / 1e3:+.2f} ms")
    return ", ".join(said)


def _rows(kernels: Sequence[Kernel], depth: int) -> dict[str, list[Kernel]]:
    rows: dict[str, list[Kernel]] = {}
    for kernel in kernels:
        rows.setdefault(prefix(kernel["module"], depth), []).append(kernel)
    return rows


def _with_module(kernels: Sequence[Kernel]) -> list[tuple[str, Kernel]]:
    return [(kernel["module"], kernel) for kernel in kernels]


def _svg(shapes: Sequence[Shape], tall: float, label: str) -> str:
    inner = "\n".join(map(shape_svg, shapes))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {tall:.0f}" role="img" '
        f'aria-label="{text(label)}" font-family="inherit">\n{inner}\n</svg>\n'
    )
