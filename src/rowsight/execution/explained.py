"""``EXPLAIN``: the staged plan with estimated calls, and with ``ANALYZE`` with those that were made."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from rowsight.execution.asking import Arguments, Told
from rowsight.execution.queried import QueryResult, Tables, queried
from rowsight.execution.queries import Stage
from rowsight.execution.report import Report
from rowsight.guarantees.columns import Standing
from rowsight.operators import Question
from rowsight.plan.schema import Bool, Label, Number, Struct
from rowsight.plan.sql.text import Parsed


class Guesses:
    """An oracle that guesses: half of the filters' tuples pass, labels come evenly. It estimates what later stages see."""

    async def ask(self, question: Question, model: str | None, distinct: Sequence[Arguments]) -> list[Told]:
        """Return a guess for each tuple, the same each time."""
        del model
        return [Told(_guess(question, row), "asked") for row in distinct]

    async def first(
        self, question: Question, model: str | None, rows: Sequence[Arguments], k: int
    ) -> dict[Arguments, Told]:
        """Return a guess for as many rows as a ranking grades at most."""
        del model
        from rowsight.execution.ranking.ranker import most_graded  # noqa: PLC0415 - scipy loads on use

        distinct = [row for row in dict.fromkeys(rows) if any(row)]
        most = most_graded(k)
        graded = {row: Told(_guess(question, row), "asked") for row in distinct[:most]}
        return graded | dict.fromkeys(distinct[most:], Told(None, "proxied"))


def _guess(question: Question, row: Arguments) -> Any:
    drawn = int.from_bytes(hashlib.blake2b(repr((question.system, row)).encode(), digest_size=8).digest(), "big")
    match question.answer:
        case Bool():
            return drawn % 2 == 0
        case Label(labels=labels, several=several):
            label = labels[drawn % len(labels)]
            return [label] if several else label
        case Number(low=low, high=high):
            return low + (high - low) * (drawn % 1000) / 999
        case Struct() as struct:
            return struct.read({})
        case _:
            return f"a text {drawn % 1_000_000}"


async def explained(parsed: Parsed, tables: Tables, *, locked: bool) -> QueryResult:
    """Return the plan of a query as rows of text, with the calls that it would make; nothing is asked."""
    result = await queried(parsed, tables, Guesses(), locked=locked)
    lines = [_line(i, s, result.report, "about") for i, s in enumerate(result.stages, 1)]
    total = sum(s.asked for s in result.stages)
    closing = f"about {total:,} calls (filters are guessed to pass half of what they see)" if total else "no calls"
    report = Report("", "")
    rows = _as_rows([*lines, f"then: {result.sql}", *map(_column, result.standings), closing])
    return replace(result, rows=rows, report=report)


def analyzed(result: QueryResult) -> QueryResult:
    """Return what a query's plan did as rows of text."""
    lines = [_line(i, s, result.report, "asked") for i, s in enumerate(result.stages, 1)]
    total = sum(s.asked for s in result.stages)
    closing = f"{total:,} distinct questions, {result.report.calls:,} calls sent, {len(result):,} rows"
    return replace(result, rows=_as_rows([*lines, f"then: {result.sql}", *map(_column, result.standings), closing]))


def _column(standing: Standing) -> str:
    return f"column {standing}"


def _line(place: int, stage: Stage, report: Report, word: str) -> str:
    ask = report.asks[stage.number]
    known = stage.wanted - stage.asked
    reused = f" ({known:,} more known from earlier stages)" if known else ""
    return f"{place}. {stage.why}: {ask.operator} {ask.question!r}: {word} {stage.asked:,} distinct tuples{reused}"


def _as_rows(lines: list[str]) -> pa.Table:
    return pa.table({"plan": pa.array(lines, pa.string())})
