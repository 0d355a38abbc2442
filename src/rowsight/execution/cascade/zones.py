"""Keep the right rows, asking few, so that precision and recall reach their levels.

Two zones are answered by the proxy: rows whose scores are low are rejected, rows whose scores are high are accepted. All
rows between are asked. They are asked in rounds before the freeze, and the proxy learns from each: every row of the band
is a label, so the band shrinks as it is bought. When no band is left, the zones are frozen and each is certified by rows
drawn from it at random. Errors that are drawn are mended.

Proof. Let F be the rows accepted and not mended that the oracle would not keep, M the rows rejected and not mended that
it would. ``guarantees.certify`` bounds both for all moments at once, F with probability 1 - d1 and M with 1 - d2, and
d1 + d2 = d was fixed before the first draw. Of ``kept`` rows at least T = kept - F are right, so

    precision >= p   if   F <= (1 - p) kept,           recall >= r   if   M <= (1 - r) / r * T,
    missed <= m of all N rows   if   M <= floor(m N),

``kept`` is known, and recall's budget uses the T that the bound on F leaves. A metric that isn't demanded is held at 1:
its zone is empty. When the draws go much worse than planned, a zone may be planned anew from all labels, with a share of
its failure probability that was set aside beforehand for the second (third) trial of that zone; what was drawn before
then counts as asked, and the new trial draws only from rows never asked. The union bound covers all trials.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from rowsight.execution.cascade.earlier import PROBE, Earlier, Learnt
from rowsight.execution.cascade.frozen import FrozenZones
from rowsight.execution.cascade.labels import Labels
from rowsight.execution.cascade.protocol import SKIPPED, UNANSWERED, Ask, Decision, Dry, Freeze, Note
from rowsight.execution.cascade.ranks import group_codes, lowest, row_numbers
from rowsight.execution.cascade.zone_plan import Demand, ZonePlan, plan_again, plan_zones
from rowsight.execution.cascade.zone_trial import ZoneTrial
from rowsight.guarantees.certificate import pack, plain, seal, sentences
from rowsight.guarantees.certify import attempt_share
from rowsight.guarantees.drift import established_rate
from rowsight.guarantees.living import Carried
from rowsight.proxies import linear

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rowsight.execution.cascade.protocol import Cascade, Known, Rows, Steps
    from rowsight.plan.guarantee import Guarantee

PLANNED = 100_000
"""Rows on which a large table is planned, and whose band is asked in rounds."""
TRAINED = 20_000
"""Labels beyond which the proxy isn't refitted."""
TUNED = 2_000
"""Labels beyond which the penalty isn't chosen anew."""
FIRST = 100
"""Uniform rows asked first."""
ROUNDS = 80
GROWTH, GROWTH_LATE, LATE = 0.25, 0.5, 3_000
"""A round asks this share of the labels so far; the larger one beyond so many labels, where a refit takes longest."""
UNIFORM_SHARE = 0.12
"""Uniform rows, as a share of all calls expected: they alone say how many positives hide in a zone."""
LEARN = 1.5
"""Learning goes on while fewer rows were asked than this multiple of the draws that the zones' errors cost."""
LAST_BAND = 0.08
"""A band below this share of the labels is asked at once, and the zones are frozen."""
TRIAL_SHARES = (0.85, 0.13, 0.02)
"""Shares of a zone's failure probability: the first trial, and those planned anew."""
PATIENCE, PATIENCE_ROWS = 1.3, 100
"""Planning anew is thought of after this multiple of the draws planned, if more rows than this are still needed."""
AGAIN = 0.8
"""Planning anew must cost less than this share of going on."""
SHARPEN = 0.05
"""Draws from the accepted zone, beside those from the rejected one, that sharpen recall's budget."""
REJECTED, ACCEPTED = 0, 1
NAMES = ("rejected", "accepted")


class ZonesRun:
    """The state of one cascade: what was asked and answered, the proxy, the zones."""

    def __init__(
        self,
        rows: Rows,
        guarantee: Guarantee,
        seed: int,
        known: Known | None,
        groups: NDArray[np.int64] | None,
        attempt: int,
        earlier: Earlier | None = None,
    ) -> None:
        self.rows, self.guarantee, self.seed, self.attempt = rows, guarantee, seed, attempt
        self.earlier = earlier
        self.carried = Carried() if earlier is None else earlier.carried
        self.count = rows.count
        self.random = np.random.default_rng(seed)
        self.answers = np.full(self.count, SKIPPED, dtype=np.int8)
        self.group = group_codes(groups, self.count)
        self.groups = int(self.group.max(initial=0)) + 1
        self.precision = 1.0 if guarantee.precision is None else guarantee.precision
        self.recall = 1.0 if guarantee.recall is None else guarantee.recall
        self.stopped = False
        failure = float(1 - Fraction(repr(float(guarantee.confidence))))
        self.share = attempt_share(failure, attempt)
        self.known = known
        self.trials: dict[tuple[int, int], list[ZoneTrial]] = {}
        self.members: dict[tuple[int, int], NDArray[np.integer[Any]]] = {}
        self.levels: dict[tuple[int, int], float] = {}
        self.history: list[dict[str, Any]] = []
        self.strength, self.tuned_at = 10.0, 0

    def steps(self) -> Cascade:
        """Train, ask the band, certify, ask what is left."""
        counts = {"training": 0, "certifying": 0}
        try:
            if self.count:
                self._choose_sample()
                yield from self._train()
                yield from self._ask(self._band(), "band")
                counts["training"] = int(self.asked.sum())
                yield from self._certify()
                yield from self._ask(np.flatnonzero(~self._covered()), "rest")
        except Dry:
            self.stopped = True
            yield Note("budget", {"asked": int(self.asked.sum()), "left": int(np.sum(~self.asked))})
        counts["training"] = counts["training"] or int(self.asked.sum())
        counts["certifying"] = sum(trials[-1].drawn for trials in self.trials.values())  # earlier trials prove nothing
        return self._decide(counts)

    # --- asking -------------------------------------------------------------------------------------------------

    @property
    def asked(self) -> NDArray[np.bool_]:
        """Rows that were asked, answered or not."""
        return np.asarray(self.answers != SKIPPED)

    def _ask(self, rows: NDArray[np.integer[Any]], purpose: str) -> Steps:
        """Ask the rows that weren't asked yet."""
        new = rows[self.answers[rows] == SKIPPED]
        if len(new):
            replies = yield Ask(new, purpose)
            assert replies is not None
            self.answers[new] = replies
            if np.any(replies == SKIPPED):
                raise Dry

    # --- training -----------------------------------------------------------------------------------------------

    def _choose_sample(self) -> None:
        """Take the rows to plan on: all, or a uniform sample (first) and known rows (after it)."""
        chosen = np.arange(self.count)
        if self.count > PLANNED:
            chosen = np.sort(self.random.choice(self.count, PLANNED, replace=False))
        self.uniform_size = len(chosen)
        of_sample = np.bincount(self.group[chosen], minlength=self.groups)
        of_table = [int(np.count_nonzero(self.group == g)) for g in range(self.groups)]
        self.outside = (of_table - of_sample) / np.maximum(of_sample, 1)
        if self.known is not None and len(self.known[0]):
            self.answers[self.known[0]] = self.known[1]
            chosen = np.concatenate([chosen, np.setdiff1d(self.known[0], chosen)[:TRAINED]])
        self.sample = chosen
        self.order = self.random.permutation(self.uniform_size)
        self.drawn_uniform = min(FIRST if self._labels is None else PROBE, self.uniform_size)
        self.features = self.rows.features(chosen)

    def _train(self) -> Steps:
        """Ask uniform rows and the band in rounds, refitting after each, until no band is left."""
        yield from self._ask(self.sample[self.order[: self.drawn_uniform]], "uniform")
        for _ in range(ROUNDS):
            yield from self._look()
            asked = int(self.asked.sum())
            wanted = self._uniform_wanted(asked)
            band = self._sample_band()
            rest = sum(plan.band for plan in self.plans)
            labelled = int(np.sum(self.answers[self.sample] >= 0))
            excess = sum(plan.recall_draws + plan.precision_draws - plan.floor for plan in self.plans)
            learned = asked + (0 if self._labels is None else len(self._labels)) >= LEARN * excess
            enough = learned and rest <= LAST_BAND * asked and self.drawn_uniform >= 0.9 * wanted
            if labelled >= TRAINED or enough:
                return
            yield from self._ask_uniform(wanted)
            band = band if learned else self._doubtful()
            band = band[self.answers[self.sample[band]] == SKIPPED]
            size = self._round_size(len(band), asked, int(self.asked.sum()) - asked)
            yield from self._ask(self.sample[band[:size]], "active")
            if int(self.asked.sum()) == asked:
                return

    def _look(self) -> Steps:
        """Plan anew with the answers so far, and say so."""
        self._refit()
        self._choose_zones()
        yield Note("plan", self._progress())
        yield self._promise()

    def _choose_zones(self) -> None:
        """Plan every group's zones."""
        self.plans = [self._plan(g) for g in range(self.groups)]

    def _uniform_wanted(self, asked: int) -> int:
        expected = asked + sum(plan.cost for plan in self.plans)
        if self.count > self.uniform_size:
            expected = min(expected, TRAINED)  # what is asked beyond teaches nothing
        least = max(UNIFORM_SHARE * expected, FIRST)
        if self._labels is not None:
            least = max(UNIFORM_SHARE * expected - int(self._labels.fair.sum()), PROBE)
        wanted = min(int(least), int(1.6 * self.drawn_uniform) + 50)
        return min(max(wanted, self.drawn_uniform), self.uniform_size)

    def _ask_uniform(self, wanted: int) -> Steps:
        rows = self.sample[self.order[self.drawn_uniform : wanted]]
        self.drawn_uniform = wanted
        yield from self._ask(rows, "uniform")

    def _round_size(self, band: int, asked: int, uniform: int) -> int:
        growth = GROWTH if asked < LATE else GROWTH_LATE
        size = min(max(60, int(growth * asked) - uniform), band)
        return band if size > 0.7 * band else size

    def _refit(self) -> None:
        """Fit on every answer; score the sample, each answered row by a proxy that hasn't seen it."""
        answers = self.answers[self.sample]
        labelled = np.flatnonzero(answers >= 0)
        if self.earlier is not None:
            drawn = self.order[: self.drawn_uniform]
            self.earlier.observe(self.features, drawn[answers[drawn] >= 0], answers)
        known = Labels.joined(
            self._labels, self.features[labelled], answers[labelled], np.zeros(len(labelled), dtype=bool)
        )
        features, labels = known.features, known.answers == 1
        if len(known) == 0:
            self.model, self.scores = None, np.zeros(len(self.sample))
            return
        if 2 * self.tuned_at <= len(known) and self.tuned_at < TUNED:
            self.strength, left_out = linear.choose_strength(features, labels)
            self.tuned_at = len(known)
        else:
            left_out = linear.left_out(features, labels, self.strength, 5 if len(known) < 3000 else 3)  # noqa: PLR2004
        self.model = linear.fit(features, labels, self.strength)
        self.scores = self.model.scores(self.features)
        self.scores[labelled] = left_out[len(known) - len(labelled) :]
        self._earlier_scores = left_out[: len(known) - len(labelled)]

    @property
    def _labels(self) -> Labels | None:
        """The labels of earlier versions, as long as they fit."""
        return None if self.earlier is None else self.earlier.labels

    def _plan(self, group: int) -> ZonePlan:
        """Choose the zones of one group from what its uniform rows say (all groups', where it has few)."""
        places, weights = self._standing(group)
        uniform = self.order[: self.drawn_uniform]
        uniform = uniform[self.answers[self.sample[uniform]] >= 0]
        own = uniform[self.group[self.sample[uniform]] == group]
        fair = own if len(own) >= FIRST / 2 else uniform
        known = int(np.sum((self.answers == 1) & (self.group == group)))
        scores, labels = self.scores[fair], self.answers[self.sample[fair]] == 1
        if (earlier := self._labels) is not None:
            scores = np.concatenate([self._earlier_scores[earlier.fair], scores])
            labels = np.concatenate([earlier.answers[earlier.fair] == 1, labels])
        return plan_zones(self.scores[places], known, scores, labels, self._demand(group), weights)

    def _demand(self, group: int) -> Demand:
        level = self.share / self.groups / 2 * TRIAL_SHARES[0]
        missed = None if self.guarantee.missed is None else self._may_miss(group)
        spare = self.carried.spare("recall", self.recall), self.carried.spare("precision", self.precision)
        return Demand(self.precision, self.recall, level, level, missed, *spare)

    def _may_miss(self, group: int) -> int:
        """Rows of the group that may be missed where that is a share of all its rows; exact."""
        assert self.guarantee.missed is not None
        return self.carried.budget("missed", self.guarantee.missed, rows=int(np.sum(self.group == group)))

    def _standing(self, group: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Places in the sample that stand for one group's unasked rows, lowest scores first, and for how many each.

        A row that was asked still stands for those of the table that are like it.
        """
        uniform = self.sample[: self.uniform_size]
        weights = self._weights(group)
        places = np.flatnonzero((self.group[uniform] == group) & (weights > 0))
        places = places[np.argsort(self.scores[places], kind="stable")]
        return places, weights[places]

    def _weights(self, group: int) -> NDArray[np.float64]:
        """For how many unasked rows of the group each row of the sample's uniform part stands."""
        return np.asarray(self.outside[group] + (self.answers[self.sample[: self.uniform_size]] == SKIPPED))

    def _sample_band(self) -> NDArray[np.int64]:
        """Places in the sample between the planned zones, the most doubtful first: least likely to leave the band."""
        bands = [self._standing(g)[0][plan.low : plan.high] for g, plan in enumerate(self.plans)]
        return self._by_doubt(np.concatenate(bands))

    def _doubtful(self) -> NDArray[np.int64]:
        """Places in the sample, not asked yet, the most doubtful first."""
        return self._by_doubt(np.concatenate([self._standing(g)[0] for g in range(self.groups)]))

    def _by_doubt(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        places = places[self.answers[self.sample[places]] == SKIPPED]
        return np.asarray(places[np.argsort(np.abs(self.scores[places]), kind="stable")])

    def _progress(self) -> dict[str, Any]:
        values = {
            "stage": "active",
            "asked": int(self.asked.sum()),
            "rejected": sum(p.reject for p in self.plans),
            "accepted": sum(p.accept for p in self.plans),
            "certifying": round(sum(p.recall_draws + p.precision_draws for p in self.plans)),
            "rest": sum(p.band for p in self.plans),
        }
        self.history.append(values)
        return values

    # --- freezing -----------------------------------------------------------------------------------------------

    def _band(self) -> NDArray[np.integer[Any]]:
        """Score every row once, set the zones' members, and return the rows in neither."""
        self.zone_scores = self._all_scores()
        between = []
        for g, plan in enumerate(self.plans):
            rows = row_numbers((self.group == g) & ~self.asked)
            scores = self.zone_scores[rows]
            low = min(plan.reject, len(rows))
            rejected = lowest(scores, low)
            accepted = ~lowest(scores, max(len(rows) - plan.accept, low))
            self.members[g, REJECTED] = rows[rejected]
            self.members[g, ACCEPTED] = rows[accepted]
            band = np.flatnonzero(~rejected & ~accepted)
            between.append(rows[band[np.argsort(scores[band], kind="stable")]])
        return np.concatenate(between)

    def _all_scores(self) -> NDArray[np.floating[Any]]:
        """Score every row: in double precision where all were planned on, in single where that is 40 MB already."""
        if self.count == self.uniform_size:
            exact = np.zeros(self.count)
            exact[self.sample] = self.scores
            return exact
        scores = np.zeros(self.count, dtype=np.float32)
        if self.model is not None:
            weights = self.model.dense()
            for first, features in self.rows.chunks():
                scores[first : first + features.shape[0]] = features @ weights
            scores += np.float32(self.model.offset)
        return scores

    def _new_trial(self, key: tuple[int, int], share: float) -> ZoneTrial:
        group, zone = key
        trials = self.trials.setdefault(key, [])
        budget = self._budgets(group)[zone]
        trial = ZoneTrial(
            f"{NAMES[zone]}:{group}:{len(trials)}",
            1 + 2 * group + zone,
            self.members[key],
            zone,
            budget,
            self.levels[key] * TRIAL_SHARES[len(trials)],
            share,
        )
        trial.start(self.seed, self.attempt, self.count)
        trials.append(trial)
        return trial

    def _budgets(self, group: int) -> tuple[int, int]:
        """Errors that each zone of the group may hold, by the plan's number of positives."""
        plan = self.plans[group]
        if self.guarantee.missed is not None:
            missed = self._may_miss(group)
        else:
            missed = int(max(plan.positives - plan.missed, 0) * (1 - self.recall) / self.recall)
            missed += int(self.carried.spare("recall", self.recall))
        spare = int(self.carried.spare("precision", self.precision))
        return missed, int((1 - self.precision) * plan.positives) + spare

    def _freeze(self) -> Freeze:
        pools: list[dict[str, Any]] = []
        tests: list[dict[str, Any]] = []
        for trials in self.trials.values():
            pool, test = trials[-1].frozen(len(pools))
            pools.append(pool)
            tests.append(test)
        record = {**self._head(), "strata": pack(self._strata()), "pools": pools, "tests": tests}
        return Freeze(record)

    def _strata(self) -> NDArray[np.uint16]:
        code = np.zeros(self.count, dtype=np.uint16)
        for trials in self.trials.values():
            code[trials[-1].members] = trials[-1].code
        return code

    # --- certifying ---------------------------------------------------------------------------------------------

    def _open_trials(self) -> None:
        for g, plan in enumerate(self.plans):
            self.levels[g, REJECTED], self.levels[g, ACCEPTED] = self._split(plan)
            self._new_trial((g, REJECTED), plan.missed / max(plan.reject, 1))
            self._new_trial((g, ACCEPTED), plan.false / max(plan.accept, 1))

    def _certify(self) -> Steps:
        self._open_trials()
        yield self._freeze()
        while True:
            drawn = [batch for g in range(self.groups) for batch in self._batches(g)]
            if not drawn:
                return
            yield from self._draw(drawn)
            yield self._promise()
            for key in list(self.trials):
                yield from self._reconsider(*key)

    def _split(self, plan: ZonePlan) -> tuple[float, float]:
        """Give the larger share of the failure probability to the zone whose proof is dearer."""
        share = self.share / self.groups
        if not plan.reject or not plan.accept:
            return (share, 0.0) if plan.reject else (0.0, share)
        part = float(np.clip(plan.recall_draws / max(plan.recall_draws + plan.precision_draws, 1), 0.15, 0.85))
        return share * part, share * (1 - part)

    def _batches(self, group: int) -> list[tuple[ZoneTrial, int]]:
        """How many rows to draw next from each zone of a group; nothing when the group is proved."""
        rejected, accepted = self.trials[group, REJECTED][-1], self.trials[group, ACCEPTED][-1]
        false_budget, miss_budget = self._allowed(group)
        batches = []
        if accepted.remaining > false_budget and accepted.left:
            batches.append((accepted, accepted.batch(false_budget)))
        if rejected.remaining + self._lost(group) > miss_budget and rejected.left:
            hoped = self._miss_budget(group, false_budget) if batches else miss_budget
            size = rejected.batch(hoped - self._lost(group))
            sharpen = min(int(SHARPEN * (rejected.drawn + size)) - accepted.drawn, accepted.left)
            if not batches and sharpen > 0:
                batches.append((accepted, sharpen))
            if size:
                batches.append((rejected, size))
        return batches

    def _draw(self, batches: list[tuple[ZoneTrial, int]]) -> Steps:
        """Ask one batch of certification rows and hand each zone its own, in the order of its draw."""
        drawn = [(trial, trial.take(size)) for trial, size in batches]
        dry = False
        try:
            yield from self._ask(np.concatenate([t.members[places] for t, places in drawn]), "certify")
        except Dry:
            dry = True
        for trial, places in drawn:
            answers = self.answers[trial.members[places]]
            came = int(np.argmax(answers == SKIPPED)) if np.any(answers == SKIPPED) else len(answers)
            trial.observe(places[:came], answers[:came])
        if dry:
            raise Dry

    def _reconsider(self, group: int, zone: int) -> Steps:
        """Plan a zone anew from all labels when its draws go much worse than planned and that looks cheaper."""
        trials = self.trials[group, zone]
        trial = trials[-1]
        if trial.drawn < PATIENCE * trial.patience or len(trials) == len(TRIAL_SHARES):
            return
        trial.patience = trial.drawn
        budget = self._hoped(group)[zone]
        further = trial.further(budget)
        if further <= PATIENCE_ROWS:
            return
        rows, doubt, drawn = self._doubts(trial)
        wrong = self.answers[trial.members[trial.places]] != trial.answer
        level = self.levels[group, zone] * TRIAL_SHARES[len(trials)]
        step = max(len(rows) // PLANNED, 1)
        size, cost, share = plan_again(np.sort(doubt[::step]), drawn, wrong, budget, level, len(rows))
        if cost < AGAIN * further:
            kept = lowest(doubt, size)
            self.members[group, zone] = rows[kept]
            self._new_trial((group, zone), share)
            yield Note("again", {"zone": trials[-1].name, "rows": size, "asking": len(rows) - size})
            yield self._freeze()
            asked = np.flatnonzero(~kept)
            yield from self._ask(rows[asked[np.argsort(doubt[asked], kind="stable")]], "band")

    def _doubts(self, trial: ZoneTrial) -> tuple[NDArray[np.integer[Any]], NDArray[np.float64], NDArray[np.float64]]:
        """Return a zone's unasked rows in order, their doubt, and the doubt of the rows drawn."""
        if self.count == self.uniform_size:
            self._refit()
            self.zone_scores = self._all_scores()
        sign = 1.0 if trial.answer == REJECTED else -1.0
        rows = trial.members[self.answers[trial.members] == SKIPPED]
        drawn = trial.members[trial.places]
        return rows, sign * self.zone_scores[rows].astype(np.float64), sign * self.zone_scores[drawn].astype(np.float64)

    def _hoped(self, group: int) -> tuple[int, int]:
        """Return the budgets of the rejected and the accepted zone if precision turns out to be as demanded."""
        false = self._may_keep(group)
        return self._miss_budget(group, false) - self._lost(group), false

    def _kept(self, group: int) -> int:
        """Rows of the group that are kept: answered yes, or accepted and not asked."""
        yes = int(np.sum((self.answers == 1) & (self.group == group)))
        members = self.trials[group, ACCEPTED][-1].members
        return yes + int(np.sum(self.answers[members] == SKIPPED))

    def _allowed(self, group: int) -> tuple[int, int]:
        """Errors that may remain now: rows kept wrongly, rows missed."""
        allowed = self._may_keep(group)
        return allowed, self._miss_budget(group, self.trials[group, ACCEPTED][-1].remaining)

    def _miss_budget(self, group: int, false: int) -> int:
        """Rows that may be missed if no more than ``false`` of the rows kept are wrong."""
        if self.guarantee.missed is not None:
            return self._may_miss(group)
        return self.carried.budget("recall", self.recall, kept=self._kept(group), false=false)

    def _may_keep(self, group: int) -> int:
        """Rows that may be kept wrongly."""
        return self.carried.budget("precision", self.precision, kept=self._kept(group))

    def _lost(self, group: int) -> int:
        """Rows of the group without an answer, outside the draws of its rejected zone: each may be a positive missed."""
        lost = int(np.sum((self.answers == UNANSWERED) & (self.group == group)))
        trial = self.trials[group, REJECTED][-1]
        if self.stopped:  # rows that were still to be asked when the run was stopped
            outside = (self.answers == SKIPPED) & (self.group == group)
            outside[np.concatenate([self.trials[group, zone][-1].members for zone in (REJECTED, ACCEPTED)])] = False
            lost += int(outside.sum())
        return lost - int(np.sum(self.answers[trial.members[trial.places]] == UNANSWERED))

    def _covered(self) -> NDArray[np.bool_]:
        """Rows that were asked or that a proved zone answers."""
        covered = self.asked
        for g in range(self.groups):
            if all(claim["holds"] for claim in self._claims(g)):
                for zone in (REJECTED, ACCEPTED):
                    covered[self.trials[g, zone][-1].members] = True
        return covered

    # --- the result ---------------------------------------------------------------------------------------------

    def _claims(self, group: int) -> list[dict[str, Any]]:
        """Return what is proved of one group: one entry a metric demanded."""
        rejected, accepted = self.trials[group, REJECTED][-1], self.trials[group, ACCEPTED][-1]
        false_budget, miss_budget = self._allowed(group)
        lost = self._lost(group)
        claims = []
        if "precision" in self.guarantee.metrics:
            claims.append(self._claim("precision", accepted, group, false_budget, 0))
        if "recall" in self.guarantee.metrics:
            claims.append(self._claim("recall", rejected, group, miss_budget, lost))
        if self.guarantee.missed is not None:
            claims.append(self._claim("missed", rejected, group, miss_budget, lost))
        return claims

    def _claim(self, metric: str, trial: ZoneTrial, group: int, budget: int, lost: int) -> dict[str, Any]:
        bound = trial.bound
        remaining = trial.remaining + lost
        return {
            "metric": metric,
            "group": group,
            "rows": int(np.sum(self.group == group)),
            "kept": self._kept(group),
            "budget": budget,
            "test": 2 * group + trial.answer,
            "lost": lost,
            "remaining": remaining,
            "holds": remaining <= budget,
            "drawn": bound.drawn,
            "errors": bound.errors,
            "mended": trial.mended,
            "upper": bound.upper,
            "reached": list(bound.reached),
        }

    def _decide(self, counts: dict[str, int]) -> Decision:
        asked = self.asked
        final = self.answers.copy()
        claims: list[dict[str, Any]] = []
        for g in range(self.groups if self.trials else 0):
            claims += self._claims(g)
            if self._answers_for(g):
                for zone in (REJECTED, ACCEPTED):
                    members = self.trials[g, zone][-1].members
                    final[members[~asked[members]]] = zone
        body = self._body(claims, final, asked, counts)
        learnt = None if self.earlier is None else self._learnt()
        return Decision(final, asked, body, self._summary(body, asked), learnt=learnt)

    def _learnt(self) -> Learnt:
        """Return the rows that were answered, and the frozen proxy with the shares of rows that it may get wrong."""
        rows = np.flatnonzero(self.answers >= 0)
        fair = np.zeros(self.count, dtype=bool)
        fair[self.sample[self.order[: self.drawn_uniform]]] = True
        frozen = None
        if self.trials and self.model is not None and any(trials[-1].drawn for trials in self.trials.values()):
            low, rejected = self._frozen_zone(REJECTED)
            high, accepted = self._frozen_zone(ACCEPTED)
            frozen = FrozenZones(self.model, low, high, (rejected, accepted))
        return Learnt(rows, fair[rows], frozen)

    def _frozen_zone(self, zone: int) -> tuple[float, float]:
        """Return the score at which a zone ends, and the share of all rows that was proved to be wrong in it at most.

        Rows that were asked before count, too: by scores of a proxy that hadn't seen them.
        """
        trial = self.trials[0, zone][-1]
        sign = 1.0 if zone == REJECTED else -1.0
        if not len(trial.members):
            return -sign * np.inf, 1.0
        scores = self.zone_scores.astype(np.float64)
        scores[self.sample] = self.scores
        cut = float((sign * scores[trial.members]).max())
        outside = self.answers == 1 - zone
        outside[trial.members] = False
        misjudged = int(np.sum(outside & (sign * scores <= cut)))
        return sign * cut, established_rate(trial.bound.upper + misjudged, self.count)

    def _answers_for(self, group: int) -> bool:
        """Whether the proxy answers a group's zones: proved, or drawn from until the run was stopped."""
        return all(claim["holds"] for claim in self._claims(group)) or (self.stopped and self._drawn_from(group))

    def _drawn_from(self, group: int) -> bool:
        """Whether each zone of a group is empty or was drawn from."""
        trials = [self.trials[group, zone][-1] for zone in (REJECTED, ACCEPTED)]
        return all(trial.drawn or not trial.left for trial in trials)

    def _promise(self) -> Note:
        """Say what could be promised if the run stopped now."""
        stage = "certifying" if self.trials else "training"
        groups = range(self.groups)
        drawn = bool(self.trials) and all(self._drawn_from(g) for g in groups)
        promise = self._reached([c for g in groups for c in self._claims(g)]) if drawn else self._known_recall()
        return Note("promise", {"stage": stage, "asked": int(self.asked.sum()), "promise": promise})

    def _known(self) -> dict[str, float]:
        """Return what holds where the proxy answers no row: rows kept were answered yes."""
        levels = {"precision": 1.0, **self._known_recall()} if self.trials else {}
        return {metric: levels[metric] for metric in self.guarantee.metrics if metric in levels}

    def _known_recall(self) -> dict[str, float]:
        """Return the recall of keeping only rows answered yes: every row without an answer may be a positive missed."""
        if "recall" not in self.guarantee.metrics:
            return {}
        counts = [(self.answers == code) & (self.group == g) for g in range(self.groups) for code in (1, 0)]
        yes, no = (np.array([int(c.sum()) for c in counts[i::2]]) for i in (0, 1))
        whole = np.bincount(self.group, minlength=self.groups) - no
        return {"recall": float(np.min(np.where(whole > 0, yes / np.maximum(whole, 1), 1.0)))}

    def _head(self) -> dict[str, Any]:
        levels = {"precision": self.precision, "recall": self.recall, "missed": self.guarantee.missed}
        return {
            "metrics": [{"metric": name, "level": levels[name]} for name in self.guarantee.metrics],
            "confidence": self.guarantee.confidence,
            "within": None,
            "by": self.guarantee.by,
            "seed": self.seed,
            "attempt": self.attempt,
            "share": self.share,
            "rows": self.count,
        }

    def _body(
        self,
        claims: list[dict[str, Any]],
        final: NDArray[np.integer[Any]],
        asked: NDArray[np.bool_],
        counts: dict[str, int],
    ) -> dict[str, Any]:
        unanswered = int(np.sum(self.answers == UNANSWERED))
        proxied = bool(self.trials) and all(self._answers_for(g) for g in range(self.groups))
        finished = self.count == 0 or bool(self.trials)
        pools: list[dict[str, Any]] = []
        tests: list[dict[str, Any]] = []
        for trials in self.trials.values():
            pool, test = trials[-1].frozen(len(pools))
            pools.append({**pool, **self._sampled(trials[-1])})
            tests.append(test)
        body = {
            **self._head(),
            "certified": finished and all(claim["holds"] for claim in claims),
            "reached": self._reached(claims) if proxied else self._known(),
            **({"stopped": True} if self.stopped else {}),
            "asked": int(asked.sum()) - unanswered,
            "proxied": int(np.sum((final >= 0) & ~asked)),
            "unanswered": unanswered,
            "skipped": int(np.sum((final < 0) & ~asked)),
            **counts,
            "proof": {"strata": pack(self._strata()), "pools": pools, "tests": tests, "claims": claims},
        }
        body["statement"] = sentences(body)
        return seal(body)

    def _sampled(self, trial: ZoneTrial) -> dict[str, Any]:
        rows = trial.members[trial.places]
        return {"rows": rows.tolist(), "answers": plain(self.answers[rows]), "proxies": [trial.answer] * len(rows)}

    def _reached(self, claims: list[dict[str, Any]]) -> dict[str, float]:
        """Return the levels proved over all groups: the least, and of the rows missed the greatest share."""
        reached: dict[str, float] = {}
        for g in range(self.groups if claims else 0):
            kept = self._kept(g)
            right = max(kept - self.trials[g, ACCEPTED][-1].remaining, 0)
            for claim in (c for c in claims if c["group"] == g):
                if claim["metric"] == "missed":
                    share = claim["remaining"] / claim["rows"] if claim["rows"] else 0.0
                    reached["missed"] = max(share, reached.get("missed", 0.0))
                    continue
                whole = kept if claim["metric"] == "precision" else right + claim["remaining"]
                value = right / whole if whole else 1.0
                reached[claim["metric"]] = min(value, reached.get(claim["metric"], 1.0))
        return reached

    def _summary(self, body: dict[str, Any], asked: NDArray[np.bool_]) -> dict[str, Any]:
        zones = []
        for trials in self.trials.values():
            members = trials[-1].members
            done = int(np.sum(asked[members]))
            zones.append({"name": trials[-1].name, "rows": len(members), "asked": done, "proxied": len(members) - done})
        shown = {name: body[name] for name in ("asked", "proxied", "training", "certifying", "certified", "reached")}
        return {"metric": "zones", "rounds": self.history, "zones": zones, "histogram": self._histogram(asked), **shown}

    def _histogram(self, asked: NDArray[np.bool_]) -> dict[str, list[float]]:
        """Count rows asked and proxied over 40 ranges of the proxy's score; ``cuts``: where the zones end."""
        scores = getattr(self, "zone_scores", np.zeros(self.count))
        edges = np.histogram_bin_edges(scores, bins=40)
        counts = {name: np.histogram(scores[mask], edges)[0] for name, mask in (("asked", asked), ("proxied", ~asked))}
        cuts = []
        for (_, zone), trials in self.trials.items():
            if len(trials[-1].members):
                inside = scores[trials[-1].members]
                cuts.append(float(inside.max() if zone == REJECTED else inside.min()))
        return {"edges": edges.tolist(), "cuts": cuts, **{n: [int(v) for v in values] for n, values in counts.items()}}
