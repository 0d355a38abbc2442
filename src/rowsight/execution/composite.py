"""Guarantees of a query: a whole WHERE as one predicate, or one call. Cascades are driven with SQL over what rows are made of."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa

from rowsight.core.identity import digest
from rowsight.execution.asking import Arguments, Told
from rowsight.execution.cascade import cascade_for
from rowsight.execution.cascade.protocol import SKIPPED, UNANSWERED, Afford, Ask, Decision, Freeze, Note
from rowsight.execution.driving import driven
from rowsight.guarantees.certificate import Certificate, array_digest, seal
from rowsight.operators import operator
from rowsight.plan.guarantee import Guarantee, demanded
from rowsight.plan.schema import Label, Number
from rowsight.plan.sql.calls import Call
from rowsight.plan.sql.place import SqlError
from rowsight.plan.sql.requests import Certify
from rowsight.proxies.features import SEPARATOR, Featurizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rowsight.execution.queries import Answers, QueryRun
    from rowsight.proxies.features import Matrix

_SLICE = 4096
_FITTED_ON = 20_000


class Records(Protocol):
    """Where attempts at a certificate are counted and what they froze is kept."""

    async def keep(self, name: str, value: dict[str, Any]) -> None:
        """Keep a value under a name, durably."""

    async def kept(self, subject: bytes, name: str) -> dict[str, Any] | None:
        """Return the value that an attempt at ``subject`` kept under a name."""

    async def next_attempt(self, subject: bytes) -> int:
        """Count an attempt at a certificate for ``subject`` and return which it is."""

    async def put_certificate(self, subject: bytes, certificate: dict[str, Any]) -> None:
        """Keep the certificate that an attempt ended with."""


@dataclass
class Forgetful:
    """Records that last as long as the query: for oracles without a ledger."""

    values: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def keep(self, name: str, value: dict[str, Any]) -> None:
        """Keep a value."""
        self.values[name] = value

    async def kept(self, subject: bytes, name: str) -> dict[str, Any] | None:
        """Return a value."""
        del subject
        return self.values.get(name)

    async def next_attempt(self, subject: bytes) -> int:
        """Return that this is the first."""
        del subject
        return 1

    async def put_certificate(self, subject: bytes, certificate: dict[str, Any]) -> None:
        """Keep a certificate."""
        self.values[subject.hex()] = certificate


@dataclass
class Texts:
    """The cascade's view of the population: words and characters of what the calls are asked about."""

    texts: list[str]
    seed: int

    def __post_init__(self) -> None:
        rng = np.random.default_rng([self.seed, 1])
        sample = np.sort(rng.choice(self.count, min(self.count, _FITTED_ON), replace=False))
        self._words = Featurizer.fit([self.texts[i] for i in sample.tolist()])

    @property
    def count(self) -> int:
        """Rows in the population."""
        return len(self.texts)

    def features(self, rows: NDArray[np.int64]) -> Matrix:
        """Features of the given rows, in the given order."""
        return self._words.transform([self.texts[i] for i in rows.tolist()])

    def chunks(self) -> Iterator[tuple[int, Matrix]]:
        """Features of all rows in order, in pieces that fit in memory."""
        for start in range(0, self.count, 16_384):
            rows = np.arange(start, min(start + 16_384, self.count))
            yield start, self.features(rows)


class Cascaded(ABC):
    """Drives a cascade over rows of texts: asks for it, keeps what it freezes, seals its certificate."""

    classes: int | None = 2

    def __init__(self, run: QueryRun, guarantee: Guarantee) -> None:
        self.run = run
        self.guarantee = guarantee
        self.rows = self.asked_rows = 0

    @property
    @abstractmethod
    def calls(self) -> list[Call]:
        """The calls that decide a row."""

    @abstractmethod
    async def codes(self, rows: NDArray[np.integer[Any]]) -> NDArray[Any]:
        """Ask about rows; return their answers as the cascade codes them."""

    async def decision(self, texts: list[str], table: str) -> tuple[Decision, Certificate | None]:
        """Run the cascade over rows with these texts to its end; ``table`` is the digest of all that rows are made of."""
        subject = self.subject(table)
        cascade = cascade_for(
            Texts(texts, self.run.seed),
            self.guarantee,
            classes=self.classes,
            seed=self.run.seed,
            known=None,
            groups=None,
            attempt=await self.attempt(subject, self.guarantee),
        )
        decision = await driven(cascade, partial(self.reply, subject))
        self.rows, self.asked_rows = len(texts), int(decision.asked.sum())
        return decision, await self._certificate(decision, table, subject)

    async def reply(self, subject: bytes, request: Ask | Afford | Freeze | Note) -> NDArray[Any] | None:
        """Answer what a cascade or an estimate about ``subject`` asks for."""
        match request:
            case Ask(rows=rows):
                slices = [await self.codes(rows[i : i + _SLICE]) for i in range(0, len(rows), _SLICE)]
                empty = np.empty(0, np.float64 if self.classes is None else np.int64)
                return np.concatenate(slices) if slices else empty
            case Freeze(record=frozen):
                await self.run.records.keep(f"frozen:{subject.hex()}", frozen)
            case Afford() | Note():  # a level is always named in SQL, so nothing asks what the money is enough for
                pass
        return None

    async def attempt(self, subject: bytes, demand: object) -> int:
        """Return the how-manieth attempt at ``subject`` this is; the same demand and seed are the same attempt."""
        records = self.run.records
        name = f"attempt:{subject.hex()}:{digest([demand, self.run.seed])}"
        kept = await records.kept(subject, name)
        if kept is None:
            kept = {"number": await records.next_attempt(subject)}
            await records.keep(name, kept)
        number: int = kept["number"]
        return number

    def subject(self, table: str) -> bytes:
        """Name the rows, the questions and the model: attempts at them are counted together."""
        asked = [[c.operator, c.template, c.parameters, c.model] for c in self.calls]
        return hashlib.sha256(f"{table}{digest([asked, self.run.model])}".encode()).digest()

    async def _certificate(self, decision: Decision, table: str, subject: bytes) -> Certificate | None:
        if not decision.certificate:
            return None
        body = {k: v for k, v in decision.certificate.items() if k not in ("format", "not_covered", "digest")}
        told = (t for a in self.run.answers if a.call in self.calls for t in a.told.values())
        body["oracle"] = sorted({t.oracle for t in told if t.oracle is not None})
        body["table"] = {
            "digest": table,
            "columns": [],
            "question": " / ".join(c.template for c in self.calls),
            "operator": self.calls[0].operator if len(self.calls) == 1 else "where",
            "answers": None if self.classes is None else list(range(self.classes)),
            "groups": [],
            "positions": array_digest(np.arange(self.rows)),
        }
        models = {c.model for c in self.calls}
        if len(body["oracle"]) > len(models):
            names = ", ".join(body["oracle"])
            body |= {"certified": False, "statement": {"en": f"Void: the model changed while it was asked ({names})."}}
        sealed = seal(body)
        await self.run.records.put_certificate(subject, sealed)
        return Certificate(sealed, decision.answers)


class OverRows(Cascaded):
    """A predicate over rows of a query. A row is asked until it is decided: call after call, on the rows that need it."""

    def __init__(self, request: Certify, run: QueryRun, guarantee: Guarantee) -> None:
        super().__init__(run, guarantee)
        self.request = request
        self.numbers: NDArray[np.int64] = np.empty(0, np.int64)

    @property
    def calls(self) -> list[Call]:
        """The calls of the predicate."""
        return [self.run.answers[number].call for number, _ in self.request.asks]

    def population(self) -> tuple[pa.Table, pa.Table]:
        """Keep the rows; return their parts as texts, and what is known of them, both in the order of their numbers."""
        workspace, table = self.run.workspace, self.request.table
        workspace.keep(table, self.request.population)
        texts = ", ".join(f"CAST(p{i} AS VARCHAR) AS p{i}" for i in range(self.request.width))
        parts = workspace.table(f"SELECT {texts} FROM {table} ORDER BY __row")  # noqa: S608 - names of ours
        return parts, workspace.table(f"SELECT * FROM ({self.request.outcome}) AS o ORDER BY __row")  # noqa: S608

    async def outcomes(self, rows: NDArray[np.integer[Any]], why: str) -> list[tuple[Any, str | None]]:
        """Ask about rows until each is decided; return what each came to, and the status of one without an answer."""
        workspace = self.run.workspace
        wanted = self.numbers[rows]
        workspace.register("__wanted", pa.table({"__row": pa.array(np.unique(wanted), pa.int64())}))
        skipped = False
        for number, sql in self.request.asks:
            await self.run.ask(number, sql, why)
            skipped |= any(t.status == "skipped" for t in self.run.answers[number].told.values())
        outcome = workspace.table(
            f"SELECT __row, holds, lost FROM ({self.request.outcome}) AS o SEMI JOIN __wanted USING (__row)"  # noqa: S608
        )
        missing = "skipped" if skipped else "failed"
        found = {
            row: (None, missing) if lost else (holds, None)
            for row, holds, lost in zip(*(c.to_pylist() for c in outcome.columns), strict=True)
        }
        return [found[row] for row in wanted.tolist()]

    def texts(self, parts: pa.Table) -> list[str]:
        """Return what the proxy reads of each row: the arguments, and the other parts as words."""
        wanted = pa.array(self.numbers)
        columns = [parts.column(i).take(wanted).to_pylist() for i in self.request.texts]
        others = [i for i in range(self.request.width) if i not in self.request.texts]
        columns += [[f"part{i}{v}" for v in parts.column(i).take(wanted).to_pylist()] for i in others]
        return [SEPARATOR.join(t or "" for t in row) for row in zip(*columns, strict=True)]


class Composite(OverRows):
    """A WHERE as one predicate under a guarantee."""

    def __init__(self, request: Certify, run: QueryRun) -> None:
        super().__init__(request, run, _demand(dict(request.levels)))

    async def decide(self) -> Certificate | None:
        """Decide every row, let SQL know which stay, and return the certificate (``None`` without rows to decide)."""
        parts, outcome = self.population()
        known = np.array(outcome.column("decided").to_pylist(), dtype=bool)
        holds = np.array(outcome.column("holds").to_pylist(), dtype=bool)
        self.numbers = np.flatnonzero(~known)
        decision, certificate = None, None
        if len(self.numbers):
            decision, certificate = await self.decision(self.texts(parts), texts_digest(parts))
        self._let_sql_know(parts, np.flatnonzero(known & holds), decision)
        return certificate

    async def codes(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Ask about rows of the population until each is decided; return 1 where the predicate holds, else 0."""
        missing = {"skipped": SKIPPED, "failed": UNANSWERED}
        found = await self.outcomes(rows, "WHERE under guarantee")
        return np.array([int(holds) if status is None else missing[status] for holds, status in found], np.int64)

    def _let_sql_know(self, parts: pa.Table, holding: NDArray[np.int64], decision: Decision | None) -> None:
        rows = list(zip(*(c.to_pylist() for c in parts.columns), strict=True))
        kept = {rows[i] for i in holding.tolist()}
        if decision is not None:
            answers, asked = np.asarray(decision.answers), decision.asked
            told = {rows[self.numbers[i]]: answers[i] == 1 for i in np.flatnonzero(asked).tolist()}
            proxied = {rows[self.numbers[i]] for i in np.flatnonzero(~asked & (answers == 1)).tolist()}
            kept |= {row for row, yes in told.items() if yes} | (proxied - set(told))

        def stays(*columns: pa.Array) -> pa.Array:
            return pa.array([row in kept for row in zip(*(c.to_pylist() for c in columns), strict=True)], pa.bool_())

        self.run.workspace.function(self.request.name, stays, self.request.width, pa.bool_())


class OneCall(Cascaded):
    """One call under a guarantee of its own, over the rows that its stage sees. It speaks of these rows only."""

    def __init__(self, number: int, run: QueryRun) -> None:
        self.answers: Answers = run.answers[number]
        declared = operator(self.answers.call.operator)
        demand: dict[str, Any] = dict(self.answers.call.levels)
        guarantee = demanded(**demand, offered=declared.metrics, operator=declared.name)
        assert guarantee is not None
        super().__init__(run, guarantee)
        self._number = number
        kind = self.answers.question.answer
        self.labels: tuple[Any, ...] = kind.labels if isinstance(kind, Label) else (False, True)
        self.classes = None if isinstance(kind, Number) else len(self.labels)
        self.tuples: list[Arguments] = []

    @property
    def calls(self) -> list[Call]:
        """The call."""
        return [self.answers.call]

    async def decide(self, sql: str) -> Certificate | None:
        """Answer the call on the rows of ``sql``, few of them by asking."""
        rows = self.run.workspace.table(f"SELECT * FROM ({sql}) AS rows ORDER BY ALL")  # noqa: S608 - a checked tree
        told = self.answers.told
        every = zip(*(c.to_pylist() for c in rows.columns), strict=True)
        self.tuples = [row for row in every if any(row) and row not in told]
        if not self.tuples:
            return None
        texts = [SEPARATOR.join(t or "" for t in row) for row in self.tuples]
        decision, certificate = await self.decision(texts, texts_digest(rows))
        for place in np.flatnonzero(~decision.asked).tolist():
            code = decision.answers[place]
            if code == (-np.inf if self.classes is None else SKIPPED):
                told.setdefault(self.tuples[place], Told(None, "skipped"))
                continue
            value = float(code) if self.classes is None else self.labels[int(code)]
            told.setdefault(self.tuples[place], Told(value, "proxied"))
        return certificate

    async def codes(self, rows: NDArray[np.integer[Any]]) -> NDArray[Any]:
        """Ask about rows; return the codes of their labels, or their numbers."""
        wanted = [self.tuples[row] for row in rows.tolist()]
        await self.run.tell(self._number, list(dict.fromkeys(wanted)), "under its guarantee")
        codes = [self._code(self.answers.told[row]) for row in wanted]
        return np.array(codes, np.float64 if self.classes is None else np.int64)

    def _code(self, told: Told) -> float | int:
        if told.status == "asked":
            return float(told.value) if self.classes is None else self.labels.index(told.value)
        if self.classes is None:
            return -np.inf if told.status == "skipped" else np.nan
        return SKIPPED if told.status == "skipped" else UNANSWERED


def texts_digest(table: pa.Table) -> str:
    """Digest a table of texts, its rows in order."""
    hashed = hashlib.sha256()
    for column in table.columns:
        for text in column.to_pylist():
            hashed.update(b"\x00" if text is None else f"{len(text)}:{text}".encode("utf-8", "surrogatepass"))
    return hashed.hexdigest()


def _demand(levels: dict[str, Any]) -> Guarantee:
    offered = ("precision", "recall", "accuracy")
    found = demanded(**levels, offered=offered, operator="WITH GUARANTEE")
    if found is None:
        raise SqlError("WITH GUARANTEE names no level; write one such as (precision 0.9, recall 0.9)")
    return found
