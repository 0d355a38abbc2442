"""The charts of a report: Vega-Lite specs, built by altair, each with the table of its figures.

What comes from the user's data stands in the data of a spec alone. The names of fields are fixed, and a text is never an
expression.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rowsight.core.errors import MissingExtraError
from rowsight.surfaces.report.markup import Child, Html, table, tag

ACCENT, SOFT = "#3b76c4", "#9dbde8"
_ROW_HEIGHT = 26
_HEIGHT = 120
_LABEL = 40
_FEW_GROUPS = 8


def altair() -> Any:
    """Return altair; ``MissingExtraError`` where it isn't installed."""
    try:
        import altair as alt  # noqa: PLC0415 - an extra that loads on use
    except ImportError as error:
        raise MissingExtraError("altair", "report") from error
    return alt


@dataclass
class Charts:
    """The charts of one page, numbered."""

    specs: list[dict[str, Any]] = field(default_factory=list)

    def figure(
        self, spec: Any, caption: str, shown: str, head: Sequence[Child], rows: Sequence[Sequence[Child]]
    ) -> Html:
        """Return a chart's place with the table of its figures, open until the chart is drawn."""
        self.specs.append(spec.to_dict())
        numbers = range(1, len(head))
        figures = tag("details", tag("summary", shown), table(head, rows, numbers=numbers), open=True)
        name = f"chart-{len(self.specs) - 1}"
        return tag("figure", tag("figcaption", caption), tag("div", class_="drawing"), figures, data_chart=name)

    def data(self) -> list[Html]:
        """Return the specs as blocks of JSON, which no script runs and no text of which ends the block."""
        blocks = (json.dumps(s, ensure_ascii=False, separators=(",", ":"), default=str) for s in self.specs)
        return [
            Html(f'<script type="application/json" id="chart-{i}">{inert(block)}</script>')
            for i, block in enumerate(blocks)
        ]


def inert(block: str) -> str:
    """Return JSON in which no ``<`` is left: ``</script>`` and ``<!--`` can't stand in it."""
    return block.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def histogram(bars: Sequence[tuple[Any, Any, int]], *, times: bool) -> Any:
    """Return bars from ``low`` to ``high``; times are milliseconds."""
    alt = altair()
    values = [{"low": low, "high": high, "rows": n} for low, high, n in bars]
    kind = "temporal" if times else "quantitative"
    scale = alt.Scale(zero=False, nice=False) if not times else alt.Scale(type="utc", nice=False)
    return (
        alt.Chart(alt.Data(values=values))
        .mark_bar(color=ACCENT, orient="vertical")
        .encode(
            x=alt.X("low", type=kind, title=None, scale=scale, **_placed(alt, times=times)),
            x2=alt.X2("high"),
            y=alt.Y("rows", type="quantitative", title=None, axis=alt.Axis(tickCount=3, tickMinStep=1)),
            y2=alt.Y2Datum(0),
            tooltip=[
                alt.Tooltip("low", type=kind),
                alt.Tooltip("high", type=kind),
                alt.Tooltip("rows", type="quantitative"),
            ],
        )
        .properties(height=_HEIGHT)
    )


def bars(items: Sequence[tuple[str, float]], *, share: bool = False) -> Any:
    """Return horizontal bars in the order given."""
    alt = altair()
    values = [{"name": cut(name), "value": value} for name, value in numbered(items)]
    form = alt.Axis(format=".0%", tickCount=5) if share else alt.Axis(tickCount=5, tickMinStep=1)
    return (
        alt.Chart(alt.Data(values=values))
        .mark_bar(color=ACCENT)
        .encode(
            x=alt.X("value", type="quantitative", title=None, axis=form),
            y=alt.Y("name", type="nominal", sort=None, title=None),
            tooltip=[alt.Tooltip("name", type="nominal"), alt.Tooltip("value", type="quantitative")],
        )
        .properties(height=_ROW_HEIGHT * max(len(values), 1))
    )


def intervals(items: Sequence[tuple[str, float, float, float]]) -> Any:
    """Return shares as bars with their bounds: (name, share, low, high)."""
    alt = altair()
    values = [{"name": cut(n), "share": s, "low": low, "high": high} for n, s, low, high in items]
    base = alt.Chart(alt.Data(values=values)).encode(y=alt.Y("name", type="nominal", sort=None, title=None))
    axis = alt.Axis(format=".0%", tickCount=5)
    tips = [alt.Tooltip("name", type="nominal"), *(_percent(alt, n) for n in ("share", "low", "high"))]
    drawn = base.mark_bar(color=SOFT, height={"band": 0.6}).encode(
        x=alt.X("share", type="quantitative", title=None, axis=axis), tooltip=tips
    )
    bounds = base.mark_rule(color=ACCENT, strokeWidth=3).encode(
        x=alt.X("low", type="quantitative"), x2=alt.X2("high"), tooltip=tips
    )
    return alt.layer(drawn, bounds).properties(height=_ROW_HEIGHT * max(len(values), 1))


def lines(items: Sequence[tuple[str, str, float]]) -> Any:
    """Return a line for each name over spans of time: (name, span's first day, share)."""
    alt = altair()
    values = [{"name": cut(name), "at": at, "share": share} for name, at, share in items]
    return (
        alt.Chart(alt.Data(values=values))
        .mark_line(point=True)
        .encode(
            x=alt.X("at", type="temporal", title=None, scale=alt.Scale(type="utc"), axis=_dates(alt)),
            y=alt.Y("share", type="quantitative", title=None, axis=alt.Axis(format=".0%", tickCount=5)),
            color=alt.Color(
                "name", type="nominal", sort=None, title=None, legend=alt.Legend(orient="bottom", columns=2)
            ),
            tooltip=[alt.Tooltip("name", type="nominal"), alt.Tooltip("at", type="temporal"), _percent(alt, "share")],
        )
        .properties(height=2 * _HEIGHT)
    )


def grid(items: Sequence[tuple[str, str, float]]) -> Any:
    """Return a grid of shares: (row, column, share)."""
    alt = altair()
    values = [{"name": cut(name), "group": cut(group), "share": share} for name, group, share in items]
    count = len({v["name"] for v in values})
    scale = alt.Scale(scheme="blues", domainMin=0)
    return (
        alt.Chart(alt.Data(values=values))
        .mark_rect()
        .encode(
            x=alt.X("group", type="nominal", sort=None, title=None, axis=_flat(alt, values)),
            y=alt.Y("name", type="nominal", sort=None, title=None),
            color=alt.Color("share", type="quantitative", title=None, scale=scale, legend=alt.Legend(format=".0%")),
            tooltip=[alt.Tooltip("name", type="nominal"), alt.Tooltip("group", type="nominal"), _percent(alt, "share")],
        )
        .properties(height=_ROW_HEIGHT * max(count, 1))
    )


def _flat(alt: Any, values: list[dict[str, Any]]) -> Any:
    """Return an axis whose labels lie flat where there is room for them."""
    few = len({v["group"] for v in values}) <= _FEW_GROUPS
    return alt.Axis(labelAngle=0 if few else -40, labelLimit=90 if few else 120)


def _placed(alt: Any, *, times: bool) -> dict[str, Any]:
    return {"axis": _dates(alt)} if times else {"bin": "binned"}


def _dates(alt: Any) -> Any:
    """Return an axis of dates that are written alike in every language."""
    return alt.Axis(format="%Y-%m-%d", tickCount=6, labelOverlap=True)


def _percent(alt: Any, name: str) -> Any:
    return alt.Tooltip(name, type="quantitative", format=".1%")


def numbered(items: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """Return the items with names that are distinct once they are cut."""
    seen: dict[str, int] = {}
    found = []
    for name, value in items:
        shown = cut(name)
        seen[shown] = seen.get(shown, 0) + 1
        found.append((shown if seen[shown] == 1 else f"{shown} ({seen[shown]})", value))
    return found


def cut(name: str) -> str:
    """Return a name on one line, as long as an axis can show."""
    line = " ".join(str(name).split()) or "∅"
    return line if len(line) <= _LABEL else line[: _LABEL - 1] + "…"
