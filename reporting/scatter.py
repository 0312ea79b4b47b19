"""Draws latency against accuracy as SVG: a point for each artifact, a line from each float to its int8."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from .columns import milliseconds
from .comparison import ENOUGH_DB
from .html_page import text
from .records import Row

WIDTH, HEIGHT = 400, 270  # of the drawing, in its own units; a letter of the labels is about 6 wide
LEFT, RIGHT, TOP, BOTTOM = 44, 390, 14, 226
PRECISIONS = ("fp32", "fp16", "int8")
NAMED = 24  # points whose models are named; of more only those that nothing beats in both figures
CROWD = 80  # points of which only those are drawn in full, the others small and faint, and no lines
LETTER, LINE = 6.9, 13.0  # of the widest usual typeface at 11 units


@dataclass(frozen=True)
class Axis:
    """What is drawn upwards: its figure in Row.agreement, and the values that the axis may span."""

    figure: str
    words: str
    most: float
    steps: tuple[float, ...]  # between two levels, of which there are at most seven
    shown: Callable[[float], str]


AXES = (
    Axis("snr_db", "SNR in dB", ENOUGH_DB, (5.0, 10.0, 20.0), "{:.0f}".format),
    Axis("top1", "top-1 agreement", 1.0, (0.01, 0.02, 0.05, 0.1, 0.2, 0.25), "{:.0%}".format),
)


@dataclass(frozen=True)
class Point:
    """Where an artifact lies."""

    x: float
    y: float
    row: Row


def charts(rows: Sequence[Row]) -> dict[tuple[str, str], list[Axis]]:
    """{(target, device): the axes for which there is a point with a latency}."""
    found: dict[tuple[str, str], list[Axis]] = {}
    for row in rows:
        axes = found.setdefault((row.target or "", row.device or ""), [])
        axes += [
            axis for axis in AXES if axis not in axes and row.latency.get("median_ms") and axis.figure in row.agreement
        ]
    return found


def scatter(rows: Sequence[Row], axis: Axis, label: str) -> str:
    """One chart of the rows of one target and device; "" where none has both figures."""
    shown = [row for row in rows if (row.latency.get("median_ms") or 0) > 0 and axis.figure in row.agreement]
    if not shown:
        return ""
    low_ms, high_ms = span_ms([row.latency["median_ms"] for row in shown])
    levels = levels_of(axis, min(row.agreement[axis.figure] for row in shown))
    floor = levels[-1]

    def x_of(value: float) -> float:
        return LEFT + (math.log(value) - math.log(low_ms)) / (math.log(high_ms) - math.log(low_ms)) * (RIGHT - LEFT)

    def y_of(value: float) -> float:
        return BOTTOM - (min(max(value, floor), axis.most) - floor) / (axis.most - floor) * (BOTTOM - TOP)

    points = [Point(x_of(row.latency["median_ms"]), y_of(row.agreement[axis.figure]), row) for row in shown]
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{text(label)}; the table has the figures" '
        'font-family="inherit" font-size="11">',
        *_levels(axis, levels, y_of),
        *_times(low_ms, high_ms, x_of),
        *(_pairs(points) if len(points) <= CROWD else ()),
        *_marks(points, axis),
        *_names(points),
        "</svg>",
    ]
    return "\n".join(parts)


def span_ms(values: Sequence[float]) -> tuple[float, float]:
    """The ends of the axis: a tenth beyond the values on a logarithmic scale, and at least a factor of three."""
    low, high = math.log(min(values)), math.log(max(values))
    room = max((math.log(3) - (high - low)) / 2, (high - low) * 0.12)
    return math.exp(low - room), math.exp(high + room)


def ticks(low: float, high: float) -> list[float]:
    """1, 2, 5, 10 and so on between the two; the tens alone where these are many."""
    tens = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        found = [factor * 10.0**ten for ten in tens for factor in factors if low <= factor * 10.0**ten <= high]
        if len(found) <= 6:
            break
    return found


def levels_of(axis: Axis, lowest: float) -> list[float]:
    """The levels that are drawn, from the highest to one that is not above the lowest value (but for the worst)."""
    for step in axis.steps:
        count = max(math.ceil((axis.most - lowest) / step - 1e-9), 2)
        if count <= 6:
            return [axis.most - i * step for i in range(count + 1)]
    return [axis.most - i * axis.steps[-1] for i in range(6 if axis.figure == "snr_db" else 5)]


def _levels(axis: Axis, levels: Sequence[float], y_of: Callable[[float], float]) -> list[str]:
    parts = []
    for level in levels:
        at_least = level == axis.most and axis.figure == "snr_db"
        shown = "\N{GREATER-THAN OR EQUAL TO}" * at_least + axis.shown(level)
        y = y_of(level)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{RIGHT}" stroke="var(--line)"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="var(--faint)">{shown}</text>')
    return parts


def _times(low_ms: float, high_ms: float, x_of: Callable[[float], float]) -> list[str]:
    parts = [f'<path d="M{LEFT} {BOTTOM}H{RIGHT}" stroke="var(--faint)"/>']
    for tick in ticks(low_ms, high_ms):
        x = x_of(tick)
        parts.append(f'<path d="M{x:.1f} {BOTTOM}v5" stroke="var(--faint)"/>')
        parts.append(f'<text x="{x:.1f}" y="{BOTTOM + 18}" text-anchor="middle" fill="var(--faint)">{tick:g}</text>')
    middle = (LEFT + RIGHT) / 2
    return [*parts, f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle" fill="var(--faint)">median ms</text>']


def _pairs(points: Sequence[Point]) -> list[str]:
    """A line through the precisions of each model."""
    by_model = sorted(points, key=lambda point: point.row.model or "")
    lines = []
    for _, group in groupby(by_model, key=lambda point: point.row.model or ""):
        several = sorted(group, key=lambda point: rank(point.row))
        if len(several) > 1:
            path = "L".join(f"{point.x:.1f} {point.y:.1f}" for point in several)
            lines.append(f'<path d="M{path}" fill="none" stroke="var(--faint)" stroke-opacity=".45"/>')
    return lines


def rank(row: Row) -> int:
    """Where a precision stands in PRECISIONS, behind them where it is not there."""
    return PRECISIONS.index(row.precision) if row.precision in PRECISIONS else len(PRECISIONS)


def mark(precision: str | None, x: float, y: float, inner: str = "", *, scale: float = 1) -> str:
    """The sign of a precision, which differs in form and colour; `inner` is an element in it."""
    if precision == "fp32":
        circle = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{5 * scale:g}" fill="var(--fp32)"'
        return f'{circle} stroke="var(--paper)">{inner}</circle>'
    form, colour = {
        "fp16": ("M0 -6l6 10.5h-12z", "fp16"),
        "int8": ("M-4.5 -4.5h9v9h-9z", "int8"),
    }.get(precision or "", ("M0 -6l6 6l-6 6l-6 -6z", "faint"))
    place = f'transform="translate({x:.1f} {y:.1f}) scale({scale:g})"'
    return f'<path d="{form}" {place} fill="var(--{colour})" stroke="var(--paper)">{inner}</path>'


def _marks(points: Sequence[Point], axis: Axis) -> list[str]:
    """Every point; of a crowd those in full that nothing beats."""
    if len(points) <= CROWD:
        return [_point(point, axis) for point in points]
    front = best(points)
    faint = [_point(point, axis, scale=0.6) for point in points if point not in front]
    return ['<g opacity=".4">', *faint, "</g>", *(_point(point, axis) for point in front)]


def _point(point: Point, axis: Axis, *, scale: float = 1) -> str:
    row = point.row
    figure = row.agreement[axis.figure]
    shown = f"{figure:.1f} dB" if axis.figure == "snr_db" else f"{figure:.1%} top-1"
    tip = f"{row.model or row.artifact} {row.precision or ''}: {milliseconds(row.latency['median_ms'])} ms, {shown}"
    return mark(row.precision, point.x, point.y, f"<title>{text(tip)}</title>", scale=scale)


def best(points: Sequence[Point]) -> list[Point]:
    """Those that no other beats in both figures (up is better, left is faster)."""
    front, highest = [], math.inf
    for point in sorted(points, key=lambda point: (point.x, point.y)):
        if point.y < highest:
            front.append(point)
            highest = point.y
    return front


def _names(points: Sequence[Point]) -> list[str]:
    """Each model's name once, where there is room for it: beside one of its points and over nothing else."""
    front = best(points)
    drawn = points if len(points) <= CROWD else front
    taken = [(point.x - 6, point.y - 6, point.x + 6, point.y + 6) for point in drawn]
    models = {point.row.model for point in (points if len(points) <= NAMED else front)}
    parts = []
    for model in sorted(model for model in models if model):
        name = model if len(model) <= 24 else f"{model[:23]}\N{HORIZONTAL ELLIPSIS}"
        own = sorted((point for point in drawn if point.row.model == model), key=lambda point: -rank(point.row))
        placed = next((place for point in own for place in _places(point, name) if _free(place[0], taken)), None)
        if placed:
            box, x, y, anchor = placed
            taken.append(box)
            halo = 'paint-order="stroke" stroke="var(--paper)" stroke-width="3"'
            place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
            parts.append(f'<text {place} fill="var(--ink)" {halo}>{text(name)}</text>')
    return parts


Box = tuple[float, float, float, float]  # left, top, right, bottom


def _places(point: Point, name: str) -> Iterator[tuple[Box, float, float, str]]:
    """(what the name covers, its x, y and anchor) right of a point, left of it, above and below."""
    wide = LETTER * len(name)
    for x, y, anchor, share in (
        (point.x + 9, point.y + 4, "start", 0.0),
        (point.x - 9, point.y + 4, "end", 1.0),
        (point.x, point.y - 10, "middle", 0.5),
        (point.x, point.y + 18, "middle", 0.5),
    ):
        left = x - wide * share
        yield (left, y - LINE + 3, left + wide, y + 3), x, y, anchor


def _free(box: Box, taken: Sequence[Box]) -> bool:
    """Whether the box lies within the drawing, and on nothing that is there."""
    inside = box[0] > LEFT and box[2] < WIDTH and box[1] >= 0 and box[3] < BOTTOM
    return inside and not any(_overlap(box, other) for other in taken)


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
