"""An ask with a guarantee: all rows come first, a cascade decides which are asked, the proxy answers the others.

The cascade is a generator without I/O (``execution.cascade``); here its requests meet the model, the ledger and the disk.
"""

from __future__ import annotations

import hashlib
import zlib
from base64 import b64decode, b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import csr_matrix, hstack

from rowsight.core.events import CascadeNote, Warned
from rowsight.core.identity import digest
from rowsight.engines.arrow import as_text, python_values
from rowsight.engines.base import text_name
from rowsight.execution.anytime import Affordable, Curve
from rowsight.execution.asking import NULL, Arguments, Told, answered, arguments_of, ask_each, record
from rowsight.execution.cascade import cascade_for
from rowsight.execution.cascade.dear import dear
from rowsight.execution.cascade.protocol import (
    SKIPPED,
    UNANSWERED,
    Afford,
    Ask,
    AskMiddle,
    Decision,
    Freeze,
    Note,
    Prices,
)
from rowsight.execution.codes import codes_of
from rowsight.execution.driving import driven
from rowsight.execution.middle import MiddleModel
from rowsight.execution.ordered import Piece
from rowsight.guarantees.certificate import Certificate, array_digest, seal
from rowsight.plan import nodes
from rowsight.plan.schema import Number
from rowsight.proxies.features import SEPARATOR, Featurizer, dense_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rowsight.engines.base import Spool
    from rowsight.execution.cascade.earlier import Earlier
    from rowsight.execution.cascade.protocol import Request
    from rowsight.execution.executor import Work
    from rowsight.execution.options import RunOptions
    from rowsight.plan.guarantee import Guarantee
    from rowsight.proxies.features import Matrix

_SLICE = 4096
"""Rows asked for at once: enough to keep every call slot busy, few enough to hold."""
_READ = 16 * _SLICE
"""Rows read from disk at once: rows to ask stand scattered, and each read goes through all of the table."""
_CHUNK = 16_384
"""Rows scored at once."""
_SEEN = 64
"""Rows by whose vectors a proxy's features are told from others."""
FITTED_ON = 20_000
"""Texts from which the words' weights are learnt."""
POSITION = "__position"
"""The column of a spool that holds the rows' positions in the input."""
_SKIPPED = Told(None, "skipped")


async def certified(ask: nodes.Ask, source: AsyncIterator[Piece], work: Work) -> AsyncGenerator[Piece, None]:
    """Yield the rows of ``source`` in order, answered under the guarantee of ``ask``."""
    spool = await spooled(source, work)
    if spool is not None:
        async with aclosing(certified_rows(ask, spool, work)) as rows:
            async for piece in rows:
                yield piece


async def certified_rows(ask: nodes.Ask, spool: Spool, work: Work) -> AsyncGenerator[Piece, None]:
    """Yield the rows of a spool with positions (``spooled``) in order, answered under the guarantee of ``ask``."""
    population = Population.of(spool, ask)
    driver = Driver(ask, work, population)
    decision = await driver.decide()
    certificate = await driver.certificate(decision)
    for piece in driver.told(decision, certificate):
        yield piece


async def spooled(source: AsyncIterator[Piece], work: Work) -> Spool | None:
    """Write rows to disk as they come, their positions in the column ``POSITION``; ``None`` where there are none."""
    spool: Spool | None = None
    async for piece in source:
        batch = piece.rows.append_column(POSITION, piece.positions)
        spool = spool or work.relations.open_spool(batch.schema)
        spool.append(batch)
    if spool is not None:
        spool.finish()
    return spool


class TableDigest:
    """SHA-256 over all argument texts of a table in order, however the rows are batched; NULL is not the empty text."""

    def __init__(self) -> None:
        self._texts, self._lengths = hashlib.sha256(), hashlib.sha256()

    def update(self, columns: list[pa.Array]) -> None:
        """Read further rows: one array of strings a column."""
        texts = pc.binary_join_element_wise(*columns, "", null_handling="replace", null_replacement="")
        if len(texts):
            bounds = np.frombuffer(texts.buffers()[1], np.int32)[[texts.offset, texts.offset + len(texts)]]
            self._texts.update(memoryview(texts.buffers()[2])[slice(*bounds.tolist())])
        self._lengths.update(_sizes(columns).tobytes())

    def digest(self) -> bytes:
        """Return the digest of what was read."""
        return hashlib.sha256(self._texts.digest() + self._lengths.digest()).digest()


@dataclass
class Population:
    """The rows under a guarantee: those that have something to be asked about.

    ``places`` maps their numbers 0..count-1 to positions in the spool; ``table_digest`` names all argument texts in order.
    """

    spool: Spool
    columns: tuple[str, ...]
    places: NDArray[np.integer[Any]]
    groups: NDArray[np.int64] | None
    table_digest: bytes
    group_names: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, spool: Spool, ask: nodes.Ask) -> Population:
        """Read the argument texts once: which rows are askable, in which group, and the digest of all."""
        columns = ask.question.template.columns
        by = ask.guarantee.by if ask.guarantee else None
        read = TableDigest()
        kind = np.int32 if spool.count <= np.iinfo(np.int32).max else np.int64
        places: list[NDArray[np.integer[Any]]] = [np.empty(0, kind)]
        groups: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
        codes: dict[str, int] = {}
        start = 0
        for batch in spool.batches(_columns_read(spool, columns, by)):
            texts = text_arrays(batch, columns)
            askable = np.flatnonzero(_askable(texts))
            places.append((askable + start).astype(kind))
            start += batch.num_rows
            read.update(texts)
            if by is not None:
                every = [codes.setdefault(str(v), len(codes)) for v in python_values(batch.column(by))]
                groups.append(np.array(every, np.int64)[askable])
        grouped = np.concatenate(groups) if by is not None else None
        return cls(spool, columns, np.concatenate(places), grouped, read.digest(), list(codes))

    @property
    def count(self) -> int:
        """Rows in the population."""
        return len(self.places)

    def arguments(self, rows: NDArray[np.integer[Any]]) -> list[Arguments]:
        """Return the argument tuples of rows of the population."""
        table = self.spool.take(self.places[rows], _columns_read(self.spool, self.columns)).combine_chunks()
        return [a for batch in table.to_batches() for a in arguments_of(batch, self.columns)]

    def batches(self, extra: str | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the columns that the question reads, and ``extra``, of the population's rows in order."""
        start = done = 0
        for batch in self.spool.batches(_columns_read(self.spool, self.columns, extra)):
            stop = done + int(np.searchsorted(self.places[done : done + batch.num_rows], start + batch.num_rows))
            inside = self.places[done:stop] - start
            start, done = start + batch.num_rows, stop
            yield batch if len(inside) == batch.num_rows else batch.take(pa.array(inside))


class TableRows:
    """The cascade's view of the population: features on demand, never all at once.

    They are the weight-free words and characters, or (``features=``) a column of vectors or what a function makes of
    the texts, each beside the words.
    """

    def __init__(self, population: Population, options: RunOptions, words: Featurizer | None = None) -> None:
        self._population, self._given = population, options.features
        self.words = words or self._fitted(options)

    def _fitted(self, options: RunOptions) -> Featurizer:
        """Learn the words' weights from a sample."""
        population = self._population
        rng = np.random.default_rng([options.seed, 1])
        size = min(population.count, FITTED_ON)
        sample = np.sort(rng.choice(population.count, size, replace=False))
        return Featurizer.fit(_joined(population.arguments(sample)))

    @property
    def count(self) -> int:
        """Rows in the population."""
        return self._population.count

    def features(self, rows: NDArray[np.int64]) -> Matrix:
        """Features of the given rows, in the given order."""
        population, name = self._population, self._named
        read = _columns_read(population.spool, population.columns, name)
        return self._of(population.spool.take(population.places[rows], read).combine_chunks().to_batches())

    def chunks(self) -> Iterator[tuple[int, Matrix]]:
        """Features of all rows in order, in pieces that fit in memory."""
        start, held = 0, 0
        waiting: list[pa.RecordBatch] = []
        for batch in self._population.batches(self._named):
            waiting.append(batch)
            held += batch.num_rows
            if held >= _CHUNK:
                yield start, self._of(waiting)
                start, held, waiting = start + held, 0, []
        if held:
            yield start, self._of(waiting)

    @property
    def _named(self) -> str | None:
        """The column of vectors, where there is one."""
        return self._given if isinstance(self._given, str) else None

    def _of(self, batches: list[pa.RecordBatch]) -> Matrix:
        texts = _joined([a for batch in batches for a in arguments_of(batch, self._population.columns)])
        words = self.words.transform(texts)
        if self._given is None:
            return words
        return csr_matrix(hstack([words, csr_matrix(_vectors(self._given, batches, texts))], format="csr"))


def _vectors(given: str | Callable[[list[str]], Any], batches: list[pa.RecordBatch], texts: list[str]) -> NDArray[Any]:
    """Return the user's vectors of some rows: a column of ``batches``, or what a function makes of their texts."""
    if isinstance(given, str):
        return dense_rows([v for batch in batches for v in batch.column(given).to_pylist()], len(texts))
    return dense_rows(given(texts), len(texts))


def _joined(arguments: list[Arguments]) -> list[str]:
    if arguments and len(arguments[0]) == 1:
        return [a[0] or "" for a in arguments]
    return [SEPARATOR.join(t or "" for t in a) for a in arguments]


def text_arrays(rows: pa.RecordBatch, columns: tuple[str, ...]) -> list[pa.Array]:
    """Return the texts of ``columns`` as arrays of strings: what questions about these rows are made of."""
    names = [text_name(c) if text_name(c) in rows.schema.names else c for c in columns]
    found = [rows.column(name) for name in names]
    return [t if pa.types.is_string(t.type) else pa.array(map(as_text, python_values(t)), pa.string()) for t in found]


def _sizes(texts: list[pa.Array]) -> NDArray[np.int64]:
    """Bytes of each row's texts, one column each; -1 stands for NULL."""
    lengths = [pc.fill_null(pc.binary_length(t), -1).to_numpy(zero_copy_only=False) for t in texts]
    return np.column_stack(lengths).astype(np.int64)


def _askable(texts: list[pa.Array]) -> NDArray[np.bool_]:
    sizes = _sizes(texts)
    return np.asarray((sizes >= 0).all(axis=1) & (sizes > 0).any(axis=1))


def _columns_read(spool: Spool, columns: tuple[str, ...], extra: str | None = None) -> tuple[str, ...]:
    """Name the columns of a spool that a question reads, and ``extra``."""
    names = [text_name(c) if text_name(c) in spool.schema.names else c for c in columns]
    return tuple(dict.fromkeys(names if extra is None else [*names, extra]))


DRAWN = ("certify", "estimate")
"""Purposes of rows whose draw proves something: each is asked in a request of its own."""


class Driver:
    """Answers a cascade's requests."""

    kind = b""
    """Tells attempts at one kind of proof from attempts at another over the same table."""

    earlier: Earlier | None = None
    """What the versions before this one leave to it, where the table is followed."""

    def __init__(self, ask: nodes.Ask, work: Work, population: Population, guarantee: Guarantee | None = None) -> None:
        self.ask, self.work, self.population = ask, work, population
        self.guarantee = guarantee or ask.guarantee
        self.inquiry = work.decider(ask.question)
        self.failed: dict[int, Told] = {}
        self.shares = work.options.rows_per_call > 1
        self.keys: dict[int, bytes] = {}
        """Under which key a row was answered, where rows may share requests."""
        self.from_ledger = np.zeros(population.count, dtype=bool)
        self.oracles: dict[str, None] = {}
        self.repeated = False
        self.warned = False
        answer = ask.question.answer
        self.number = isinstance(answer, Number)
        self.codes = codes_of(answer)
        self.middle = self._middle()
        self.curve = Curve(work.gateway, work.listener, work.options.stop_when)
        self.affordable = Affordable(
            work.gateway, self.subject, f"afford:{self.subject.hex()}:{self._demand}", population.count
        )
        self._proxied: dict[int, Told] = {}

    def _middle(self) -> MiddleModel | None:
        """Return the model between proxy and oracle, where the run has one."""
        work, question = self.work, self.ask.question
        if work.middle is None:
            return None
        code: Callable[[Any], float] = float if self.number else self.codes.code
        return MiddleModel(work.middle_decider(question), work.middle, work.options, code)

    async def decide(self) -> Decision:
        """Run the cascade to its end."""
        if self.population.count == 0:
            return self._nothing()
        attempt = await self._attempt()
        assert self.guarantee is not None
        cascade = cascade_for(
            self._rows(),
            self.guarantee,
            classes=None if self.number else self.codes.classes,
            seed=self.work.options.seed,
            known=await self._answers(unpacked(attempt["known"], self.population.count)),
            groups=self.population.groups,
            attempt=attempt["number"],
            middle=self.middle is not None,
            earlier=self.earlier,
        )
        return await driven(cascade, self._reply)

    def _rows(self) -> TableRows:
        """Return the population as the cascade sees it."""
        return TableRows(self.population, self.work.options)

    async def _reply(self, request: Request) -> NDArray[Any] | None:
        match request:
            case Ask(rows=rows, purpose=purpose):
                return await self._asked(rows, alone=purpose in DRAWN)
            case AskMiddle(rows=rows):
                return await self._said(rows)
            case Prices():
                assert self.middle is not None
                name = f"prices:{self.subject.hex()}:{self._demand}"
                return np.array(await self.middle.price(self.subject, name))
            case Afford():
                example = self.inquiry.request(self.population.arguments(np.zeros(1, np.int64))[0])
                assert example is not None  # rows of the population can be asked
                return np.array([await self.affordable.rows(example)], np.int64)
            case Freeze(record=frozen):
                await self.affordable.freeze()
                await self.work.gateway.keep(f"frozen:{self.subject.hex()}", frozen)
            case Note(kind="promise", values=values):
                self.curve.add(values)
            case Note(kind=kind, values=values):
                self.work.listener(CascadeNote(kind, values))
                self._warn(kind, values)
        return None

    def _warn(self, kind: str, values: dict[str, Any]) -> None:
        """Say once, as soon as a plan knows it, that nearly every row must be asked."""
        if self.middle is not None or (self.guarantee is not None and self.guarantee.best):
            return  # a plan may change by what the middle model knows, and by what the money is enough for
        if kind == "plan" and not self.warned and (words := dear(values, self.population.count)):
            self.warned = True
            words = f"{self.ask.question.operator} {self.ask.question.template.source!r}: {words}"
            self.work.report.notes.append(words)
            self.work.listener(Warned(words))

    async def _asked(self, rows: NDArray[np.integer[Any]], *, alone: bool = False) -> NDArray[Any]:
        replies = np.empty(len(rows), np.float64 if self.number else np.int64)
        for piece, arguments in self._slices(rows):
            replies[piece] = await self._slice(rows[piece], arguments, alone=alone)
        return replies

    async def _said(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """Ask the middle model about rows."""
        assert self.middle is not None
        replies = np.empty((len(rows), 2))
        for piece, arguments in self._slices(rows):
            replies[piece] = await self.middle.said(rows[piece].tolist(), arguments)
        return replies

    def _slices(self, rows: NDArray[np.integer[Any]]) -> Iterator[tuple[slice, list[Arguments]]]:
        """Yield the rows in slices that are asked for at once: where each stands, and its rows' arguments."""
        for start in range(0, len(rows), _READ):
            arguments = self.population.arguments(rows[start : start + _READ])
            for first in range(0, len(arguments), _SLICE):
                piece = slice(start + first, start + min(first + _SLICE, len(arguments)))
                yield piece, arguments[first : first + _SLICE]

    async def _slice(self, rows: NDArray[np.integer[Any]], arguments: list[Arguments], *, alone: bool) -> NDArray[Any]:
        told = await ask_each(self.inquiry, arguments, alone=alone)
        if self.middle is not None:
            self.middle.count(told)
        for row, one in zip(rows.tolist(), told, strict=True):
            self.from_ledger[row] |= one.from_ledger
            if self.shares and one.key is not None:
                self.keys[row] = one.key
            if one.status == "failed":
                self.failed[row] = one
        self.oracles.update(dict.fromkeys(t.oracle for t in told if t.oracle is not None))
        return np.array([self._coded(t) for t in told], np.float64 if self.number else np.int64)

    def _coded(self, told: Told) -> float | int:
        if told.status == "asked":
            return float(told.value) if self.number else self.codes.code(told.value)
        if self.number:
            return -np.inf if told.status == "skipped" else np.nan
        return SKIPPED if told.status == "skipped" else UNANSWERED

    @property
    def subject(self) -> bytes:
        """Names the table, the question and the model: attempts at it are counted together."""
        return hashlib.sha256(self.kind + self.population.table_digest + self.inquiry.identity.encode()).digest()

    @property
    def _demand(self) -> str:
        """Names what is demanded: the same demand again goes on with the same attempt."""
        options = self.work.options
        shared = [options.rows_per_call] if self.shares else []
        cascade = [] if self.middle is None else [self.middle.name]
        return digest([self.guarantee, options.seed, *shared, *cascade, *self._seen])

    @cached_property
    def _seen(self) -> list[str]:
        """Names the vectors that the proxy sees: with others it is another proxy, and hence another attempt."""
        given, population = self.work.options.features, self.population
        if given is None or not population.count:
            return []
        read = _columns_read(population.spool, population.columns, given if isinstance(given, str) else None)
        some = population.spool.take(population.places[:_SEEN], read).combine_chunks().to_batches()
        texts = _joined([a for batch in some for a in arguments_of(batch, population.columns)])
        return [array_digest(np.round(_vectors(given, some, texts), 3).ravel())]

    async def _attempt(self) -> dict[str, Any]:
        """Return this attempt's number and which rows were answered when it began, from the ledger where it began before."""
        gateway = self.work.gateway
        name = f"attempt:{self.subject.hex()}:{self._demand}"
        kept = await gateway.kept(self.subject, name)
        self.repeated = kept is not None
        if kept is None:
            number = await gateway.next_attempt(self.subject)
            kept = {"number": number, "known": _packed(await self._known())}
            await gateway.keep(name, kept)
        return kept

    async def _answers(self, known: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[Any]] | None:
        """Return the rows that were answered before and their answers, out of the ledger."""
        rows = np.flatnonzero(known)
        return (rows, await self._asked(rows)) if len(rows) else None

    def _nothing(self) -> Decision:
        empty = np.empty(0, np.float64 if self.number else np.int64)
        return Decision(empty, np.empty(0, dtype=bool), {}, {})

    async def _known(self) -> NDArray[np.bool_]:
        """Return which rows have an answer in the ledger already; large tables are spared the look-up when a sample has none."""
        count = self.population.count
        known = np.zeros(count, dtype=bool)
        probe = np.random.default_rng([self.work.options.seed, 2]).permutation(count)[:2000]
        if not (await self._recorded(np.sort(probe))).any():
            return known
        for start in range(0, count, _SLICE):
            rows = np.arange(start, min(start + _SLICE, count))
            known[rows] = await self._recorded(rows)
        return known

    async def _recorded(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.array(await self.inquiry.recorded(self.population.arguments(rows)), dtype=bool)

    async def certificate(self, decision: Decision) -> Certificate | None:
        """Return the certificate with what it speaks of, kept in the ledger; void where the oracle changed under way.

        The oracle is fixed for a proof: another model or fingerprint among the answers makes it a proof of nothing.
        """
        if not decision.certificate:
            return None
        self.end_curve(decision)
        body = {k: v for k, v in decision.certificate.items() if k not in ("format", "not_covered", "digest")}
        body["oracle"] = list(self.oracles)
        body["self_agreement"] = await self._self_agreement(decision)
        if self.middle is not None:
            body["middle"] = {"model": self.middle.name, "rows": int(_helped(decision).sum())}
        if self.shares:
            body["rows_per_call"] = self.work.options.rows_per_call
        body["table"] = {
            "digest": self.population.table_digest.hex(),
            "columns": list(self.population.columns),
            "question": self.ask.question.template.source,
            "operator": self.ask.question.operator,
            "answers": None if self.number else self.codes.answers(),
            "groups": self.population.group_names,
            "positions": array_digest(self.population.places),
        }
        if len(self.oracles) > 1:
            names = ", ".join(self.oracles)
            body |= {
                "certified": False,
                "statement": {
                    "en": f"Void: the model changed while it was asked ({names}); run again.",
                    "zh": f"作废：提问期间模型发生了变化（{names}）；请重新运行。",
                },
            }
        sealed = self.sealed(body)
        if not self.repeated:
            await self.work.gateway.put_certificate(self.subject, sealed)
        return Certificate(sealed, decision.answers)

    def end_curve(self, decision: Decision) -> None:
        """Let the curve end where the certificate does."""
        if self.curve.points:
            self.curve.end(int(decision.asked.sum()), decision.certificate["reached"])

    def sealed(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the body as a certificate keeps it."""
        return seal(body)

    async def _self_agreement(self, decision: Decision) -> dict[str, int] | None:
        """Ask some answered rows a second time; return how many, and on how many the answer was the same."""
        answered_rows = [row for row in np.flatnonzero(decision.asked).tolist() if row not in self.failed]
        wanted = min(self.work.options.self_agreement, len(answered_rows))
        if not wanted:
            return None
        drawn = np.random.default_rng([self.work.options.seed, 3]).choice(answered_rows, wanted, replace=False)
        arguments = list(dict.fromkeys(self.population.arguments(np.sort(drawn))))
        first, second = await self.inquiry.ask(arguments), await self.inquiry.ask_again(arguments)
        pairs = [(a.value, b.value) for a, b in zip(first, second, strict=True) if b.status == "asked"]
        return {"rows": len(pairs), "agreed": sum(a == b for a, b in pairs)}

    def told(self, decision: Decision, certificate: Certificate | None) -> Iterator[Piece]:
        """Yield all rows in order with what the cascade decided, counted and traced."""
        report = self.work.asks[id(self.ask)]
        report.report.certificate = certificate
        report.report.cascade = decision.summary
        if self.middle is not None and decision.summary:
            decision.summary["middle"]["model"] = self.middle.name
            report.report.helped = int(_helped(decision).sum())
        report.report.curve = self.curve.points
        asked_for = decision.asked.copy()
        asked_for[list(self.failed)] = True
        places = self.population.places
        start = done = 0
        for batch in self.population.spool.batches():
            stop = done + int(np.searchsorted(places[done : done + batch.num_rows], start + batch.num_rows))
            numbers = np.full(batch.num_rows, -1, dtype=np.int64)
            numbers[places[done:stop] - start] = np.arange(done, stop)
            start, done = start + batch.num_rows, stop
            piece = Piece(batch.column(POSITION), batch.drop_columns([POSITION]))
            rows = self._rows_told(piece.rows, numbers, decision, asked_for)
            record(report.report, rows)
            self.work.trace.write(piece.positions, self.ask.into, rows)
            report.unjudged.write(piece.rows, self.ask, rows)
            yield answered(self.ask, piece, [t.value for t in rows], [t.status for t in rows], report.report)

    def _rows_told(
        self, rows: pa.RecordBatch, numbers: NDArray[np.int64], decision: Decision, asked_for: NDArray[np.bool_]
    ) -> list[Told]:
        """Say what each row was told; ``numbers`` are the rows' in the population, -1 for those not in it."""
        told = [NULL] * len(numbers)
        inside = np.flatnonzero(numbers >= 0)
        asked = asked_for[numbers[inside]]
        others = inside[~asked]
        for place, code in zip(others.tolist(), decision.answers[numbers[others]].tolist(), strict=True):
            told[place] = self._not_asked(code)
        helped = others[_helped(decision)[numbers[others]]]
        if asked.any() or len(helped):
            arguments = arguments_of(rows, self.population.columns)
            for place in helped.tolist():
                assert self.middle is not None
                told[place] = replace(told[place], key=self.middle.key(int(numbers[place]), arguments[place]))
            for place in inside[asked].tolist():
                told[place] = self._told(int(numbers[place]), arguments[place], decision)
        return told

    def _not_asked(self, code: float) -> Told:
        """Return the proxy's answer; a row that has none was left out when the budget ran out."""
        if code < 0 if not self.number else code == -np.inf:
            return _SKIPPED
        if self.number:
            return Told(code, "proxied")
        if code not in self._proxied:
            self._proxied[int(code)] = Told(self.codes.value(int(code)), "proxied")
        return self._proxied[int(code)]

    def _told(self, number: int, arguments: Arguments, decision: Decision) -> Told:
        if number in self.failed:
            return self.failed[number]
        code = decision.answers[number]
        if not decision.asked[number] and code == (-np.inf if self.number else SKIPPED):
            return Told(None, "skipped")
        value = float(code) if self.number else self.codes.value(int(code))
        request = self.inquiry.request(arguments)
        key = self.keys.get(number, None if request is None else request.key)
        return Told(value, "asked", key, from_ledger=bool(self.from_ledger[number]))


def _helped(decision: Decision) -> NDArray[np.bool_]:
    """Mark the rows that the proxy answered with the middle model's answer before it."""
    return np.zeros(len(decision.answers), dtype=bool) if decision.helped is None else decision.helped


def _packed(flags: NDArray[np.bool_]) -> str:
    return b64encode(zlib.compress(np.packbits(flags).tobytes())).decode()


def unpacked(text: str, count: int) -> NDArray[np.bool_]:
    """Return the flags that an attempt's record holds, one a row."""
    bits = np.frombuffer(zlib.decompress(b64decode(text)), np.uint8)
    return np.unpackbits(bits, count=count).astype(bool)
