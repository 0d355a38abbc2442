"""Attacks by a middle model: what it says is evidence for the proxy, and it says what suits the attack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from benchmarks.validity.cases import ADVERSARIES, DATA, Case, Maker, real
from benchmarks.validity.engines import ArrayRows, Engine, Outcome, drive

from rowsight.execution.cascade import cascade_for
from rowsight.execution.cascade.protocol import AskMiddle, Prices
from rowsight.plan.guarantee import Guarantee

PRICE = 0.02
"""Of a call of the middle model, in calls of the oracle: so cheap that it is taken where it seems to help at all."""


class Said:
    """What a middle model says: at first ``early``, and after so many rows ``late``."""

    def __init__(self, early: np.ndarray, late: np.ndarray | None = None, after: int = 0) -> None:
        self.early, self.late, self.after, self.asked = early, early if late is None else late, after, 0

    def reply(self, request: Any) -> np.ndarray | None:
        """Answers without log-probabilities, or prices."""
        if isinstance(request, Prices):
            return np.array([1.0, PRICE])
        if not isinstance(request, AskMiddle):
            return None
        rows = request.rows
        places = self.asked + np.arange(len(rows))
        self.asked += len(rows)
        answers = np.where(places < self.after, self.early[rows], self.late[rows])
        return np.column_stack([answers, np.full(len(rows), np.nan)])


def _truth(case: Case, rng: np.random.Generator) -> np.ndarray:
    """The oracle's labels; where it has none, any."""
    labels = case.oracle.labels
    return np.where(labels < 0, rng.integers(0, case.classes, len(labels)), labels)


def _other(labels: np.ndarray, case: Case) -> np.ndarray:
    return (labels + 1) % case.classes


def perfect(case: Case, rng: np.random.Generator) -> Said:
    """It is always right."""
    return Said(_truth(case, rng))


def noisy(case: Case, rng: np.random.Generator) -> Said:
    """It is wrong on some rows, about as many as the level bears."""
    labels = _truth(case, rng)
    wrong = rng.random(len(labels)) < (1 - case.target) * rng.uniform(0.8, 2.0)
    return Said(np.where(wrong, _other(labels, case), labels))


def inverted(case: Case, rng: np.random.Generator) -> Said:
    """It is always wrong."""
    return Said(_other(_truth(case, rng), case))


def echo(case: Case, rng: np.random.Generator) -> Said:
    """It is right where the first feature is large, and wrong elsewhere: where the words are unsure."""
    labels = _truth(case, rng)
    sure = np.abs(case.features[:, 0]) > np.quantile(np.abs(case.features[:, 0]), rng.uniform(0.2, 0.6))
    return Said(np.where(sure, labels, _other(labels, case)))


def turning(case: Case, rng: np.random.Generator) -> Said:
    """It is right in the pilot, and wrong on a share of the rows bought once it was taken."""
    labels = _truth(case, rng)
    wrong = rng.random(len(labels)) < rng.uniform(0.05, 0.5)
    return Said(labels, np.where(wrong, _other(labels, case), labels), after=500)


MIDDLES: dict[str, Callable[[Case, np.random.Generator], Said]] = {
    "perfect": perfect,
    "noisy": noisy,
    "inverted": inverted,
    "right on sure rows alone": echo,
    "right in the pilot alone": turning,
}


def attacked() -> dict[str, Maker]:
    """The tables that middle models are let loose on."""
    names = (
        "truth just above the budget",
        "errors can't be answered",
        "errors in the surest rows",
        "worthless proxy",
        "drift in training",
    )
    found = {name: ADVERSARIES[name] for name in names}
    return found | ({"rt at 0.8": real("rt", 0.8), "hotel at 0.9": real("hotel", 0.9)} if DATA.is_dir() else {})


def engine(name: str, *, zones: bool) -> Engine:
    """Rowsight's cascade with a middle model."""

    def run(case: Case, seed: int) -> Outcome:
        confidence = 1 - case.failure
        demand = Guarantee(accuracy=case.target, confidence=confidence)
        if zones:
            demand = Guarantee(precision=case.target, recall=case.target, confidence=confidence)
        rows, classes = ArrayRows(case.features), case.classes
        steps = cascade_for(rows, demand, classes=classes, seed=seed, known=None, groups=None, attempt=1, middle=True)
        said = MIDDLES[name](case, np.random.default_rng([11, seed]))
        decision = drive(steps, case.oracle.ask, said.reply)
        return Outcome(
            decision.answers, case.oracle.calls, decision.certificate["certified"], decision.summary["middle"]
        )

    return run
