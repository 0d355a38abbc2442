"""A summary as the end of a plan: the plan's rows in, one line a sentence out."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from rowsight.calls.budget import Amounts, Budget, microusd
from rowsight.calls.endpoints import prices
from rowsight.execution.asking import Told
from rowsight.execution.distinct import DistinctRows
from rowsight.execution.executor import Work, pieces
from rowsight.execution.report import AskReport
from rowsight.execution.summaries.planning import cost_of, grouped, within_budget
from rowsight.execution.summaries.summarizer import Progress, Summarizer
from rowsight.execution.summaries.summary import SPENT, Summary
from rowsight.execution.summaries.tree import Cost, Shape
from rowsight.plan.gathers import Summarize
from rowsight.plan.nodes import Node

if TYPE_CHECKING:
    from rowsight.calls.gateway import Gateway, Tally
    from rowsight.engines.base import Relations
    from rowsight.execution.options import RunOptions

INTO = "summary"


class Summarizing:
    """The end of a run that summarises: ``summary`` is there once the rows were read."""

    def __init__(self, ask: Summarize) -> None:
        self.ask = ask
        self.summary: Summary | None = None

    def schema(self, plan: Node, relations: Relations) -> pa.Schema:
        """Return the columns of a summary as a table: the group, the sentence, its rows, their keys, the support."""
        del plan, relations
        by = [] if self.ask.by is None else [(self.ask.by, pa.string())]
        rows = [("rows", pa.list_(pa.int64())), ("keys", pa.list_(pa.string())), ("support", pa.int64())]
        return pa.schema([*by, ("sentence", pa.string()), *rows])

    async def batches(self, plan: Node, work: Work) -> AsyncGenerator[pa.RecordBatch, None]:
        """Yield the sentences, group by group."""
        self.summary = await summarized(self.ask, plan, work)
        lines = [
            {
                **({} if self.ask.by is None else {self.ask.by: group.value}),
                "sentence": sentence.text,
                "rows": list(sentence.rows),
                "keys": [None if k is None else str(k) for k in sentence.keys],
                "support": sentence.support,
            }
            for group in self.summary.groups
            for sentence in group.sentences
        ]
        yield pa.RecordBatch.from_pylist(lines, schema=self.schema(plan, work.relations))


async def summarized(ask: Summarize, plan: Node, work: Work) -> Summary:
    """Return the summary of the rows that come out of ``plan``, asked on the road of ``work``."""
    report = AskReport("summarize", ask.template.source, INTO)
    work.report.asks.append(report)
    stream = pieces(plan, work)
    async with aclosing(stream):
        rows = await DistinctRows.read(stream, ask.template.columns, work.directory, by=ask.by, seed=work.options.seed)
    found, progress = await summary_of(ask, rows, work.gateway, work.options)
    _record(report, rows, progress, work)
    if report.skipped:
        whole = cost_of(rows, grouped(rows), Shape(ask.chunk_tokens, ask.sentences))
        work.report.to_finish = _to_finish(whole, work.gateway.tally)
    work.report.notes += notes_of(found, rows, work.options)
    return found


async def summary_of(
    ask: Summarize, rows: DistinctRows, gateway: Gateway, options: RunOptions
) -> tuple[Summary, Progress]:
    """Return the summary of ``rows``, or of as many as the budget allows, and what became of each."""
    budget = None if options.budget is None else Budget.parse(options.budget)
    shape = Shape(ask.chunk_tokens, ask.sentences)
    chosen, share = within_budget(rows, shape, budget, _spent(gateway.tally), prices(options))
    summarizer = Summarizer(ask, rows, gateway, options)
    return await summarizer.summary(chosen, share), summarizer.progress


def _spent(tally: Tally) -> Amounts:
    """Return what the run has spent so far, on the questions below the summary."""
    usage = tally.usage
    return Amounts(tally.calls, usage.prompt_tokens + usage.completion_tokens, microusd(tally.cost or 0.0))


def _to_finish(whole: Cost, tally: Tally) -> dict[str, Any]:
    """Return what the whole summary would take beyond what was spent."""
    spent = _spent(tally)
    tokens = whole.prompt_tokens + whole.completion_tokens
    return {"calls": max(0, whole.calls - spent.calls), "tokens": max(0, tokens - spent.tokens), "cost": None}


def _record(report: AskReport, rows: DistinctRows, progress: Progress, work: Work) -> None:
    """Count the rows by what became of them, and trace the first of equal rows."""
    statuses: Counter[str] = Counter(null=int((rows.number_of_row < 0).sum()))
    for number, status in enumerate(progress.status):
        statuses[status] += int(rows.copies[number])
    report.rows = rows.rows
    for status, count in statuses.items():
        setattr(report, status, count)
    for _, gap in progress.gaps:
        if gap.reason != SPENT:
            report.failures[gap.reason] += gap.rows
    report.from_ledger = progress.from_ledger
    told = [Told(None, s, k) for s, k in zip(progress.status, progress.keys, strict=True)]
    work.trace.write(pa.array(rows.positions[rows.first], pa.int64()), INTO, told)


def notes_of(found: Summary, rows: DistinctRows, options: RunOptions) -> list[str]:
    """Return what a reader must know beside the sentences."""
    notes: list[str] = []
    if found.sampled is not None:
        read = int(np.round(found.sampled * rows.count))
        notes.append(
            f"the budget {options.budget} is smaller than the whole summary: {read:,} of {rows.count:,} distinct rows, drawn "
            "uniformly, are summarised"
        )
    dropped = found.dropped
    if dropped.sentences or dropped.citations:
        notes.append(
            f"dropped: {dropped.unsupported:,} sentences that no row supports, {dropped.uncited:,} without a row, "
            f"{dropped.unchecked:,} unchecked; {dropped.citations:,} citations of rows that don't exist"
        )
    notes += [str(gap) for gap in found.gaps if gap.leaf is not None]
    return [*notes, *found.notes]
