"""A certified run as a picture: the proxy's scores, the zones between them, and the rows that were asked.

The data is a summary's ``histogram``: ``edges`` of the bins of the proxy's score (n + 1 of them), and the rows ``asked``
and ``proxied`` in each bin; ``cuts`` are the scores at which zones meet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

_BLOCKS = " ▁▂▃▄▅▆▇█"
_WIDTH, _HEIGHT, _MARGIN = 720, 280, 44
_TITLE = 96


def terminal(histogram: Mapping[str, Any], *, height: int = 6) -> str:
    """Return the picture as lines of text: proxied rows above, asked rows below, the score from left to right."""
    proxied, asked = _heights(histogram, "proxied", height), _heights(histogram, "asked", height)
    bins = len(histogram["asked"])
    lines = [_row(proxied, level) for level in range(height, 0, -1)]
    lines.append("─" * bins)
    lines += [_row(asked, level) for level in range(height, 0, -1)]
    edges = histogram["edges"]
    labels = f"{edges[0]:.2g}".ljust(bins - 4) + f"{edges[-1]:.2g}"
    names = f"above: rows answered by the proxy (most in a bin {_most(histogram, 'proxied'):,})"
    below = f"below: rows asked (most in a bin {_most(histogram, 'asked'):,}); height is on a logarithmic scale"
    return "\n".join([*lines, labels, names, below])


def _row(heights: Sequence[float], level: int) -> str:
    cells = [min(max(h - (level - 1), 0.0), 1.0) for h in heights]
    return "".join(_BLOCKS[round(c * (len(_BLOCKS) - 1))] for c in cells)


def _most(histogram: Mapping[str, Any], name: str) -> int:
    return max(histogram[name], default=0)


def _heights(histogram: Mapping[str, Any], name: str, height: float) -> list[float]:
    from math import log1p  # noqa: PLC0415 - pictures only

    most = max(log1p(_most(histogram, "asked")), log1p(_most(histogram, "proxied")), 1e-9)
    return [height * log1p(count) / most for count in histogram[name]]


def svg(histogram: Mapping[str, Any], title: str) -> str:
    """Return the picture as an SVG document that stands alone, readable on light and dark paper."""
    proxied, asked = (_heights(histogram, name, _HEIGHT / 2 - _MARGIN - 12) for name in ("proxied", "asked"))
    edges, bins, middle = histogram["edges"], len(histogram["asked"]), _HEIGHT / 2 + 12
    step = (_WIDTH - 2 * _MARGIN) / max(bins, 1)
    bars = []
    for i in range(bins):
        x, width = _MARGIN + i * step + 0.5, step - 1
        bars.append(
            _bar(x, middle - proxied[i], width, proxied[i], "#3b6fb6", f"{histogram['proxied'][i]:,} by the proxy")
        )
        bars.append(_bar(x, middle, width, asked[i], "#d08a2e", f"{histogram['asked'][i]:,} asked"))
    marks = [_mark(edges, cut, bins, step) for cut in histogram.get("cuts", [])]
    texts = [
        _text(_MARGIN, 20, title if len(title) <= _TITLE else title[: _TITLE - 1] + "…", "bold"),
        _text(_MARGIN, _HEIGHT - 12, f"{edges[0]:.2g}"),
        _text(_WIDTH - _MARGIN, _HEIGHT - 12, f"{edges[-1]:.2g}", anchor="end"),
        _text(_WIDTH / 2, _HEIGHT - 12, "the proxy's score (rows on a logarithmic scale)", anchor="middle"),
        _text(_MARGIN, 40, "■ answered by the proxy", fill="#3b6fb6"),
        _text(_MARGIN + 170, 40, "■ asked", fill="#d08a2e"),
    ]
    axis = f'<line x1="{_MARGIN}" x2="{_WIDTH - _MARGIN}" y1="{middle}" y2="{middle}" stroke="#888"/>'
    body = "\n".join([*bars, axis, *marks, *texts])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" '
        f'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>\n'
    )


def _bar(x: float, y: float, width: float, height: float, fill: str, said: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}">'
        f"<title>{escape(said)}</title></rect>"
    )


def _mark(edges: Sequence[float], cut: float, bins: int, step: float) -> str:
    share = (cut - edges[0]) / ((edges[-1] - edges[0]) or 1.0)
    x = _MARGIN + min(max(share, 0.0), 1.0) * bins * step
    return f'<line x1="{x:.1f}" x2="{x:.1f}" y1="48" y2="{_HEIGHT - 30}" stroke="#333" stroke-dasharray="4 3"/>'


def _text(x: float, y: float, said: str, weight: str = "normal", *, fill: str = "#222", anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" fill="{fill}" font-weight="{weight}" text-anchor="{anchor}">{escape(said)}</text>'
