"""Tables with lazy verbs: each verb returns a new table; nothing is asked before ``run``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rowsight.core.errors import InputError
from rowsight.operators import operator
from rowsight.operators.themes import open_question
from rowsight.plan.gathers import CHUNK_TOKENS, Rank, Summarize
from rowsight.plan.guarantee import Guarantee, Level, demanded
from rowsight.plan.nodes import Ask, Limit, Node, Project, Themes, Where
from rowsight.plan.predicate import columns_used
from rowsight.plan.template import Template
from rowsight.plan.theming import Theming, known_labels
from rowsight.session import Session, options_of
from rowsight.surfaces.gathering import Ranking, Summarizing

if TYPE_CHECKING:
    from rowsight.execution.estimate import Estimate
    from rowsight.execution.preview import Difference, Preview
    from rowsight.execution.profile import Profile
    from rowsight.execution.result import Result
    from rowsight.surfaces.figure import Figure
    from rowsight.surfaces.themes import ThemesQuery
    from rowsight.surfaces.understanding import UnderstandQuery

DEFAULT_INTO = "answer"


def read(source: Any, *, session: Session | None = None) -> Table:
    """Return a table over ``source``; nothing but its columns is read yet.

    ``source`` is a path or glob (CSV, TSV, JSON Lines, Parquet) or a list of them, a pandas or Polars data frame, an
    Arrow table or record batch reader (anything with ``__arrow_c_stream__``), or a DuckDB relation. Raises
    ``SourceError`` where it can't be read.
    """
    session = session or Session()
    return Table(session, session.scan(source))


class Table:
    """Rows, and the questions to be asked of them. Immutable: verbs return new tables."""

    def __init__(self, session: Session, plan: Node) -> None:
        self._session, self._plan = session, plan

    @property
    def plan(self) -> Node:
        """The plan as written, before the optimizer."""
        return self._plan

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return self._plan.columns

    def filter(
        self,
        question: str,
        *,
        precision: Level = None,
        recall: Level = None,
        accuracy: Level = None,
        missed: float | None = None,
        certify: bool | None = None,
        confidence: float | None = None,
        by: str | None = None,
        into: str | None = None,
        keep_all: bool = False,
        follow: str | None = None,
    ) -> Table:
        """Keep the rows for which the answer to ``question`` is yes.

        ``into`` adds the answer as a column and its status as ``<into>_status``; ``keep_all`` keeps every row, too. With
        ``precision`` and/or ``recall``, or ``accuracy``, few rows are asked and a certificate says how right the rest
        is, with probability ``confidence`` (.95); with ``missed`` it says that at most this share of all rows should have
        been kept and were not. ``by`` names a column in each group of which it must hold. A level may be ``"best"``: the
        best that the run's budget buys; ``certify`` asks that of precision and recall. Without a level a budget in money
        means the same, unless ``certify`` is ``False``: then rows beyond the budget are skipped. ``follow`` names a
        question that is asked again as the table grows: new rows alone are paid for, and the certificate is extended.
        """
        levels = {"precision": precision, "recall": recall, "accuracy": accuracy, "missed": missed}
        demand = {**levels, "certify": certify, "confidence": confidence, "by": by}
        show = keep_all or into is not None
        return self._ask("filter", question, {}, demand, into, drop=not keep_all, show=show, follow=follow)

    def missed(self, at_most: float, *, confidence: float | None = None, by: str | None = None) -> Table:
        """Certify of the filter that made this table that it overlooks almost nothing.

        At most ``at_most`` of all rows (such as 0.001) are rows that the model would keep and that are not kept. Rows
        that are kept were all asked, unless the filter has a ``precision``. The same as ``filter(..., missed=at_most)``.
        """
        plan = self._plan
        if not isinstance(plan, Ask) or plan.question.operator != "filter":
            raise InputError("missed speaks of the filter just above it: table.filter(question).missed(at_most=0.001)")
        earlier = plan.guarantee or Guarantee()
        certain = earlier.confidence if confidence is None else confidence
        demand = replace(earlier, missed=at_most, confidence=certain, by=earlier.by if by is None else by)
        return Table(self._session, replace(plan, guarantee=demand))

    def classify(
        self,
        question: str,
        labels: Iterable[str] | Mapping[str, str],
        *,
        several: bool = False,
        accuracy: Level = None,
        certify: bool | None = None,
        confidence: float | None = None,
        by: str | None = None,
        into: str | None = None,
        follow: str | None = None,
    ) -> Table:
        """Give every row one of ``labels`` (a list, or a mapping of label to description), or with ``several`` all that fit.

        Guarantees and ``follow`` as in ``filter``.
        """
        demand = {"accuracy": accuracy, "certify": certify, "confidence": confidence, "by": by}
        return self._ask("classify", question, {"labels": labels, "several": several}, demand, into, follow=follow)

    def extract(self, question: str, fields: Any, *, into: str | None = None) -> Table:
        """Read typed fields out of every row: ``fields`` is a pydantic model, a dict of types, or a JSON Schema."""
        return self._ask("extract", question, {"fields": fields}, {}, into)

    def score(
        self,
        question: str,
        *,
        range: Sequence[float] = (0, 10),  # noqa: A002 - the word that users know
        accuracy: Level = None,
        certify: bool | None = None,
        within: float | None = None,
        confidence: float | None = None,
        by: str | None = None,
        into: str | None = None,
        follow: str | None = None,
    ) -> Table:
        """Give every row a number in ``range``. ``accuracy`` is the share of rows ``within`` a tolerance of the model's.

        ``follow`` as in ``filter``.
        """
        demand = {"accuracy": accuracy, "certify": certify, "within": within, "confidence": confidence, "by": by}
        return self._ask("score", question, {"range": range}, demand, into, follow=follow)

    def complete(self, question: str, *, into: str | None = None) -> Table:
        """Write a text about every row."""
        return self._ask("complete", question, {}, {}, into)

    def summarize(
        self,
        question: str,
        *,
        by: str | None = None,
        key: str | None = None,
        sentences: int = 8,
        chunk_tokens: int = CHUNK_TOKENS,
    ) -> Summarizing:
        """Say in at most so many ``sentences`` what all rows say to ``question``, each with the rows that support it.

        ``by`` names a column: one summary for each of its values. ``key`` names the column that rows are cited by
        (default: their position). ``chunk_tokens`` bounds the rows of one call.
        """
        ask = Summarize(self._plan, Template(question), by, key, sentences, chunk_tokens)
        return Summarizing(self._session, ask)

    def rank(
        self,
        question: str,
        k: int = 10,
        *,
        outside: float | None = None,
        confidence: float = 0.95,
        into: str = "rank",
        chunk_tokens: int = CHUNK_TOKENS,
    ) -> Ranking:
        """Find the ``k`` rows that come first by ``question``, in order, by calls that grow with k, not with the table.

        ``into`` names the column of ranks, ``<into>_score`` that of grades. ``outside=0.01`` certifies, by a sample, that
        at most that share of the other rows scores above the k-th, with probability ``confidence``.
        """
        ask = Rank(self._plan, Template(question), k, into, outside, confidence, chunk_tokens)
        return Ranking(self._session, ask)

    def themes(
        self,
        question: str,
        *,
        k: int | None = None,
        labels: Iterable[str] | Mapping[str, str] | None = None,
        by: str | None = None,
        time: str | None = None,
        min_share: float = 0.01,
        sample: int = 600,
        accuracy: float | None = None,
        confidence: float | None = None,
        lang: str | None = None,
        into: str = "themes",
    ) -> ThemesQuery:
        """Find what the rows speak of: ``question`` is a column such as ``"{body}"``, or a question over columns.

        Like texts are grouped into ``k`` groups (as many as the texts show, where it is left out), the model names
        them, in the texts' language or in ``lang``, and says of ``sample`` rows drawn at random which themes fit; the
        other rows are guessed. ``labels`` are known themes, to be found beside new ones (``k=0``: alone). ``by`` and
        ``time`` name columns whose groups and spans are told apart. Groups below ``min_share`` of the texts aren't
        named. With ``accuracy`` the rows' sets of themes are certified, too. ``confidence`` (.95) is that of the shares
        and of the certificate, each. Every row's themes go to the column ``into``.
        """
        from rowsight.surfaces.themes import ThemesQuery  # noqa: PLC0415 - loads on use

        theming = Theming(k, known_labels(labels), by, time, min_share, sample, lang)
        guarantee = Guarantee(accuracy=accuracy, confidence=0.95 if confidence is None else confidence)
        asked = open_question(Template(question))
        plan = Themes(self._plan, asked, into, guarantee=guarantee, theming=theming)
        return ThemesQuery(self._session, plan)

    def count(
        self,
        question: str,
        *,
        calls: int | None = None,
        within: float | None = None,
        by: str | None = None,
        confidence: float | None = None,
    ) -> Figure:
        """Estimate how many rows the model would answer yes: a count with an interval, few rows asked.

        Either ``calls`` (so many rows are asked) or ``within`` (asked until the interval reaches no further than this
        from its middle: in rows, or below 1 as a share of the table's rows). ``by`` names a column for whose groups there
        is an interval each; all hold at once with probability ``confidence`` (.95).
        """
        return self._figure("count", question, calls, within, by, confidence)

    def share(
        self,
        question: str,
        *,
        calls: int | None = None,
        within: float | None = None,
        by: str | None = None,
        confidence: float | None = None,
    ) -> Figure:
        """Estimate the share of rows that the model would answer yes; options as in ``count``, ``within`` a share."""
        return self._figure("share", question, calls, within, by, confidence)

    def mean(
        self,
        question: str,
        *,
        range: Sequence[float] = (0, 10),  # noqa: A002 - the word that users know
        calls: int | None = None,
        within: float | None = None,
        by: str | None = None,
        confidence: float | None = None,
    ) -> Figure:
        """Estimate the mean of a score in ``range``; options as in ``count``, ``within`` in the score's units."""
        return self._figure("mean", question, calls, within, by, confidence, range=range)

    def select(self, *columns: str) -> Table:
        """Keep these columns, in this order."""
        return Table(self._session, Project(self._plan, tuple(columns)))

    def where(self, predicate: str) -> Table:
        """Keep the rows for which a SQL predicate holds, such as ``"region = 'north' AND length(body) > 20"``."""
        return Table(self._session, Where(self._plan, predicate, columns_used(predicate, self.columns)))

    def limit(self, count: int) -> Table:
        """Keep the first ``count`` rows; no more is asked than it takes."""
        return Table(self._session, Limit(self._plan, count))

    def profile(self, *, out: str | Path | None = None, lang: str | None = None) -> Profile:
        """Return what each column is, without a model: types, ranges, languages, near-duplicates, personal data.

        ``out`` writes a report, too (``.html`` or ``.json``), in ``lang`` (``en`` or ``zh``) or the texts' own language.
        """
        from rowsight.execution.profile import profiled  # noqa: PLC0415 - loads on use
        from rowsight.surfaces.report import check_report, write_report  # noqa: PLC0415

        if out is not None:
            check_report(Path(out))
        found = profiled(self._session, self._plan)
        if out is not None:
            write_report(found, Path(out), lang=lang)
        return found

    def understand(
        self,
        *,
        text: str | None = None,
        time: str | None = None,
        by: str | None = None,
        k: int | None = None,
        question: str | None = None,
        lang: str | None = None,
    ) -> UnderstandQuery:
        """Look at the table as a whole: profile, anomalies, themes and a summary whose sentences cite rows.

        ``text`` names the column of texts (the one with the longest, where it is left out), ``time`` and ``by`` the columns
        by which change and groups are told (chosen, too). ``k`` and ``question`` are those of ``themes``. ``lang`` is the
        language of the report: ``en`` or ``zh``, the texts' own where it is left out. The profile is made at once.
        """
        from rowsight.surfaces.understanding import UnderstandQuery, Wanted  # noqa: PLC0415 - loads on use

        return UnderstandQuery(self, self._session, Wanted(text, time, by, k, question, lang))

    def explain(self) -> str:
        """Return the plan as text: what the optimizer makes of it, highest step first."""
        from rowsight.execution.explain import explained  # noqa: PLC0415 - running loads on use
        from rowsight.guarantees.algebra import conjoined, shared, standings  # noqa: PLC0415
        from rowsight.optimizer import optimize  # noqa: PLC0415

        plan = optimize(shared(conjoined(self._plan)))
        return "\n".join([explained(plan), *map(str, standings(plan))])

    def estimate(self, model: str = "", **options: Any) -> Estimate:
        """Return rows, calls, tokens and money before anything is spent. ``options`` as in ``run``."""
        return self._session.estimate(self._plan, options_of(model or "unnamed", options))

    def run(self, model: str, *, out: str | Path | None = None, **options: Any) -> Result:
        """Ask, and return the result. ``options`` are those of ``RunOptions``; ``out`` also writes a file.

        Blocks until the run is done, also where an event loop runs (in a notebook); ``await arun`` doesn't.
        """
        return self._session.run(self._plan, options_of(model, options), out=out)

    async def arun(self, model: str, *, out: str | Path | None = None, **options: Any) -> Result:
        """Ask, and return the result, inside a running event loop."""
        return await self._session.arun(self._plan, options_of(model, options), out=out)

    def preview(self, question: str, n: int = 50, *, model: str, **options: Any) -> Preview:
        """Ask a yes/no question of ``n`` rows drawn at random, and return them with their answers."""
        return self._sampled([question], n, model, options).first

    def diff(self, first: str, second: str, n: int = 50, *, model: str, **options: Any) -> Difference:
        """Ask two wordings of a yes/no question of the same ``n`` random rows; return the rows on which they disagree."""
        return self._sampled([first, second], n, model, options)

    def _sampled(self, questions: list[str], n: int, model: str, options: dict[str, Any]) -> Difference:
        asked = [operator("filter").question(q) for q in questions]
        return self._session.preview(self._plan, asked, n, options_of(model, options))

    def _figure(
        self,
        name: str,
        question: str,
        calls: int | None,
        within: float | None,
        by: str | None,
        confidence: float | None,
        **parameters: Any,
    ) -> Figure:
        from rowsight.surfaces.figure import figure  # noqa: PLC0415 - loads on use

        goal = {"calls": calls, "within": within, "by": by, "confidence": confidence}
        return figure(self._session, self._plan, name, question, goal, **parameters)

    def _ask(
        self,
        name: str,
        question: str,
        parameters: dict[str, Any],
        demand: dict[str, Any],
        into: str | None,
        *,
        drop: bool = False,
        show: bool = True,
        follow: str | None = None,
    ) -> Table:
        declaration = operator(name)
        guarantee = demanded(**demand, offered=declaration.metrics, operator=name)
        capped = demand.get("certify") is False
        asked = declaration.question(question, **parameters)
        column = DEFAULT_INTO if into is None else into
        return Table(self._session, Ask(self._plan, asked, column, drop, show, guarantee, follow=follow, capped=capped))

    def __repr__(self) -> str:
        return f"<Table of {', '.join(self.columns)}>\n{self.explain()}"

    def _repr_html_(self) -> str:
        import html  # noqa: PLC0415 - notebooks only

        return f"<pre>{html.escape(repr(self))}</pre>"
