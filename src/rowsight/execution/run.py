"""One run from plan to result: opens what it needs, optimizes with samples, streams the rows out, closes everything."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import threading
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from rowsight.calls.gateway import Gateway, open_gateway
from rowsight.calls.ledger.base import RunStatus
from rowsight.core.errors import InputError
from rowsight.core.events import Listener, Warned
from rowsight.core.scratch import Scratch
from rowsight.engines.arrow import arrow_type
from rowsight.engines.base import Engine, Relations
from rowsight.engines.sources import Source, check_not_read
from rowsight.engines.writers import OutputFile
from rowsight.execution.asking import Trace
from rowsight.execution.bought import SAID, bought
from rowsight.execution.executor import Work, has_ask, pieces
from rowsight.execution.middle import check_cascade, reported
from rowsight.execution.options import RunOptions
from rowsight.execution.report import Report
from rowsight.execution.result import ROWS_FILE, Result
from rowsight.execution.sampling import sampled_stats
from rowsight.execution.vectors import check_vectors, with_vectors
from rowsight.guarantees.algebra import Standing, conjoined, shared, standings
from rowsight.optimizer import optimize
from rowsight.plan.following import check_followed
from rowsight.plan.nodes import Ask, Figure, Node, Project, walk

_TICK_SECONDS = 0.25
_UNPROVED = "what was demanded is not proved by what was asked"


class End(Protocol):
    """What comes out at the end of a plan: its rows, or a table made of them all."""

    def schema(self, plan: Node, relations: Relations) -> pa.Schema:
        """Return the schema of what comes out."""

    def batches(self, plan: Node, work: Work) -> AsyncGenerator[pa.RecordBatch, None]:
        """Yield what comes out of the optimized ``plan``."""


class Rows:
    """The rows of a plan, as they are."""

    def schema(self, plan: Node, relations: Relations) -> pa.Schema:
        """Return the schema of the plan."""
        return output_schema(plan, relations)

    async def batches(self, plan: Node, work: Work) -> AsyncGenerator[pa.RecordBatch, None]:
        """Yield the rows in order."""
        stream = pieces(plan, work)
        async with aclosing(stream):
            async for piece in stream:
                yield piece.rows.select(list(plan.columns))


class Run:
    """A run of one plan. ``execute`` does it; what it opened is closed whatever happens."""

    def __init__(
        self,
        engine: Engine,
        sources: Mapping[str, Source],
        options: RunOptions,
        state: Path,
        environment: Mapping[str, str],
        listener: Listener,
        stopping: threading.Event,
    ) -> None:
        self._engine, self._sources, self._options = engine, sources, options
        self._state, self._environment, self._listener = state, environment, listener
        self._stopping = stopping
        self._directory = Scratch()

    async def execute(
        self, plan: Node, out: Path | None, spec: dict[str, Any], resuming: str | None, end: End | None = None
    ) -> Result:
        """Run ``plan``; write the rows to ``out``, too, where given; keep answers under the run's name in the ledger.

        ``end`` makes a table of its own out of the plan's rows.
        """
        named = plan
        plan = plan if end is not None else bought(plan, self._options)
        buys = plan is not named
        _check_budget(plan, self._options)
        check_followed(plan, ledger=self._options.ledger, cascade=bool(self._options.cascade))
        check_cascade(plan, self._options)
        if out is not None:
            check_not_read(out, self._sources.values())
        plan = with_vectors(plan, self._options.features)
        run = resuming or new_run_id()
        fixed = any(isinstance(node, Ask) and node.guarantee is not None for node in walk(plan))
        relations = self._engine.open(self._sources)
        try:
            async with open_gateway(
                self._options, self._state, self._environment, run, spec, resuming=bool(resuming), fixed=fixed
            ) as gateway:
                if buys:
                    self._listener(Warned(SAID.format(self._options.budget)))
                return await self._through(plan, out, run, relations, gateway, end or Rows())
        finally:
            self._stopping.clear()
            relations.close()

    async def _through(
        self, plan: Node, out: Path | None, run: str, relations: Relations, gateway: Gateway, end: End
    ) -> Result:
        started = time.perf_counter()
        for node in walk(plan):
            if isinstance(node, Ask) and node.vectors is not None:
                check_vectors(node.vectors, output_schema(node.input, relations).field(node.vectors).type)
        report = Report(run, self._options.model)
        directory = Path(self._directory.name)
        trace = Trace(directory / "trace.arrow")
        work = Work(relations, gateway, self._options, report, trace, directory, self._listener, self._state)
        if (middle := self._options.middle) is not None:
            work.middle = gateway.open_beside(middle, self._environment)
        plan = optimize(shared(conjoined(plan)), await sampled_stats(optimize(plan), work))
        stand = standings(plan)
        work.begin(plan)
        try:
            async with self._progress(plan, work, started):
                await self._stream(plan, out, work, end)
        finally:
            trace.close()
            for ask in work.asks.values():
                ask.unjudged.close()
            self._tally(work, gateway, started)
        report.notes[:0] = [str(standing) for standing in _proved(stand, plan, work)]
        report.output = None if out is None else str(out)
        await self._closing(work, gateway)
        unjudged = {name: ask.unjudged for name, ask in work.named().items()}
        result = Result(report, self._directory, trace, unjudged, gateway.provenance(), self._state)
        if self._options.on_failure == "raise":
            report.check_answered(result)
        return result

    async def _stream(self, plan: Node, out: Path | None, work: Work, end: End) -> None:
        schema = end.schema(plan, work.relations)
        with contextlib.ExitStack() as files:
            rows = files.enter_context(pa.OSFile(str(work.directory / ROWS_FILE), "wb"))
            kept = files.enter_context(pa.ipc.new_file(rows, schema))
            output = files.enter_context(OutputFile(out, schema)) if out is not None else None
            stream = end.batches(plan, work)
            async with aclosing(stream):
                async for found in stream:
                    batch = found.cast(schema)
                    work.report.output_rows += batch.num_rows
                    kept.write_batch(batch)
                    if output is not None:
                        output.write(batch)

    def _tally(self, work: Work, gateway: Gateway, started: float) -> None:
        report, tally = work.report, gateway.total
        report.calls, report.retries, report.repairs = tally.calls, tally.retries, tally.repairs
        report.prompt_tokens = tally.usage.prompt_tokens
        report.completion_tokens = tally.usage.completion_tokens
        report.cached_tokens = tally.usage.cached_tokens
        report.cost = tally.cost
        report.note_truncated(tally.truncated)
        report.seconds = time.perf_counter() - started
        if work.middle is not None:
            reported(report, gateway, work.middle)
        report.stopped = gateway.stopped
        left_out = report.total("skipped") > 0 or (gateway.spent and not report.proved)
        report.budget_spent = left_out and not gateway.stopped

    async def _closing(self, work: Work, gateway: Gateway) -> None:
        """Record the end. Every answer is kept by now."""
        report = work.report
        if report.total("skipped"):
            report.to_finish = report.to_finish or gateway.to_finish(report.total("skipped"))
        ended: RunStatus = "interrupted" if report.stopped else "budget" if report.budget_spent else "done"
        await gateway.end(ended, report.as_dict())

    @contextlib.asynccontextmanager
    async def _progress(self, plan: Node, work: Work, started: float) -> Any:
        rows = None if not has_ask(plan) else await asyncio.to_thread(_rows_to_ask, plan, work.relations)

        async def tick() -> None:
            while True:
                await asyncio.sleep(_TICK_SECONDS)
                if self._stopping.is_set():
                    work.gateway.stop()
                self._listener(work.progress(rows, time.perf_counter() - started))

        ticking = asyncio.ensure_future(tick())
        try:
            yield
        finally:
            ticking.cancel()


def new_run_id() -> str:
    """Return a name for a run: when it began, and four letters that keep it apart."""
    return time.strftime("%Y%m%d-%H%M%S-", time.gmtime()) + secrets.token_hex(2)


def _check_budget(plan: Node, options: RunOptions) -> None:
    """Refuse a promise without a level that nothing bounds: it would ask every row."""
    bounded = options.budget is not None or options.stop_when is not None
    if not bounded and any(isinstance(n, Ask) and n.guarantee is not None and n.guarantee.best for n in walk(plan)):
        raise InputError(
            "the best promise needs a budget, such as budget='20usd' (--budget 20usd); or give a level, such as 0.9"
        )


def output_schema(plan: Node, relations: Relations) -> pa.Schema:
    """Return the Arrow schema of what a plan yields."""
    if not has_ask(plan):
        return relations.schema(plan)
    below = output_schema(plan.inputs[0], relations)
    if isinstance(plan, Figure):
        return _figure_schema(plan)
    if isinstance(plan, Ask) and plan.show:
        into, status = plan.added
        return below.append(pa.field(into, arrow_type(plan.question.answer))).append(pa.field(status, pa.string()))
    if isinstance(plan, Project):
        return pa.schema([below.field(name) for name in plan.columns])
    return below


def _figure_schema(plan: Figure) -> pa.Schema:
    kind = pa.int64() if plan.goal.figure == "count" else pa.float64()
    by = [] if plan.goal.by is None else [pa.field(plan.goal.by, pa.string())]
    figures = [pa.field(name, kind) for name in ("value", "low", "high")]
    return pa.schema([*by, *figures, pa.field("rows", pa.int64()), pa.field("asked", pa.int64())])


def _rows_to_ask(plan: Node, relations: Relations) -> int:
    while has_ask(plan):
        plan = plan.inputs[0]
    return relations.count(plan)


def _proved(stand: list[Standing], plan: Node, work: Work) -> list[Standing]:
    """Return how the questions stand in the end: what was to be certified and could not be isn't."""
    if not stand:
        return []
    asks = [work.asks[id(node)].report.certificate for node in walk(plan) if isinstance(node, Ask)]
    return [
        s
        if found is None or found.certified or s.level == "asked"
        else replace(s, level="not certified", why=_UNPROVED)
        for s, found in zip(stand, asks, strict=True)
    ]
