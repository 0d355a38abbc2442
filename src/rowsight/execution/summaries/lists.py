"""Summaries of lists of texts: the groups of a query's AI_AGG, each one argument of a lookup."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import orjson
import pyarrow as pa

from rowsight.execution.asking import Arguments, Told
from rowsight.execution.distinct import DistinctRows, numbered
from rowsight.execution.summaries.summarizing import notes_of, summary_of
from rowsight.execution.summaries.summary import SPENT
from rowsight.plan.gathers import Summarize
from rowsight.plan.nodes import Scan

if TYPE_CHECKING:
    from rowsight.calls.gateway import Gateway
    from rowsight.execution.options import RunOptions
    from rowsight.execution.summaries.summary import GroupSummary
    from rowsight.operators import Question

_GROUP = "__group"


async def summaries_of_lists(
    question: Question, lists: Sequence[Arguments], gateway: Gateway, options: RunOptions
) -> tuple[list[Told], list[str]]:
    """Return what each JSON list of texts is told, its sentences as one text, or why there is none; and what to note."""
    (column,) = question.template.columns
    ask = Summarize(Scan("lists", (column, _GROUP)), question.template, by=_GROUP)
    with TemporaryDirectory(prefix="rowsight-") as directory:
        pieces = numbered(_batches(lists, column))
        rows = await DistinctRows.read(pieces, (column,), Path(directory), by=_GROUP, seed=options.seed)
        summary, progress = await summary_of(ask, rows, gateway, options)
        from_ledger = progress.from_ledger == rows.rows
        notes = notes_of(summary, rows, options)
    groups = {group.value: group for group in summary.groups}
    return [_told(groups.get(str(number)), from_ledger=from_ledger) for number in range(len(lists))], notes


def _batches(lists: Sequence[Arguments], column: str) -> Iterator[pa.RecordBatch]:
    for number, (text,) in enumerate(lists):
        values = orjson.loads(text or "[]")
        rows = {column: pa.array(values, pa.string()), _GROUP: pa.array([str(number)] * len(values), pa.string())}
        yield pa.RecordBatch.from_pydict(rows)


def _told(group: GroupSummary | None, *, from_ledger: bool) -> Told:
    """Return a group's summary as an answer; a group of which nothing could be read has failed, or was skipped."""
    if group is None or group.read == 0:
        gap = group.gaps[0] if group is not None and group.gaps else None
        if gap is None:
            return Told(None, "null")
        return Told(None, "skipped" if gap.reason == SPENT else "failed", None, gap.reason, gap.detail)
    text = " ".join(sentence.text for sentence in group.sentences)
    return Told(text or None, "asked", from_ledger=from_ledger)
