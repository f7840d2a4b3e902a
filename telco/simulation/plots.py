"""Plots as SVG: lines and stacked areas over days, stacked columns by month."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final
from xml.sax.saxutils import escape

WIDTH: Final = 900
HEIGHT: Final = 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 190, 48, 40
_COLOURS: Final = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df", "#0a7ea4", "#bf3989", "#57606a", "#bc4c00")
_MOST_TICKS: Final = 6
_NICE: Final = (1, 2, 2.5, 5, 10)

Series = Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True)
class Frame:
    """Where values stand on the sheet."""

    count: int
    """Places on the horizontal axis."""
    top: float
    """The value at the upper edge."""

    def x(self, place: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * place / max(self.count - 1, 1)

    def y(self, value: float) -> float:
        return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * value / self.top


def lines(title: str, unit: str, days: Sequence[date], series: Series) -> str:
    """Draw one line for each series over the days."""
    frame = Frame(len(days), _nice_top(max((max(values, default=0) for values in series.values()), default=0)))
    shapes = []
    for colour, values in zip(_colours(series), series.values(), strict=True):
        points = " ".join(f"{frame.x(place):.1f},{frame.y(value):.1f}" for place, value in enumerate(values))
        shapes.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{points}"/>')
    return _sheet(title, unit, frame, _day_labels(days, frame), shapes, series)


def areas(title: str, unit: str, days: Sequence[date], series: Series) -> str:
    """Draw the series over the days, one upon the other."""
    frame = Frame(len(days), _nice_top(max(map(sum, zip(*series.values(), strict=True)), default=0)))
    shapes, floor = [], [0.0] * len(days)
    for colour, values in zip(_colours(series), series.values(), strict=True):
        ceiling = [below + value for below, value in zip(floor, values, strict=True)]
        outline = [*enumerate(ceiling), *reversed(list(enumerate(floor)))]
        points = " ".join(f"{frame.x(place):.1f},{frame.y(value):.1f}" for place, value in outline)
        shapes.append(f'<polygon fill="{colour}" fill-opacity="0.75" points="{points}"/>')
        floor = ceiling
    return _sheet(title, unit, frame, _day_labels(days, frame), shapes, series)


def columns(title: str, unit: str, labels: Sequence[str], series: Series) -> str:
    """Draw a column for each label, the series one upon the other."""
    top = _nice_top(max(map(sum, zip(*series.values(), strict=True)), default=0))
    frame, width = Frame(len(labels) + 1, top), (WIDTH - _LEFT - _RIGHT) / max(len(labels), 1) * 0.7
    shapes, floor = [], [0.0] * len(labels)
    for colour, values in zip(_colours(series), series.values(), strict=True):
        for place, value in enumerate(values):
            upper, left = frame.y(floor[place] + value), frame.x(place + 0.5) - width / 2
            height = frame.y(floor[place]) - upper
            shapes.append(
                f'<rect x="{left:.1f}" y="{upper:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'
            )
            floor[place] += value
    marks = [(frame.x(place + 0.5), label) for place, label in enumerate(labels)]
    return _sheet(title, unit, frame, marks, shapes, series)


def _colours(series: Series) -> list[str]:
    return [_COLOURS[place % len(_COLOURS)] for place in range(len(series))]


def _nice_top(highest: float) -> float:
    """Return the next round number at or above the highest value."""
    if highest <= 0:
        return 1.0
    scale = 10.0 ** math.floor(math.log10(highest))
    return next(step * scale for step in _NICE if step * scale >= highest * 0.999)


def _day_labels(days: Sequence[date], frame: Frame) -> list[tuple[float, str]]:
    """Name the first days of months, or every few days of a short run."""
    firsts = [place for place, day in enumerate(days) if day.day == 1]
    if len(firsts) < 3:
        step = max(len(days) // _MOST_TICKS, 1)
        return [(frame.x(place), f"{days[place]:%d.%m}") for place in range(0, len(days), step)]
    return [(frame.x(place), f"{days[place]:%m.%y}") for place in firsts[:: max(len(firsts) // 13 + 1, 1)]]


def _sheet(
    title: str, unit: str, frame: Frame, marks: Sequence[tuple[float, str]], shapes: Sequence[str], series: Series
) -> str:
    """Put title, axes, shapes and legend together."""
    right, base = WIDTH - _RIGHT, HEIGHT - _BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
        ' font-family="sans-serif" font-size="12" fill="#24292f">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="24" font-size="16" font-weight="bold">{escape(title)}</text>',
        f'<text x="{_LEFT}" y="40" fill="#57606a">{escape(unit)}</text>',
    ]
    for step in range(5):
        value = frame.top * step / 4
        y = frame.y(value)
        parts.append(f'<line x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#d0d7de"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_number(value)}</text>')
    parts += [f'<text x="{x:.1f}" y="{base + 18}" text-anchor="middle">{escape(label)}</text>' for x, label in marks]
    parts += shapes
    parts.append(f'<line x1="{_LEFT}" x2="{right}" y1="{base}" y2="{base}" stroke="#57606a"/>')
    for place, (colour, name) in enumerate(zip(_colours(series), series, strict=True)):
        y = _TOP + 8 + 20 * place
        parts.append(f'<rect x="{right + 16}" y="{y - 10}" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{right + 34}" y="{y}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _number(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ") if value >= 10 or value == int(value) else f"{value:.2g}"
