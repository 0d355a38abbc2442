"""``Table.themes``: a search for themes, made ready and run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rowsight.session import Session, options_of

if TYPE_CHECKING:
    from rowsight.execution.estimate import Estimate
    from rowsight.execution.themes.result import ThemesResult
    from rowsight.plan.nodes import Themes


class ThemesQuery:
    """A search for the themes of a table. Nothing is asked before ``run``."""

    def __init__(self, session: Session, plan: Themes) -> None:
        self._session, self._plan = session, plan

    @property
    def plan(self) -> Themes:
        """The plan as written."""
        return self._plan

    def estimate(self, model: str = "", **options: Any) -> Estimate:
        """Return rows, calls, tokens and money before anything is spent. ``options`` as in ``run``."""
        return self._session.estimate(self._plan, options_of(model or "unnamed", options))

    def run(self, model: str, *, out: str | Path | None = None, **options: Any) -> ThemesResult:
        """Find the themes, and return them with all rows. ``options`` are those of ``RunOptions``; ``out`` writes the rows."""
        from rowsight.execution.themes.result import ThemesResult  # noqa: PLC0415 - loads on use

        return ThemesResult(self._session.run(self._plan, options_of(model, options), out=out))

    async def arun(self, model: str, *, out: str | Path | None = None, **options: Any) -> ThemesResult:
        """Find the themes inside a running event loop."""
        from rowsight.execution.themes.result import ThemesResult  # noqa: PLC0415 - loads on use

        return ThemesResult(await self._session.arun(self._plan, options_of(model, options), out=out))

    def explain(self) -> str:
        """Return the plan as text."""
        from rowsight.execution.explain import explained  # noqa: PLC0415 - loads on use
        from rowsight.optimizer import optimize  # noqa: PLC0415

        return explained(optimize(self._plan))

    def __repr__(self) -> str:
        return f"<ThemesQuery>\n{self.explain()}"
