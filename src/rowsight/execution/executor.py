"""Run a plan: relational parts in the engine, asks over streams of batches, stages where the order or the whole is needed.

A stage is a chain of asks and predicates above one source: batches pass through it independently, many at once, and come
out in order. A limit above a question and a guarantee end a stage: the first wants rows in order, the second all rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from rowsight.calls.gateway import Gateway
from rowsight.core.events import Listener, Progress, ignore
from rowsight.engines.base import Relations, text_name
from rowsight.execution.asking import AllOf, AskStep, Inquiry, Trace, Unjudged
from rowsight.execution.options import RunOptions
from rowsight.execution.ordered import OrderedMap, Piece
from rowsight.execution.report import AskReport, Report
from rowsight.execution.shared import inquiry_for
from rowsight.operators import Conjunction, Question
from rowsight.plan.nodes import Ask, Figure, Limit, Node, Project, Themes, Where, walk

BATCH_ROWS = 1024
Step = Callable[[Piece], Awaitable[Piece]]


@dataclass(frozen=True)
class AskWork:
    """Where a question of the plan keeps what came of it."""

    report: AskReport
    unjudged: Unjudged


@dataclass
class Work:
    """What a run works with."""

    relations: Relations
    gateway: Gateway
    options: RunOptions
    report: Report
    trace: Trace
    directory: Path
    listener: Listener = ignore
    state: Path | None = None
    asks: dict[int, AskWork] = field(default_factory=dict)
    middle: Gateway | None = None
    """The road to the model between proxy and oracle, where the run has one."""

    def inquiry(self, question: Question) -> Inquiry:
        """Return a question on the road of this run."""
        return inquiry_for(question, self.gateway, self.options)

    def alone(self, question: Question) -> Inquiry:
        """Return a question whose rows never share a request: each answer is about its row and nothing beside it."""
        options = self.options
        return Inquiry(question, self.gateway, max_tokens=options.max_tokens, truncate=options.truncate)

    def decider(self, question: Question | Conjunction) -> Inquiry | AllOf:
        """Return what decides a certified question, be it made of several."""
        if isinstance(question, Conjunction):
            return AllOf(question, [self.inquiry(part) for part in question.parts])
        return self.inquiry(question)

    def middle_decider(self, question: Question | Conjunction) -> Inquiry | AllOf:
        """Return the same question, put to the model between proxy and oracle."""
        assert self.middle is not None
        options = self.options
        parts = question.parts if isinstance(question, Conjunction) else (question,)
        inquiries = [inquiry_for(part, self.middle, options, logprobs=True) for part in parts]
        return AllOf(question, inquiries) if isinstance(question, Conjunction) else inquiries[0]

    def begin(self, plan: Node) -> None:
        """Open a report for each question of the plan, in the order of the plan."""
        for node in walk(plan):
            if isinstance(node, Ask):
                report = AskReport(node.question.operator, node.question.template.source, node.into)
                report.kept = 0 if report.operator == "filter" and not isinstance(node, Figure) else None
                if (wanted := node.guarantee) is not None:
                    report.demanded = {m: getattr(wanted, m) for m in wanted.metrics if m not in wanted.best}
                path = self.directory / f"unjudged-{len(self.asks)}.arrow"
                self.asks[id(node)] = AskWork(report, Unjudged(path))
                self.report.asks.append(report)

    def named(self) -> dict[str, AskWork]:
        """Return the questions by their column; a repeated name is numbered."""
        names: dict[str, AskWork] = {}
        for ask in self.asks.values():
            name, number = ask.report.into, 2
            while name in names:
                name, number = f"{ask.report.into}_{number}", number + 1
            names[name] = ask
        return names

    def progress(self, rows: int | None, seconds: float) -> Progress:
        """Return how far the run is."""
        tally, total = self.gateway.tally, self.gateway.total
        counted = self.report.asks[0].rows if self.report.asks else 0
        first = (
            counted if rows is None else max(counted, min(tally.finished, rows))
        )  # batches count when they are whole
        known = self.report.total("from_ledger"), self.report.total("failed")
        in_flight = self.gateway.in_flight + (0 if self.middle is None else self.middle.in_flight)
        return Progress(first, rows, in_flight, total.calls, *known, total.cost, seconds)


async def pieces(node: Node, work: Work) -> AsyncGenerator[Piece, None]:
    """Yield the rows of ``node`` in order."""
    steps, source = _stage(node)
    stream = _source(source, node, work)
    if not steps:
        async with aclosing(stream):
            async for piece in stream:
                yield piece
        return
    made = [_step(step, work) for step in steps]

    async def through(piece: Piece) -> Piece:
        for step in made:
            piece = await step(piece)
        return piece

    ordered = OrderedMap(through, work.gateway.room, work.directory).over(stream)
    async with aclosing(stream), aclosing(ordered):
        async for piece in ordered:
            yield piece


def has_ask(node: Node) -> bool:
    """Say whether a question stands in the plan ``node``."""
    return any(isinstance(n, Ask) for n in walk(node))


def _stage(node: Node) -> tuple[list[Ask | Where | Project], Node]:
    """Return the steps that batches can take independently, lowest first, and the node that feeds them."""
    steps: list[Ask | Where | Project] = []
    while has_ask(node) and (isinstance(node, (Where, Project)) or (isinstance(node, Ask) and node.guarantee is None)):
        steps.append(node)
        node = node.input
    return steps[::-1], node


async def _source(node: Node, top: Node, work: Work) -> AsyncGenerator[Piece, None]:
    if isinstance(node, Limit) and has_ask(node):
        stream = _limited(node, work)
    elif isinstance(node, Themes):
        from rowsight.execution.themes.driver import themed  # noqa: PLC0415 - scipy and scikit-learn load on use

        stream = themed(node, pieces(node.input, work), work)
    elif isinstance(node, Figure):
        from rowsight.execution.figures import figures  # noqa: PLC0415 - scipy and scikit-learn load on use

        stream = figures(node, pieces(node.input, work), work)
    elif isinstance(node, Ask) and node.follow is not None:
        from rowsight.execution.living import followed  # noqa: PLC0415 - scipy and scikit-learn load on use

        stream = followed(node, pieces(node.input, work), work)
    elif isinstance(node, Ask):
        from rowsight.execution.certified import certified  # noqa: PLC0415 - scipy and scikit-learn load on use

        stream = certified(node, pieces(node.input, work), work)
    else:
        stream = _read(node, _texts_needed(top, node), work)
    async with aclosing(stream):
        async for piece in stream:
            yield piece


def _texts_needed(top: Node, source: Node) -> tuple[str, ...]:
    asked = [c for n in walk(top) if isinstance(n, Ask) for c in n.question.template.columns]
    return tuple(c for c in dict.fromkeys(asked) if c in source.columns)


async def _read(node: Node, texts: tuple[str, ...], work: Work) -> AsyncGenerator[Piece, None]:
    """Stream a relational node out of the engine, read in a thread of its own."""
    batches = await asyncio.to_thread(work.relations.stream, node, texts, BATCH_ROWS)
    position = 0
    while (batch := await asyncio.to_thread(_next, batches)) is not None:
        if batch.num_rows:
            yield Piece(pa.array(range(position, position + batch.num_rows), pa.int64()), batch)
            position += batch.num_rows


def _next(batches: Iterator[pa.RecordBatch]) -> pa.RecordBatch | None:
    return next(batches, None)


async def _limited(node: Limit, work: Work) -> AsyncGenerator[Piece, None]:
    """Yield the first rows and stop asking once they are there."""
    left = node.count
    below = pieces(node.input, work)
    async with aclosing(below):
        async for piece in below:
            if left <= 0:
                return
            taken = Piece(piece.positions.slice(0, left), piece.rows.slice(0, left))
            left -= taken.rows.num_rows
            yield taken
            if left <= 0:
                return


def _step(node: Ask | Where | Project, work: Work) -> Step:
    match node:
        case Ask():
            made = work.asks[id(node)]
            return AskStep(node, work.inquiry(node.question), made.report, work.trace, made.unjudged)
        case Where(predicate=predicate):
            return lambda piece: _where(piece, predicate, work)
        case Project(columns=columns):
            return lambda piece: _project(piece, columns)


async def _where(piece: Piece, predicate: str, work: Work) -> Piece:
    marked = piece.rows.append_column(_POSITION, piece.positions)
    kept = await asyncio.to_thread(work.relations.rowwise, marked, predicate)
    return Piece(kept.column(_POSITION), kept.drop_columns([_POSITION]))


async def _project(piece: Piece, columns: tuple[str, ...]) -> Piece:
    texts = [t for t in map(text_name, columns) if t in piece.rows.schema.names]
    return Piece(piece.positions, piece.rows.select([*columns, *texts]))


_POSITION = "__position"
