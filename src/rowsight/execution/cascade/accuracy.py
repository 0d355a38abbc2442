"""Answer all rows, asking few, so that at least a given share of the answers equals the oracle's.

Train on uniform rows (doubling) and on rows that would be asked anyway (the uncertain end of the order), freeze, then
draw rows that were never asked, in an order that anyone can replay, until the errors left are proved few enough. Sound
for any proxy, however bad: the proof (``guarantees.certify``) looks at nothing but the draws after the freeze. Every
row asked counts, so a worthless proxy costs no more than asking all rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from rowsight.core.errors import InputError
from rowsight.execution.cascade.earlier import PROBE, Earlier, Learnt
from rowsight.execution.cascade.frozen import FrozenGuesses
from rowsight.execution.cascade.learner import Learner
from rowsight.execution.cascade.prefix import NESTED, WEIGHTS, PrefixTrial
from rowsight.execution.cascade.protocol import SKIPPED, Ask, Decision, Dry, Freeze, Note
from rowsight.execution.cascade.ranks import group_codes, lowest, row_numbers
from rowsight.guarantees.certificate import array_digest, pack, plain, pool_key, seal, sentences
from rowsight.guarantees.certify import allowed_errors, attempt_share, labels_needed
from rowsight.guarantees.draw import draw_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rowsight.execution.cascade.protocol import Cascade, Known, Rows, Steps
    from rowsight.plan.guarantee import Guarantee

MOST_GROUPS = 16_000
"""Groups that the strata of a certificate can tell apart."""
PLANNED = 100_000
"""Rows on which a large table is planned."""
TRAINED = 5_000
"""Labels beyond which the proxy isn't refitted."""
EARLIER = 3_000
"""Labels of earlier versions that train, the latest: a fit takes as long as the cube of the labels."""
FIRST = 100
"""Uniform rows asked first."""
ROUNDS = 40
PATIENCE_REST, PATIENCE_SMALL, PATIENCE_LARGE = 0.15, 0.15, 0.6
"""Uniform sampling ends at so many labels per row left to ask, and per certification row (small and large tables)."""
SMALL = 20_000
"""Tables of fewer rows are small."""
ACTIVE_SHARE, ACTIVE_GROWTH = 0.25, 0.2
"""An active round asks this share of the band, or this share of the labels so far, whichever is more."""
CAUTION = 0.0
"""Standard errors by which a plan inflates the errors that it expects."""
GRID = np.concatenate([np.linspace(0.02, 0.9, 45), np.linspace(0.91, 1.0, 19)])
"""Shares of the rows that are tried as the proxy's part."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The plan for one group: rows up to ``risk`` are proxied. Counts are rows of the whole table."""

    risk: float
    proxied: float
    certifying: float
    rest: float
    share: float


class AccuracyRun:
    """The state of one cascade: what was asked and answered, the proxy, the plan."""

    def __init__(
        self,
        rows: Rows,
        guarantee: Guarantee,
        classes: int | None,
        seed: int,
        known: Known | None,
        groups: NDArray[np.int64] | None,
        attempt: int,
        earlier: Earlier | None = None,
    ) -> None:
        if groups is not None and groups.max(initial=0) >= MOST_GROUPS:
            most = f"{MOST_GROUPS:,} can be certified at most"
            raise InputError(f"by={guarantee.by} has {groups.max() + 1:,} groups; {most}")
        self.rows, self.guarantee, self.seed, self.attempt = rows, guarantee, seed, attempt
        self.earlier = earlier
        self.count = rows.count
        self.random = np.random.default_rng(seed)
        self.answers: NDArray[Any] = np.full(
            self.count, SKIPPED if classes else -np.inf, np.int32 if classes else float
        )
        self.asked = np.zeros(self.count, dtype=bool)
        self.group = group_codes(groups, self.count)
        self.sizes = [self.count] if groups is None else np.bincount(self.group, minlength=1).tolist()
        self.level = guarantee.accuracy or 0.0
        self.budgets = [allowed_errors(self.level, size) for size in self.sizes]
        if earlier is not None:
            self.budgets = [earlier.carried.budget("accuracy", self.level, rows=self.count)]
        failure = float(1 - Fraction(repr(float(guarantee.confidence))))
        self.share = attempt_share(failure, attempt)
        self.proxy = Learner(classes, guarantee.within)
        self.known = known
        self.history: list[dict[str, Any]] = []
        self.stopped = False
        self.scored: NDArray[Any] = np.empty(0)
        """How likely the frozen proxy is wrong on each row."""

    def steps(self) -> Cascade:
        """Train, freeze, certify and ask what is left."""
        trials: list[PrefixTrial] = []
        counts = {"training": 0, "certifying": 0}
        record: dict[str, Any] = {}
        try:
            yield from self._train()
            counts["training"] = int(self.asked.sum())
            guesses, code = self._frozen()
            trials = self._trials(code)
            record = self._record(trials, guesses, code)
            yield Freeze(record)
            yield from self._certify(trials, guesses, record["pools"], counts)
        except Dry:
            self.stopped = True
            yield Note("budget", {"asked": int(self.asked.sum()), "left": int(np.sum(~self.asked))})
        return self._decide(trials, record, counts)

    # --- asking -------------------------------------------------------------------------------------------------

    def _ask(self, rows: NDArray[np.integer[Any]], purpose: str) -> Steps:
        """Ask the rows that weren't asked yet."""
        new = rows[~self.asked[rows]]
        if len(new):
            replies = yield Ask(new, purpose)
            assert replies is not None
            self._take(new, replies)

    def _take(self, rows: NDArray[np.integer[Any]], replies: NDArray[Any]) -> None:
        came = replies != -np.inf if self.proxy.scores else replies != SKIPPED
        self.answers[rows[came]] = replies[came]
        self.asked[rows[came]] = True
        if not came.all():
            raise Dry

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Rows whose answer is the oracle's."""
        return np.isfinite(self.answers) if self.proxy.scores else self.answers >= 0

    # --- training -----------------------------------------------------------------------------------------------

    def _train(self) -> Steps:
        self._choose_sample()
        order = self.random.permutation(self.uniform)
        asked = min(self._first(), self.uniform)
        while asked:
            self.fair[order[:asked]] = True
            yield from self._ask(self.sample[order[:asked]], "uniform")
            yield from self._look("uniform")
            if asked == self.uniform or asked >= max(self._enough(self.plan), self._first()):
                break
            asked = min(max(2 * asked, self._first()), self.uniform)
        yield from self._active()

    def _first(self) -> int:
        """Uniform rows that are asked whatever the plan: few where earlier labels fit."""
        return FIRST if self.earlier is None or self.earlier.labels is None else PROBE

    def _choose_sample(self) -> None:
        """Take the rows to plan on: all, or a uniform sample (first) and known rows (after it)."""
        chosen = np.arange(self.count)
        if self.count > PLANNED:
            chosen = np.sort(self.random.choice(self.count, PLANNED, replace=False))
        self.uniform = len(chosen)
        if self.known is not None and len(self.known[0]):
            self._take(np.asarray(self.known[0], dtype=np.int64), np.asarray(self.known[1]))
            extra = np.setdiff1d(self.known[0], chosen)[:TRAINED]
            chosen = np.concatenate([chosen, extra])
        self.sample = chosen
        self.fair = np.zeros(len(chosen), dtype=bool)
        self.features = self.rows.features(chosen) if self.count else None
        self.ties = self.random.random(len(chosen)) * 1e-9

    def _enough(self, plan: list[Cut]) -> float:
        """Uniform labels after which more of them wouldn't pay."""
        certifying = sum(cut.certifying for cut in plan)
        rest = sum(cut.rest for cut in plan)
        return PATIENCE_REST * rest + (PATIENCE_SMALL if self.count < SMALL else PATIENCE_LARGE) * certifying

    def _active(self) -> Steps:
        """Ask the most doubtful rows beyond the cut, which would be asked anyway, and plan anew, until none is left."""
        for _ in range(ROUNDS):
            plan = self._replan() if not self.history else self.plan
            band = self._band(plan)
            labelled = int(self.asked.sum())
            if not len(band) or labelled >= TRAINED:
                return
            some = int(max(len(band) * ACTIVE_SHARE, ACTIVE_GROWTH * labelled, 32))
            yield from self._ask(self.sample[band[:some]], "active")
            yield from self._look("active")

    def _look(self, stage: str) -> Steps:
        """Plan anew with the answers so far, and say so."""
        yield Note("plan", self._progress(stage, self._replan()))
        yield self._promise([])

    def _band(self, plan: list[Cut]) -> NDArray[np.int64]:
        """Sample rows, not asked yet, that the plan would ask; the most doubtful first."""
        cuts = np.array([cut.risk for cut in plan])
        uniform = np.arange(len(self.sample)) < self.uniform
        band = np.flatnonzero(uniform & ~self.asked[self.sample] & (self.risk > cuts[self.group[self.sample]]))
        return np.asarray(band[np.argsort(-self.risk[band])])

    def _replan(self) -> list[Cut]:
        """Refit the proxy, calibrate it on the uniform rows, and choose each group's cut."""
        self._refit()
        self.plan = self._cuts()
        return self.plan

    def _refit(self) -> None:
        labelled = np.flatnonzero(self.answered[self.sample])
        if len(labelled) > TRAINED:
            labelled = np.sort(self.random.choice(labelled, TRAINED, replace=False))
        answers = self.answers[self.sample]
        if self.earlier is not None:
            drawn = np.flatnonzero(self.fair & self.answered[self.sample])
            self.earlier.observe(self.features, drawn, answers)
        labels = None if self.earlier is None or self.earlier.labels is None else self.earlier.labels.last(EARLIER)
        self.risk = self.proxy.refit(self.features, labelled, answers, self.fair, labels) + self.ties

    def _cuts(self) -> list[Cut]:
        """Choose each group's cut for the errors that it may hold."""
        weight = self._weights()
        group = self.group[self.sample]
        return [self._cut(g, np.flatnonzero(group == g), weight) for g in range(len(self.sizes))]

    def _weights(self) -> NDArray[np.float64]:
        """For how many unasked rows of the table each row of the sample stands."""
        outside = max(self.count - self.uniform, 0) / max(self.uniform, 1)
        weight = np.asarray(outside + ~self.asked[self.sample])
        weight[self.uniform :] = 0
        return weight

    def _cut(self, group: int, rows: NDArray[np.int64], weight: NDArray[np.float64]) -> Cut:
        """Choose how far down the order of doubt the proxy answers: least certification plus rows beyond."""
        rows = rows[np.argsort(self.risk[rows], kind="stable")]
        size = np.cumsum(weight[rows])
        expected = np.cumsum(weight[rows] * self.risk[rows])
        total = float(size[-1]) if len(size) else 0.0
        if total < 1:
            return Cut(-1.0, 0.0, 0.0, 0.0, 0.0)
        steps = np.unique(np.clip(np.searchsorted(size, total * GRID), 0, len(rows) - 1))
        seen = expected[steps] * self.fair.sum() / max(self.count, 1)
        share = np.minimum(expected[steps] * (1 + CAUTION / np.sqrt(seen + 1)) / size[steps], 1.0)
        lost = int(np.sum(self.asked & ~self.answered & (self.group == group)))
        level = self.share / len(self.sizes) * WEIGHTS[-1]
        certifying = 1.1 * labels_needed(np.round(size[steps]), self.budgets[group] - lost, share, level)
        cost = np.minimum(certifying, size[steps]) + total - size[steps]
        best = int(np.argmin(cost))
        if cost[best] >= total:
            return Cut(-1.0, 0.0, 0.0, total, 1.0)
        at = steps[best]
        return Cut(
            float(self.risk[rows[at]]),
            float(size[at]),
            float(certifying[best]),
            total - float(size[at]),
            float(share[best]),
        )

    def _progress(self, stage: str, plan: list[Cut]) -> dict[str, Any]:
        values = {
            "stage": stage,
            "asked": int(self.asked.sum()),
            "proxied": round(sum(cut.proxied for cut in plan)),
            "certifying": round(sum(cut.certifying for cut in plan)),
            "rest": round(sum(cut.rest for cut in plan)),
            "quality": self.proxy.quality,
        }
        self.history.append(values)
        return values

    # --- freezing and certifying --------------------------------------------------------------------------------

    def _frozen(self) -> tuple[NDArray[Any], NDArray[np.uint16]]:
        """Score every row once: the proxy's answers, and the code of each row's stratum (0: asked)."""
        guesses = self._guess_all()
        return guesses, self._strata()

    def _guess_all(self) -> NDArray[Any]:
        """Return the proxy's answer for every row; ``scored`` gets how likely each is wrong."""
        guesses: NDArray[Any] = np.zeros(self.count, dtype=self.answers.dtype)
        risk = np.full(self.count, np.inf, dtype=np.float32)
        if self.count == self.uniform:
            guesses[self.sample], risk[self.sample] = self.proxy.guesses, self.risk
        else:
            for first, features in self.rows.chunks():
                piece = slice(first, first + features.shape[0])
                guesses[piece], risk[piece] = self.proxy.answer(features)
        self.scored = risk
        return guesses

    def _strata(self) -> NDArray[np.uint16]:
        """Return the code of each row's stratum: 0 for rows that are asked, then the nested prefixes of each group."""
        risk = self.scored
        code = np.zeros(self.count, dtype=np.uint16)
        for g, cut in enumerate(self.plan if self.count else []):
            inside = row_numbers((self.group == g) & ~self.asked & (risk <= cut.risk))
            doubt = risk[inside]
            code[inside] = (g + 1) * len(NESTED)
            for share in NESTED[:-1]:
                code[inside[lowest(doubt, ceil(share * len(inside)))]] -= 1
        return code

    def _trials(self, code: NDArray[np.uint16]) -> list[PrefixTrial]:
        share = self.share / len(self.sizes)
        trials = []
        for g in range(len(self.sizes)):
            members = row_numbers((code > g * len(NESTED)) & (code <= (g + 1) * len(NESTED)))
            depth = (code[members] - (1 + g * len(NESTED))).astype(np.int8)
            expected = self.plan[g].share if self.count else 0.0
            trials.append(PrefixTrial(f"prefix:{g}", members, depth, self.budgets[g], share, expected))
        return trials

    def _record(self, trials: list[PrefixTrial], guesses: NDArray[Any], code: NDArray[np.uint16]) -> dict[str, Any]:
        """Everything that the proof needs from before certification; the draw's key depends on all that is frozen."""
        pools, tests = [], []
        for g, trial in enumerate(trials):
            plans = trial.plan(g, _codes(g)[0])
            pool = {
                "name": trial.name,
                "codes": _codes(g),
                "size": len(trial.members),
                "proxies_sha256": array_digest(guesses[trial.members]),
            }
            pools.append({**pool, "key": pool_key(code, pool, plans)})
            tests += plans
        return {**self._head(), "strata": pack(code), "pools": pools, "tests": tests}

    def _certify(
        self, trials: list[PrefixTrial], guesses: NDArray[Any], pools: list[dict[str, Any]], counts: dict[str, int]
    ) -> Steps:
        self.guesses = guesses
        for trial, pool in zip(trials, pools, strict=True):
            trial.start(draw_key(self.seed, self.attempt, pool["key"], trial.name))
        purpose = "band"
        while True:
            yield from self._ask(self._outside(trials), purpose)
            purpose = "rest"
            lost = [self._lost(g, trial) for g, trial in enumerate(trials)]
            going = [(g, t) for g, t in enumerate(trials) if t.outcome(lost[g]) is None]
            if not going:
                return
            drawn = [(t, t.batch(lost[g])) for g, t in going]
            yield from self._draw([(t, places) for t, places in drawn if len(places)], counts)
            yield self._promise(trials)

    def _draw(self, drawn: list[tuple[PrefixTrial, NDArray[np.int64]]], counts: dict[str, int]) -> Steps:
        """Ask one batch of certification rows and hand each trial its own, in the order of its draw."""
        if not drawn:
            return
        dry = False
        try:
            yield from self._ask(np.concatenate([t.members[places] for t, places in drawn]), "certify")
        except Dry:
            dry = True
        for trial, places in drawn:
            came = self.asked[trial.members[places]]
            places = places[: len(places) if came.all() else int(np.argmin(came))]  # noqa: PLW2901 - a stopped draw
            rows = trial.members[places]
            wrong = self.proxy.wrong(self.answers[rows], self.guesses[rows])
            trial.observe(places, wrong, self.answered[rows])
            counts["certifying"] += len(rows)
        if dry:
            raise Dry

    def _outside(self, trials: list[PrefixTrial]) -> NDArray[np.int64]:
        """Rows in no prefix that is still aimed at."""
        outside = np.ones(self.count, dtype=bool)
        for trial in trials:
            outside[trial.inside()] = False
        return np.flatnonzero(outside)

    def _lost(self, group: int, trial: PrefixTrial) -> int:
        """Rows of the group without the oracle's answer, outside the prefix aimed at."""
        missing = (self.group == group) & ~self.answered
        return int(missing.sum() - missing[trial.inside()].sum())

    def _promise(self, trials: list[PrefixTrial]) -> Note:
        """Say what could be promised if the run stopped now: rows answered are right, the others by the draws."""
        lost = [self._claim(g, trials[g] if trials else None)[0]["remaining"] for g in range(len(self.sizes))]
        promise = {"accuracy": 1 - sum(lost) / self.count if self.count else 1.0}
        stage = "certifying" if trials else "training"
        return Note("promise", {"stage": stage, "asked": int(self.asked.sum()), "promise": promise})

    # --- the result ---------------------------------------------------------------------------------------------

    def _decide(self, trials: list[PrefixTrial], record: dict[str, Any], counts: dict[str, int]) -> Decision:
        claims, pools = [], []
        final = self.answers.copy()
        for g, size in enumerate(self.sizes):
            claim, inside = self._claim(g, trials[g] if trials else None)
            claims.append({"metric": "accuracy", "group": g, "rows": size, "budget": self.budgets[g], **claim})
            open_rows = inside[~self.asked[inside]]
            if len(open_rows):
                final[open_rows] = self.guesses[open_rows]
        pools = [self._pool(pool, t) for pool, t in zip(record.get("pools", []), trials, strict=False)]
        body = self._body(record, claims, pools, final, counts)
        learnt = None if self.earlier is None else self._learnt(trials)
        return Decision(final, self.asked.copy(), body, self._summary(trials, body), learnt=learnt)

    def _learnt(self, trials: list[PrefixTrial]) -> Learnt:
        """Return the rows that were answered, and the frozen proxy with the share of rows that it may get wrong."""
        fair = np.zeros(self.count, dtype=bool)
        fair[self.sample[self.fair]] = True
        rows = np.flatnonzero(self.answered)
        trial = trials[0] if trials else None
        inside = np.empty(0, dtype=np.int64) if trial is None else trial.inside()
        if trial is None or trial.aim is None or not len(inside) or self.proxy.model is None:
            return Learnt(rows, fair[rows], None)
        cut = float(self.scored[inside].max())
        outside = np.setdiff1d(rows, inside)
        outside = outside[self.scored[outside] <= cut]
        misjudged = int(self.proxy.wrong(self.answers[outside], self.guesses[outside]).sum())
        errors = trial.bounds[trial.aim].upper + misjudged
        return Learnt(rows, fair[rows], FrozenGuesses.of(self.proxy, cut, errors, self.count))

    def _claim(self, group: int, trial: PrefixTrial | None) -> tuple[dict[str, Any], NDArray[np.integer[Any]]]:
        nobody = np.empty(0, dtype=np.int64)
        lost = int(np.sum((self.group == group) & ~self.answered))
        claim = {"test": None, "lost": lost, "remaining": lost, "holds": lost <= self.budgets[group]}
        if trial is None or trial.aim is None or lost == 0:
            return claim, nobody
        outside = self._lost(group, trial)
        bound = trial.bounds[trial.aim]
        remaining = trial.remaining(outside)
        holds = remaining <= self.budgets[group]
        if not holds and (bound.drawn == 0 or remaining >= lost):
            return claim, nobody
        proof = {
            "test": group * len(NESTED) + trial.aim,
            "lost": outside,
            "remaining": remaining,
            "holds": holds,
            "drawn": bound.drawn,
            "errors": bound.errors,
            "mended": int(trial.mended[trial.aim]),
            "upper": bound.upper,
            "reached": list(bound.reached),
        }
        return proof, trial.members[trial.depth <= trial.aim]

    def _pool(self, pool: dict[str, Any], trial: PrefixTrial) -> dict[str, Any]:
        rows = trial.members[trial.places]
        sampled = {"rows": rows.tolist(), "answers": plain(self.answers[rows]), "proxies": plain(self.guesses[rows])}
        return {**pool, **sampled}

    def _body(
        self,
        record: dict[str, Any],
        claims: list[dict[str, Any]],
        pools: list[dict[str, Any]],
        final: NDArray[Any],
        counts: dict[str, int],
    ) -> dict[str, Any]:
        remaining = sum(claim["remaining"] for claim in claims)
        unanswered = int(np.sum(self.asked & ~self.answered))
        given = np.isfinite(final) if self.proxy.scores else final >= 0
        body = {
            **self._head(),
            "certified": all(claim["holds"] for claim in claims),
            "reached": {"accuracy": 1 - remaining / self.count if self.count else 1.0},
            "asked": int(self.asked.sum()) - unanswered,
            "proxied": int(np.sum(given & ~self.asked)),
            "unanswered": unanswered,
            "skipped": int(np.sum(~given & ~self.asked)),
            **({"stopped": True} if self.stopped else {}),
            **counts,
            "proof": {
                "strata": record.get("strata"),
                "pools": pools,
                "tests": record.get("tests", []),
                "claims": claims,
            },
        }
        body["statement"] = sentences(body)
        return seal(body)

    def _head(self) -> dict[str, Any]:
        return {
            "metrics": [{"metric": "accuracy", "level": self.level}],
            "confidence": self.guarantee.confidence,
            "within": self.guarantee.within,
            "by": self.guarantee.by,
            "seed": self.seed,
            "attempt": self.attempt,
            "share": self.share,
            "rows": self.count,
        }

    def _summary(self, trials: list[PrefixTrial], body: dict[str, Any]) -> dict[str, Any]:
        zones = []
        for trial in trials:
            done = int(np.sum(self.asked[trial.members]))
            size = len(trial.members)
            zones.append({"name": trial.name, "rows": size, "asked": done, "proxied": size - done})
        shown = {name: body[name] for name in ("asked", "proxied", "training", "certifying", "certified", "reached")}
        prefixes = [None if t.aim is None else t.bounds[t.aim].population for t in trials]
        if not body["proxied"]:
            shown["note"] = "Every row was asked or known: no row was left to the proxy."
        more = {"rounds": self.history, "zones": zones, "prefix": prefixes, "histogram": self._histogram()}
        return {"metric": "accuracy", **more, **shown}

    def _histogram(self) -> dict[str, list[Any]]:
        """Count rows asked and proxied over 40 ranges of the proxy's certainty."""
        edges = np.linspace(0, 1, 41)
        certainty = np.clip(1 - self.scored, 0, 1) if len(self.scored) else np.zeros(self.count)
        masks = (("asked", self.asked), ("proxied", ~self.asked))
        return {"edges": edges.tolist(), **{n: np.histogram(certainty[m], edges)[0].tolist() for n, m in masks}}


def priced(plan: list[Cut]) -> float:
    """Return what a plan still costs, in rows to ask."""
    return sum(cut.certifying + cut.rest for cut in plan)


def _codes(group: int) -> list[int]:
    return list(range(1 + group * len(NESTED), 1 + (group + 1) * len(NESTED)))
