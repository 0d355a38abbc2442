"""A certified run as a curve: what was spent against what could be promised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from rowsight.core.events import CurvePoint

_BLOCKS = "▁▂▃▄▅▆▇█"
_CELLS = 40
_WIDTH, _HEIGHT, _MARGIN = 720, 280, 52
_COLOURS = {"accuracy": "#3b6fb6", "precision": "#3b6fb6", "recall": "#d08a2e"}


def terminal(points: Sequence[CurvePoint]) -> list[str]:
    """Return one line a metric: the promise as the calls went out, from nothing to all, and where it ended."""
    if not points:
        return []
    most = max(points[-1].asked, 1)
    lines = []
    for metric in _metrics(points):
        cells = [_value_at(points, metric, most * (i + 1) / _CELLS) for i in range(_CELLS)]
        bar = "".join(" " if v is None else _BLOCKS[min(int(v * len(_BLOCKS)), len(_BLOCKS) - 1)] for v in cells)
        last = _value_at(points, metric, most)
        ended = "nothing" if last is None else f"{last:.2%}"
        lines.append(f"{metric:<9} 0 {bar} {most:,} asked: {ended}")
    return lines


def _metrics(points: Sequence[CurvePoint]) -> list[str]:
    return list(dict.fromkeys(metric for point in points for metric in point.promise))


def _value_at(points: Sequence[CurvePoint], metric: str, asked: float) -> float | None:
    """Return the last promise at or before so many rows asked."""
    before = [p.promise[metric] for p in points if p.asked <= asked and metric in p.promise]
    return before[-1] if before else None


def svg(points: Sequence[CurvePoint], title: str) -> str:
    """Return the curve as an SVG document that stands alone: rows asked to the right, the promise upwards.

    With known prices the money stands below the rows; a line marks the freeze, from which on the draws prove.
    """
    most = max((p.asked for p in points), default=1) or 1
    wide, high = _WIDTH - 2 * _MARGIN, _HEIGHT - 2 * _MARGIN
    drawn = [
        *(_rule(_MARGIN, _HEIGHT - _MARGIN - high * level, wide, f"{level:.0%}") for level in (0, 0.25, 0.5, 0.75, 1)),
        *(_line(points, metric, most, number) for number, metric in enumerate(_metrics(points))),
        _text(_MARGIN, 22, title, weight="bold"),
        _text(_MARGIN, _HEIGHT - 30, "0"),
        _text(_WIDTH - _MARGIN, _HEIGHT - 30, f"{most:,} rows asked{_money(points)}", anchor="end"),
        _text(_WIDTH / 2, _HEIGHT - 12, "what could be promised if the run stopped there", anchor="middle"),
    ]
    frozen = next((p.asked for p in points if p.stage == "certifying"), None)
    if frozen is not None:
        drawn.append(_freeze(_MARGIN + wide * frozen / most))
    body = "\n".join(drawn)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" '
        f'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>\n'
    )


def _freeze(x: float) -> str:
    ends = f'x1="{x:.1f}" x2="{x:.1f}" y1="{_MARGIN}" y2="{_HEIGHT - _MARGIN}"'
    return f'<line {ends} stroke="#888" stroke-dasharray="4 3"/>\n{_text(x + 4, _MARGIN + 12, "frozen", fill="#666")}'


def _money(points: Sequence[CurvePoint]) -> str:
    cost = points[-1].cost if points else None
    return "" if cost is None else f" (${cost:,.2f})"


def _line(points: Sequence[CurvePoint], metric: str, most: int, number: int) -> str:
    wide, high = _WIDTH - 2 * _MARGIN, _HEIGHT - 2 * _MARGIN
    found = [(p.asked, p.promise[metric]) for p in points if metric in p.promise]
    places = " ".join(f"{_MARGIN + wide * a / most:.1f},{_HEIGHT - _MARGIN - high * v:.1f}" for a, v in found)
    colour = _COLOURS.get(metric, "#333")
    name = _text(_MARGIN + 130 * number, 42, f"— {metric} {found[-1][1]:.2%}", fill=colour)
    return f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="2"/>\n{name}'


def _rule(x: float, y: float, wide: float, said: str) -> str:
    line = f'<line x1="{x}" x2="{x + wide}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
    return f"{line}\n{_text(x - 6, y + 4, said, anchor='end')}"


def _text(x: float, y: float, said: str, *, fill: str = "#222", anchor: str = "start", weight: str = "normal") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{fill}" font-weight="{weight}" text-anchor="{anchor}">{escape(said)}</text>'
