"""A figure of a table that hasn't been asked for yet, and the figure with its interval once it has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rowsight.core.errors import InputError
from rowsight.operators import operator
from rowsight.plan import nodes
from rowsight.plan.goal import Goal
from rowsight.session import Session, options_of

if TYPE_CHECKING:
    import pyarrow as pa

    from rowsight.execution.estimate import Estimate
    from rowsight.execution.report import Report
    from rowsight.execution.result import Result
    from rowsight.guarantees.certificate import Certificate

DEFAULT_CONFIDENCE = 0.95


def figure(
    session: Session,
    plan: nodes.Node,
    name: str,
    question: str,
    goal: dict[str, Any],
    **parameters: Any,
) -> Figure:
    """Return the figure ``name`` (count, share, mean) of a question over the rows of ``plan``."""
    asked = operator("score" if name == "mean" else "filter").question(question, **parameters)
    confidence = DEFAULT_CONFIDENCE if goal["confidence"] is None else goal["confidence"]
    sought = Goal(figure=name, calls=goal["calls"], within=goal["within"], confidence=confidence, by=goal["by"])
    if sought.by in nodes.FIGURE_COLUMNS:
        raise InputError(f"by={sought.by!r} is the name of a column of the result; rename the column first")
    return Figure(session, nodes.Figure(plan, asked, name, drop=False, show=False, guarantee=sought))


class Figure:
    """A count, a share or a mean to be estimated: nothing is asked before ``run``. Immutable."""

    def __init__(self, session: Session, plan: nodes.Figure) -> None:
        self._session, self._plan = session, plan

    @property
    def plan(self) -> nodes.Figure:
        """The plan as written, before the optimizer."""
        return self._plan

    def explain(self) -> str:
        """Return the plan as text."""
        from rowsight.surfaces.table import Table  # noqa: PLC0415 - the table makes figures

        return Table(self._session, self._plan).explain()

    def estimate(self, model: str = "", **options: Any) -> Estimate:
        """Return rows, calls, tokens and money before anything is spent. ``options`` as in ``run``."""
        return self._session.estimate(self._plan, options_of(model or "unnamed", options))

    def run(self, model: str, *, out: str | Path | None = None, **options: Any) -> FigureResult:
        """Ask as few rows as it takes, and return the figure. ``options`` are those of ``RunOptions``."""
        return FigureResult(self._session.run(self._plan, options_of(model, options), out=out), self._plan.goal.figure)

    async def arun(self, model: str, *, out: str | Path | None = None, **options: Any) -> FigureResult:
        """Ask as few rows as it takes, and return the figure, inside a running event loop."""
        return FigureResult(
            await self._session.arun(self._plan, options_of(model, options), out=out), self._plan.goal.figure
        )

    def __repr__(self) -> str:
        return f"<Figure>\n{self.explain()}"


@dataclass(frozen=True)
class Estimated:
    """A figure with its interval over ``rows`` rows, of which ``asked`` were asked (``unanswered`` in vain).

    ``value``, ``low`` and ``high`` are whole for a count, and ``None`` for a share or a mean of no rows.
    """

    value: float | None
    low: float | None
    high: float | None
    rows: int
    asked: int
    unanswered: int


class FigureResult:
    """The figure of the whole table, ``groups`` with each group's, and what it took.

    All intervals are right at once with the confidence asked for, whenever the run was stopped.
    """

    def __init__(self, result: Result, name: str) -> None:
        self.result = result
        """The run: ``to_arrow``, ``failures``, ``provenance``, ``report``."""
        total, *groups = [dict(f) for f in result.report.figures] or [_of_no_rows(name)]
        del total["group"]
        self._total = Estimated(**total)
        self.groups = {group.pop("group"): Estimated(**group) for group in groups}
        """By the group's value as text, in the order of their first rows; empty without ``by``."""

    @property
    def value(self) -> float | None:
        """The estimate."""
        return self._total.value

    @property
    def low(self) -> float | None:
        """The lower end of the interval."""
        return self._total.low

    @property
    def high(self) -> float | None:
        """The upper end of the interval."""
        return self._total.high

    @property
    def rows(self) -> int:
        """Rows that the figure is about: those that have something to be asked about."""
        return self._total.rows

    @property
    def asked(self) -> int:
        """Rows that were asked."""
        return self._total.asked

    @property
    def reached(self) -> bool:
        """Whether every interval is as narrow as was wanted."""
        return self.certificate is None or bool(self.certificate.body["reached"])

    @property
    def calls(self) -> int:
        """Requests sent."""
        return self.report.calls

    @property
    def report(self) -> Report:
        """The figures of the run."""
        return self.result.report

    @property
    def certificate(self) -> Certificate | None:
        """The statement with the numbers behind it; ``None`` for a table without rows."""
        return self.result.certificate

    def to_arrow(self) -> pa.Table:
        """Return value, low, high, rows and asked: one row, or one for each group."""
        return self.result.to_arrow()

    def __repr__(self) -> str:
        if self.certificate is None:
            return "<FigureResult: no rows>"
        return f"<FigureResult: {self.certificate.statement} {self.asked:,} of {self.rows:,} rows asked>"


def _of_no_rows(name: str) -> dict[str, Any]:
    value = 0 if name == "count" else None
    return {"group": None, "value": value, "low": value, "high": value, "rows": 0, "asked": 0, "unanswered": 0}
