"""Plots as inline SVG: lines over time, on one time axis, with a title and a legend. No library, nothing to fetch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 960, 220, 60, 190, 34, 28
COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df", "#0a7ea4", "#bf3989", "#57606a")

Point = tuple[datetime, float]


@dataclass(frozen=True)
class Line:
    """One named line; `steps` holds a value until the next point; `band` adds lower and upper ends per point."""

    name: str
    points: Sequence[Point]
    steps: bool = False
    dashed: bool = False
    bars: Sequence[tuple[float, float]] = ()
    """Ends of an interval for each point."""


@dataclass(frozen=True)
class Mark:
    """A vertical line with a word."""

    at: datetime
    text: str


def plot(title: str, lines: Sequence[Line], span: tuple[datetime, datetime], marks: Sequence[Mark] = ()) -> str:
    """One plot as an <svg> element."""
    values = [value for line in lines for _, value in line.points]
    values += [end for line in lines for pair in line.bars for end in pair]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    frame = _Frame(span, low - (high - low) * 0.05, high + (high - low) * 0.08)
    parts = [f'<text x="{LEFT}" y="18" class="title">{escape(title)}</text>', frame.axes()]
    parts += [frame.mark(mark) for mark in marks]
    for number, line in enumerate(lines):
        parts.append(frame.line(line, COLOURS[number % len(COLOURS)], number))
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join(parts)}</svg>'


@dataclass(frozen=True)
class _Frame:
    span: tuple[datetime, datetime]
    low: float
    high: float

    def x(self, at: datetime) -> float:
        whole = (self.span[1] - self.span[0]).total_seconds()
        return LEFT + (at - self.span[0]).total_seconds() / whole * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return TOP + (self.high - value) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM)

    def axes(self) -> str:
        parts = []
        for part in range(5):
            value = self.low + (self.high - self.low) * part / 4
            y = self.y(value)
            parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
            parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" class="tick" text-anchor="end">{value:.3g}</text>')
        month = self.span[0].replace(day=1) + timedelta(days=32)
        month = month.replace(day=1)
        while month < self.span[1]:
            x = self.x(month)
            parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" class="grid"/>')
            parts.append(f'<text x="{x + 3:.1f}" y="{HEIGHT - 10}" class="tick">{month:%b}</text>')
            month = (month + timedelta(days=32)).replace(day=1)
        return "".join(parts)

    def mark(self, mark: Mark) -> str:
        x = self.x(mark.at)
        return (
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" class="mark"/>'
            f'<text x="{x + 3:.1f}" y="{TOP + 8}" class="tick">{escape(mark.text)}</text>'
        )

    def line(self, line: Line, colour: str, number: int) -> str:
        path: list[str] = []
        before: Point | None = None
        for point in line.points:
            if before is not None and line.steps:
                path.append(f"L{self.x(point[0]):.1f},{self.y(before[1]):.1f}")
            path.append(f"{'L' if path else 'M'}{self.x(point[0]):.1f},{self.y(point[1]):.1f}")
            before = point
        dash = ' stroke-dasharray="5 4"' if line.dashed else ""
        parts = [f'<path d="{"".join(path)}" fill="none" stroke="{colour}" stroke-width="1.8"{dash}/>'] if path else []
        for (at, value), ends in zip(line.points, line.bars, strict=False):
            x = self.x(at) + number * 4
            parts.append(
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{self.y(ends[0]):.1f}" y2="{self.y(ends[1]):.1f}" '
                f'stroke="{colour}"/><circle cx="{x:.1f}" cy="{self.y(value):.1f}" r="2.5" fill="{colour}"/>'
            )
        y = TOP + 14 + number * 16
        parts.append(f'<line x1="{WIDTH - RIGHT + 10}" x2="{WIDTH - RIGHT + 30}" y1="{y - 4}" y2="{y - 4}" ')
        parts.append(f'stroke="{colour}" stroke-width="2"{dash}/>')
        parts.append(f'<text x="{WIDTH - RIGHT + 36}" y="{y}" class="tick">{escape(line.name)}</text>')
        return "".join(parts)


def page(title: str, note: str, plots: Sequence[str], tables: Mapping[str, str]) -> str:
    """A whole HTML page that needs nothing else."""
    style = (
        "body{font:15px/1.5 system-ui,sans-serif;max-width:1000px;margin:2em auto;padding:0 1em;color:#1f2328}"
        "svg{width:100%;height:auto;margin:.6em 0}.title{font-weight:600;font-size:14px}"
        ".tick{font-size:11px;fill:#59636e}"
        ".grid{stroke:#d8dee4}.mark{stroke:#59636e;stroke-dasharray:2 3}"
        "pre{background:#f6f8fa;padding:1em;overflow:auto}"
    )
    body = "".join(plots) + "".join(
        f"<h2>{escape(name)}</h2><pre>{escape(text)}</pre>" for name, text in tables.items()
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{style}</style>'
        f"<h1>{escape(title)}</h1><p>{escape(note)}</p>{body}</html>\n"
    )
