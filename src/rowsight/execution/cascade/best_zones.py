"""Keep the right rows within a budget, and promise the highest precision and recall that it buys.

The planner of the zones in reverse: after every round the highest level is sought whose plan (the band asked, and rows
drawn from both zones) costs what is left; metrics that have a level of their own keep it. When the band is bought, the
zones are frozen and all that is left is drawn, each time from the zone that holds the promise back. The levels stated
are what the draws prove. They may depend on them: both bounds (``guarantees.certify``) hold at all moments at once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rowsight.execution.cascade.purse import FEWEST, LEAST, LEVELS, STEPS, Purse, highest, rounded_down
from rowsight.execution.cascade.zones import ACCEPTED, LAST_BAND, LEARN, REJECTED, ROUNDS, TRAINED, ZonesRun

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rowsight.execution.cascade.protocol import Decision, Steps
    from rowsight.execution.cascade.zone_plan import ZonePlan
    from rowsight.execution.cascade.zone_trial import ZoneTrial


class BestZonesRun(ZonesRun):
    """A zones cascade of which one level or both are what its money buys."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.purse, self.aim = Purse(), 30

    @property
    def left(self) -> int:
        """Rows that the money left is about enough for."""
        return self.purse.left(int(self.asked.sum()))

    # --- training -----------------------------------------------------------------------------------------------

    def _train(self) -> Steps:
        yield from self.purse.open(int(self.asked.sum()))
        self.drawn_uniform = self.purse.first(int(self.asked.sum()), self.uniform_size)
        yield from self._ask(self.sample[self.order[: self.drawn_uniform]], "uniform")
        for _ in range(ROUNDS):
            yield from self.purse.open(int(self.asked.sum()))
            yield from self.purse.all_if_ample(lambda: self.asked, lambda rows: self._ask(rows, "rest"), self.random)
            yield from self._look()
            asked, band = int(self.asked.sum()), self._sample_band()
            excess = sum(plan.recall_draws + plan.precision_draws - plan.floor for plan in self.plans)
            learned = asked >= LEARN * excess
            learning = self.purse.learning(asked)
            done = learned and len(band) <= LAST_BAND * asked
            if (
                not len(self._doubtful())
                or asked >= TRAINED
                or (learning < FEWEST and (done or self._spare() < FEWEST))
            ):
                return
            yield from self._round(asked, self._doubtful() if done or not learned else band)

    def _round(self, asked: int, band: NDArray[np.int64]) -> Steps:
        """Ask some uniform rows and some doubtful ones, as far as the proof's money isn't touched."""
        spare = self._spendable(asked)
        yield from self._ask_uniform(min(self._uniform_wanted(asked), self.drawn_uniform + spare // 2))
        band = band[self.answers[self.sample[band]] < REJECTED]
        size = self._round_size(len(band), asked, int(self.asked.sum()) - asked)
        yield from self._ask(self.sample[band[: min(size, self._spendable(int(self.asked.sum())))]], "active")

    def _spendable(self, asked: int) -> int:
        """Rows that can be asked in a round."""
        return max(self._spare(), self.purse.learning(asked))

    def _spare(self) -> int:
        """Rows that can be asked before the money that the proof was planned to take is touched."""
        return int(self.left - sum(plan.recall_draws + plan.precision_draws for plan in self.plans))

    def _choose_zones(self) -> None:
        """Choose the highest level that the money left is enough for, and the zones for it."""
        self.aim = highest(lambda level: sum(p.cost for p in self._plans_for(level)), self.left, self.aim)
        self.plans = self._plans_for(float(LEVELS[self.aim]))

    def _plans_for(self, level: float) -> list[ZonePlan]:
        best = self.guarantee.best
        self.precision = level if "precision" in best else self.precision
        self.recall = level if "recall" in best else self.recall
        return [self._plan(g) for g in range(self.groups)]

    def _progress(self) -> dict[str, Any]:
        return super()._progress() | {"level": float(LEVELS[self.aim])}

    # --- freezing -----------------------------------------------------------------------------------------------

    def _band(self) -> NDArray[np.integer[Any]]:
        """Return the rows in neither zone; the zones grow where there are more than the money is enough for."""
        between = super()._band()
        spare = max(self._spare(), 0)
        if len(between) > spare:
            share = spare / len(between)
            self.plans = [_grown(plan, share, self.guarantee.metrics) for plan in self.plans]
            between = super()._band()
        return between

    # --- certifying ---------------------------------------------------------------------------------------------

    def _certify(self) -> Steps:
        """Draw from the zone that holds the promise back until the money is spent, or everything is asked."""
        self._open_trials()
        yield self._freeze()
        size = int(np.clip(self.left / STEPS, FEWEST, 512))
        while True:
            trial = self._behind()
            if trial is None:
                return
            yield from self._draw([(trial, min(size, trial.left))])
            yield self._promise()

    def _behind(self) -> ZoneTrial | None:
        """Return the zone to draw from, for the group and the metric proved least beside what is demanded of it."""
        wanted = []
        for g in range(self.groups):
            for metric, level in self._reached_in(g).items():
                demanded = getattr(self.guarantee, metric)
                short = level if demanded is None else level - demanded
                wanted.append((short if demanded is None or short < 0 else 2.0, g, metric))
        for _, g, metric in sorted(wanted):
            trials = [self.trials[g, zone][-1] for zone in self._zones_for(g, metric)]
            found = next((trial for trial in trials if trial.left), None)
            if found is not None:
                return found
        return None

    def _zones_for(self, group: int, metric: str) -> tuple[int, int]:
        """Return the zones from the one whose next draws raise a metric most.

        Recall is T / (T + M); a bound falls by about its n-th part with the n-th draw, so that draws from the accepted
        zone, which raise T, are worth M U_F / n_F, and those from the rejected one T U_M / n_M.
        """
        accepted, rejected = self.trials[group, ACCEPTED][-1], self.trials[group, REJECTED][-1]
        right, missed = max(self._kept(group) - accepted.remaining, 0), rejected.remaining + self._lost(group)
        raised = missed * accepted.remaining / (accepted.drawn + FEWEST)
        lowered = right * rejected.remaining / (rejected.drawn + FEWEST)
        return (ACCEPTED, REJECTED) if metric == "precision" or raised > lowered else (REJECTED, ACCEPTED)

    def _reached_in(self, group: int) -> dict[str, float]:
        """Return the levels proved of a group by now, as they can be stated."""
        kept = self._kept(group)
        right = max(kept - self.trials[group, ACCEPTED][-1].remaining, 0)
        missed = self.trials[group, REJECTED][-1].remaining + self._lost(group)
        found = {"precision": rounded_down(right, kept), "recall": rounded_down(right, right + missed)}
        return {metric: found[metric] for metric in self.guarantee.metrics}

    # --- the result ---------------------------------------------------------------------------------------------

    def _decide(self, counts: dict[str, int]) -> Decision:
        """State the levels that were reached in every group."""
        reached = [self._reached_in(g) for g in range(self.groups if self.trials else 0)]
        best = {m: max(min((found[m] for found in reached), default=0.0), LEAST) for m in self.guarantee.best}
        self.precision, self.recall = best.get("precision", self.precision), best.get("recall", self.recall)
        return super()._decide(counts)


def _grown(plan: ZonePlan, share: float, metrics: tuple[str, ...]) -> ZonePlan:
    """Return the plan with the band cut to ``share`` of it, the rest given to the zones that may hold errors."""
    given = plan.band - int(plan.band * share)
    weights = {"recall": max(plan.reject, 1), "precision": max(plan.accept, 1)}
    low = int(given * sum(weights[m] for m in metrics if m == "recall") / sum(weights[m] for m in metrics))
    return replace(plan, reject=plan.reject + low, accept=plan.accept + given - low, band=plan.band - given)
