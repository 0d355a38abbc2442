"""One question over batches of rows: arguments out of columns, distinct ones asked once, answers back to the rows."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from rowsight.calls.answers import Checker
from rowsight.calls.gateway import Delivery, Gateway
from rowsight.calls.request import Answer, Failure, Request, RequestTemplate, Sampling, Usage
from rowsight.core.identity import digest
from rowsight.engines.arrow import answer_array, as_text, python_values, reader_of
from rowsight.engines.base import text_name
from rowsight.execution.ordered import Piece
from rowsight.execution.report import AskReport
from rowsight.execution.truncation import versions
from rowsight.operators import Conjunction, Question
from rowsight.plan.nodes import Ask

Arguments = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """What a row was told: its answer (``None`` without one), its status, and why there is no answer."""

    value: Any
    status: str
    key: bytes | None = None
    reason: str | None = None
    detail: str | None = None
    from_ledger: bool = False
    oracle: str | None = None
    """The model and the fingerprint that the server named with the answer."""
    usage: Usage | None = None
    """Tokens that the answer took."""
    logprob: float | None = None


NULL = Told(None, "null")


class Inquiry:
    """One question to one model: makes requests of arguments, sends them down the road, reads the answers."""

    def __init__(
        self,
        question: Question,
        gateway: Gateway,
        *,
        max_tokens: int | None = None,
        truncate: bool = False,
        logprobs: bool = False,
    ) -> None:
        self.question = question
        self.gateway, self._truncate = gateway, truncate
        sampling = Sampling(max_tokens=max_tokens or question.max_tokens, logprobs=logprobs)
        self.requests = RequestTemplate(gateway.model, question.system, question.answer.schema, sampling)
        self.check = Checker(question.answer.schema, reader_of(question.answer))

    def request(self, arguments: Arguments) -> Request | None:
        """Return the request about a row with these arguments, ``None`` where it isn't to be asked."""
        if None in arguments or not any(arguments):
            return None
        return self.requests.request(self.question.template.fence(arguments))  # type: ignore[arg-type]  # no None here

    async def ask(self, distinct: Sequence[Arguments], *, alone: bool = False) -> list[Told]:  # noqa: ARG002 - always is
        """Return what each of the distinct arguments is told, in order; ``alone``: each in a request of its own."""
        if self._truncate:
            return await self._ask_cut(distinct)
        return await self._ask([self.request(a) for a in distinct])

    async def ask_again(self, distinct: Sequence[Arguments]) -> list[Told]:
        """Ask anew, whatever the ledger holds, and keep the second answers apart: they measure, they never serve."""
        requests = [self.request(a) for a in distinct]
        return await self._ask([None if r is None else replace(r, key=_second(r.key)) for r in requests])

    async def _ask(self, requests: Sequence[Request | None]) -> list[Told]:
        deliveries = iter(await self.gateway.ask_many([r for r in requests if r is not None], self.check))
        return [NULL if r is None else self.told(r, next(deliveries)) for r in requests]

    async def _ask_cut(self, distinct: Sequence[Arguments]) -> list[Told]:
        """Ask, and ask rows that are too long again with their longest value cut in half until they fit."""
        rows = [[self.request(v) for v in versions(a)] for a in distinct]
        known = await self.gateway.recorded([r.key for row in rows for r in row if r is not None])
        # A version that was answered before is where the row begins: what didn't fit isn't sent again.
        at = [next((i for i, r in enumerate(row) if r is not None and r.key in known), 0) for row in rows]
        told = await self._ask([row[i] for row, i in zip(rows, at, strict=True)])
        while again := [n for n, t in enumerate(told) if t.reason == "too_long" and at[n] + 1 < len(rows[n])]:
            for n in again:
                at[n] += 1
            answers = await self._ask([rows[n][at[n]] for n in again])
            for n, answer in zip(again, answers, strict=True):
                told[n] = answer
        self.gateway.tally.truncated += sum(i > 0 and t.status == "asked" for i, t in zip(at, told, strict=True))
        return told

    @property
    def identity(self) -> str:
        """Names the question and the model, whatever row it is put to."""
        return digest([self.requests.model, self.requests.system, self.requests.schema, self.requests.sampling])

    async def recorded(self, rows: Sequence[Arguments]) -> list[bool]:
        """Return for each argument tuple whether the ledger holds its answer."""
        requests = [self.request(a) for a in rows]
        found = await self.gateway.recorded([r.key for r in requests if r is not None])
        return [r is not None and r.key in found for r in requests]

    def told(self, request: Request, delivery: Delivery) -> Told:
        """Return what a row is told by what came of its request."""
        match delivery.outcome:
            case Answer(text=text, usage=usage, logprob=logprob):
                value = self.question.answer.read(orjson.loads(text))
                oracle = delivery.outcome.model + (f" ({f})" if (f := delivery.outcome.fingerprint) else "")
                from_ledger = delivery.from_ledger
                return Told(value, "asked", request.key, None, None, from_ledger, oracle, usage, logprob)
            case Failure(reason=reason, detail=detail):
                return Told(None, "failed", request.key, reason, detail)
            case None:
                return Told(None, "skipped", request.key)


def _second(key: bytes) -> bytes:
    return hashlib.sha256(b"second asking" + key).digest()


class AllOf:
    """Several yes/no questions as one: each row is asked until a no, a failure or the last yes decides it."""

    def __init__(self, question: Conjunction, parts: list[Inquiry]) -> None:
        self.question, self._parts = question, parts
        columns = question.template.columns
        self._places = [[columns.index(c) for c in part.question.template.columns] for part in parts]

    def request(self, arguments: Arguments) -> Request | None:
        """Return the first question's request about a row, ``None`` where the row isn't to be asked."""
        return self._parts[0].request(self._of(0, arguments))

    async def ask(self, distinct: Sequence[Arguments], *, alone: bool = False) -> list[Told]:
        """Return what each of the distinct arguments is told by all parts together, in order."""
        told: list[Told] = [NULL] * len(distinct)
        open_rows = list(range(len(distinct)))
        for number, part in enumerate(self._parts):
            wanted = {self._of(number, distinct[i]): None for i in open_rows}
            answers = dict(zip(wanted, await part.ask(list(wanted), alone=alone), strict=True))
            for i in open_rows:
                told[i] = answers[self._of(number, distinct[i])]
            open_rows = [i for i in open_rows if told[i].value is True]
        return told

    @property
    def identity(self) -> str:
        """Names the questions and the model."""
        return digest([part.identity for part in self._parts])

    async def ask_again(self, distinct: Sequence[Arguments]) -> list[Told]:
        """Ask all parts anew: yes where every second answer is yes."""
        parts = [await p.ask_again([self._of(i, row) for row in distinct]) for i, p in enumerate(self._parts)]
        return [next((t for t in row if t.value is not True), row[-1]) for row in zip(*parts, strict=True)]

    async def recorded(self, rows: Sequence[Arguments]) -> list[bool]:
        """Return for each argument tuple whether the ledger holds the answers of all parts."""
        found = [await p.recorded([self._of(i, row) for row in rows]) for i, p in enumerate(self._parts)]
        return [all(row) for row in zip(*found, strict=True)]

    def _of(self, part: int, arguments: Arguments) -> Arguments:
        return tuple(arguments[place] for place in self._places[part])


async def ask_each(inquiry: Inquiry | AllOf, rows: Sequence[Arguments], *, alone: bool = False) -> list[Told]:
    """Return what each row is told, in order; rows with equal arguments are asked about once."""
    places: dict[Arguments, int] = {}
    order = [places.setdefault(a, len(places)) for a in rows]
    told = await inquiry.ask(list(places), alone=alone)
    return [told[place] for place in order]


class AskStep:
    """An ``Ask`` node at work: pieces in, pieces with answers (or only the rows kept) out."""

    def __init__(self, ask: Ask, inquiry: Inquiry, report: AskReport, trace: Trace, unjudged: Unjudged) -> None:
        self._ask, self._inquiry, self._report = ask, inquiry, report
        self._trace, self._unjudged = trace, unjudged

    async def __call__(self, piece: Piece) -> Piece:
        """Answer the question for every row of ``piece``."""
        arguments = arguments_of(piece.rows, self._inquiry.question.template.columns)
        rows = await ask_each(self._inquiry, arguments)
        record(self._report, rows)
        self._trace.write(piece.positions, self._ask.into, rows)
        self._unjudged.write(piece.rows, self._ask, rows)
        return answered(self._ask, piece, [t.value for t in rows], [t.status for t in rows], self._report)


def record(report: AskReport, rows: list[Told]) -> None:
    """Count rows into the report."""
    report.count([t.status for t in rows])
    report.from_ledger += sum(t.from_ledger for t in rows)
    report.failures.update(Counter(t.reason for t in rows if t.reason is not None))


def answered(ask: Ask, piece: Piece, values: list[Any], statuses: list[str], report: AskReport) -> Piece:
    """Return ``piece`` with its answers as columns, or only the rows answered yes where the node drops the others."""
    if ask.question.operator == "filter":
        report.kept = (report.kept or 0) + sum(v is True for v in values)
    if ask.show:
        into, status = ask.added
        rows = piece.rows.append_column(into, answer_array(values, ask.question.answer))
        piece = Piece(piece.positions, rows.append_column(status, pa.array(statuses, pa.string())))
    return piece.keep(pa.array([v is True for v in values], pa.bool_())) if ask.drop else piece


def arguments_of(rows: pa.RecordBatch, columns: tuple[str, ...]) -> list[Arguments]:
    """Return the argument tuple of each row: the texts of ``columns``."""
    texts = [_texts(rows, column) for column in columns]
    return list(zip(*texts, strict=True))


def _texts(rows: pa.RecordBatch, column: str) -> list[str | None]:
    if text_name(column) in rows.schema.names:
        column = text_name(column)
    values = python_values(rows.column(column))
    return values if pa.types.is_string(rows.schema.field(column).type) else [as_text(v) for v in values]


class Unjudged:
    """The rows that one question left without an answer, in full, on disk: a filter would drop them unseen."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer: Any = None
        self._sink: Any = None

    def write(self, rows: pa.RecordBatch, ask: Ask, told: list[Told]) -> None:
        """Keep the rows whose status is failed or skipped, with their status and reason."""
        mask = [t.status in ("failed", "skipped") for t in told]
        if not any(mask):
            return
        reasons = pa.array([t.reason for t in told], pa.string())
        kept = rows.select([c for c in ask.input.columns if c in rows.schema.names])
        kept = kept.append_column(f"{ask.into}_status", pa.array([t.status for t in told], pa.string()))
        kept = kept.append_column(f"{ask.into}_reason", reasons).filter(pa.array(mask))
        if self._writer is None:
            self._sink = pa.OSFile(str(self.path), "wb")
            self._writer = pa.ipc.new_stream(self._sink, kept.schema)
        self._writer.write_batch(kept)

    def close(self) -> None:
        """Finish the file, where there is one."""
        if self._writer is not None:
            self._writer.close()
            self._sink.close()

    def read(self) -> pa.Table | None:
        """Return the rows kept, ``None`` where every row was judged."""
        if self._writer is None:
            return None
        with pa.OSFile(str(self.path), "rb") as source:
            return pa.ipc.open_stream(source).read_all()


class Trace:
    """Which row was asked what: position, question's column, request key, status, reason, on disk."""

    SCHEMA = pa.schema(
        [
            ("row", pa.int64()),
            ("column", pa.dictionary(pa.int16(), pa.string())),
            ("key", pa.binary(32)),
            ("status", pa.dictionary(pa.int16(), pa.string())),
            ("reason", pa.string()),
            ("detail", pa.string()),
        ]
    )

    def __init__(self, path: Path) -> None:
        self.path = path
        self._sink = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_stream(self._sink, self.SCHEMA)

    def write(self, positions: pa.Array, into: str, rows: list[Told]) -> None:
        """Append the trace of some rows."""
        columns = [
            positions,
            pc.dictionary_encode(pa.array([into] * len(rows), pa.string())).cast(self.SCHEMA.field("column").type),
            pa.array([t.key for t in rows], pa.binary(32)),
            pc.dictionary_encode(pa.array([t.status for t in rows], pa.string())).cast(
                self.SCHEMA.field("status").type
            ),
            pa.array([t.reason for t in rows], pa.string()),
            pa.array([t.detail for t in rows], pa.string()),
        ]
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self.SCHEMA))

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()
        self._sink.close()

    def read(self, keep: Callable[[pa.Table], pa.Table]) -> pa.Table:
        """Return the rows of the trace that ``keep`` leaves, read piece by piece."""
        with pa.OSFile(str(self.path), "rb") as source:
            pieces = [keep(pa.Table.from_batches([b])) for b in pa.ipc.open_stream(source)]
        schema = pa.schema([(f.name, pa.string() if pa.types.is_dictionary(f.type) else f.type) for f in self.SCHEMA])
        return pa.concat_tables([p.cast(schema) for p in pieces]) if pieces else schema.empty_table()
