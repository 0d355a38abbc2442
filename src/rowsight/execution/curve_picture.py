"""A certified run as a curve: what was spent against what could be promised.

A guarantee's curve has a line for each metric, an estimate's the two ends of its interval with what lies between shaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, log10
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from rowsight.core.errors import OutputError

if TYPE_CHECKING:
    from rowsight.core.events import CurvePoint

FORMATS = (".svg", ".json")
_BLOCKS = "▁▂▃▄▅▆▇█"
_CELLS = 40
_WIDTH, _HEIGHT = 720, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 132, 66, 62
_WIDE, _HIGH = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
_COLOURS = {"accuracy": "#3b6fb6", "precision": "#3b6fb6", "recall": "#c27a1a", "missed": "#c27a1a"}
_OTHER_COLOUR = "#3b6fb6"
_TITLE = 66
"""Narrow characters of a title; longer ones are cut."""
_APART = 15
"""Least distance between two texts above each other."""
_TICKS = 5


def shown_number(value: float | None, figure: str) -> str:
    """Return a figure for people: whole rows, per cent, or a score."""
    if value is None:
        return "unknown"
    return {"count": f"{value:,.0f}", "share": f"{100 * value:.2f}%", "mean": f"{value:,.4g}"}[figure]


def check_curve(path: Path) -> None:
    """Raise ``OutputError`` where a curve can't be saved under a name."""
    if not path.absolute().parent.is_dir():
        raise OutputError(f"the curve {path} can't be written: the folder {path.parent} doesn't exist; make it first")
    if path.suffix not in FORMATS:
        raise OutputError(f"the curve {path} has no known ending; use {' or '.join(FORMATS)}")


def terminal(points: Sequence[CurvePoint]) -> list[str]:
    """Return one line a metric: the promise as the rows were asked, from nothing to all, and where it ended."""
    if not points:
        return []
    most = max(points[-1].asked, 1)
    if points[-1].figure is not None:
        return [_narrowing(points, most)]
    lines = []
    for metric in _metrics(points):
        cells = [_value_at(points, metric, most * (i + 1) / _CELLS) for i in range(_CELLS)]
        last = _value_at(points, metric, most)
        ended = "nothing" if last is None else f"{last:.2%}"
        lines.append(f"{metric:<9} 0 {_blocks(cells, 1.0)} {most:,} asked: {ended}")
    return lines


def _narrowing(points: Sequence[CurvePoint], most: int) -> str:
    """Return the interval's width as rows were asked, the widest the highest, and the interval in the end."""
    wide = [p.promise["high"] - p.promise["low"] for p in points]
    at = [
        max((i for i, p in enumerate(points) if p.asked <= most * (n + 1) / _CELLS), default=None)
        for n in range(_CELLS)
    ]
    bar = _blocks([None if i is None else wide[i] for i in at], max(wide) or 1.0)
    return f"width     0 {bar} {most:,} asked: {interval(points[-1])}"


def _blocks(cells: Sequence[float | None], most: float) -> str:
    top = len(_BLOCKS) - 1
    return "".join(" " if v is None else _BLOCKS[min(int(v / most * len(_BLOCKS)), top)] for v in cells)


def interval(point: CurvePoint) -> str:
    """Return the interval that an estimate had at a moment, for people."""
    assert point.figure is not None
    low, high = (shown_number(point.promise[end], point.figure) for end in ("low", "high"))
    return f"{low} to {high}"


def _metrics(points: Sequence[CurvePoint]) -> list[str]:
    return list(dict.fromkeys(metric for point in points for metric in point.promise))


def _value_at(points: Sequence[CurvePoint], metric: str, asked: float) -> float | None:
    """Return the last promise at or before so many rows asked."""
    before = [p.promise[metric] for p in points if p.asked <= asked and metric in p.promise]
    return before[-1] if before else None


@dataclass(frozen=True)
class _Frame:
    """What the axes span: rows asked from 0 to ``most``, values from ``low`` to ``high``."""

    most: int
    low: float
    high: float

    def x(self, asked: float) -> float:
        return _LEFT + _WIDE * asked / self.most

    def y(self, value: float) -> float:
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return _TOP + _HIGH * (1 - min(max(share, 0.0), 1.0))


def svg(points: Sequence[CurvePoint], title: str, demanded: Mapping[str, float] | None = None) -> str:
    """Return the curve as an SVG document that stands alone: rows asked to the right, the promise upwards.

    With known prices the money spent by then stands below the rows. A line marks the freeze, from which on the draws
    prove; another each level of ``demanded``, by metric.
    """
    figure = points[-1].figure if points else None
    most = max((p.asked for p in points), default=1) or 1
    frame = _Frame(most, *_span(points, demanded or {}))
    drawn = [
        _text(_LEFT, 24, _cut(title), weight="bold", size=14),
        _text(_LEFT, 44, _said(points), fill="#666"),
        *(_rule(frame, v, figure) for v in _ticks(frame.low, frame.high, least=1 if figure == "count" else 0)),
        *(_tick(frame, round(asked), points) for asked in _ticks(0, most, least=1)),
        _text(_LEFT + _WIDE / 2, _HEIGHT - 10, _below(points), anchor="middle", fill="#666"),
        *(_level(frame, level) for level in sorted(set((demanded or {}).values()))),
        *(_lines(frame, points) if figure is None else _band(frame, points)),
    ]
    frozen = next((p.asked for p in points if p.stage == "certifying"), None)
    if frozen is not None and figure is None:
        drawn.append(_freeze(frame.x(frozen)))
    body = "\n".join(drawn)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" '
        f'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>\n'
    )


def _said(points: Sequence[CurvePoint]) -> str:
    """Say what the picture shows, and where it ends."""
    if not points:
        return "nothing was asked"
    shown = "what could be promised" if points[-1].figure is None else "the interval"
    cost = points[-1].cost
    money = "" if cost is None else f", {_dollars(cost)}"
    return f"{shown} if the run stopped there; {points[-1].asked:,} rows asked{money}"


def _span(points: Sequence[CurvePoint], demanded: Mapping[str, float]) -> tuple[float, float]:
    """Return which values to show: all that a level can be, and of an estimate or of rows missed what they came to."""
    if points and points[-1].figure is not None:
        return _span_of_figure(points)
    if _metrics(points) == ["missed"]:
        ends = (points[-1].promise.get("missed", 1.0), *demanded.values())
        return 0.0, min(4 * max(ends), 1.0) or 1.0
    return 0.0, 1.0


def _span_of_figure(points: Sequence[CurvePoint]) -> tuple[float, float]:
    low, high = points[-1].promise["low"], points[-1].promise["high"]
    usual = median(p.promise["high"] - p.promise["low"] for p in points)
    room = max(usual, (high - low) * 2, abs(high) * 0.05, 1e-9)
    least, most = min(p.promise["low"] for p in points), max(p.promise["high"] for p in points)
    if most <= least:
        return low - room, high + room
    return max((low + high) / 2 - room, least), min((low + high) / 2 + room, most)


def _ticks(low: float, high: float, *, least: float = 0.0) -> list[float]:
    """Return about five round numbers from ``low`` to ``high``, no nearer to each other than ``least``."""
    rough = max((high - low) / _TICKS, least, 1e-12)
    size = 10.0 ** floor(log10(rough))
    step = next(size * m for m in (1, 2, 2.5, 5, 10) if size * m >= rough * (1 - 1e-9) and size * m >= least)
    step = max(round(step), 1) if least else step
    first = ceil(low / step - 1e-9)
    return [step * i for i in range(first, floor(high / step + 1e-9) + 1)]


def _below(points: Sequence[CurvePoint]) -> str:
    return "rows asked" if not points or points[-1].cost is None else "rows asked, and the money spent by then"


def _dollars(cost: float) -> str:
    return f"${cost:.2g}" if 0 < cost < 1 else f"${cost:,.2f}"


def _tick(frame: _Frame, asked: int, points: Sequence[CurvePoint]) -> str:
    x, floor_ = frame.x(asked), _HEIGHT - _BOTTOM
    drawn = [
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{floor_}" y2="{floor_ + 4}" stroke="#888"/>',
        _text(x, floor_ + 18, f"{asked:,}", anchor="middle"),
    ]
    cost = _cost_at(points, asked)
    return "\n".join(
        drawn if cost is None else [*drawn, _text(x, floor_ + 32, _dollars(cost), anchor="middle", fill="#666")]
    )


def _cost_at(points: Sequence[CurvePoint], asked: int) -> float | None:
    """Return the money spent when so many rows were asked, between the points on either side; ``None`` if unknown."""
    known = [(0, 0.0), *((p.asked, p.cost) for p in points if p.cost is not None)]
    for (before, spent), (after, more) in pairwise(known):
        if before <= asked <= after and after > before:
            return spent + (more - spent) * (asked - before) / (after - before)
    return None


def _rule(frame: _Frame, value: float, figure: str | None) -> str:
    y = frame.y(value)
    line = f'<line x1="{_LEFT}" x2="{_LEFT + _WIDE}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e2e2e2"/>'
    said = f"{100 * value:.4g}%" if figure in (None, "share") else f"{value:,.6g}"
    return f"{line}\n{_text(_LEFT - 8, y + 4, said, anchor='end')}"


def _level(frame: _Frame, level: float) -> str:
    y = frame.y(level)
    line = (
        f'<line x1="{_LEFT}" x2="{_LEFT + _WIDE}" y1="{y:.1f}" y2="{y:.1f}" stroke="#4a8f4a" stroke-dasharray="2 3"/>'
    )
    return f"{line}\n{_text(_LEFT + 4, y - 4, f'demanded: {100 * level:g}%', fill='#3c7a3c', size=11)}"


def _freeze(x: float) -> str:
    ends = f'x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"'
    left = x > _LEFT + 0.7 * _WIDE  # no room to its right
    place, anchor = (x - 5, "end") if left else (x + 5, "start")
    said = _text(place, _HEIGHT - _BOTTOM - 8, "frozen: the proof begins", fill="#666", size=11, anchor=anchor)
    return f'<line {ends} stroke="#888" stroke-dasharray="4 3"/>\n{said}'


def _lines(frame: _Frame, points: Sequence[CurvePoint]) -> list[str]:
    """Return each metric's steps, and its name with the last value at their end, no name over another."""
    drawn, ends = [], []
    for metric in _metrics(points):
        found = [(p.asked, p.promise[metric]) for p in points if metric in p.promise]
        drawn.append(_steps(frame, found, _COLOURS.get(metric, _OTHER_COLOUR)))
        ends.append((frame.y(found[-1][1]), metric, found[-1][1]))
    y = -float(_APART)
    for wanted, metric, value in sorted(ends):
        y = max(wanted, y + _APART)
        colour = _COLOURS.get(metric, _OTHER_COLOUR)
        most = " at most" if metric == "missed" else ""
        drawn.append(_text(_LEFT + _WIDE + 8, y + 4, f"{metric}{most} {value:.2%}", fill=colour))
    return drawn


def _places(frame: _Frame, found: Sequence[tuple[int, float]]) -> list[str]:
    """Return the corners of a line that holds each value until the next one: what is promised in between is the last."""
    places = [f"{frame.x(found[0][0]):.1f},{frame.y(found[0][1]):.1f}"]
    for (_, before), (asked, value) in pairwise(found):
        x = frame.x(asked)
        places += [f"{x:.1f},{frame.y(before):.1f}", f"{x:.1f},{frame.y(value):.1f}"]
    return places


def _steps(frame: _Frame, found: Sequence[tuple[int, float]], colour: str) -> str:
    """Return a line of steps with a dot at its end."""
    places = " ".join(_places(frame, found))
    x, y = frame.x(found[-1][0]), frame.y(found[-1][1])
    line = f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="2" stroke-linejoin="round"/>'
    return f'{line}\n<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'


def _band(frame: _Frame, points: Sequence[CurvePoint]) -> list[str]:
    """Return the interval as a band between its two ends, and where it ended."""
    figure = points[-1].figure
    assert figure is not None
    high, low = ([(p.asked, p.promise[end]) for p in points] for end in ("high", "low"))
    around = " ".join([*_places(frame, high), *reversed(_places(frame, low))])
    said = [f"{words} {shown_number(end[-1][1], figure)}" for words, end in (("at most", high), ("at least", low))]
    above = frame.y(high[-1][1])
    below = max(frame.y(low[-1][1]), above + _APART)
    return [
        f'<polygon points="{around}" fill="{_OTHER_COLOUR}" fill-opacity="0.18"/>',
        *(_steps(frame, end, _OTHER_COLOUR) for end in (high, low)),
        *(
            _text(_LEFT + _WIDE + 8, y + 4, words, fill=_OTHER_COLOUR)
            for y, words in zip((above, below), said, strict=True)
        ),
    ]


def _cut(title: str) -> str:
    """Return a title that fits."""
    from rich.cells import cell_len, set_cell_size  # noqa: PLC0415 - pictures only

    return title if cell_len(title) <= _TITLE else set_cell_size(title, _TITLE - 1).rstrip() + "…"


def _text(
    x: float, y: float, said: str, *, fill: str = "#222", anchor: str = "start", weight: str = "normal", size: int = 12
) -> str:
    style = f'fill="{fill}" font-weight="{weight}" font-size="{size}" text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(said)}</text>'
