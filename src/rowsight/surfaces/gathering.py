"""What a table's ``summarize`` and ``rank`` return: questions about all rows together, lazy as the table's verbs are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rowsight.core.blocking import blocking
from rowsight.plan.gathers import Rank, Summarize
from rowsight.session import Session, options_of

if TYPE_CHECKING:
    from rowsight.execution.estimate import Estimate
    from rowsight.execution.gathering import RankedRows, Summarized
    from rowsight.execution.options import RunOptions


class Summarizing:
    """A summary to be made of a table's rows; nothing is asked before ``run``."""

    def __init__(self, session: Session, ask: Summarize) -> None:
        self._session, self.ask = session, ask

    def explain(self) -> str:
        """Return the plan as text, highest step first."""
        from rowsight.execution.explain import explained_gather  # noqa: PLC0415 - running loads on use

        return explained_gather(self.ask)

    def estimate(self, model: str = "", **options: Any) -> Estimate:
        """Return rows, calls, tokens and money before anything is spent. ``options`` as in ``run``."""
        return self._session.estimate_summary(self.ask, options_of(model or "unnamed", options))

    def run(self, model: str, *, out: str | Path | None = None, **options: Any) -> Summarized:
        """Ask, and return the summary. ``options`` are those of ``RunOptions``; ``out`` also writes the sentences."""
        return self.made(options_of(model, options), out=out)

    def made(
        self,
        options: RunOptions,
        *,
        out: str | Path | None = None,
        spec: dict[str, Any] | None = None,
        resuming: str | None = None,
    ) -> Summarized:
        """Return the summary under ``options``; ``resuming`` goes on with the budget of an earlier run."""
        return blocking(self._session.asummarize(self.ask, options, out=out, spec=spec, resuming=resuming))

    async def arun(self, model: str, *, out: str | Path | None = None, **options: Any) -> Summarized:
        """Ask, and return the summary, inside a running event loop."""
        return await self._session.asummarize(self.ask, options_of(model, options), out=out)

    def __repr__(self) -> str:
        return f"<Summary to be made>\n{self.explain()}"


class Ranking:
    """A table's first rows to be found; nothing is asked before ``run``."""

    def __init__(self, session: Session, ask: Rank) -> None:
        self._session, self.ask = session, ask

    def explain(self) -> str:
        """Return the plan as text, highest step first."""
        from rowsight.execution.explain import explained_gather  # noqa: PLC0415 - running loads on use

        return explained_gather(self.ask)

    def estimate(self, model: str = "", **options: Any) -> Estimate:
        """Return rows, calls, tokens and money before anything is spent. ``options`` as in ``run``."""
        return self._session.estimate_ranking(self.ask, options_of(model or "unnamed", options))

    def run(self, model: str, *, out: str | Path | None = None, **options: Any) -> RankedRows:
        """Ask, and return the first rows in order. ``options`` are those of ``RunOptions``; ``out`` also writes them."""
        return self.made(options_of(model, options), out=out)

    def made(
        self,
        options: RunOptions,
        *,
        out: str | Path | None = None,
        spec: dict[str, Any] | None = None,
        resuming: str | None = None,
    ) -> RankedRows:
        """Return the ranking under ``options``; ``resuming`` goes on with the budget of an earlier run."""
        return blocking(self._session.arank(self.ask, options, out=out, spec=spec, resuming=resuming))

    async def arun(self, model: str, *, out: str | Path | None = None, **options: Any) -> RankedRows:
        """Ask, and return the first rows, inside a running event loop."""
        return await self._session.arank(self.ask, options_of(model, options), out=out)

    def __repr__(self) -> str:
        return f"<Ranking to be made>\n{self.explain()}"
