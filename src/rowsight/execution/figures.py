"""A count, a share or a mean of a question's answers: few rows are asked, and the figure comes with an interval."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from rowsight.execution.cascade.estimating import Estimated, Interval, estimating
from rowsight.execution.cascade.protocol import SKIPPED, Ask, Decision, Note
from rowsight.execution.certified import Driver, Population, TableRows, spooled, unpacked
from rowsight.execution.curve_picture import shown_number
from rowsight.execution.driving import driven
from rowsight.execution.ordered import Piece
from rowsight.guarantees.certificate import seal
from rowsight.plan.schema import Number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rowsight.execution.cascade.protocol import Request
    from rowsight.execution.executor import Work
    from rowsight.plan.goal import Goal
    from rowsight.plan.nodes import Figure

FORMAT = "rowsight-estimate/1"
NOT_COVERED = (
    "The figure is that of the model's recorded answers, not of the truth about the world.",
    "Rows with nothing to be asked about (NULL or empty) are not part of the figure.",
    "Other rows, other questions and other models are not covered.",
)


async def figures(figure: Figure, source: AsyncIterator[Piece], work: Work) -> AsyncGenerator[Piece, None]:
    """Yield one row for the table, or one for each of its groups, with the figure and its interval."""
    spool = await spooled(source, work)
    if spool is None:
        yield _piece(figure.goal, [] if figure.goal.by is not None else [figure_of(NOTHING, figure.goal)])
        return
    estimator = Estimator(figure, work, Population.of(spool, figure))
    decision = await estimator.decide()
    certificate = await estimator.certificate(decision)
    for _ in estimator.told(decision, certificate):
        pass  # counted and traced; the rows themselves aren't wanted
    work.asks[id(figure)].report.kept = None
    found = decision.certificate["figures"]
    yield _piece(figure.goal, found[1:] if figure.goal.by is not None else found)


class Estimator(Driver):
    """Answers an estimate's requests, and says what came of it."""

    kind = b"estimate"

    def __init__(self, figure: Figure, work: Work, population: Population) -> None:
        super().__init__(figure, work, population)
        self.goal = figure.goal
        self.curve.figure = self.goal.figure
        self._held = 0

    async def decide(self) -> Decision:
        """Run the estimate to its end."""
        attempt = await self._attempt()
        known = await self._answers(unpacked(attempt["known"], self.population.count))
        self._held = 0 if known is None else len(known[0])
        answer = self.ask.question.answer
        course = estimating(
            TableRows(self.population, self.work.options),
            self.goal,
            bounds=(answer.low, answer.high) if isinstance(answer, Number) else (0.0, 1.0),
            whole=not self.number,
            seed=self.work.options.seed,
            known=None if known is None else (known[0], self._floats(known[1])),
            groups=self.population.groups,
            attempt=attempt["number"],
        )
        return self._decision(await driven(course, self._in_floats), attempt["number"])

    async def _in_floats(self, request: Request) -> NDArray[Any] | None:
        reply = await self._reply(request)
        return self._floats(reply) if isinstance(request, Ask) and reply is not None else reply

    async def _reply(self, request: Request) -> NDArray[Any] | None:
        if isinstance(request, Note) and request.kind == "estimate":
            low, high, drawn = (request.values[name] for name in ("low", "high", "asked"))
            self.curve.add({"stage": "estimating", "asked": self._held + drawn, "promise": self._interval(low, high)})
        return await super()._reply(request)

    def _interval(self, low: float, high: float) -> dict[str, float]:
        """Return an interval of means as one of the figure that is sought."""
        size = self.population.count if self.goal.figure == "count" else 1
        return {"low": low * size, "high": high * size}

    def end_curve(self, decision: Decision) -> None:
        """Let the curve end with the interval that is stated."""
        found = decision.certificate["figures"][0]
        if found["rows"]:
            self.curve.end(found["asked"], {end: float(found[end]) for end in ("low", "high")})

    def sealed(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the body in the form of estimates."""
        return seal(body, NOT_COVERED, form=FORMAT)

    def _floats(self, replies: NDArray[Any]) -> NDArray[np.float64]:
        if self.number:
            return replies
        numbers = replies.astype(np.float64)
        return np.where(replies >= 0, numbers, np.where(replies == SKIPPED, -np.inf, np.nan))

    def _decision(self, found: Estimated, attempt: int) -> Decision:
        asked = found.answers != -np.inf
        answers = np.where(np.isfinite(found.answers), found.answers, 0.0)
        skipped = [row for row, one in self.failed.items() if one.status == "skipped"]
        answers[skipped] = -np.inf if self.number else SKIPPED
        body = {
            "figure": self.goal.figure,
            "rows": found.total.rows,
            "asked": found.total.asked,
            "unanswered": found.total.unanswered,
            "within": self.goal.within,
            "reached": found.reached,
            "by": self.goal.by,
            "confidence": self.goal.confidence,
            "certified": True,
            "figures": self._figures(found),
            "explained": round(found.summary["explained"], 4),
            "seed": self.work.options.seed,
            "attempt": attempt,
            "share": found.share,
        }
        body["statement"] = sentences(body)
        return Decision(answers if self.number else answers.astype(np.int64), asked, body)

    def _figures(self, found: Estimated) -> list[dict[str, Any]]:
        """Return the table's figure and each group's, groups in the order of their first row."""
        parts = [*found.groups, *[NOTHING] * (len(self.population.group_names) - len(found.groups))]
        named = zip((None, *self.population.group_names), (found.total, *parts), strict=True)
        return [{"group": name, **figure_of(of, self.goal)} for name, of in named]


NOTHING = Interval(0, 0, 0, 0.0, 0.0, 0.0)
"""What there is to say of no rows."""


def figure_of(of: Interval, goal: Goal) -> dict[str, Any]:
    """Return the figure of an interval for a total; the share and the mean of no rows are ``None``."""
    ends: list[float | None] = [of.value, of.low, of.high]
    if goal.figure == "count":
        ends = [round(of.value), round(of.low), round(of.high)]
    else:
        ends = [None if not of.rows else end / of.rows for end in (of.value, of.low, of.high)]
    named = dict(zip(("value", "low", "high"), ends, strict=True))
    return {**named, "rows": of.rows, "asked": of.asked, "unanswered": of.unanswered}


def sentences(body: dict[str, Any]) -> dict[str, str]:
    """Say in one sentence, in English and in Chinese, what was found of the table and what is promised."""
    found = body["figures"][0]
    if not body["rows"]:
        return {"en": "There is no row with anything to be asked about.", "zh": "没有任何可供提问的行。"}
    words = {
        "count": (
            "the model would answer yes on {value} rows ({low} to {high})",
            "模型会对 {value} 行回答“是”（{low} 至 {high}）",
        ),
        "share": (
            "the model would answer yes on {value} ({low} to {high})",
            "模型回答“是”的比例为 {value}（{low} 至 {high}）",
        ),
        "mean": (
            "the mean of the model's scores is {value} ({low} to {high})",
            "模型评分的平均值为 {value}（{low} 至 {high}）",
        ),
    }[body["figure"]]
    shown = {name: shown_number(found[name], body["figure"]) for name in ("value", "low", "high")}
    english, chinese = (text.format(**shown) for text in words)
    english = english.replace(" on 1 rows ", " on 1 row ")
    chance = f"{1 - body['confidence']:.3g}"
    groups = body["by"]
    over = "this one row" if body["rows"] == 1 else f"these {body['rows']:,} rows"
    which = "this interval" if groups is None else f"this interval or that of any {groups}"
    each = "该区间" if groups is None else f"该区间或任一 {groups} 的区间"
    return {
        "en": f"Over {over}, {english}; the chance that {which} is wrong is at most {chance}.",
        "zh": f"在这 {body['rows']:,} 行中，{chinese}；{each}不成立的概率不超过 {chance}。",
    }


def _piece(goal: Goal, found: list[dict[str, Any]]) -> Piece:
    kind = pa.int64() if goal.figure == "count" else pa.float64()
    columns = {} if goal.by is None else {goal.by: pa.array([f["group"] for f in found], pa.string())}
    columns |= {name: pa.array([f[name] for f in found], kind) for name in ("value", "low", "high")}
    columns |= {name: pa.array([f[name] for f in found], pa.int64()) for name in ("rows", "asked")}
    return Piece(pa.array(range(len(found)), pa.int64()), pa.RecordBatch.from_pydict(columns))
