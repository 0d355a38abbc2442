"""Attacks on promises that may be read at any moment: who stops the run knows the truth, and stops when it is worst.

Every promise that a run makes on its way is compared with what is true of the answers it would give if it were stopped
there; one false promise at any moment makes the run a failure. Levels are demanded, or left to a random budget.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from benchmarks.validity.cases import Case
from benchmarks.validity.engines import ArrayRows, Outcome

from rowsight.execution.cascade.accuracy import AccuracyRun
from rowsight.execution.cascade.best_accuracy import BestAccuracyRun
from rowsight.execution.cascade.best_zones import BestZonesRun
from rowsight.execution.cascade.protocol import SKIPPED, Afford, Ask, Note
from rowsight.execution.cascade.zones import ACCEPTED, ZonesRun
from rowsight.plan.guarantee import Guarantee


class Watched:
    """A run that looks, with every promise it makes, whether it is true."""

    truth: np.ndarray
    false = False
    moments = 0

    def _promise(self, *trials: Any) -> Note:
        note: Note = super()._promise(*trials)  # type: ignore[misc]  # of the run it is mixed into
        if note.values["stage"] == "certifying":
            self.moments += 1
            real = self._real(*trials)
            self.false |= any(real[metric] < level - 1e-12 for metric, level in note.values["promise"].items())
        return note

    def _real(self, trials: Any) -> dict[str, float]:
        """The accuracy if the run stopped now."""
        run: Any = self
        final = run.answers.copy()
        for g, trial in enumerate(trials):
            inside = run._claim(g, trial)[1]  # noqa: SLF001 - looks into the run
            inside = inside[~run.asked[inside]]
            final[inside] = run.guesses[inside]
        return {"accuracy": float(np.mean((final == self.truth) & (final >= 0)))}


class WatchedZones(Watched):
    """The same for precision and recall; a row without an answer may be a positive that is missed."""

    def _real(self, *_: Any) -> dict[str, float]:
        run: Any = self
        kept = run.answers == 1
        for (_group, zone), trials in run.trials.items():
            members = trials[-1].members
            if zone == ACCEPTED:
                kept[members[~run.asked[members]]] = True
        hits = int(np.sum(kept & (self.truth == 1)))
        positives = int(np.sum(self.truth == 1) + np.sum((self.truth < 0) & ~kept))
        return {"precision": hits / kept.sum() if kept.any() else 1.0, "recall": hits / positives if positives else 1.0}


class WatchedAccuracyRun(Watched, AccuracyRun):
    """Accuracy with a level."""


class WatchedBestAccuracyRun(Watched, BestAccuracyRun):
    """Accuracy without a level."""


class WatchedZonesRun(WatchedZones, ZonesRun):
    """Precision and recall with levels."""


class WatchedBestZonesRun(WatchedZones, BestZonesRun):
    """Precision and recall without levels."""


def drive(cascade: Any, case: Case, money: int) -> Any:
    """Answer a cascade's requests as long as the money lasts."""
    reply = None
    while True:
        try:
            request = cascade.send(reply)
        except StopIteration as done:
            return done.value
        reply = None
        if isinstance(request, Ask):
            reply = case.oracle.ask(request.rows[: max(money - case.oracle.calls, 0)])
            reply = np.concatenate([reply, np.full(len(request.rows) - len(reply), SKIPPED)])
        elif isinstance(request, Afford):
            reply = np.array([money - case.oracle.calls])


def watched(kind: str, case: Case, seed: int) -> Outcome:
    """Run one kind of cascade under watch, with money that runs out at a random moment."""
    rows, count = ArrayRows(case.features), len(case.oracle.labels)
    money = int(count * np.random.default_rng([9, seed]).uniform(0.1, 1.0))
    confidence = 1 - case.failure
    if kind == "accuracy":
        demand = Guarantee(accuracy=case.target, confidence=confidence)
        run: Any = WatchedAccuracyRun(rows, demand, case.classes, seed, None, None, 1)
    elif kind == "best accuracy":
        demand = Guarantee(best=("accuracy",), confidence=confidence)
        run = WatchedBestAccuracyRun(rows, demand, case.classes, seed, None, None, 1)
    elif kind == "zones":
        demand = Guarantee(precision=case.target, recall=case.target, confidence=confidence)
        run = WatchedZonesRun(rows, demand, seed, None, None, 1)
    else:
        demand = Guarantee(best=("precision", "recall"), confidence=confidence)
        run = WatchedBestZonesRun(rows, demand, seed, None, None, 1)
    run.truth = case.oracle.labels if case.oracle.later is None else case.oracle.later
    decision = drive(run.steps(), case, money)
    return Outcome(
        decision.answers, case.oracle.calls, run.moments > 0, {"false": run.false or _false_end(run, decision)}
    )


def _false_end(run: Any, decision: Any) -> bool:
    """Whether what the certificate says was reached is false of the answers that were given."""
    reached = decision.certificate["reached"] if not isinstance(run, ZonesRun) or run.trials else {}
    given, truth = decision.answers, run.truth
    hits, kept = int(np.sum((given == 1) & (truth == 1))), int(np.sum(given == 1))
    positives = int(np.sum(truth == 1) + np.sum((truth < 0) & (given != 1)))
    real = {
        "accuracy": float(np.mean((given == truth) & (given >= 0))),
        "precision": hits / kept if kept else 1.0,
        "recall": hits / positives if positives else 1.0,
    }
    return any(real[metric] < level - 1e-12 for metric, level in reached.items())


def failed(_: Case, outcome: Outcome) -> bool:
    """Whether any promise on the way, or the last one, was false."""
    assert outcome.body is not None
    return bool(outcome.body["false"])


KINDS = ("accuracy", "best accuracy", "zones", "best zones")
