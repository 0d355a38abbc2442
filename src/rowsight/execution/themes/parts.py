"""Parts of a table: the groups of a column, and spans of time."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rowsight.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

MOST_GROUPS, MOST_SPANS = 50, 36
"""Groups that are told apart (the largest; the others are one part), and spans that a range of time is cut into."""
OTHERS = "(others)"


@dataclass(frozen=True)
class Parts:
    """``code`` (a row each) is the row's part, an index into ``names``; ``None`` names the rows that have no value."""

    names: tuple[str | None, ...]
    code: NDArray[np.int64]
    span: str | None = None

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Rows of each part."""
        return np.bincount(self.code, minlength=len(self.names))


def groups_of(values: Iterable[Any]) -> Parts:
    """Return a part for each value, the largest first; beyond ``MOST_GROUPS`` the small ones are one part."""
    seen: dict[str | None, int] = {}
    raw = np.array([seen.setdefault(None if v is None else str(v), len(seen)) for v in values], dtype=np.int64)
    names = list(seen)
    sizes = np.bincount(raw, minlength=len(names))
    order = sorted(range(len(names)), key=lambda i: (-sizes[i], str(names[i])))
    kept = order[:MOST_GROUPS] if len(order) > MOST_GROUPS + 1 else order
    place = np.full(max(len(names), 1), len(kept), dtype=np.int64)
    place[kept] = np.arange(len(kept))
    shown = [names[i] for i in kept] + ([OTHERS] if len(kept) < len(order) else [])
    return Parts(tuple(shown), place[raw] if len(raw) else raw)


def spans_of(values: Iterable[Any], column: str) -> Parts:
    """Return a part for each span of time, oldest first: days, weeks, months, quarters or years, whichever is finest.

    ``values`` are dates, timestamps or ISO 8601 texts; what is none of these is a part without a name.
    """
    days = [_day(v) for v in values]
    known = [d for d in days if d is not None]
    if not known:
        raise InputError(
            f"time={column} holds no point in time; name a column of dates, timestamps or texts such as 2026-01-31"
        )
    first, last = min(known), max(known)
    cuts = ((name, start, _starts(start, longest, first, last)) for name, start, longest in _SPANS)
    span, start, begins = next(cut for cut in cuts if len(cut[2]) <= MOST_SPANS or cut[1] is _millennium)
    place = {day: i for i, day in enumerate(begins)}
    code = np.array([len(begins) if d is None else place[start(d)] for d in days], dtype=np.int64)
    unknown: list[str | None] = [None] if len(known) < len(days) else []
    return Parts((*(d.isoformat() for d in begins), *unknown), code, span)


def _day(value: Any) -> dt.date | None:
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    if isinstance(value, str):
        try:
            return dt.datetime.fromisoformat(value.strip()).date()
        except ValueError:
            return None
    return None


def _starts(start: Callable[[dt.date], dt.date], longest: int, first: dt.date, last: dt.date) -> list[dt.date]:
    """Return the first days of the spans between two days, at most one more than can be shown."""
    found: list[dt.date] = []
    day = start(first)
    while day <= last and len(found) <= MOST_SPANS:
        found.append(day)
        try:
            day = start(day + dt.timedelta(days=longest))
        except OverflowError:  # the last span that the calendar has
            break
    return found


def _week(day: dt.date) -> dt.date:
    return day - dt.timedelta(days=min(day.weekday(), day.toordinal() - 1))


def _month(day: dt.date) -> dt.date:
    return day.replace(day=1)


def _quarter(day: dt.date) -> dt.date:
    return day.replace(month=day.month - (day.month - 1) % 3, day=1)


def _year(day: dt.date) -> dt.date:
    return day.replace(month=1, day=1)


def _decade(day: dt.date) -> dt.date:
    return dt.date(max(day.year - day.year % 10, 1), 1, 1)


def _millennium(day: dt.date) -> dt.date:
    return dt.date(max(day.year - day.year % 1000, 1), 1, 1)


def _same(day: dt.date) -> dt.date:
    return day


_SPANS: tuple[tuple[str, Callable[[dt.date], dt.date], int], ...] = (
    ("day", _same, 1),
    ("week", _week, 7),
    ("month", _month, 31),
    ("quarter", _quarter, 92),
    ("year", _year, 366),
    ("decade", _decade, 3653),
    ("millennium", _millennium, 365_243),
)
"""A span's name, its first day, and days after which the next span has begun and the one after it hasn't."""
