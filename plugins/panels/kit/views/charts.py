"""Charts as SVG in the page's own colours: lines over a linear or logarithmic axis, and marks on them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from plugins.panels.kit.views.html import Html, joined

POINTS = 400  # of a line; a screen cannot show more
DOTS = 60  # of a line; more would run into each other
WIDTH, HEIGHT = 900, 320
LEFT, RIGHT, TOP, BOTTOM = 48, 14, 12, 30
Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """Points joined by a line, marked too with `dots` while they are few; `kind` is the line's class in style.css."""

    name: str
    points: Sequence[Point]
    kind: str
    dots: bool = False


@dataclass(frozen=True)
class Mark:
    """A marked point; a `chosen` one is filled, with its name beside its line down to the axis."""

    name: str
    at: Point
    chosen: bool = False


@dataclass(frozen=True)
class Axes:
    """The ranges of both axes, and whether x is logarithmic."""

    x: tuple[float, float]
    y: tuple[float, float]
    log: bool = False
    y_percent: bool = False
    x_name: str = ""  # in the corner, for short ones
    x_title: str = ""  # inside of the chart, as is the other
    y_title: str = ""
    width: int = WIDTH

    def place(self, point: Point) -> Point:
        """The position of a point in the picture, in SVG units."""
        scale = math.log10 if self.log else float
        low, high = scale(self.x[0]), scale(self.x[1])
        across = (scale(point[0]) - low) / ((high - low) or 1)
        up = (point[1] - self.y[0]) / ((self.y[1] - self.y[0]) or 1)
        inner = self.width - LEFT - RIGHT
        return LEFT + across * inner, HEIGHT - BOTTOM - min(1.0, max(0.0, up)) * (HEIGHT - TOP - BOTTOM)


def chart(label: str, axes: Axes, lines: Sequence[Line], marks: Sequence[Mark] = (), pick: bool = False) -> Html:
    """A chart with its legend; with `pick`, its view reports the x of a click."""
    shapes = [*_grid(axes), *(_line(axes, line) for line in lines), *(_mark(axes, mark) for mark in marks)]
    legend = joined(Html('<li class="{}">{}</li>').format(line.kind, line.name) for line in lines if line.name)
    ends = {"left": LEFT / axes.width, "right": 1 - RIGHT / axes.width, "low": axes.x[0], "high": axes.x[1]}
    frame = joined(Html(' data-{}="{:.6g}"').format(name, value) for name, value in ends.items() if pick)
    frame += Html(" data-log") if pick and axes.log else ""
    return Html(
        '<ul class="legend">{legend}</ul><svg class="chart{pick}" role="img" aria-label="{label}" '
        'viewBox="0 0 {width} {height}" style="--w:{width}"{frame}>{shapes}</svg>'
    ).format(
        legend=legend, pick=" pick" if pick else "", label=label, width=axes.width, height=HEIGHT, frame=frame,
        shapes=joined(shapes),
    )  # fmt: skip


def thinned(points: Sequence[Point], most: int = POINTS) -> list[Point]:
    """Reduce to at most `most` points by averaging neighbours."""
    finite = [p for p in points if math.isfinite(p[1])]
    if len(finite) <= most:
        return finite
    parts = [finite[i * len(finite) // most : (i + 1) * len(finite) // most] for i in range(most)]
    return [(part[-1][0], sum(y for _, y in part) / len(part)) for part in parts]


def smoothed(points: Sequence[Point], most: float = 0.98) -> list[Point]:
    """A debiased exponential moving average, as fastai's training loss, with a smaller beta for few points."""
    beta = min(most, 1 - 10 / max(20, len(points)))
    mean, found = 0.0, []
    for i, (x, y) in enumerate((p for p in points if math.isfinite(p[1])), 1):
        mean = beta * mean + (1 - beta) * y
        found.append((x, mean / (1 - beta**i)))
    return found


def nice(low: float, high: float, lines: int = 5) -> list[float]:
    """Round tick values from just below `low` to just above `high` (Heckbert 1990, Graphics Gems)."""
    high = high if high > low else low + 1
    span = high - low
    raw = span / lines
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= raw * 0.999)
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [round(i * step, 10) for i in range(first, last + 1)]


def _grid(axes: Axes) -> Iterator[Html]:
    right = axes.width - RIGHT
    for y in nice(*axes.y):
        if axes.y[0] - 1e-9 <= y <= axes.y[1] + 1e-9:
            _, at = axes.place((axes.x[0], y))
            shown = f"{100 * y:.0f}%" if axes.y_percent else f"{y:g}"
            yield Html('<line class="grid" x1="{}" x2="{}" y1="{y:.1f}" y2="{y:.1f}"/>').format(LEFT, right, y=at)
            yield _label(LEFT - 8, at + 4, "end", shown)
    for x, shown in _ticks(axes):
        at, _ = axes.place((x, axes.y[0]))
        yield _below(at, "middle", shown)
    if axes.x_name:
        yield _below(LEFT - 8, "end", axes.x_name)
    if axes.x_title:
        yield _label(right, HEIGHT - BOTTOM - 7, "end", axes.x_title)
    if axes.y_title:
        yield _label(LEFT + 4, TOP + 14, "start", axes.y_title)


def _label(x: float, y: float, anchor: str, text: str) -> Html:
    return Html('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(x, y, anchor, text)


def _below(x: float, anchor: str, text: str) -> Html:
    """A label under the axis, which hangs from it, as letters are larger on a phone."""
    return Html('<text x="{:.1f}" y="{}" text-anchor="{}" dominant-baseline="hanging">{}</text>').format(
        x, HEIGHT - BOTTOM + 8, anchor, text
    )


def _ticks(axes: Axes) -> list[tuple[float, str]]:
    low, high = axes.x
    if axes.log:
        return [(10.0**p, f"1e{p}") for p in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]
    return [(x, f"{x:g}") for x in nice(low, high, 8) if low < x <= high and x == int(x)]


def _line(axes: Axes, line: Line) -> Html:
    places = [axes.place(p) for p in thinned(line.points)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dot = Html('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="4"/>')
    dots = joined(dot.format(line.kind, x, y) for x, y in places * (line.dots and len(places) <= DOTS))
    return Html('<polyline class="{}" points="{}"/>{}').format(line.kind, path, dots)


def _mark(axes: Axes, mark: Mark) -> Html:
    x, y = axes.place(mark.at)
    left = x > axes.width * 0.75
    name = _label(x - 6 if left else x + 6, HEIGHT - BOTTOM - 46, "end" if left else "start", mark.name)
    return Html(
        '<line class="stem{chosen}" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>'
        '<circle class="mark{chosen}" cx="{x:.1f}" cy="{y:.1f}" r="6"><title>{name}</title></circle>{said}'
    ).format(
        chosen=" chosen" if mark.chosen else "", x=x, y=y, top=TOP, bottom=HEIGHT - BOTTOM, name=mark.name,
        said=name if mark.chosen else "",
    )  # fmt: skip
