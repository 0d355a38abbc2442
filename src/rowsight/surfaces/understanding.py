"""``Table.understand``: profile, anomalies, themes and a summary under one budget, brought together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rowsight.calls.budget import Budget
from rowsight.core.errors import BudgetError, InputError
from rowsight.execution.estimate import Estimate
from rowsight.execution.understand import budgets
from rowsight.execution.understand.chosen import Chosen, chosen
from rowsight.execution.understand.understood import Spent, Understanding
from rowsight.plan.template import placeholder

if TYPE_CHECKING:
    from rowsight.execution.profile import Profile
    from rowsight.execution.summaries.summary import Summary
    from rowsight.execution.themes.found import Themes
    from rowsight.execution.understand.anomalies import Anomaly
    from rowsight.session import Session
    from rowsight.surfaces.gathering import Summarizing
    from rowsight.surfaces.table import Table
    from rowsight.surfaces.themes import ThemesQuery

SENTENCES = 8
QUESTIONS = {
    "en": "What do the texts {column} say? What should a reader of all of them know?",
    "zh": "这些文本 {column} 说了什么？读完全部文本的人应该知道什么？",
}


@dataclass(frozen=True)
class Wanted:
    """What is to be understood: columns by name (``None``: chosen), the number of themes, a question, a language."""

    text: str | None = None
    time: str | None = None
    by: str | None = None
    k: int | None = None
    question: str | None = None
    lang: str | None = None


class UnderstandQuery:
    """A table to be understood. The profile is made at once, since it is free; nothing is asked before ``run``."""

    def __init__(self, table: Table, session: Session, wanted: Wanted) -> None:
        self._table, self._session, self._wanted = table, session, wanted
        self.profile: Profile = table.profile()
        self.columns: Chosen = chosen(self.profile, wanted.text, wanted.time, wanted.by)

    def estimate(self, model: str = "", **options: Any) -> Estimate:
        """Return rows, calls, tokens and money before anything is spent: at most the budget. ``options`` as in ``run``."""
        budget = Budget.parse(options.pop("budget", None) or budgets.DEFAULT)
        if not self._texts:
            return Estimate(self.profile.rows, 0, 0, 0, 0, 0.0)
        share = budgets.split(budget, self._wanted.k)
        themes = self._themes(share.sample).estimate(model, **options)
        summary = self._summary().estimate(model, **options)
        return _capped(themes, summary, budget)

    def run(self, model: str, *, out: str | Path | None = None, **options: Any) -> Understanding:
        """Ask, and return what came of it. ``options`` are those of ``RunOptions``; ``budget`` caps all steps together.

        ``out`` writes the report, too: ``.html`` to look at, ``.json`` to read.
        """
        from rowsight.surfaces.report import check_report, write_report  # noqa: PLC0415 - loads on use

        if out is not None:
            check_report(Path(out))
        found = self._asked(model, options)
        if out is not None:
            write_report(found, Path(out), lang=self._wanted.lang)
        return found

    def _asked(self, model: str, options: dict[str, Any]) -> Understanding:
        budget = Budget.parse(options.pop("budget", None) or budgets.DEFAULT)
        seed = options.get("seed", 0)
        notes: list[str] = []
        spent: tuple[Spent, ...] = ()
        themes, summary = None, None
        if self._texts:
            themes, spent = self._ask_themes(model, budget, options, notes)
            summary, spent = self._ask_summary(model, budget, options, notes, spent)
        else:
            notes.append(f"the column {self.columns.text} holds no text, so nothing was asked")
        return self._together(model, budget, themes, summary, spent, notes, seed)

    @property
    def _texts(self) -> bool:
        column = self.profile.column(self.columns.text)
        return column.distinct > (1 if column.empty else 0)

    def _themes(self, sample: int) -> ThemesQuery:
        wanted, columns = self._wanted, self.columns
        question = _question(wanted.question, columns.text)
        return self._table.themes(
            question or placeholder(columns.text),
            k=wanted.k,
            by=columns.by,
            time=columns.time,
            sample=sample,
            lang=wanted.lang,
            into=_free("themes", self._table.columns),
        )

    def _summary(self) -> Summarizing:
        asked = _question(self._wanted.question, self.columns.text)
        if asked is None:
            asked = QUESTIONS[self.lang].replace("{column}", placeholder(self.columns.text))
        return self._table.summarize(asked, key=self.columns.key, sentences=SENTENCES)

    @property
    def lang(self) -> str:
        """The language of the report and of the summary's question: as wanted, else ``zh`` for Chinese texts, else ``en``."""
        if self._wanted.lang in QUESTIONS:
            return str(self._wanted.lang)
        languages = self.profile.column(self.columns.text).languages
        return "zh" if languages and languages[0][0] == "zh" else "en"

    def _ask_themes(
        self, model: str, budget: Budget, options: dict[str, Any], notes: list[str]
    ) -> tuple[Themes | None, tuple[Spent, ...]]:
        share = budgets.split(budget, self._wanted.k)
        try:
            result = self._themes(share.sample).run(model, budget=share.themes, **options)
        except (InputError, BudgetError) as error:
            notes.append(f"themes were not looked for: {error}")
            return None, ()
        return result.found, (Spent.of("themes", result.report),)

    def _ask_summary(
        self, model: str, budget: Budget, options: dict[str, Any], notes: list[str], spent: tuple[Spent, ...]
    ) -> tuple[Summary | None, tuple[Spent, ...]]:
        rest = budgets.left(budget, spent)
        capped = budgets.for_summary(rest, budget)
        if capped.limit < 1:
            notes.append(f"no summary was made: the budget {budget} was spent on the themes")
            return None, spent
        try:
            result = self._summary().run(model, budget=budgets.written(capped), **options)
        except (InputError, BudgetError) as error:
            notes.append(f"no summary was made: {error}")
            return None, spent
        return result.summary, (*spent, Spent.of("summary", result.report))

    def _together(
        self,
        model: str,
        budget: Budget,
        themes: Themes | None,
        summary: Summary | None,
        spent: tuple[Spent, ...],
        notes: list[str],
        seed: int,
    ) -> Understanding:
        from rowsight.execution.understand.anomalies import anomalies  # noqa: PLC0415 - loads on use
        from rowsight.execution.understand.rows import fetched, masked_summary, masked_themes  # noqa: PLC0415
        from rowsight.texts.personal import Finder  # noqa: PLC0415

        finder, plan = Finder(), self._table.plan
        themes = None if themes is None else masked_themes(themes, finder)
        summary = None if summary is None else masked_summary(summary, finder)
        with self._session.opened(plan) as relations:
            found = anomalies(relations, plan, self.profile.column(self.columns.text), seed)
            rows = fetched(relations, plan, self.columns, _mentioned(self.profile, found, themes, summary), finder)
        said = (*notes, *(themes.notes if themes else ()), *(summary.notes if summary else ()))
        return Understanding(self.profile, self.columns, found, themes, summary, rows, spent, model, str(budget), said)


def _mentioned(
    profile: Profile, found: tuple[Anomaly, ...], themes: Themes | None, summary: Summary | None
) -> Iterator[int]:
    """Yield the rows that a report refers to."""
    yield from (a.row for a in found)
    for column in profile.columns:
        if column.name == profile.text and column.resembling is not None:
            yield from (row for pair in column.resembling.pairs for row in pair[:2])
    if themes is not None:
        yield from (e.row for theme in (*themes.themes, themes.unassigned) for e in theme.examples)
    if summary is not None:
        yield from (row for sentence in summary.sentences for row in sentence.rows)


def _capped(themes: Estimate, summary: Estimate, budget: Budget) -> Estimate:
    """Return both steps' estimate, no more than the budget: a summary reads fewer rows where that isn't enough."""
    calls = budgets.for_summary(budget, budget).limit if budget.unit == "calls" else summary.calls_high
    part = min(calls / summary.calls_high, 1.0) if summary.calls_high else 0.0
    prompt = themes.prompt_tokens + round(summary.prompt_tokens * part)
    completion = themes.completion_tokens + round(summary.completion_tokens * part)
    costs = (themes.cost, summary.cost)
    cost = None if None in costs else (costs[0] or 0.0) + (costs[1] or 0.0) * part
    high = themes.calls_high + min(calls, summary.calls_high)
    if budget.unit == "calls":
        high = min(high, budget.limit)
    if budget.unit == "microusd" and cost is not None:
        cost = min(cost, budget.limit / 1e6)
    low = min(themes.calls_low + (summary.calls_high > 0), high)
    return replace(
        themes, calls_low=low, calls_high=high, prompt_tokens=prompt, completion_tokens=completion, cost=cost
    )


def _question(asked: str | None, column: str) -> str | None:
    """Return a question that names the text column; one without any column is put to that column."""
    if asked is None or "{" in asked:
        return asked
    return f"{asked} {placeholder(column)}"


def _free(name: str, taken: tuple[str, ...]) -> str:
    while name in taken:
        name = f"{name}_"
    return name
