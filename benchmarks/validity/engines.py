"""The engines under attack. An engine takes a case and a seed, and returns answers for every row."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from benchmarks.validity.cases import Case

from rowsight.execution.cascade import cascade_for
from rowsight.execution.cascade.protocol import Ask, Decision
from rowsight.guarantees.certify import allowed_errors
from rowsight.plan.guarantee import Guarantee


@dataclass
class Outcome:
    """Answers for all rows, calls made, and whether the engine promises the level."""

    answers: np.ndarray
    calls: int
    promised: bool
    body: dict[str, Any] | None = None


Engine = Callable[[Case, int], Outcome]
Answering = Callable[[np.ndarray], np.ndarray]
Verdict = Callable[[Case, Outcome], bool]


class ArrayRows:
    """Rows whose features are an array."""

    def __init__(self, features: Any) -> None:
        self._features = features

    @property
    def count(self) -> int:
        return int(self._features.shape[0])

    def features(self, rows: np.ndarray) -> Any:
        return self._features[rows]

    def chunks(self) -> Iterator[tuple[int, Any]]:
        for start in range(0, self.count, 10_000):
            yield start, self._features[start : start + 10_000]


def drive(
    cascade: Generator[Any, Any, Decision], ask: Answering, more: Callable[[Any], np.ndarray | None] | None = None
) -> Decision:
    """Answer a cascade's requests until it decides; ``more`` answers those that ask nothing of the oracle."""
    reply = None
    while True:
        try:
            request = cascade.send(reply)
        except StopIteration as done:
            return done.value
        reply = ask(request.rows) if isinstance(request, Ask) else more(request) if more else None


def accuracy(case: Case, seed: int, *, attempt: int = 1, ask: Answering | None = None) -> Outcome:
    """Rowsight's accuracy cascade."""
    guarantee = Guarantee(accuracy=case.target, confidence=1 - case.failure)
    cascade = cascade_for(ArrayRows(case.features), guarantee, classes=case.classes, seed=seed, attempt=attempt)
    return _outcome(case, drive(cascade, ask or case.oracle.ask))


def zones(case: Case, seed: int, *, attempt: int = 1, ask: Answering | None = None) -> Outcome:
    """Rowsight's precision and recall cascade; the case's level is demanded of both."""
    guarantee = Guarantee(precision=case.target, recall=case.target, confidence=1 - case.failure)
    cascade = cascade_for(ArrayRows(case.features), guarantee, seed=seed, attempt=attempt)
    return _outcome(case, drive(cascade, ask or case.oracle.ask))


def _outcome(case: Case, decision: Decision) -> Outcome:
    return Outcome(decision.answers, case.oracle.calls, decision.certificate["certified"], decision.certificate)


def zones_failed(case: Case, outcome: Outcome) -> bool:
    """Whether precision or recall is below what was promised; a row without an answer may be a positive missed."""
    truth = case.oracle.truth()
    kept = outcome.answers == 1
    hits = int(np.sum(kept & (truth == 1)))
    false = int(kept.sum()) - hits > allowed_errors(case.target, int(kept.sum()))
    positives = int(np.sum(truth == 1) + np.sum((truth < 0) & ~kept))
    missed = positives - hits > allowed_errors(case.target, positives)
    return outcome.promised and (false or missed)


def resumed(engine: Callable[..., Outcome]) -> Engine:
    """Kill an engine in the middle and run it again; a resumed run must end in the certificate of an unbroken one."""

    def run(case: Case, seed: int) -> Outcome:
        stop = int(np.random.default_rng(seed).integers(1, len(case.oracle.labels) // 3))

        class KilledError(Exception):
            pass

        def ask(rows: np.ndarray) -> np.ndarray:
            if case.oracle.calls > stop:
                raise KilledError
            return case.oracle.ask(rows)

        with suppress(KilledError):
            engine(case, seed, ask=ask)
        second, third = engine(case, seed), engine(case, seed)
        assert second.body == third.body, "a resumed run gave another certificate"
        return second

    return run


def repeated(engine: Callable[..., Outcome], verdict: Verdict) -> Engine:
    """Run an engine four times with other seeds, each a new attempt; the worst promise counts."""

    def run(case: Case, seed: int) -> Outcome:
        outcomes = [engine(case, 10 * seed + k, attempt=k) for k in range(1, 5)]
        return max(outcomes, key=lambda outcome: verdict(case, outcome))

    return run


def failed(case: Case, outcome: Outcome) -> bool:
    """Whether the engine promised more than is true. Rows without an answer count as wrong."""
    truth = case.oracle.truth()
    wrong = int(np.sum((outcome.answers != truth) | (truth < 0)))
    return outcome.promised and wrong > allowed_errors(case.target, len(truth))
