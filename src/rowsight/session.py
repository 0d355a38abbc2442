"""The composition root: where engine, ledger, endpoints and executor meet. Nothing here is global."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rowsight.core.blocking import blocking
from rowsight.core.errors import InputError, nearest
from rowsight.core.events import Listener, ignore
from rowsight.core.heap import settled_heap
from rowsight.engines.base import Engine, Relations
from rowsight.engines.duckdb import DuckDBEngine
from rowsight.engines.sources import Source, source_of
from rowsight.execution.options import RunOptions
from rowsight.plan.following import check_followed
from rowsight.plan.nodes import Node, Scan, walk

if TYPE_CHECKING:
    from rowsight.execution.estimate import Estimate
    from rowsight.execution.preview import Difference
    from rowsight.execution.result import Result
    from rowsight.execution.run import End


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

    @contextmanager
    def opened(self, plan: Node) -> Iterator[Relations]:
        """Open the sources that a plan reads, as long as the block lasts."""
        relations = self.engine.open(self.sources(plan))
        try:
            yield relations
        finally:
            relations.close()

    @contextmanager
    def planned(self, plan: Node) -> Iterator[tuple[Node, Relations]]:
        """Yield a plan as the optimizer leaves it before anything is asked, and the opened sources."""
        from rowsight.guarantees.algebra import conjoined, shared  # noqa: PLC0415 - loads on use
        from rowsight.optimizer import optimize  # noqa: PLC0415

        with self.opened(plan) as relations:
            yield optimize(shared(conjoined(plan))), relations

    def estimate(self, plan: Node, options: RunOptions) -> Estimate:
        """Return rows, calls, tokens and money of a plan before anything is spent."""
        from rowsight.calls.endpoints import prices  # noqa: PLC0415 - loads on use
        from rowsight.execution.bought import bought  # noqa: PLC0415
        from rowsight.execution.estimate import estimated  # noqa: PLC0415

        plan = bought(plan, options)
        beside = None
        if (middle := options.middle) is not None:
            from rowsight.execution.middle import check_cascade  # noqa: PLC0415

            check_cascade(plan, options)
            beside = (middle.model, *prices(middle))
        check_followed(plan, ledger=options.ledger, cascade=bool(options.cascade))
        with self.planned(plan) as (optimized, relations):
            return estimated(optimized, relations, *prices(options), options.rows_per_call, beside)

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
        end: End | None = None,
    ) -> Result:
        """Run a plan inside a running event loop; ``end`` makes a table of its own out of the plan's rows."""
        from rowsight.execution.run import Run  # noqa: PLC0415 - loads on use

        where = self.state_directory, self.environment
        run = Run(self.engine, self.sources(plan), options, *where, self.listener, self.stopping)
        return await run.execute(plan, Path(out) if out is not None else None, spec or {}, resuming, end)

    def preview(self, plan: Node, questions: list[Any], n: int, options: RunOptions) -> Difference:
        """Ask questions of the same ``n`` rows, drawn at random by the options' seed."""
        from rowsight.execution.preview import previewed  # noqa: PLC0415 - loads on use

        return previewed(self, plan, questions, n, options)
