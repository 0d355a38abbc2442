"""The cascade of two zones with a middle model: rows in doubt are put to it before they are put to the oracle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rowsight.execution.cascade.middle import PIECE, WIDER, WINDOWS, Middle
from rowsight.execution.cascade.protocol import SKIPPED, Note
from rowsight.execution.cascade.zones import TUNED, ZonesRun
from rowsight.proxies import linear
from rowsight.proxies.calibration import platt

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rowsight.execution.cascade.protocol import Decision, Steps

FOLDS = 3


class MiddleZonesRun(ZonesRun):
    """A zones cascade whose proxy reads a middle model's answers where it is in doubt.

    Two proxies are fitted: one that sees the words, and a richer one that sees the middle model's answer beside them. Which
    rows are the richer one's (``chosen``) is fixed when the middle model is adopted; both give calibrated log-odds, so
    that their rows stand in one order.
    """

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.middle = Middle(self.count, 2, self.seed)
        self.chosen: NDArray[np.bool_] | None = None
        self.standing: NDArray[np.float64] | None = None
        self.rich_strength, self.rich_tuned_at = 10.0, 0
        self.helped = np.zeros(self.count, dtype=bool)
        """Rows that the richer proxy answers, once all is frozen."""

    def _train(self) -> Steps:
        yield from super()._train()
        yield from self._buy_outside()

    def _look(self) -> Steps:
        yield from super()._look()
        if self.middle.due(int(self.asked.sum()), self.count, self._price()):
            yield from self._try()
            if self.chosen is not None:
                yield from super()._look()

    # --- the pilot ----------------------------------------------------------------------------------------------

    def _try(self) -> Steps:
        """Ask the middle model about a few rows, price the plan with it and without, and adopt it where that saves."""
        without = self._price()
        windows = self._windows()
        order = np.concatenate([self.order[: self.drawn_uniform], np.arange(len(self.sample))])
        order = order[np.sort(np.unique(order, return_index=True)[1])]  # uniform rows first: they calibrate
        labelled = order[self.answers[self.sample[order]] >= 0]
        drawn = yield from self.middle.try_on(self.sample, np.flatnonzero(windows[-1]), labelled, without)
        if drawn is None:
            return
        pilot, known = drawn
        best, cost = self._best_window(windows, pilot)
        said = self.middle.said[self.sample[known]]
        right = (said == self.answers[self.sample[known]])[~np.isnan(said)]
        verdict = self.middle.judge(right, without, cost, WINDOWS[best])
        if verdict.adopted:
            yield from self._adopt(windows[best])
        yield Note("middle", verdict.plain(int(self.middle.asked.sum())))

    def _adopt(self, window: NDArray[np.bool_]) -> Steps:
        """Make the rows of a window, and those labelled whose scores lie in it, the richer proxy's; buy their answers."""
        self.ends, self.first = self._ends(self.scores, window), self.model
        self.chosen = self._between(self.scores, self.group[self.sample], self.ends)
        yield from self.middle.buy(self.sample[window])

    def _price(self) -> float:
        """Return what the plans still cost, in rows to ask."""
        return sum(plan.cost for plan in self.plans)

    def _windows(self) -> list[NDArray[np.bool_]]:
        """Mark places in the sample, not asked yet, around each group's band: from a part of it to more than all of it."""
        standing = [self._standing(g)[0] for g in range(self.groups)]
        found = []
        for share in WINDOWS:
            window = np.zeros(len(self.sample), dtype=bool)
            for places, plan in zip(standing, self.plans, strict=True):
                reach = share * WIDER * (plan.high - plan.low) / 2
                middle = (plan.low + plan.high) / 2
                window[places[max(int(middle - reach), 0) : int(np.ceil(middle + reach))]] = True
            window &= self.answers[self.sample] == SKIPPED
            found.append(window)
        return found

    def _best_window(self, windows: list[NDArray[np.bool_]], pilot: NDArray[np.int64]) -> tuple[int, float]:
        """Return which window to buy, and what the plans then cost.

        Rows of the pilot stand for the window: what the richer proxy makes of them it is expected to make of the others.
        """
        scores, plans, weights = self.scores, self.plans, self._table_weights()
        plain = self._calibrated(scores)
        mixed = plain.copy()
        have, mixed[have] = self._richer()
        found = []
        for number, window in enumerate(windows):
            drawn = pilot[window[pilot]]
            if not len(drawn):
                continue
            rows = float(weights[window].sum())
            self.standing = np.where(window, 0.0, weights)
            self.standing[drawn] = rows / len(drawn)
            inside = self._between(scores, self.group[self.sample], self._ends(scores, window))
            self.scores = np.where(inside, mixed, plain)
            self._choose_zones()
            found.append((self._price() + self.middle.price * rows, number))
        self.scores, self.plans, self.standing = scores, plans, None
        cost, number = min(found)
        return number, cost

    def _table_weights(self) -> NDArray[np.float64]:
        """For how many unasked rows of the table each row of the sample stands, whatever its group."""
        weights = np.zeros(len(self.sample))
        group = self.group[self.sample[: self.uniform_size]]
        for g in range(self.groups):
            weights[: self.uniform_size][group == g] = super()._weights(g)[group == g]
        return weights

    def _ends(self, scores: NDArray[np.float64], window: NDArray[np.bool_]) -> list[tuple[float, float]]:
        """Return the lowest and the highest score of each group's rows in a window."""
        group = self.group[self.sample]
        inside = [scores[window & (group == g)] for g in range(self.groups)]
        return [(float(found.min()), float(found.max())) if len(found) else (np.inf, -np.inf) for found in inside]

    def _between(
        self, scores: NDArray[np.float64], group: NDArray[np.int64], ends: list[tuple[float, float]]
    ) -> NDArray[np.bool_]:
        """Mark the rows whose scores lie between the ends of their group."""
        low, high = np.array(ends).T
        return np.asarray((scores >= low[group]) & (scores <= high[group]))

    # --- two proxies --------------------------------------------------------------------------------------------

    def _weights(self, group: int) -> NDArray[np.float64]:
        return super()._weights(group) if self.standing is None else self.standing[: self.uniform_size]

    def _refit(self) -> None:
        super()._refit()
        if self.chosen is not None:
            self.plain_line = self._line(self.scores, np.arange(len(self.sample)))
            self.scores = self._calibrated(self.scores)
            have, richer = self._richer()
            mine = self.chosen[have]
            self.scores[have[mine]] = richer[mine]

    def _calibrated(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the scores of the sample as log-odds, calibrated on its uniform rows."""
        slope, offset = self._line(scores, np.arange(len(self.sample)))
        return slope * scores + offset

    def _line(self, scores: NDArray[np.float64], places: NDArray[np.int64]) -> tuple[float, float]:
        """Return the line from the scores of ``places`` to log-odds, by the uniform rows among them."""
        uniform = np.zeros(len(self.sample), dtype=bool)
        uniform[self.order[: self.drawn_uniform]] = True
        answers = self.answers[self.sample[places]]
        fair = uniform[places] & (answers >= 0)
        return platt(scores[fair], answers[fair] == 1)

    def _richer(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Fit the richer proxy; return the places that have the middle model's answer, and their log-odds."""
        have = np.flatnonzero(self.middle.has[self.sample])
        rows = self.sample[have]
        labelled = np.flatnonzero(self.answers[rows] >= 0)
        features = self.middle.beside(self.features[have], rows)
        known, yes = features[labelled], self.answers[rows[labelled]] == 1
        if 2 * self.rich_tuned_at <= len(labelled) and self.rich_tuned_at < TUNED:
            self.rich_strength, left_out = linear.choose_strength(known, yes)
            self.rich_tuned_at = len(labelled)
        else:
            left_out = linear.left_out(known, yes, self.rich_strength, FOLDS)
        self.rich = linear.fit(known, yes, self.rich_strength)
        scores = self.rich.scores(features)
        scores[labelled] = left_out
        self.rich_line = self._line(scores, have)
        return have, self.rich_line[0] * scores + self.rich_line[1]

    # --- freezing -----------------------------------------------------------------------------------------------

    def _buy_outside(self) -> Steps:
        """Buy the middle model's answers for the rows beyond the sample that are in as much doubt as those chosen."""
        if self.chosen is None or self.count == self.uniform_size or self.first is None:
            return
        for start, features in self.rows.chunks():
            scores = self.first.scores(features)
            group = self.group[start : start + len(scores)]
            rows = start + np.flatnonzero(self._between(scores, group, self.ends))
            self.helped[rows] = True
            yield from self.middle.buy(rows[self.answers[rows] == SKIPPED])

    def _all_scores(self) -> NDArray[np.floating[Any]]:
        scores = super()._all_scores()
        if self.chosen is None:
            return scores
        self.helped[self.sample] = self.chosen
        self.helped &= self.middle.has
        if self.count == self.uniform_size:
            return scores
        scores = np.float32(self.plain_line[0]) * scores + np.float32(self.plain_line[1])
        rows = np.flatnonzero(self.helped)
        for start in range(0, len(rows), PIECE):
            piece = rows[start : start + PIECE]
            richer = self.rich.scores(self.middle.beside(self.rows.features(piece), piece))
            scores[piece] = self.rich_line[0] * richer + self.rich_line[1]
        return scores

    def _decide(self, counts: dict[str, int]) -> Decision:
        return self.middle.credited(super()._decide(counts), self.helped)
