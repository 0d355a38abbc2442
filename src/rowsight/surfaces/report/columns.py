"""The sections of a report that come from a profile: the table at a glance, its columns, personal data, duplicates."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from rowsight.execution.profile import ColumnProfile, Profile
from rowsight.surfaces.report.charts import Charts, bars, histogram
from rowsight.surfaces.report.markup import Child, Html, table, tag
from rowsight.surfaces.report.words import Words, percent, shown

MOST_CHARTS = 40
"""Columns whose values are drawn; the others' stand in their lists."""
_TOP = 8
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

Quote = Callable[[int], Child]
"""Shows a row by its position."""


def facts(pairs: list[tuple[str, Child]]) -> Html:
    """Return a few figures at a glance."""
    return tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs], class_="facts")


def glance(profile: Profile, say: Words) -> Html:
    """Return the figures of a table."""
    found: list[tuple[str, Child]] = [(say("Rows"), shown(profile.rows)), (say("Columns"), shown(len(profile.columns)))]
    if profile.repeated_rows:
        found.append((say("Repeated rows"), shown(profile.repeated_rows)))
    if profile.text is not None:
        column = profile.column(profile.text)
        found.append((say("Text column"), profile.text))
        if column.languages:
            found.append((say("Languages"), ", ".join(f"{code} {share:.0%}" for code, share in column.languages[:3])))
        found.append((say("Repeated texts"), shown(column.repeated)))
        if column.resembling is not None:
            found.append((say("Near-duplicates"), shown(column.resembling.repeated)))
    values = sum(p.values for c in profile.columns for p in c.personal or ())
    found.append((say("Personal data found"), shown(values)))
    return facts(found)


def column_cards(profile: Profile, charts: Charts, say: Words) -> list[Html]:
    """Return a card for each column."""
    return [_card(c, charts, say, drawn=i < MOST_CHARTS) for i, c in enumerate(profile.columns)]


def _card(column: ColumnProfile, charts: Charts, say: Words, *, drawn: bool) -> Html:
    badge = tag("span", f"{say(column.kind)} · {column.type}", class_="badge")
    title = tag("h3", tag("bdi", column.name), badge)
    lines = [tag("p", line, dir="auto") for line in _lines(column, say)]
    return tag("article", title, lines, _drawing(column, charts, say) if drawn else _listed(column, say), class_="card")


def _lines(c: ColumnProfile, say: Words) -> list[str]:
    found = [say("{n} distinct, {missing} missing", n=c.distinct, missing=c.missing)]
    if c.empty:
        found[0] += say(", {n} empty", n=c.empty)
    if c.low is not None:
        found.append(say("From {low} to {high}", low=c.low, high=c.high) + _middle(c, say))
    if c.kind == "text" and c.lengths is not None:
        values = {"low": c.lengths.shortest, "high": c.lengths.longest, "median": int(c.lengths.median)}
        found.append(say("{low} to {high} characters, median {median}", **values))
    if c.languages:
        found.append(say("Languages") + ": " + ", ".join(f"{code} {share:.1%}" for code, share in c.languages))
    found += [say("{n} rows with {kind}", n=t.rows, kind=say(t.kind)) for t in c.trouble or ()]
    return found


def _middle(c: ColumnProfile, say: Words) -> str:
    if c.quantiles is None or c.mean is None:
        return ""
    return say(", median {median}, mean {mean}", median=float(c.quantiles[2]), mean=float(c.mean))


def _drawing(c: ColumnProfile, charts: Charts, say: Words) -> Child:
    if c.histogram:
        return _bars_of(c, charts, say)
    if c.kind in ("label", "boolean", "number") and len(c.top) > 1:
        top = [(_value(v), n) for v, n in c.top[:_TOP]]
        head = [say("Value"), say("Rows"), say("Share")]
        rows = [[_value(v), shown(n), percent(n / c.rows)] for v, n in c.top]
        return charts.figure(bars(top), say("Most frequent values"), say("As a table"), head, rows)
    return _listed(c, say)


def _listed(c: ColumnProfile, say: Words) -> Child:
    if not c.top or (c.kind in ("text", "key") and c.top[0][1] == 1):
        return None
    rows = [[_value(v), shown(n), percent(n / c.rows)] for v, n in c.top]
    listed = table([say("Value"), say("Rows"), say("Share")], rows, numbers=(1, 2))
    return tag("details", tag("summary", say("Most frequent values")), listed)


def _bars_of(c: ColumnProfile, charts: Charts, say: Words) -> Html:
    times = c.kind == "time"
    values = [
        (_milliseconds(b.low), _milliseconds(b.high), b.count) if times else (b.low, b.high, b.count)
        for b in c.histogram
    ]
    head = [say("From"), say("To"), say("Rows")]
    rows: list[list[Child]] = [
        [_end(b.low, times=times), _end(b.high, times=times), shown(b.count)] for b in c.histogram
    ]
    return charts.figure(histogram(values, times=times), say("How the values lie"), say("As a table"), head, rows)


def _milliseconds(seconds: float) -> float:
    return seconds * 1000


def _end(value: Any, *, times: bool) -> str:
    return (_EPOCH + dt.timedelta(seconds=value)).strftime("%Y-%m-%d %H:%M") if times else shown(float(value))


def _value(value: Any) -> str:
    return shown(value) if isinstance(value, (bool, int, float)) or value is None else str(value)


def personal(profile: Profile, say: Words) -> Child:
    """Return where personal data was found; nothing of it in full."""
    rows = [
        [c.name, say(p.kind), shown(p.values), shown(p.rows), ", ".join(value for _, value in p.examples)]
        for c in profile.columns
        for p in c.personal or ()
    ]
    if not rows:
        return tag("p", say("None was found, of the kinds that are looked for."))
    head = [say("Column"), say("Kind"), say("Values"), say("Rows"), say("Masked examples")]
    return table(head, rows, numbers=(2, 3))


def resembling(profile: Profile, say: Words, quote: Quote | None) -> Child:
    """Return how many texts repeat earlier ones, with pairs."""
    column = next((c for c in profile.columns if c.name == profile.text), None)
    if column is None or column.resembling is None:
        return None
    found = column.resembling
    line = say(
        "{exact} texts repeat an earlier one; {near} more resemble one.", exact=column.repeated, near=found.repeated
    )
    pairs = [_pair(a, b, alike, say, quote) for a, b, alike in found.pairs]
    return [tag("p", line), pairs]


def _pair(first: int, second: int, alike: float, say: Words, quote: Quote | None) -> Html:
    title = say("Rows {a} and {b}, {alike} alike", a=str(first), b=str(second), alike=f"{alike:.0%}")
    if quote is None:
        return tag("p", title)
    return tag("details", tag("summary", title), quote(first), quote(second))
