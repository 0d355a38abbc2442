"""A ranking as the end of a plan: the plan's rows in, the first k of them out, in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from rowsight.execution.asking import Told
from rowsight.execution.distinct import DistinctRows
from rowsight.execution.executor import Work, pieces
from rowsight.execution.ranking.certifying import Outside, certified_outside
from rowsight.execution.ranking.ranker import Ranked, Ranker
from rowsight.execution.ranking.windows import Windows
from rowsight.execution.report import AskReport
from rowsight.execution.run import output_schema
from rowsight.plan.gathers import Rank
from rowsight.plan.nodes import Node

if TYPE_CHECKING:
    from rowsight.engines.base import Relations

UNCERTIFIED = "rows outside were not sampled: nothing is promised of them (outside=0.01 samples them)"


@dataclass(frozen=True)
class Ranking:
    """How a ranking came about. Rows are counted with their repetitions.

    ``rows`` came in; ``graded`` of them were graded by the model in windows, over ``rounds``; ``ordered`` were put in
    order, in so many requests each, those included that were answered before; ``outside`` says what is proved of the
    others, ``None`` where nothing was demanded.
    """

    question: str
    k: int
    rows: int
    graded: int
    ordered: int
    rounds: int
    grading_windows: int
    ordering_windows: int
    outside: Outside | None
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as JSON can hold them."""
        return {**asdict(self), "outside": None if self.outside is None else self.outside.as_dict()}


class RankingEnd:
    """The end of a run that ranks: ``ranking`` is there once the rows were ranked."""

    def __init__(self, ask: Rank) -> None:
        self.ask = ask
        self.ranking: Ranking | None = None

    def schema(self, plan: Node, relations: Relations) -> pa.Schema:
        """Return the columns of the plan, the rank from 1, and the grade."""
        rank, score = self.ask.added
        return output_schema(plan, relations).append(pa.field(rank, pa.int64())).append(pa.field(score, pa.float64()))

    async def batches(self, plan: Node, work: Work) -> AsyncGenerator[pa.RecordBatch, None]:
        """Yield the first k rows, in order; equal rows follow one another."""
        stream = pieces(plan, work)
        async with aclosing(stream):
            rows = await DistinctRows.read(stream, self.ask.template.columns, work.directory, seed=work.options.seed)
        ranked, self.ranking = await ranked_rows(self.ask, rows, work)
        places = _places(rows, ranked.order, self.ask.k)
        if len(places):
            table = rows.table(places).select(list(plan.columns))
            grades = [ranked.grades.get(n) for n in rows.number_of_row[places].tolist()]
            rank, score = self.ask.added
            table = table.append_column(rank, pa.array(range(1, len(places) + 1), pa.int64()))
            for batch in table.append_column(score, pa.array(grades, pa.float64())).combine_chunks().to_batches():
                yield batch


async def ranked_rows(ask: Rank, rows: DistinctRows, work: Work) -> tuple[Ranked, Ranking]:
    """Rank ``rows`` on the road of ``work``; return the order and how it came about."""
    report = AskReport("rank", ask.template.source, ask.into)
    work.report.asks.append(report)
    windows = Windows(ask, rows, work.gateway, work.options)
    ranker = Ranker(ask, rows, windows)
    ranked = await ranker.ranked()
    outside: Outside | None = None
    if ask.outside is not None and ranked.order:
        outside, better = await certified_outside(ask, rows, ranked.order, work)
        if better:
            ranked = await ranker.joined(ranked, better)
    notes = _record(report, rows, windows, work)
    if outside is not None:
        notes.append(outside.statement)
    elif report.proxied:
        notes.append(UNCERTIFIED)
    work.report.notes += notes
    calls = windows.requests
    made = {kind: sum(n for name, n in calls.items() if name.startswith(kind)) for kind in ("grade", "order")}
    graded, ordered = (int(rows.copies[list(numbers)].sum()) for numbers in (ranked.grades, ranked.contenders))
    counts = (rows.rows, graded, ordered, ranked.rounds, made["grade"], made["order"])
    return ranked, Ranking(ask.template.source, ask.k, *counts, outside, tuple(notes))


def _places(rows: DistinctRows, order: list[int], k: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return where the first k rows stand in the spool: rows in order, equal ones in the order of the input."""
    if not order:
        return np.empty(0, np.int64)
    place_of = np.full(rows.count, len(order), np.int64)
    place_of[order] = np.arange(len(order))
    numbers = np.where(rows.number_of_row < 0, 0, rows.number_of_row)
    standing = np.where(rows.number_of_row < 0, len(order), place_of[numbers])
    found = np.flatnonzero(standing < len(order))
    return found[np.argsort(standing[found], kind="stable")][:k]


def _record(report: AskReport, rows: DistinctRows, windows: Windows, work: Work) -> list[str]:
    """Count rows by what became of them, trace those that were put to the model; return what is to be told."""
    report.rows, report.null = rows.rows, int((rows.number_of_row < 0).sum())
    counts: Counter[str] = Counter()
    for number, heard in windows.status.items():
        copies = int(rows.copies[number])
        counts[heard.status] += copies
        report.from_ledger += copies if heard.from_ledger else 0
        if heard.status == "failed":
            report.failures[heard.reason or "failed"] += copies
    for status, count in counts.items():
        setattr(report, status, count)
    report.proxied = report.rows - report.null - sum(counts.values())
    numbers = sorted(windows.status)
    told = [Told(None, windows.status[n].status, windows.status[n].key) for n in numbers]
    work.trace.write(pa.array(rows.positions[rows.first[numbers]], pa.int64()), report.into, told)
    lost = sum(
        count for name, count in windows.requests.items() if name.startswith("order") and not name.endswith("asked")
    )
    notes = [f"{counts['failed']:,} rows could not be graded and are not ranked"] if counts["failed"] else []
    return [*notes, *([f"{lost:,} windows could not be put in order: the grades decide there"] if lost else [])]
