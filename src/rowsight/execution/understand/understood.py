"""What came of looking at a table: everything that a report shows, as one plain value."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from rowsight.execution.understand.chosen import Chosen

if TYPE_CHECKING:
    from rowsight.execution.profile import Profile
    from rowsight.execution.report import Report
    from rowsight.execution.summaries.summary import Summary
    from rowsight.execution.themes.found import Themes
    from rowsight.execution.understand.anomalies import Anomaly


@dataclass(frozen=True)
class Shown:
    """A row that the report shows: its position, its value in the key column (the position without one), its text.

    The text is cut, and personal data in it is masked.
    """

    row: int
    key: str
    text: str | None


@dataclass(frozen=True)
class Spent:
    """What one step cost. ``cost`` is in US dollars, ``None`` when a price is unknown."""

    step: str
    run: str
    calls: int
    from_ledger: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    seconds: float
    budget_spent: bool

    @classmethod
    def of(cls, step: str, report: Report) -> Spent:
        """Return what a run cost."""
        return cls(
            step,
            report.run,
            report.calls,
            report.total("from_ledger"),
            report.prompt_tokens,
            report.completion_tokens,
            report.cost,
            round(report.seconds, 3),
            report.budget_spent,
        )


@dataclass(frozen=True)
class Understanding:
    """A table understood: ``profile`` and ``anomalies`` without a model, ``themes`` and ``summary`` with one.

    ``themes`` and ``summary`` are ``None`` where they could not be made; ``notes`` say why. ``rows`` holds each row that
    anything refers to. ``budget`` is the cap of all steps together.
    """

    profile: Profile
    columns: Chosen
    anomalies: tuple[Anomaly, ...]
    themes: Themes | None
    summary: Summary | None
    rows: dict[int, Shown]
    spent: tuple[Spent, ...]
    model: str
    budget: str
    notes: tuple[str, ...] = field(default=())

    @property
    def calls(self) -> int:
        """Requests sent by all steps."""
        return sum(s.calls for s in self.spent)

    @property
    def cost(self) -> float | None:
        """US dollars of all steps, ``None`` when a price is unknown."""
        costs = [s.cost for s in self.spent]
        return None if None in costs else sum(c for c in costs if c is not None)

    @property
    def budget_spent(self) -> bool:
        """Whether the budget ended before the work did; a summary of a part of the rows is whole."""
        unmade = self.summary is None and bool(self.spent)
        return unmade or any(s.budget_spent for s in self.spent if s.step == "themes")

    def as_dict(self) -> dict[str, Any]:
        """Return everything as ``rowsight understand --json`` prints it."""
        return {
            "profile": self.profile.as_dict(),
            "columns": asdict(self.columns),
            "anomalies": [asdict(a) for a in self.anomalies],
            "themes": None if self.themes is None else self.themes.as_dict(),
            "summary": None if self.summary is None else self.summary.as_dict(),
            "rows": [asdict(self.rows[row]) for row in sorted(self.rows)],
            "spent": [asdict(s) for s in self.spent],
            "calls": self.calls,
            "cost": self.cost,
            "model": self.model,
            "budget": self.budget,
            "notes": list(self.notes),
        }
