"""The composition root: where engine, ledger, endpoints and executor meet. Nothing here is global."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rowsight.core.blocking import blocking
from rowsight.core.errors import InputError, nearest
from rowsight.core.events import Listener, ignore
from rowsight.core.heap import settled_heap
from rowsight.engines.base import Engine
from rowsight.engines.duckdb import DuckDBEngine
from rowsight.engines.sources import Source, source_of
from rowsight.execution.options import RunOptions
from rowsight.plan.following import check_followed
from rowsight.plan.gathers import Rank, Summarize
from rowsight.plan.nodes import Node, Project, Scan, walk

if TYPE_CHECKING:
    from rowsight.execution.estimate import Estimate
    from rowsight.execution.gathering import RankedRows, Summarized
    from rowsight.execution.preview import Difference
    from rowsight.execution.result import Result
    from rowsight.execution.run import End, Run


def default_state(environment: Mapping[str, str]) -> Path:
    """Return the state directory: ``ROWSIGHT_STATE``, else the platform's place for a user's state."""
    from platformdirs import user_state_path  # noqa: PLC0415 - only where no directory is named

    if named := environment.get("ROWSIGHT_STATE"):
        return Path(named)
    return user_state_path("rowsight", appauthor=False)


def options_of(model: str, given: Mapping[str, Any]) -> RunOptions:
    """Return run options from keywords; an unknown one is an ``InputError`` with the nearest name."""
    known = [f.name for f in fields(RunOptions)]
    for name in given:
        if name not in known:
            raise InputError(f"run has no option {name!r}{nearest(name, known)}")
    return RunOptions(model=model, **given)


@dataclass
class Session:
    """What several tables share: the state directory, the environment that keys come from, an engine, a listener.

    ``state`` is where the ledger lives; ``environment`` is read when a call is sent and never kept elsewhere.
    ``stopping``, once set (from a signal or another thread), stops the run that goes on: nothing more is sent, and a
    certified question ends with the certificate reached so far.
    """

    state: Path | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    listener: Listener = ignore
    engine: Engine = field(default_factory=DuckDBEngine)
    stopping: threading.Event = field(default_factory=threading.Event, repr=False)
    _sources: dict[str, Source] = field(default_factory=dict, repr=False)

    def scan(self, value: Any) -> Scan:
        """Return the plan node that reads ``value``: a path, a glob, or a table in memory."""
        source = source_of(value)
        schema = self.engine.schema(source)
        self._sources[source.identity] = source
        return Scan(source.identity, tuple(schema.names), source.shown)

    @property
    def state_directory(self) -> Path:
        """Where the ledger lives."""
        return Path(self.state) if self.state else default_state(self.environment)

    def sources(self, plan: Node) -> dict[str, Source]:
        """Return the sources that a plan reads."""
        return {n.source: self._sources[n.source] for n in walk(plan) if isinstance(n, Scan)}

    def estimate(self, plan: Node, options: RunOptions) -> Estimate:
        """Return rows, calls, tokens and money of a plan before anything is spent."""
        from rowsight.calls.endpoints import prices  # noqa: PLC0415 - loads on use
        from rowsight.execution.estimate import estimated  # noqa: PLC0415
        from rowsight.guarantees.algebra import conjoined, shared  # noqa: PLC0415
        from rowsight.optimizer import optimize  # noqa: PLC0415

        beside = None
        if (middle := options.middle) is not None:
            from rowsight.execution.middle import check_cascade  # noqa: PLC0415

            check_cascade(plan, options)
            beside = (middle.model, *prices(middle))
        check_followed(plan, ledger=options.ledger, cascade=bool(options.cascade))
        relations = self.engine.open(self.sources(plan))
        try:
            return estimated(
                optimize(shared(conjoined(plan))), relations, *prices(options), options.rows_per_call, beside
            )
        finally:
            relations.close()

    def run(
        self,
        plan: Node,
        options: RunOptions,
        *,
        out: str | Path | None = None,
        spec: dict[str, Any] | None = None,
        resuming: str | None = None,
    ) -> Result:
        """Run a plan and return its result; ``resuming`` goes on with the budget of an earlier run."""
        import rowsight.execution.run  # noqa: F401, PLC0415 - what is loaded first is not looked at by the collector

        with settled_heap():
            return blocking(self.arun(plan, options, out=out, spec=spec, resuming=resuming))

    async def arun(
        self,
        plan: Node,
        options: RunOptions,
        *,
        out: str | Path | None = None,
        spec: dict[str, Any] | None = None,
        resuming: str | None = None,
    ) -> Result:
        """Run a plan inside a running event loop."""
        run = self._run(plan, options)
        return await run.execute(plan, Path(out) if out is not None else None, spec or {}, resuming)

    def estimate_summary(self, ask: Summarize, options: RunOptions) -> Estimate:
        """Return rows, calls, tokens and money of a summary before anything is spent."""
        from rowsight.calls.endpoints import prices  # noqa: PLC0415 - loads on use
        from rowsight.execution.summaries.estimate import estimated_summary  # noqa: PLC0415
        from rowsight.guarantees.algebra import conjoined, shared  # noqa: PLC0415
        from rowsight.optimizer import optimize  # noqa: PLC0415

        plan = optimize(shared(conjoined(Project(ask.input, ask.columns))))
        relations = self.engine.open(self.sources(plan))
        try:
            return estimated_summary(ask, plan, relations, *prices(options), options.seed)
        finally:
            relations.close()

    def estimate_ranking(self, ask: Rank, options: RunOptions) -> Estimate:
        """Return rows, calls, tokens and money of a ranking before anything is spent."""
        from rowsight.calls.endpoints import prices  # noqa: PLC0415 - loads on use
        from rowsight.execution.ranking.estimate import estimated_ranking  # noqa: PLC0415
        from rowsight.guarantees.algebra import conjoined, shared  # noqa: PLC0415
        from rowsight.optimizer import optimize  # noqa: PLC0415

        plan = optimize(shared(conjoined(ask.input)))
        relations = self.engine.open(self.sources(plan))
        try:
            return estimated_ranking(ask, plan, relations, *prices(options))
        finally:
            relations.close()

    async def arank(
        self,
        ask: Rank,
        options: RunOptions,
        *,
        out: str | Path | None = None,
        spec: dict[str, Any] | None = None,
        resuming: str | None = None,
    ) -> RankedRows:
        """Rank the rows of a plan inside a running event loop."""
        from rowsight.execution.gathering import RankedRows  # noqa: PLC0415 - loads on use
        from rowsight.execution.ranking.ranking import RankingEnd  # noqa: PLC0415

        end = RankingEnd(ask)
        result = await self._ended(ask.input, end, options, out, spec, resuming)
        assert end.ranking is not None
        return RankedRows(end.ranking, result)

    async def _ended(
        self,
        plan: Node,
        end: End,
        options: RunOptions,
        out: str | Path | None,
        spec: dict[str, Any] | None,
        resuming: str | None,
    ) -> Result:
        """Run a plan to an end of its own."""
        run = self._run(plan, options)
        return await run.execute(plan, Path(out) if out is not None else None, spec or {}, resuming, end)

    def _run(self, plan: Node, options: RunOptions) -> Run:
        from rowsight.execution.run import Run  # noqa: PLC0415 - loads on use

        where = self.state_directory, self.environment
        return Run(self.engine, self.sources(plan), options, *where, self.listener, self.stopping)

    async def asummarize(
        self,
        ask: Summarize,
        options: RunOptions,
        *,
        out: str | Path | None = None,
        spec: dict[str, Any] | None = None,
        resuming: str | None = None,
    ) -> Summarized:
        """Summarise the rows of a plan inside a running event loop."""
        from rowsight.execution.gathering import Summarized  # noqa: PLC0415 - loads on use
        from rowsight.execution.summaries.summarizing import Summarizing  # noqa: PLC0415

        end = Summarizing(ask)
        result = await self._ended(Project(ask.input, ask.columns), end, options, out, spec, resuming)
        assert end.summary is not None
        return Summarized(end.summary, result)

    def preview(self, plan: Node, questions: list[Any], n: int, options: RunOptions) -> Difference:
        """Ask questions of the same ``n`` rows, drawn at random by the options' seed."""
        from rowsight.execution.preview import previewed  # noqa: PLC0415 - loads on use

        return previewed(self, plan, questions, n, options)
