"""Draws the layers of an artifact in order of execution, as shapes first, then as SVG and as PNG."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from ..artifacts.printable import printable
from .html_page import text

if TYPE_CHECKING:
    from ..quantize.diagnosis.compare_units import Layer

WIDTH, HEIGHT = 1400, 700  # pixels
LEFT, RIGHT, TOP, BOTTOM = 64, 1376, 84, 470  # of the plot
FLOOR_DB, CEILING_DB, TENTH_DB = 0, 60, 10  # what lies beyond is drawn at the edge: above 60 dB nothing hurts
NAMED = 8  # worst layers with a number and their name, of fewer layers at most a third
DIGIT = 14  # the room that a number wants
GROUPS = 14  # at most so many parts of the model along the axis
INK, FAINT, GRID, ISLAND = "#222222", "#777777", "#e4e4e4", "#f1f1f1"
ALONE, WORST, WORST_COLUMN, ACCUMULATED = "#9dc3e6", "#d9622b", "#fbe3d6", "#1f3b63"
NAMES = {  # of the colours in html_page's style, where a dark page has others
    INK: "ink",
    FAINT: "faint",
    GRID: "line",
    ISLAND: "island",
    ALONE: "alone",
    WORST: "worst",
    WORST_COLUMN: "worst-column",
    ACCUMULATED: "accumulated",
}
SVG_TOP, SVG_BOTTOM = 46, BOTTOM + 34  # of an SVG, whose page has the title, the legend and the names of the worst
SCALE = 2  # of the PNG, whose pixels are as fine as today's screens


@dataclass(frozen=True)
class Rect:
    x: float
    y: float
    width: float
    height: float
    fill: str
    tip: str = ""  # shown where the mouse rests


@dataclass(frozen=True)
class Line:
    points: tuple[tuple[float, float], ...]
    colour: str
    width: float = 1.0


@dataclass(frozen=True)
class Text:
    x: float
    y: float  # of the middle of the line
    text: str
    size: int = 13
    colour: str = INK
    anchor: str = "start"  # or "middle", "end"


Shape = Rect | Line | Text


def worst_of(layers: Sequence["Layer"]) -> list["Layer"]:
    """Those that the chart numbers, the worst alone first."""
    from ..quantize.diagnosis.compare_units import rank_worst_first

    alone = [layer for layer in rank_worst_first(layers) if layer.alone]
    return alone[: min(NAMED, math.ceil(len(alone) / 3))]


def has_int8(layers: Sequence["Layer"]) -> bool:
    return any(layer.precision in ("int8", "int16") for layer in layers)


def chart(layers: Sequence["Layer"]) -> list[Shape]:
    """Bars: each layer alone, the worst ones numbered; a line: accumulated; grey: layers in float."""
    step = (RIGHT - LEFT) / max(len(layers), 1)
    worst = worst_of(layers)
    int8 = has_int8(layers)
    shapes: list[Shape] = []
    for layer in layers:
        if int8 and layer.precision == "float":
            shapes.append(Rect(LEFT + layer.position * step, TOP, step, BOTTOM - TOP, ISLAND))
    above = (-math.inf, TOP)  # where the number before stands: of two neighbours the second is higher
    for layer in sorted(worst, key=lambda layer: layer.position):
        left = LEFT + layer.position * step
        shapes.append(Rect(left, TOP, step, BOTTOM - TOP, WORST_COLUMN))
        x, raised = left + step / 2, above[1] == TOP - 10 and left + step / 2 - above[0] < DIGIT
        above = (x, TOP - 24 if raised else TOP - 10)
        shapes.append(Text(*above, str(worst.index(layer) + 1), colour=WORST, anchor="middle"))
    for level in range(FLOOR_DB, CEILING_DB + 1, TENTH_DB):
        shapes.append(Line(((LEFT, height(level)), (RIGHT, height(level))), GRID))
        shapes.append(Text(LEFT - 8, height(level), f"{level}", colour=FAINT, anchor="end"))
    shapes.append(Text(LEFT - 8, TOP - 18, "SNR dB", colour=FAINT, anchor="end"))
    for layer in layers:
        if layer.alone:
            x, y = LEFT + layer.position * step, min(height(layer.badness_db), BOTTOM - 2)
            fill = WORST if layer in worst else ALONE
            shapes.append(Rect(x + step * 0.12, y, step * 0.76, BOTTOM - y, fill))
    shapes += accumulated(layers, step)
    shapes += axis(layers, step)
    for layer in layers:  # over everything, for the mouse
        shapes.append(Rect(LEFT + layer.position * step, TOP, step, BOTTOM - TOP, "none", tip=tip(layer)))
    return shapes


def height(snr_db: float) -> float:
    """Where a level lies."""
    share = (min(max(snr_db, FLOOR_DB), CEILING_DB) - FLOOR_DB) / (CEILING_DB - FLOOR_DB)
    return BOTTOM - share * (BOTTOM - TOP)


def legend(int8: bool) -> list[Shape]:
    shapes: list[Shape] = [
        Line(((LEFT, 54), (LEFT + 26, 54)), ACCUMULATED, 2.5),
        Text(LEFT + 34, 54, "accumulated: the artifact's own value against the float model's"),
    ]
    if int8:
        shapes += [
            Rect(LEFT + 440, 47, 12, 14, ALONE),
            Rect(LEFT + 454, 47, 12, 14, WORST),
            Text(LEFT + 474, 54, "isolated: on the float model's values (whole or typical channel); the worst"),
            Rect(LEFT + 934, 47, 26, 14, ISLAND),
            Text(LEFT + 968, 54, "runs in float"),
        ]
    return shapes


def accumulated(layers: Sequence["Layer"], step: float) -> list[Shape]:
    """A line through the values that the file holds, with a dot on each where there is room."""
    points = [
        (LEFT + (layer.position + 0.5) * step, height(layer.accumulated.snr_db))
        for layer in layers
        if layer.accumulated
    ]
    shapes: list[Shape] = [Line(tuple(points), ACCUMULATED, 2.5)] if len(points) > 1 else []
    if step >= 12:
        shapes += [Rect(x - 3, y - 3, 6, 6, ACCUMULATED) for x, y in points]
    return shapes


def axis(layers: Sequence["Layer"], step: float) -> list[Shape]:
    """The parts of the model that the layers belong to, as deep as there is room for."""
    shapes: list[Shape] = [Line(((LEFT, BOTTOM), (RIGHT, BOTTOM)), FAINT)]
    free = -math.inf
    for name, first, last in parts(layers):
        start, middle = LEFT + first * step, LEFT + (first + last + 1) / 2 * step
        shapes.append(Line(((start, BOTTOM), (start, BOTTOM + 6)), FAINT))
        reach = 4.0 * len(name)  # half of its width, about
        if middle - reach > free and middle + reach < RIGHT + 16:
            shapes.append(Text(middle, BOTTOM + 18, name, colour=FAINT, anchor="middle"))
            free = middle + reach
    return shapes


def parts(layers: Sequence["Layer"]) -> list[tuple[str, int, int]]:
    """[(the beginning of the module paths, first position, last position)] in order."""
    found: list[tuple[str, int, int]] = []
    for depth in (1, 2, 3):
        runs = []
        for name, run in groupby(known(layers), key=lambda pair: ".".join(pair[1].split(".")[:depth])):
            positions = [position for position, _ in run]
            runs.append((name, positions[0], positions[-1]))
        if len(runs) > GROUPS and found:
            break
        found = runs
    return found


def known(layers: Sequence["Layer"]) -> list[tuple[int, str]]:
    """(position, module); where it is not known, the module before."""
    result, last = [], ""
    for layer in layers:
        last = layer.module or last
        result.append((layer.position, last))
    return result


def names(worst: Sequence["Layer"]) -> list[Shape]:
    """What the numbers stand for, in two columns."""
    if not worst:
        return []
    shapes: list[Shape] = [Text(LEFT, BOTTOM + 56, "Worst isolated", size=15)]
    rows = math.ceil(NAMED / 2)
    for i, layer in enumerate(worst):
        x, y = LEFT + (i // rows) * (RIGHT - LEFT) / 2, BOTTOM + 86 + (i % rows) * 34
        shapes.append(Text(x, y, f"{i + 1}", colour=WORST, size=14))
        shapes.append(Text(x + 22, y, shortened(title(layer)), size=14))
        shapes.append(Text(x + 22, y + 15, figures(layer), size=12, colour=FAINT))
    return shapes


def title(layer: "Layer") -> str:
    """`stages.1.conv (Conv)`, with the value's name where that says more."""
    place = layer.module or layer.name
    return printable(f"{place} ({layer.kind}{'' if layer.value in (place, '') else ' ' + layer.value})")


def shortened(text: str, most: int = 80) -> str:
    return text if len(text) <= most else f"...{text[3 - most :]}"


def figures(layer: "Layer") -> str:
    """The layer's figures in a line."""
    said = []
    if layer.alone:
        said.append(f"isolated {layer.alone.snr_db:.1f} dB, typical channel {layer.alone.typical_channel_db:.1f} dB")
    if layer.accumulated:
        said.append(f"accumulated {layer.accumulated.snr_db:.1f} dB")
    if layer.range_use is not None:
        said.append(f"range {layer.range_use:.0%}")
    if layer.clipped:
        said.append(f"clipped {layer.clipped:.2%}")
    if layer.weight_snr_db is not None:
        said.append(f"weight {layer.weight_snr_db:.1f} dB")
    if layer.why:
        said.append(f"float: {layer.why}")
    return ", ".join(said)


def tip(layer: "Layer") -> str:
    return f"{layer.position}: {title(layer)}\n{figures(layer)}"


def svg(layers: Sequence["Layer"], label: str) -> str:
    """The chart as an SVG element in the colours of the page; `label` is read to who cannot see it."""
    inner = "\n".join(map(shape_svg, chart(layers)))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 {SVG_TOP} {WIDTH} {SVG_BOTTOM - SVG_TOP}" role="img" '
        f'aria-label="{text(label)}" font-family="inherit">\n{inner}\n</svg>\n'
    )


def shape_svg(shape: Shape) -> str:
    match shape:
        case Rect(x, y, width, tall, fill, tip):
            over = f' pointer-events="all"><title>{text(tip)}</title></rect>' if tip else "/>"
            return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{tall:.1f}" fill="{paint(fill)}"{over}'
        case Line(points, colour, width):
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            return f'<polyline points="{path}" fill="none" stroke="{paint(colour)}" stroke-width="{width}"/>'
        case Text(x, y, shown, size, colour, anchor):
            place = f'x="{x:.1f}" y="{y:.1f}" dominant-baseline="central" text-anchor="{anchor}"'
            return f'<text {place} font-size="{size}" fill="{paint(colour)}">{text(shown)}</text>'


def paint(colour: str) -> str:
    """The page's colour of that name, and the colour itself where there is no page around."""
    return f"var(--{NAMES[colour]}, {colour})" if colour in NAMES else colour


def to_png(layers: Sequence["Layer"], title: str) -> bytes:
    """The chart as a PNG."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), "#ffffff")
    draw = ImageDraw.Draw(image)
    anchors = {"start": "lm", "middle": "mm", "end": "rm"}
    around = [Text(LEFT, 26, title, size=19), *legend(has_int8(layers)), *names(worst_of(layers))]
    for shape in [*chart(layers), *around]:
        match shape:
            case Rect(x, y, width, tall, fill) if fill != "none":
                corners = [side * SCALE for side in (x, y, x + width, y + tall)]
                draw.rectangle([corners[0], corners[1], max(corners[2] - 1, corners[0]), corners[3]], fill=fill)
            case Line(points, colour, width):
                path = [(x * SCALE, y * SCALE) for x, y in points]
                draw.line(path, fill=colour, width=round(width * SCALE), joint="curve")
            case Text(x, y, shown, size, colour, anchor):
                font = ImageFont.load_default(size * SCALE)
                draw.text((x * SCALE, y * SCALE), shown, fill=colour, font=font, anchor=anchors[anchor])
    content = io.BytesIO()
    image.save(content, "PNG", optimize=True)
    return content.getvalue()
