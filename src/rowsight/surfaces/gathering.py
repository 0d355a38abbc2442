"""What a table's ``summarize`` and ``rank`` return: questions about all rows together, lazy as the table's verbs are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rowsight.core.blocking import blocking
from rowsight.plan.gathers import Rank, Summarize
from rowsight.plan.nodes import Project
from rowsight.session import Session, options_of

if TYPE_CHECKING:
    from rowsight.execution.estimate import Estimate
    from rowsight.execution.gathering import RankedRows, Summarized
    from rowsight.execution.options import RunOptions

Asked = TypeVar("Asked", Summarize, Rank)
Made = TypeVar("Made")


class Gathering(ABC, Generic[Asked, Made]):
    """Something to be made of all rows of a table together; nothing is asked before ``run``."""

    def __init__(self, session: Session, ask: Asked) -> None:
        self._session = session
        self.ask: Asked = ask

    def explain(self) -> str:
        """Return the plan as text, highest step first."""
        from rowsight.execution.explain import explained_gather  # noqa: PLC0415 - running loads on use

        return explained_gather(self.ask)

    def estimate(self, model: str = "", **options: Any) -> Estimate:
        """Return rows, calls, tokens and money before anything is spent. ``options`` as in ``run``."""
        return self._estimated(options_of(model or "unnamed", options))

    def run(self, model: str, *, out: str | Path | None = None, **options: Any) -> Made:
        """Ask, and return the result. ``options`` are those of ``RunOptions``; ``out`` also writes it."""
        return self.made(options_of(model, options), out=out)

    async def arun(self, model: str, *, out: str | Path | None = None, **options: Any) -> Made:
        """Ask, and return the result, inside a running event loop."""
        return await self._amade(options_of(model, options), out, None, None)

    def made(
        self,
        options: RunOptions,
        *,
        out: str | Path | None = None,
        spec: dict[str, Any] | None = None,
        resuming: str | None = None,
    ) -> Made:
        """Return the result under ``options``; ``resuming`` goes on with the budget of an earlier run."""
        return blocking(self._amade(options, out, spec, resuming))

    def __repr__(self) -> str:
        return f"<{type(self.ask).__name__}, to be run>\n{self.explain()}"

    @abstractmethod
    def _estimated(self, options: RunOptions) -> Estimate:
        """Return what it would cost."""

    @abstractmethod
    async def _amade(
        self, options: RunOptions, out: str | Path | None, spec: dict[str, Any] | None, resuming: str | None
    ) -> Made:
        """Make it."""


class Summarizing(Gathering[Summarize, "Summarized"]):
    """A summary to be made of a table's rows."""

    def _estimated(self, options: RunOptions) -> Estimate:
        from rowsight.calls.endpoints import prices  # noqa: PLC0415 - loads on use
        from rowsight.execution.summaries.estimate import estimated_summary  # noqa: PLC0415

        with self._session.planned(self._plan) as (plan, relations):
            return estimated_summary(self.ask, plan, relations, *prices(options), options.seed)

    async def _amade(
        self, options: RunOptions, out: str | Path | None, spec: dict[str, Any] | None, resuming: str | None
    ) -> Summarized:
        from rowsight.execution.gathering import Summarized  # noqa: PLC0415 - loads on use
        from rowsight.execution.summaries.summarizing import Summarizing as SummaryEnd  # noqa: PLC0415

        end = SummaryEnd(self.ask)
        result = await self._session.arun(self._plan, options, out=out, spec=spec, resuming=resuming, end=end)
        assert end.summary is not None
        return Summarized(end.summary, result)

    @property
    def _plan(self) -> Project:
        return Project(self.ask.input, self.ask.columns)


class Ranking(Gathering[Rank, "RankedRows"]):
    """A table's first rows to be found, in order."""

    def _estimated(self, options: RunOptions) -> Estimate:
        from rowsight.calls.endpoints import prices  # noqa: PLC0415 - loads on use
        from rowsight.execution.ranking.estimate import estimated_ranking  # noqa: PLC0415

        with self._session.planned(self.ask.input) as (plan, relations):
            return estimated_ranking(self.ask, plan, relations, *prices(options))

    async def _amade(
        self, options: RunOptions, out: str | Path | None, spec: dict[str, Any] | None, resuming: str | None
    ) -> RankedRows:
        from rowsight.execution.gathering import RankedRows  # noqa: PLC0415 - loads on use
        from rowsight.execution.ranking.ranking import RankingEnd  # noqa: PLC0415

        end = RankingEnd(self.ask)
        result = await self._session.arun(self.ask.input, options, out=out, spec=spec, resuming=resuming, end=end)
        assert end.ranking is not None
        return RankedRows(end.ranking, result)
