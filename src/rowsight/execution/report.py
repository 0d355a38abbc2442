"""What a run did: rows by status, calls, tokens, money, failures by reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from rowsight.core.errors import BudgetError, FailedRowsError

if TYPE_CHECKING:
    from rowsight.core.events import CurvePoint
    from rowsight.execution.themes.found import Themes
    from rowsight.guarantees.certificate import Certificate

STATUSES = ("asked", "proxied", "null", "failed", "skipped")


@dataclass
class AskReport:
    """What became of the rows of one question. The five statuses add up to ``rows``; duplicates count as asked."""

    operator: str
    question: str
    into: str
    rows: int = 0
    asked: int = 0
    proxied: int = 0
    null: int = 0
    failed: int = 0
    skipped: int = 0
    helped: int = 0
    """Of the rows answered by the proxy, those for which it had the answer of a middle model."""
    kept: int | None = None
    from_ledger: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    certificate: Certificate | None = None
    cascade: dict[str, Any] | None = None
    themes: Themes | None = None
    follow: dict[str, Any] | None = None
    """What this version of a followed table came to."""
    demanded: dict[str, float] = field(default_factory=dict)
    """The level of each metric that was to be proved."""
    curve: list[CurvePoint] = field(default_factory=list)
    """What was spent against what could be promised, while a certified question was asked."""

    def count(self, statuses: list[str]) -> None:
        """Add rows by their status."""
        self.rows += len(statuses)
        for status, number in Counter(statuses).items():
            setattr(self, status, getattr(self, status) + number)


@dataclass(frozen=True)
class ModelReport:
    """What one of a run's models did: rows that it answered, or helped to; its calls, tokens, and dollars if known."""

    rows: int
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None


@dataclass
class Report:
    """The figures of a run. ``cost`` is in US dollars and ``None`` when a price is unknown.

    ``calls`` counts requests sent by this run, retries and repairs included; ``from_ledger`` counts rows whose answer
    was in the ledger before the run began.
    """

    run: str
    model: str
    asks: list[AskReport] = field(default_factory=list)
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cost: float | None = None
    seconds: float = 0.0
    retries: int = 0
    repairs: int = 0
    output: str | None = None
    output_rows: int = 0
    budget_spent: bool = False
    stopped: bool = False
    """Whether the run was asked to stop before its end."""
    to_finish: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)
    models: dict[str, ModelReport] = field(default_factory=dict)
    """Each model's part, where a run has a middle model: the oracle's rows were asked, the middle model's helped."""

    def total(self, name: str) -> int:
        """Return a count summed over the questions of the run."""
        return sum(getattr(a, name) for a in self.asks)

    def note_truncated(self, count: int) -> None:
        """Say how many distinct rows were answered about less than the whole of their text."""
        if count:
            self.notes.append(
                f"{count:,} distinct rows were longer than the model's window: cut until they fitted, then asked (truncate)"
            )

    def check_answered(self, result: Any) -> None:
        """Raise ``FailedRowsError`` or ``BudgetError`` with the run's ``result`` where a row has no answer.

        Every answer that came is kept by then.
        """
        if self.total("failed"):
            reasons = ", ".join(f"{reason} {count:,}" for reason, count in self.failures.most_common())
            raise FailedRowsError(
                f"{self.total('failed'):,} rows failed ({reasons}); every answer is kept, so the same command asks only "
                "these again",
                result,
            )
        if self.budget_spent:
            raise BudgetError(
                f"the budget is spent with {self.total('skipped'):,} rows to go; every answer is kept", result
            )

    @property
    def failures(self) -> Counter[str]:
        """Failed rows by reason, over all questions."""
        return sum((a.failures for a in self.asks), Counter())

    @property
    def certificates(self) -> list[Certificate]:
        """The certificates of the questions that had a guarantee."""
        return [a.certificate for a in self.asks if a.certificate is not None]

    @property
    def figures(self) -> list[dict[str, Any]]:
        """The counts, shares and means that the run estimated, the table's first, then each group's."""
        return [figure for c in self.certificates for figure in c.body.get("figures", ())]

    @property
    def proved(self) -> bool:
        """Whether every certificate proves what was demanded, and every figure's interval is as narrow as was asked."""
        return all(c.certified and c.body.get("reached") is not False for c in self.certificates)

    @property
    def curves(self) -> list[list[dict[str, Any]]]:
        """The curve of each certified question, as plain values: what was spent, what could be promised."""
        return [[asdict(point) for point in ask.curve] for ask in self.asks if ask.certificate is not None]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as the one JSON object that ``--json`` prints."""
        kept = [a.kept for a in self.asks if a.kept is not None]
        follows = [a.follow for a in self.asks if a.follow is not None]
        counts = {name: self.total(name) for name in ("rows", *STATUSES)}
        return {
            **counts,
            **({"kept": kept[-1]} if kept else {}),
            **({"figures": self.figures} if self.figures else {}),
            **({"follow": follows[-1]} if follows else {}),
            "calls": self.calls,
            "from_ledger": self.total("from_ledger"),
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "cached_tokens": self.cached_tokens,
            "cost": self.cost,
            "seconds": round(self.seconds, 3),
            "certificates": [{k: v for k, v in c.body.items() if k != "proof"} for c in self.certificates],
            "curves": self.curves,
            "failures": dict(self.failures),
            "output": self.output,
            "run": self.run,
            "model": self.model,
            **({"models": {name: asdict(part) for name, part in self.models.items()}} if self.models else {}),
            "retries": self.retries,
            "repairs": self.repairs,
            "to_finish": self.to_finish,
            "notes": self.notes,
        }
