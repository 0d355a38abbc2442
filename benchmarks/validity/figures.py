"""Attacks on counts, shares and means, and on filters that may overlook only so many rows.

An interval fails when it ever excluded the truth while the run went on (the worst moment to stop), or when any group's
excluded its truth at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from benchmarks.validity.cases import ADVERSARIES, Case, Oracle, line, real_table
from benchmarks.validity.engines import ArrayRows, Outcome, drive

from rowsight.execution.cascade import cascade_for
from rowsight.execution.cascade.estimating import estimating
from rowsight.execution.cascade.protocol import Ask, Note
from rowsight.plan.goal import Goal
from rowsight.plan.guarantee import Guarantee

ROWS = 1200
FAILURE = 0.05


@dataclass
class Sought:
    """A table of which a figure is sought: features, the truth, what the oracle says of it, groups, known rows."""

    features: np.ndarray
    truth: np.ndarray
    within: float = 0.04
    bounds: tuple[float, float] = (0.0, 1.0)
    whole: bool = True
    silent: np.ndarray | None = None
    groups: np.ndarray | None = None
    known: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    money: int | None = None
    calls: int | None = None
    """Rows to ask, in place of a width."""


Maker = Callable[[np.random.Generator], Sought]


@dataclass
class Found:
    """Whether an interval was ever wrong, the rows asked (a share), and whether the width was reached."""

    wrong: bool
    asked: float
    reached: bool


def estimated(case: Sought, seed: int, attempt: int = 1) -> Found:
    """Drive one estimate, and hold the truth against every interval that it showed."""
    count, total = len(case.truth), case.truth.sum()
    answers = case.truth if case.silent is None else np.where(case.silent, np.nan, case.truth)
    known = (case.known, answers[case.known]) if len(case.known) else None
    demand: dict[str, Any] = {"within": case.within} if case.calls is None else {"calls": case.calls}
    goal = Goal(figure="mean" if not case.whole else "share", confidence=1 - FAILURE, **demand)
    course = estimating(
        ArrayRows(case.features),
        goal,
        bounds=case.bounds,
        whole=case.whole,
        seed=seed,
        known=known,
        groups=case.groups,
        attempt=attempt,
    )
    reply: np.ndarray | None = None
    wrong, asked = False, 0
    slack = 1e-9 * count
    while True:
        try:
            request: Any = course.send(reply)
        except StopIteration as end:
            found = end.value
            break
        reply = None
        if isinstance(request, Ask):
            reply = answers[request.rows].astype(float)
            if case.money is not None:
                reply[max(case.money - asked, 0) :] = -np.inf
            asked += len(request.rows)
        elif isinstance(request, Note):
            wrong |= not request.values["low"] * count - slack <= total <= request.values["high"] * count + slack
    sums = [] if case.groups is None else [case.truth[case.groups == g].sum() for g in range(len(found.groups))]
    for interval, real in zip((found.total, *found.groups), (total, *sums), strict=True):
        wrong |= not interval.low - slack <= real <= interval.high + slack
    return Found(wrong, found.total.asked / count, found.reached)


def attempts(case: Sought, seed: int) -> Found:
    """Four attempts with other seeds; any interval that was ever wrong counts."""
    found = [estimated(case, 10 * seed + k, attempt=k) for k in range(1, 5)]
    return Found(any(f.wrong for f in found), found[0].asked, found[0].reached)


# --- tables -----------------------------------------------------------------------------------------------------------


def told(rng: np.random.Generator) -> Sought:
    """A proxy that is right but near its threshold."""
    x, y, _ = line(rng, ROWS)
    return Sought(x, (y ^ (rng.random(ROWS) < 0.05)).astype(float))


def worthless(rng: np.random.Generator) -> Sought:
    """Labels that no feature says anything about, at any prevalence."""
    x, _, _ = line(rng, ROWS)
    return Sought(x, (rng.random(ROWS) < rng.uniform(0.05, 0.95)).astype(float))


def inverted(rng: np.random.Generator) -> Sought:
    """A proxy that is right on the rows drawn first and, a few groups on, the wrong way round."""
    x, y, order = line(rng, ROWS)
    y[order[: int(ROWS * rng.uniform(0.05, 0.4))]] ^= 1
    return Sought(x, y.astype(float))


def lying(rng: np.random.Generator) -> Sought:
    """All surprises stand where the proxy is surest, and are drawn least."""
    x, y, order = line(rng, ROWS)
    y[rng.choice(order[:600], int(rng.uniform(10, 120)), replace=False)] ^= 1
    return Sought(x, y.astype(float))


def in_order(rng: np.random.Generator) -> Sought:
    """Rows sorted by their label."""
    case = told(rng)
    order = np.argsort(case.truth, kind="stable")
    return Sought(case.features[order], case.truth[order])


def rare(rng: np.random.Generator) -> Sought:
    """A handful of positives, hidden from the proxy."""
    x, _, _ = line(rng, ROWS)
    y = np.zeros(ROWS)
    y[rng.choice(ROWS, int(rng.integers(1, 30)), replace=False)] = 1
    return Sought(x, y, within=0.015)


def constant(value: float) -> Maker:
    """Every row has the same answer."""

    def make(rng: np.random.Generator) -> Sought:
        return Sought(line(rng, ROWS)[0], np.full(ROWS, value))

    return make


def grouped(rng: np.random.Generator) -> Sought:
    """Groups of 10, 90, 300 and 800 rows, some of one answer alone, one in which the proxy is inverted."""
    x, y, _ = line(rng, ROWS)
    groups = rng.permutation(np.repeat([0, 1, 2, 3], [10, 90, 300, 800]))
    y[groups == 0] = 1
    y[groups == 2] ^= 1
    return Sought(x, y.astype(float), within=0.08, groups=groups)


def silent(rng: np.random.Generator) -> Sought:
    """The oracle can't answer the rows that matter: positives more often than others."""
    x, y, _ = line(rng, ROWS)
    return Sought(x, y.astype(float), within=0.08, silent=rng.random(ROWS) < np.where(y == 1, 0.08, 0.01))


def broke(rng: np.random.Generator) -> Sought:
    """The money runs out in the middle of a batch."""
    case = worthless(rng)
    case.money = int(rng.integers(20, 400))
    return case


def remembered(rng: np.random.Generator) -> Sought:
    """The ledger knows some rows already: positives alone."""
    case = told(rng)
    case.known = rng.permutation(np.flatnonzero(case.truth == 1))[:150]
    return case


def scores(rng: np.random.Generator) -> Sought:
    """Scores of 0 to 10, most low, a few at the top that the proxy can't see."""
    x, _, _ = line(rng, ROWS)
    y = np.clip(2 + x[:, 0] + 0.5 * rng.normal(size=ROWS), 0, 10)
    y[rng.choice(ROWS, int(rng.integers(5, 40)), replace=False)] = 10
    return Sought(x, y, within=0.3, bounds=(0.0, 10.0), whole=False)


def few(make: Maker, calls: int) -> Maker:
    """So many rows are asked, whatever the interval is then."""
    return lambda rng: replace(make(rng), calls=calls)


def uncommon(rng: np.random.Generator) -> Sought:
    """One yes in ten to fifty, that no feature tells: a sample of few rows often has none."""
    x, _, _ = line(rng, ROWS)
    return Sought(x, (rng.random(ROWS) < rng.uniform(0.02, 0.1)).astype(float))


def real(name: str) -> Maker:
    """A real table of two classes."""

    def make(rng: np.random.Generator) -> Sought:
        x, y = real_table(name)
        rows = rng.permutation(len(y))[:ROWS]
        return Sought(x[rows], y[rows].astype(float))

    return make


ATTACKS: dict[str, Maker] = {
    "proxy near its threshold": told,
    "worthless proxy, any prevalence": worthless,
    "inverted proxy": inverted,
    "surprises in the surest rows": lying,
    "rows sorted by label": in_order,
    "rare positives": rare,
    "all no": constant(0.0),
    "all yes": constant(1.0),
    "groups of 10 to 800 rows": grouped,
    "positives can't be answered": silent,
    "money runs out in a batch": broke,
    "positives alone known before": remembered,
    "scores with unseen outliers": scores,
}
SMALL: dict[str, Maker] = {
    f"{calls} calls: {name}": few(make, calls)
    for calls in (20, 50, 100)
    for name, make in (("a share of 2 to 10%", uncommon), ("a mean, outliers", scores), ("shares of 4 groups", grouped))
}
REAL: dict[str, Maker] = {name: real(name) for name in ("spam", "hotel", "rt")}


# --- rows overlooked --------------------------------------------------------------------------------------------------

MISSED = 0.02


def overlooked(case: Case, seed: int) -> Outcome:
    """A filter that may overlook 2% of all rows."""
    cascade = cascade_for(ArrayRows(case.features), Guarantee(missed=MISSED, confidence=1 - case.failure), seed=seed)
    decision = drive(cascade, case.oracle.ask)
    return Outcome(decision.answers, case.oracle.calls, decision.certificate["certified"], decision.certificate)


def overlooked_failed(case: Case, outcome: Outcome) -> bool:
    """Whether more rows were overlooked than was promised; a row without an answer may be one."""
    lost = np.sum((case.oracle.truth() != 0) & (outcome.answers != 1))
    return outcome.promised and bool(lost > int(MISSED * len(outcome.answers)))


def hidden(rng: np.random.Generator) -> Case:
    """Rare positives, a little more of them than may be overlooked, that no feature tells."""
    x, y, _ = line(rng)
    y[:] = 0
    y[rng.choice(len(y), int(len(y) * MISSED * rng.uniform(1.02, 1.6)), replace=False)] = 1
    return Case(x, Oracle(y), 1 - MISSED)


OVERLOOKED = {"rare positives, hidden": hidden, **ADVERSARIES}
