"""The rows that a report shows, fetched by position in one pass, cut, and with personal data masked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from rowsight.engines.base import Relations
from rowsight.execution.profile.columns import quoted
from rowsight.execution.understand.chosen import Chosen
from rowsight.execution.understand.understood import Shown
from rowsight.plan.nodes import Node
from rowsight.texts.personal import Finder

if TYPE_CHECKING:
    from rowsight.execution.summaries.summary import Summary
    from rowsight.execution.themes.found import Theme, Themes

MOST_CHARACTERS = 600
_READ_CHARACTERS = 2000
"""Read before personal data is masked, so that the cut leaves no half of it unmasked."""
_BATCH_ROWS = 8192


def fetched(relations: Relations, node: Node, columns: Chosen, rows: Iterable[int], finder: Finder) -> dict[int, Shown]:
    """Return the rows at these positions."""
    wanted = np.array(sorted(set(rows)), dtype=np.int64)
    if not len(wanted):
        return {}
    text = f"left({quoted(columns.text)}::VARCHAR, {_READ_CHARACTERS})"
    key = "NULL" if columns.key is None else f"left({quoted(columns.key)}::VARCHAR, 80)"
    found: dict[int, Shown] = {}
    start = 0
    for batch in relations.computed(node, {"text": text, "key": key}, _BATCH_ROWS):
        inside = wanted[(wanted >= start) & (wanted < start + batch.num_rows)]
        for row, cell in zip(inside.tolist(), batch.take(pa.array(inside - start)).to_pylist(), strict=True):
            shown = None if cell["text"] is None else short(cell["text"], finder, columns.text)
            found[row] = Shown(row, str(row) if cell["key"] is None else cell["key"], shown)
        start += batch.num_rows
        if start > wanted[-1]:
            break
    return found


def short(text: str, finder: Finder, column: str = "") -> str:
    """Return a text with its personal data masked, cut to be shown."""
    hidden = finder.hidden(text[:_READ_CHARACTERS], column)
    return hidden if len(hidden) <= MOST_CHARACTERS else hidden[: MOST_CHARACTERS - 1] + "…"


def masked_themes(themes: Themes, finder: Finder) -> Themes:
    """Return themes whose example texts and names hold no personal data."""
    every = tuple(_masked(theme, finder) for theme in themes.themes)
    return replace(themes, themes=every, unassigned=_masked(themes.unassigned, finder))


def _masked(theme: Theme, finder: Finder) -> Theme:
    return replace(
        theme,
        name=finder.hidden(theme.name),
        description=finder.hidden(theme.description),
        examples=tuple(replace(e, text=short(e.text, finder)) for e in theme.examples),
        exemplars=tuple(short(t, finder) for t in theme.exemplars),
    )


def masked_summary(summary: Summary, finder: Finder) -> Summary:
    """Return a summary whose sentences hold no personal data."""
    groups = tuple(
        replace(g, sentences=tuple(replace(s, text=finder.hidden(s.text)) for s in g.sentences)) for g in summary.groups
    )
    return replace(summary, groups=groups)
