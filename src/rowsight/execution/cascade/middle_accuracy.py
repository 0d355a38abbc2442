"""The accuracy cascade with a middle model: rows in doubt are put to it before they are put to the oracle."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from rowsight.execution.cascade.accuracy import TRAINED, AccuracyRun, priced
from rowsight.execution.cascade.learner import Learner
from rowsight.execution.cascade.middle import PIECE, WIDER, WINDOWS, Middle
from rowsight.execution.cascade.protocol import Note

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rowsight.execution.cascade.prefix import PrefixTrial
    from rowsight.execution.cascade.protocol import Decision, Steps


class MiddleAccuracyRun(AccuracyRun):
    """An accuracy cascade whose proxy reads a middle model's answers where it is in doubt.

    Two proxies are fitted: one that sees the words, and a richer one that sees the middle model's answer beside them. Which
    rows are the richer one's (``chosen``) is fixed when the middle model is adopted.
    """

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        classes = None if self.proxy.scores else self.proxy.classes
        self.middle = Middle(self.count, classes, self.seed)
        self.rich = Learner(classes, self.guarantee.within)
        self.chosen: NDArray[np.bool_] | None = None
        self.standing: NDArray[np.float64] | None = None
        self.helped = np.zeros(self.count, dtype=bool)
        """Rows that the richer proxy answers, once all is frozen."""

    def _train(self) -> Steps:
        yield from super()._train()
        yield from self._buy_outside()

    def _look(self, stage: str) -> Steps:
        yield from super()._look(stage)
        if self.middle.due(int(self.asked.sum()), self.count, priced(self.plan)):
            yield from self._try()
            if self.chosen is not None:
                yield from super()._look(stage)

    # --- the pilot ----------------------------------------------------------------------------------------------

    def _try(self) -> Steps:
        """Ask the middle model about a few rows, price the plan with it and without, and adopt it where that saves."""
        without = priced(self.plan)
        window = self._window()
        labelled = np.flatnonzero(self.answered[self.sample])
        labelled = labelled[np.argsort(~self.fair[labelled], kind="stable")]  # uniform rows first: they calibrate
        drawn = yield from self.middle.try_on(self.sample, window, labelled, without)
        if drawn is None:
            return
        pilot, known = drawn
        size, cost = self._best_window(window, pilot)
        said = self.middle.said[self.sample[known]]
        right = ~self.proxy.wrong(self.answers[self.sample[known]], said)[~np.isnan(said)]
        verdict = self.middle.judge(right, without, cost, size / len(window))
        if verdict.adopted:
            self.least, self.first = float(self.risk[window[size - 1]]), copy.copy(self.proxy)
            self.chosen = self.risk >= self.least
            yield from self.middle.buy(self.sample[window[:size]])
        yield Note("middle", verdict.plain(int(self.middle.asked.sum())))

    def _window(self) -> NDArray[np.int64]:
        """Places in the sample, not asked yet, whose rows may be put to the middle model; the most doubtful first."""
        places = np.flatnonzero(~self.asked[self.sample[: self.uniform]])
        places = places[np.argsort(-self.risk[places], kind="stable")]
        return np.asarray(places[: int(WIDER * len(self._band(self.plan)))])

    def _best_window(self, window: NDArray[np.int64], pilot: NDArray[np.int64]) -> tuple[int, float]:
        """Return how many rows of the window to buy, and what the plan then costs.

        Rows of the pilot stand for the window: what the richer proxy makes of them it is expected to make of the others.
        """
        risk, plan, weights = self.risk, self.plan, self._weights()
        mixed = risk.copy()
        have, richer, _ = self._richer()
        mixed[have] = richer
        found = []
        for size in sorted({int(np.ceil(share * len(window))) for share in WINDOWS}):
            inside = np.zeros(len(self.sample), dtype=bool)
            inside[window[:size]] = True
            drawn = pilot[inside[pilot]]
            if not len(drawn):
                continue
            rows = float(weights[inside].sum())
            self.standing = np.where(inside, 0.0, weights)
            self.standing[drawn] = rows / len(drawn)
            self.risk = np.where(inside, mixed, risk)
            found.append((priced(self._cuts()) + self.middle.price * rows, size))
        self.risk, self.plan, self.standing = risk, plan, None
        cost, size = min(found)
        return size, cost

    # --- two proxies --------------------------------------------------------------------------------------------

    def _weights(self) -> NDArray[np.float64]:
        return super()._weights() if self.standing is None else self.standing

    def _refit(self) -> None:
        super()._refit()
        if self.chosen is not None:
            have, risk, guesses = self._richer()
            mine = self.chosen[have]
            self.risk[have[mine]] = risk[mine] + self.ties[have[mine]]
            self.proxy.guesses[have[mine]] = guesses[mine]

    def _richer(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[Any]]:
        """Fit the richer proxy; return the places that have the middle model's answer, their risk and their guesses."""
        have = np.flatnonzero(self.middle.has[self.sample])
        rows = self.sample[have]
        labelled = np.flatnonzero(self.answered[rows])
        if len(labelled) > TRAINED:
            labelled = np.sort(self.middle.random.choice(labelled, TRAINED, replace=False))
        features = self.middle.beside(cast("Any", self.features)[have], rows)
        risk = self.rich.refit(features, labelled, self.answers[rows], self.fair[have])
        return have, risk, self.rich.guesses

    # --- freezing -----------------------------------------------------------------------------------------------

    def _buy_outside(self) -> Steps:
        """Buy the middle model's answers for the rows beyond the sample that are in as much doubt as those chosen."""
        if self.chosen is None or self.count == self.uniform:
            return
        for start, features in self.rows.chunks():
            _, risk = self.first.answer(features)
            rows = start + np.flatnonzero(risk >= self.least)
            self.helped[rows] = True
            yield from self.middle.buy(rows[~self.asked[rows]])

    def _guess_all(self) -> NDArray[Any]:
        guesses = super()._guess_all()
        if self.chosen is None:
            return guesses
        self.helped[self.sample] = self.chosen
        self.helped &= self.middle.has
        rows = np.flatnonzero(self.helped) if self.count > self.uniform else np.empty(0, dtype=np.int64)
        for start in range(0, len(rows), PIECE):
            piece = rows[start : start + PIECE]
            features = self.middle.beside(self.rows.features(piece), piece)
            guesses[piece], self.scored[piece] = self.rich.answer(features)
        return guesses

    def _decide(self, trials: list[PrefixTrial], record: dict[str, Any], counts: dict[str, int]) -> Decision:
        decision = super()._decide(trials, record, counts)
        return self.middle.credited(decision, self.helped)
