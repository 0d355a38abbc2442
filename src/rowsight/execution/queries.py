"""Run a planned query: each stage's distinct argument tuples are asked once, and lookups give the answers to SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa

from rowsight.core.errors import InputError
from rowsight.engines.arrow import answer_array, arrow_type
from rowsight.engines.workspace import Workspace
from rowsight.execution.asking import Arguments, Told
from rowsight.execution.composite import Composite, Forgetful, OneCall, Records
from rowsight.execution.driving import driven
from rowsight.execution.totalled import Totalled
from rowsight.guarantees.certificate import Certificate
from rowsight.operators import Question, operator
from rowsight.operators.summarize import summary_question
from rowsight.plan.sql.calls import KNOWN, LOOKUP, LOST, Call
from rowsight.plan.sql.gathered import SUMMARIZE
from rowsight.plan.sql.place import SqlError
from rowsight.plan.sql.requests import Ask, Certify, Columns, Materialize, Measure, Planning, Request, Top, Total

_SEED = 7
_ASKED_AT_ONCE = 65_536
"""Argument tuples that an oracle is given at once; it puts as many questions at a time as its limits allow."""


class Oracle(Protocol):
    """Whoever answers questions: a model behind the one road of all calls, or a function in a test."""

    async def ask(self, question: Question, model: str | None, distinct: Sequence[Arguments]) -> list[Told]:
        """Return what each of the distinct argument tuples is told, in order; ``model`` is ``None`` for the default."""


@runtime_checkable
class Ranking(Protocol):
    """An oracle that finds first rows without asking about all."""

    async def first(
        self, question: Question, model: str | None, rows: Sequence[Arguments], k: int
    ) -> dict[Arguments, Told]:
        """Return what each distinct tuple of ``rows`` is told: a score that falls in order on the first k rows alone."""


@dataclass
class Stage:
    """What one request of the plan came to: tuples that were wanted and those not answered before."""

    number: int
    why: str
    wanted: int
    asked: int


@dataclass
class Answers:
    """One call of the query: its question and what is known of it."""

    call: Call
    question: Question
    told: dict[Arguments, Told] = field(default_factory=dict)

    @classmethod
    def of(cls, call: Call) -> Answers:
        """Return the call's question, ``SqlError`` with its place where the operator refuses it."""
        if call.operator == SUMMARIZE:
            return cls(call, summary_question(call.template))
        try:
            question = operator(call.operator).question(call.template, **call.values)
        except (InputError, ValueError, TypeError) as error:
            raise SqlError(str(error), call.place) from error
        return cls(call, question)

    def lookup(self, *columns: pa.Array) -> pa.Array:
        """Return the answers about rows of arguments: the function that stands in SQL."""
        rows = zip(*(c.to_pylist() for c in columns), strict=True)
        found = (self.told.get(row) for row in rows)
        return answer_array([None if t is None else t.value for t in found], self.question.answer)

    def known(self, *columns: pa.Array) -> pa.Array:
        """Return whether rows of arguments need no more asking."""
        rows = zip(*(c.to_pylist() for c in columns), strict=True)
        return pa.array([row in self.told or None in row or not any(row) for row in rows], pa.bool_())

    def lost(self, *columns: pa.Array) -> pa.Array:
        """Return whether rows of arguments were asked about and have no answer."""
        told = (self.told.get(row) for row in zip(*(c.to_pylist() for c in columns), strict=True))
        return pa.array([t is not None and t.status in ("failed", "skipped") for t in told], pa.bool_())


@dataclass
class QueryRun:
    """A query at work in its workspace."""

    workspace: Workspace
    oracle: Oracle
    answers: list[Answers]
    stages: list[Stage] = field(default_factory=list)
    records: Records = field(default_factory=Forgetful)
    seed: int = 0
    model: str = ""
    cascades: list[tuple[Composite | OneCall, Certificate | None]] = field(default_factory=list)
    totals: list[Totalled] = field(default_factory=list)

    def open(self) -> None:
        """Let SQL look the answers up."""
        for number, one in enumerate(self.answers):
            arity = one.call.columns
            self.workspace.function(f"{LOOKUP}{number}", one.lookup, arity, arrow_type(one.question.answer))
            self.workspace.function(f"{KNOWN}{number}", one.known, arity, pa.bool_())
            self.workspace.function(f"{LOST}{number}", one.lost, arity, pa.bool_())

    async def follow(self, planning: Planning) -> str:
        """Do what the plan asks for; return the SQL of the result."""
        return await driven(planning, self._reply)

    async def _reply(self, request: Request) -> Any:
        match request:
            case Columns(sql=sql):
                return self.workspace.columns(sql)
            case Measure(sql=sql):
                return tuple(self.workspace.table(sql).to_pylist()[0].values())
            case Materialize(name=name, sql=sql):
                self.workspace.keep(name, sql)
            case Ask(number=number) if self.answers[number].call.levels:
                one = OneCall(number, self)
                self.cascades.append((one, await one.decide(request.sql)))
            case Ask(number=number, why=why):
                return await self.ask(number, distinct(request), why)
            case Top(number=number, sql=sql, most=most):
                await self._first(number, sql, most)
            case Certify():
                driver = Composite(request, self)
                self.cascades.append((driver, await driver.decide()))
            case Total():
                totalled = Totalled(request, self)
                await totalled.decide()
                self.totals.append(totalled)
        return None

    async def _first(self, number: int, sql: str, most: int) -> None:
        """Answer a call on the first rows of ``sql`` by it; every row is asked where the oracle doesn't rank."""
        if not isinstance(self.oracle, Ranking):
            await self.ask(number, distinct(Ask(number, sql, "ORDER BY")), "ORDER BY")
            return
        batches = self.workspace.table(sql).to_batches(4096)
        rows = [row for batch in batches for row in zip(*(c.to_pylist() for c in batch.columns), strict=True)]
        answers = self.answers[number]
        told = await self.oracle.first(answers.question, answers.call.model, rows, most)
        answers.told.update(told)
        asked = sum(t.status != "proxied" for t in told.values())
        self.stages.append(Stage(number, "ORDER BY, the first rows by a ranking", asked, asked))

    async def ask(self, number: int, sql: str, why: str) -> int:
        """Ask a call about the argument tuples that ``sql`` gives; return how many were not answered before."""
        fresh = 0
        for batch in self.workspace.table(sql).combine_chunks().to_batches(_ASKED_AT_ONCE):
            fresh += await self.tell(number, list(zip(*(c.to_pylist() for c in batch.columns), strict=True)), why)
        return fresh

    async def tell(self, number: int, rows: list[Arguments], why: str) -> int:
        """Ask a call about argument tuples; return how many were not answered before."""
        answers = self.answers[number]
        new = [row for row in rows if row not in answers.told and any(row)]
        told = await self.oracle.ask(answers.question, answers.call.model, new)
        answers.told.update(zip(new, told, strict=True))
        last = self.stages[-1] if self.stages else None
        if last is None or (last.number, last.why) != (number, why):
            self.stages.append(Stage(number, why, 0, 0))
        self.stages[-1].wanted += len(rows)
        self.stages[-1].asked += len(new)
        return len(new)


def distinct(request: Ask) -> str:
    """Return the SQL of a stage's distinct argument tuples."""
    sql = f"SELECT DISTINCT * FROM ({request.sql}) AS stage"  # noqa: S608 - a checked tree
    if request.sample:
        return f"SELECT * FROM ({sql}) AS d USING SAMPLE reservoir({request.most} ROWS) REPEATABLE ({_SEED})"  # noqa: S608
    return sql if request.most is None else f"{sql} LIMIT {request.most}"
