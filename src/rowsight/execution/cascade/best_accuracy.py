"""Answer all rows within a budget, and promise the highest accuracy that it buys.

The planner of the accuracy cascade in reverse: after every round the highest level is sought whose plan (rows asked for
their doubt, and rows drawn for the proof) costs what is left. As the money goes, the rows still to be asked for their
doubt run out, and what is left is what the proof was planned to take: then all is frozen, every row not asked becomes
the proxy's, and all that is left is drawn. The level stated is what the draws prove. It may depend on them: the bound
(``guarantees.certify``) holds at all moments and for all levels at once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rowsight.execution.cascade.accuracy import ACTIVE_GROWTH, ACTIVE_SHARE, ROUNDS, TRAINED, AccuracyRun, Cut, priced
from rowsight.execution.cascade.purse import FEWEST, LEAST, LEVELS, STEPS, Purse, highest, rounded_down
from rowsight.guarantees.certify import allowed_errors
from rowsight.guarantees.draw import draw_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rowsight.execution.cascade.prefix import PrefixTrial
    from rowsight.execution.cascade.protocol import Decision, Steps

UNIFORM_SHARE = 0.2
"""Uniform rows take no more than this share of the money."""


class BestAccuracyRun(AccuracyRun):
    """An accuracy cascade whose level is what its money buys."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.purse, self.aim = Purse(), 30

    @property
    def left(self) -> int:
        """Rows that the money left is about enough for."""
        return self.purse.left(int(self.asked.sum()))

    # --- training -----------------------------------------------------------------------------------------------

    def _train(self) -> Steps:
        self._choose_sample()
        yield from self.purse.open(int(self.asked.sum()))
        yield from self._uniform()
        yield from self._active()
        self.guesses = self._guess_all()
        yield from self._ask_most_doubtful()

    def _uniform(self) -> Steps:
        order = self.random.permutation(self.uniform)
        upto = self.purse.first(int(self.asked.sum()), self.uniform)
        most = upto + int(UNIFORM_SHARE * self.left)
        while upto:
            self.fair[order[:upto]] = True
            yield from self._ask(self.sample[order[:upto]], "uniform")
            yield from self.purse.open(int(self.asked.sum()))
            yield from self.purse.all_if_ample(lambda: self.asked, lambda rows: self._ask(rows, "rest"), self.random)
            yield from self._look("uniform")
            more = min(2 * upto, most, self.uniform)
            if more - upto < FEWEST:
                return
            upto = more

    def _active(self) -> Steps:
        for _ in range(ROUNDS):
            asked = int(self.asked.sum())
            band = self._band(self.plan)
            spare = max(self._spare(), self.purse.learning(asked))
            some = min(int(max(len(band) * ACTIVE_SHARE, ACTIVE_GROWTH * asked, 2 * FEWEST)), spare)
            if not len(band):
                band, some = self._doubtful(), min(some, self.purse.learning(asked))
            if asked >= TRAINED or some < FEWEST:
                return
            yield from self._ask(self.sample[band[:some]], "active")
            yield from self.purse.open(int(self.asked.sum()))
            yield from self._look("active")

    def _doubtful(self) -> NDArray[np.int64]:
        """Sample rows, not asked yet, the most doubtful first."""
        rows = np.flatnonzero(~self.asked[self.sample[: self.uniform]])
        return np.asarray(rows[np.argsort(-self.risk[rows], kind="stable")])

    def _spare(self) -> int:
        """Rows that can be asked before the money that the proof was planned to take is touched."""
        return int(self.left - sum(cut.certifying for cut in self.plan))

    def _cuts(self) -> list[Cut]:
        """Choose the highest level that the money left is enough for, and the cuts for it."""
        self.aim = highest(lambda level: priced(self._cuts_for(level)), self.left, self.aim)
        return self._cuts_for(float(LEVELS[self.aim]))

    def _cuts_for(self, level: float) -> list[Cut]:
        self.level = level
        self.budgets = [allowed_errors(level, size) for size in self.sizes]
        return super()._cuts()

    def _progress(self, stage: str, plan: list[Cut]) -> dict[str, Any]:
        return super()._progress(stage, plan) | {"level": self.level}

    def _ask_most_doubtful(self) -> Steps:
        """Ask the rows beyond the plan's cuts, in the whole table, as far as the proof's money isn't touched."""
        cuts = np.array([cut.risk for cut in self.plan])
        beyond = np.flatnonzero(~self.asked & (self.scored > cuts[self.group]))
        spare = max(self._spare(), 0)
        yield from self._ask(beyond[np.argsort(-self.scored[beyond], kind="stable")][:spare], "band")

    # --- freezing and certifying --------------------------------------------------------------------------------

    def _frozen(self) -> tuple[NDArray[Any], NDArray[np.uint16]]:
        """Leave every row that wasn't asked to the proxy."""
        self.plan = [replace(cut, risk=np.inf) for cut in self.plan]
        return self.guesses, self._strata()

    def _certify(
        self, trials: list[PrefixTrial], guesses: NDArray[Any], pools: list[dict[str, Any]], counts: dict[str, int]
    ) -> Steps:
        """Draw from the group that is proved least until the money is spent, or everything is asked."""
        self.guesses = guesses
        for trial, pool in zip(trials, pools, strict=True):
            trial.start(draw_key(self.seed, self.attempt, pool["key"], trial.name))
        size = int(np.clip(self.left / STEPS, FEWEST, 512))
        while True:
            behind = np.argsort([self._proved(g, trial) for g, trial in enumerate(trials)], kind="stable")
            drawn = next(((trials[g], rows) for g in behind if len(rows := trials[g].take(size))), None)
            if drawn is None:
                return
            yield from self._draw([drawn], counts)
            yield self._promise(trials)

    def _proved(self, group: int, trial: PrefixTrial) -> float:
        """Return the accuracy proved of a group by now."""
        size = self.sizes[group]
        return 1 - self._claim(group, trial)[0]["remaining"] / size if size else 1.0

    # --- the result ---------------------------------------------------------------------------------------------

    def _decide(self, trials: list[PrefixTrial], record: dict[str, Any], counts: dict[str, int]) -> Decision:
        """State the level that was reached in every group."""
        reached = [
            rounded_down(size - self._claim(g, trials[g] if trials else None)[0]["remaining"], size)
            for g, size in enumerate(self.sizes)
        ]
        self.level = max(min(reached, default=1.0), LEAST)
        self.budgets = [allowed_errors(self.level, size) for size in self.sizes]
        return super()._decide(trials, record, counts)
