"""Attacks on certificates that are extended: who makes the versions knows the truth, and every answer given so far.

A table lives through several versions, certified as ``execution.living`` does, but without models or files. A life fails
when the certificate of any of its versions is false over the rows that stand in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from benchmarks.validity.cases import line
from benchmarks.validity.engines import ArrayRows, drive

from rowsight.execution.cascade import cascade_for
from rowsight.execution.cascade.earlier import Earlier, Watch
from rowsight.execution.cascade.labels import Labels
from rowsight.execution.follows import KEY, Answers
from rowsight.execution.living import MOST_LABELS
from rowsight.guarantees.certify import allowed_errors
from rowsight.guarantees.drift import Evidence
from rowsight.guarantees.living import Part, bounds_of, carried_by, claims_of, to_open_again, version_confidence
from rowsight.plan.guarantee import Guarantee

FAILURE = 0.05


@dataclass
class Life:
    """A followed question over numbered texts: ``features`` and ``truth`` say what each text is."""

    features: np.ndarray
    truth: np.ndarray
    levels: dict[str, float]
    rows: Answers = field(default_factory=Answers)
    bounds: list[dict[str, int]] = field(default_factory=list)
    labels: Labels | None = None
    watch: Watch | None = None
    evidence: Evidence = field(default_factory=Evidence)
    index: int = 1
    asked: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    false: bool = False
    promised: int = 0
    calls: int = 0

    def standing(self, places: np.ndarray) -> list[Part]:
        found = []
        for number, bounds in enumerate(self.bounds, 1):
            mine = places[self.rows.versions[places] == number]
            proxied, yes = self.rows.proxied[mine], (self.rows.values[mine] == 1) & ("accuracy" not in self.levels)
            found.append(Part(bounds, len(mine), int(proxied.sum()), int(yes.sum()), int((yes & proxied).sum())))
        return found

    def version(self, texts: np.ndarray, seed: int, *, keep: Callable[[bool], bool] | None = None) -> np.ndarray:
        """Certify a table of these texts; return all answers. ``keep``: says, of whether it is false, if it is finished."""
        keys = np.array([b"%d" % t for t in texts], KEY)
        places = self.rows.find(keys)
        there = places >= 0
        chosen = np.array(to_open_again(self.standing(places[there]), self.levels), np.int64) + 1
        again = np.zeros(len(texts), dtype=bool)
        again[there] = (self.rows.proxied & np.isin(self.rows.versions, chosen))[places[there]]
        new, old = np.flatnonzero(again | ~there), np.flatnonzero(there & ~again)
        parts = self.standing(places[old])
        answers = np.empty(len(texts), np.int64)
        answers[old] = self.rows.values[places[old]]
        if len(new):
            watch = None if again.any() else self.watch
            earlier = Earlier(carried_by(parts, list(self.levels)), self.labels, watch)
            decision = self._decided(texts[new], earlier, seed)
            answers[new] = decision.answers
            parts.append(self._part(decision))
        holds = all(claim["holds"] for claim in claims_of(parts, self.levels))
        false = holds and self._false(answers, self.truth[texts])
        if keep is not None and not keep(false):
            return answers
        self.false |= false
        self.promised += holds
        if len(new):
            self._keep(keys[new], places[new], texts[new], decision, earlier)
        return answers

    def _decided(self, texts: np.ndarray, earlier: Earlier, seed: int) -> Any:
        guarantee = Guarantee(confidence=version_confidence(1 - FAILURE, self.index), **self.levels)
        known = np.flatnonzero(np.isin(texts, self.asked))
        asked: list[np.ndarray] = []

        def ask(rows: np.ndarray) -> np.ndarray:
            asked.append(texts[rows])
            return self.truth[texts[rows]]

        given = (known, self.truth[texts[known]]) if len(known) else None
        rows = ArrayRows(self.features[texts])
        decision = drive(
            cascade_for(rows, guarantee, classes=2, seed=seed, known=given, groups=None, attempt=1, earlier=earlier),
            ask,
        )
        self.index += decision.certificate["certifying"] > 0
        new = np.setdiff1d(np.concatenate([np.empty(0, np.int64), *asked]), self.asked)
        self.calls += len(new)
        self.asked = np.concatenate([self.asked, new])
        return decision

    def _part(self, decision: Any) -> Part:
        proxied, yes = ~decision.asked, (decision.answers == 1) & ("accuracy" not in self.levels)
        counts = (len(proxied), int(proxied.sum()), int(yes.sum()), int((yes & proxied).sum()))
        return Part(bounds_of(decision.certificate), *counts)

    def _keep(self, keys: np.ndarray, places: np.ndarray, texts: np.ndarray, decision: Any, earlier: Earlier) -> None:
        self.bounds.append(bounds_of(decision.certificate))
        self.rows = self.rows.put(places, keys, len(self.bounds), decision.answers.astype(float), ~decision.asked)
        if earlier.watch is not None:
            self.evidence = earlier.watch.evidence.after()
        if decision.learnt.frozen is not None:
            self.watch = Watch(decision.learnt.frozen, self.evidence)
        elif self.watch is not None:
            self.watch = Watch(self.watch.frozen, self.evidence)
        rows = decision.learnt.rows
        own = self.features[texts[rows]], decision.answers[rows], decision.learnt.fair
        self.labels = Labels.joined(earlier.labels, *own).last(MOST_LABELS)

    def _false(self, answers: np.ndarray, truth: np.ndarray) -> bool:
        kept, hits = int(np.sum(answers == 1)), int(np.sum((answers == 1) & (truth == 1)))
        positives = int(np.sum(truth == 1))
        wrong = {"accuracy": (int(np.sum(answers != truth)), len(truth)), "precision": (kept - hits, kept)}
        wrong["recall"] = (positives - hits, positives)
        return any(wrong[m][0] > allowed_errors(level, wrong[m][1]) for m, level in self.levels.items())


def _life(
    rng: np.random.Generator, levels: dict[str, float], sizes: tuple[int, ...], kind: type[Life]
) -> tuple[Life, list[np.ndarray]]:
    features, truth, _ = line(rng, sum(sizes))
    ends = np.cumsum(sizes)
    tables = [np.arange(end) for end in ends]
    return kind(features, truth, levels), tables


def _flip(rng: np.random.Generator, life: Life, texts: np.ndarray, share: float) -> None:
    life.truth[rng.choice(texts, int(share * len(texts)), replace=False)] ^= 1


def _lived(life: Life, tables: list[np.ndarray], seed: int) -> Life:
    for table in tables:
        life.version(table, seed)
    return life


def just_above(rng: np.random.Generator, levels: dict[str, float], seed: int, kind: type[Life] = Life) -> Life:
    """Errors everywhere, a little more than the budget bears, in every version."""
    life, tables = _life(rng, levels, (600, 200, 200, 200), kind)
    _flip(rng, life, tables[-1], 0.1 * rng.uniform(1.05, 1.6))
    return _lived(life, tables, seed)


def moved_later(rng: np.random.Generator, levels: dict[str, float], seed: int, kind: type[Life] = Life) -> Life:
    """No error in the first version, so that proxy and watch trust it; then all that the budget of the whole bears, and more."""
    life, tables = _life(rng, levels, (600, 150, 150, 300), kind)
    _flip(rng, life, tables[-1][600:], rng.uniform(0.15, 0.4))
    return _lived(life, tables, seed)


def shifted(rng: np.random.Generator, levels: dict[str, float], seed: int, kind: type[Life] = Life) -> Life:
    """A part of the texts means the opposite from the second version on."""
    life, tables = _life(rng, levels, (600, 300, 300), kind)
    later = tables[-1][600:]
    inside = later[np.abs(life.features[later, 0]) > rng.uniform(0.2, 0.9)]
    life.truth[inside] ^= 1
    return _lived(life, tables, seed)


def repeated(rng: np.random.Generator, levels: dict[str, float], seed: int, kind: type[Life] = Life) -> Life:
    """Texts that the proxy got wrong in the first version come again, many times over."""
    life, tables = _life(rng, levels, (800, 200), kind)
    _flip(rng, life, tables[0], 0.1 * rng.uniform(0.7, 1.3))
    answers = life.version(tables[0], seed)
    wrong = tables[0][answers != life.truth[tables[0]]]
    copies = np.repeat(wrong, rng.integers(2, 12)) if len(wrong) else wrong
    life.version(np.concatenate([tables[1], rng.permutation(copies)]), seed)
    return life


def kept_wrong(rng: np.random.Generator, levels: dict[str, float], seed: int, kind: type[Life] = Life) -> Life:
    """All rows leave but those that the proxy got wrong, and as many others as make the level false; then rows come back."""
    life, tables = _life(rng, levels, (800, 200), kind)
    _flip(rng, life, tables[0], 0.1 * rng.uniform(0.7, 1.3))
    answers = life.version(tables[0], seed)
    wrong = tables[0][answers != life.truth[tables[0]]]
    right = rng.permutation(tables[0][answers == life.truth[tables[0]]])
    left = np.sort(np.concatenate([wrong, right[: int(len(wrong) * rng.uniform(0, 9))]]))
    life.version(left, seed)
    life.version(np.concatenate([left, tables[1][800:]]), seed)
    life.version(tables[1], seed)
    return life


def given_up(rng: np.random.Generator, levels: dict[str, float], seed: int, kind: type[Life] = Life) -> Life:
    """Versions whose certificate is true are given up and begun anew with other rows, until one is false."""
    life, tables = _life(rng, levels, (500, 400), kind)
    _flip(rng, life, tables[-1], 0.1 * rng.uniform(1.05, 1.6))
    life.version(tables[0], seed)
    for attempt in range(5):
        rows = np.delete(tables[1], 500 + attempt)
        life.version(rows, seed + 1000 * attempt, keep=lambda false: false)
    life.version(tables[1], seed)
    return life


ATTACKS = {
    "just above the budget": just_above,
    "errors moved to later versions": moved_later,
    "shifted versions": shifted,
    "wrong texts repeated": repeated,
    "only wrong rows stay": kept_wrong,
    "true versions given up": given_up,
}
LEVELS = {"accuracy": {"accuracy": 0.9}, "p+r": {"precision": 0.9, "recall": 0.9}}
