"""Profile a table: relational part first, then its texts."""

from __future__ import annotations

import time
from importlib.util import find_spec
from typing import TYPE_CHECKING

from rowsight.core.errors import InputError
from rowsight.execution.executor import has_ask
from rowsight.execution.profile.columns import described_columns, repeated_rows
from rowsight.execution.profile.described import ColumnProfile, Profile
from rowsight.execution.profile.texts import MOST_CHARACTERS, MOST_SIGNED, scanned
from rowsight.plan.nodes import Node
from rowsight.texts.personal import Finder

if TYPE_CHECKING:
    from rowsight.session import Session


def profiled(session: Session, plan: Node) -> Profile:
    """Return the profile of a table that no question was put to; ``InputError`` for one with questions."""
    if has_ask(plan):
        raise InputError("profile reads a table as it is; run the questions first, then read and profile the result")
    started = time.perf_counter()
    finder = Finder()
    with session.opened(plan) as relations:
        rows, columns = described_columns(relations, plan)
        repeated = repeated_rows(relations, plan)
        columns = scanned(relations, plan, columns, finder)
    shown = " and ".join(s.shown for s in session.sources(plan).values())
    seconds = round(time.perf_counter() - started, 3)
    return Profile(shown, rows, repeated, tuple(columns), text_column(columns), seconds, tuple(_notes(columns, finder)))


def text_column(columns: list[ColumnProfile]) -> str | None:
    """Return the column with the longest texts on average, of those that hold texts; else the longest strings."""
    strings = [c for c in columns if c.lengths is not None and c.kind != "time" and c.lengths.mean]
    ranked = max(strings, key=lambda c: (c.kind == "text", c.lengths.mean if c.lengths else 0.0), default=None)
    return ranked.name if ranked is not None else None


def _notes(columns: list[ColumnProfile], finder: Finder) -> list[str]:
    notes = []
    if finder.missing:
        kinds = ", ".join(dict.fromkeys(finder.missing))
        notes.append(f"not looked for: {kinds}; pip install 'rowsight[profile]'")
    if find_spec("py3langid") is None and any(c.kind == "text" for c in columns):
        notes.append("languages are unknown: py3langid is not installed; pip install 'rowsight[profile]'")
    for column in columns:
        if column.lengths is not None and column.lengths.longest > MOST_CHARACTERS:
            notes.append(f"{column.name}: of longer texts the first {MOST_CHARACTERS:,} characters were looked through")
        if column.resembling is not None and column.resembling.texts >= MOST_SIGNED:
            notes.append(
                f"{column.name}: near-duplicates were looked for among the first {MOST_SIGNED:,} distinct texts"
            )
    return notes
