"""A certified question over a table that grows: new rows are certified as a version, the others keep their answers."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rowsight.core.events import CascadeNote, Warned
from rowsight.core.identity import digest
from rowsight.execution.asking import arguments_of
from rowsight.execution.cascade.earlier import Earlier, Watch
from rowsight.execution.cascade.labels import Labels
from rowsight.execution.cascade.protocol import Ask, Decision
from rowsight.execution.certified import Driver, Population, TableRows, spooled
from rowsight.execution.codes import SetCodes
from rowsight.execution.follows import KEY, KEY_BYTES, Follow, opened
from rowsight.guarantees.certificate import Certificate, array_digest, seal
from rowsight.guarantees.living import (
    PART_FORMAT,
    Part,
    bounds_of,
    carried_by,
    claims_of,
    living_body,
    part_sentences,
    reached_by,
    to_open_again,
    version_confidence,
)
from rowsight.proxies.features import Featurizer, Recipe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rowsight.execution.executor import Work
    from rowsight.execution.ordered import Piece
    from rowsight.plan import nodes

MOST_LABELS = 6_000
"""Labels that a version leaves to the next."""


async def followed(ask: nodes.Ask, source: AsyncIterator[Piece], work: Work) -> AsyncGenerator[Piece, None]:
    """Yield the rows of ``source`` in order, the new ones answered under the guarantee of ``ask``, the others as before."""
    spool = await spooled(source, work)
    if spool is None:
        return
    assert work.state is not None
    assert ask.follow is not None
    with opened(work.state, ask.follow) as follow:
        version = Version(ask, work, Population.of(spool, ask), follow)
        decision, certificate = await version.certified()
    for piece in version.driver.told(decision, certificate):
        yield piece


class LivingDriver(Driver):
    """Drives the cascade of one version, over the rows that are new in it."""

    kind = b"living"

    def __init__(self, ask: nodes.Ask, work: Work, population: Population, follow: Follow, earlier: Earlier) -> None:
        self.follow, self.earlier = follow, earlier
        assert ask.guarantee is not None
        self.index = follow.begin(population.table_digest.hex()) if population.count else 1
        confidence = version_confidence(ask.guarantee.confidence, self.index)
        self.drawn = False
        self.table: TableRows | None = None
        super().__init__(ask, work, population, replace(ask.guarantee, confidence=confidence))
        if isinstance(self.codes, SetCodes):
            for known in follow.codes:
                if known is not None:
                    self.codes.code(known)

    @property
    def _demand(self) -> str:
        """Names what is demanded, and all that the version goes on from: other drafts of it are other attempts."""
        done = [version["certificate"]["digest"] for version in self.follow.versions]
        assert self.earlier is not None
        return digest([super()._demand, done, self.earlier.carried])

    def _rows(self) -> TableRows:
        words = None if self.follow.words is None else Featurizer(Recipe(), self.follow.words)
        self.table = TableRows(self.population, self.work.options, words)
        assert self.earlier is not None
        if (labels := self.earlier.labels) is not None:
            found = self.table.features(np.zeros(1, np.int64))
            if found.shape[1] != labels.features.shape[1]:  # other features= than before
                self.earlier.labels = self.earlier.watch = None
        return self.table

    def _warn(self, kind: str, values: dict[str, Any]) -> None:
        """Say that nearly every row must be asked of the first version only: later ones may well be a handful of rows."""
        if not self.follow.versions:
            super()._warn(kind, values)

    async def _reply(self, request: Any) -> NDArray[Any] | None:
        if isinstance(request, Ask) and request.purpose == "certify" and not self.drawn:
            self.follow.draw()
            self.drawn = True
        return await super()._reply(request)

    async def _answers(self, known: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[Any]] | None:
        """Return the rows known before; the model that answered them then is no part of this version's proof."""
        found = await super()._answers(known)
        self.oracles.clear()
        return found

    def end_curve(self, decision: Decision) -> None:
        """Leave the end open: what is promised in the end is promised of all rows, not of this version's."""

    def sealed(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the body as a part of a living certificate keeps it."""
        version = len(self.follow.versions) + 1
        said = {"name": self.follow.name, "version": version, "index": self.index}
        if len(self.oracles) <= 1:
            said["statement"] = part_sentences(self.follow.name, version, body)
        return seal({**body, **said}, form=PART_FORMAT)

    def widen(self, population: Population, new: NDArray[np.int64]) -> None:
        """Speak of the whole table from here on; ``new`` are the version's rows in it."""
        self.failed = {int(new[row]): told for row, told in self.failed.items()}
        self.keys = {int(new[row]): key for row, key in self.keys.items()}
        known = np.ones(population.count, dtype=bool)
        known[new] = self.from_ledger
        self.from_ledger, self.population = known, population


class Version:
    """One run over a followed table: which rows are new, their proof, and the certificate over all that stand."""

    def __init__(self, ask: nodes.Ask, work: Work, population: Population, follow: Follow) -> None:
        self.ask, self.work, self.population, self.follow = ask, work, population, follow
        assert ask.guarantee is not None
        self.guarantee = ask.guarantee
        self.levels = {metric: float(getattr(ask.guarantee, metric)) for metric in ask.guarantee.metrics}
        follow.check(self._definition())
        self.keys = row_keys(population)
        self.places = follow.rows.find(self.keys)
        again = self._opened_again()
        self.reopened = int(again.sum())
        self.new = np.flatnonzero(again | (self.places < 0))
        self.old = np.flatnonzero((self.places >= 0) & ~again)
        self.parts = self._standing(self.places[self.old])
        """What stands of each finished version; the last is this one's, once its rows are answered."""
        self.earlier = self._earlier()
        self.driver = LivingDriver(ask, work, self._new_rows(), follow, self.earlier)

    async def certified(self) -> tuple[Decision, Certificate]:
        """Certify the new rows, keep the version, and return what all rows are told and the certificate over them."""
        found = await self.driver.decide()
        part = await self.driver.certificate(found)
        self.driver.widen(self.population, self.new)
        whole = self._whole(found)
        if part is not None:
            self._extend(found, part.body)
        certificate = Certificate(self._body(part), whole.answers)
        if self.driver.curve.points:
            self.driver.curve.end(int(found.asked.sum()), certificate.body["reached"])
        self._report(certificate)
        return whole, certificate

    # --- before the version -----------------------------------------------------------------------------------------

    def _definition(self) -> dict[str, Any]:
        """Say what the name stands for, each thing by the word that an error would use."""
        question, guarantee = self.ask.question, self.guarantee
        return {
            "operator": question.operator,
            "question": question.template.source,
            "answers": question.answer.schema,
            "model": self.work.options.model,
            "guarantee": dict(self.levels),
            "confidence": guarantee.confidence,
            "within": guarantee.within,
            "prompt": self.work.decider(question).identity,
        }

    def _standing(self, places: NDArray[np.int64]) -> list[Part]:
        """Return what is left of every finished version, of the rows kept at ``places``; rows lost then are new again."""
        rows, count = self.follow.rows, len(self.follow.versions) + 1
        proxied, yes = rows.proxied[places], self._yes(rows.values[places])
        masks = (np.ones(len(places), dtype=bool), proxied, yes, yes & proxied)
        counts = [np.bincount(rows.versions[places[mask]], minlength=count) for mask in masks]
        return [
            Part(version["bounds"], *(int(c[version["version"]]) for c in counts)) for version in self.follow.versions
        ]

    def _opened_again(self) -> NDArray[np.bool_]:
        """Return which rows' answers by the proxy must be certified anew, since others have left."""
        rows, there = self.follow.rows, self.places >= 0
        chosen = to_open_again(self._standing(self.places[there]), self.levels)
        again = np.zeros(len(there), dtype=bool)
        again[there] = (rows.proxied & np.isin(rows.versions, np.array(chosen, dtype=np.int64) + 1))[self.places[there]]
        return again

    def _yes(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which answers keep their row, for the metrics of a filter."""
        return np.asarray((values == 1) & ("accuracy" not in self.levels))

    def _new_rows(self) -> Population:
        whole, named = self.population, hashlib.sha256(self.keys[self.new].tobytes()).digest()
        return Population(whole.spool, whole.columns, whole.places[self.new], None, named)

    def _earlier(self) -> Earlier:
        follow = self.follow
        watch = None if follow.frozen is None else Watch(follow.frozen, follow.evidence)
        if self.reopened:  # rows that the proxy had taken are no sample of what comes
            watch = None
        return Earlier(carried_by(self.parts, list(self.levels)), follow.labels, watch)

    # --- after it ---------------------------------------------------------------------------------------------------

    def _whole(self, found: Decision) -> Decision:
        """Return what every row of the table is told."""
        rows, old = self.follow.rows, self.places[self.old]
        values = np.empty(self.population.count, found.answers.dtype)
        asked = np.empty(self.population.count, dtype=bool)
        values[self.old], asked[self.old] = rows.values[old], ~rows.proxied[old]
        values[self.new], asked[self.new] = found.answers, found.asked
        return Decision(values, asked, found.certificate, found.summary)

    def _extend(self, found: Decision, body: dict[str, Any]) -> None:
        """Count the version in; keep it, unless it was stopped or no row has an answer: the next run goes on with it."""
        given = np.isfinite(found.answers) if self.driver.number else found.answers >= 0
        proxied, yes = given & ~found.asked, self._yes(found.answers)
        counts = (int(mask.sum()) for mask in (proxied, yes, yes & proxied, ~given))
        self.parts.append(Part(bounds_of(body), len(given), *counts))
        if body.get("stopped") or not given.any():
            return
        follow, places = self.follow, self.places[self.new]
        number = len(follow.versions) + 1
        follow.versions.append(self._record(number, body))
        values = found.answers[given].astype(np.float64)
        rows = follow.rows.put(places[given], self.keys[self.new[given]], number, values, proxied[given])
        follow.rows = rows.without(places[~given & (places >= 0)])
        follow.codes = [] if self.driver.number else self.driver.codes.answers()
        self._learn(found)
        follow.save()
        follow.end()

    def _record(self, number: int, body: dict[str, Any]) -> dict[str, Any]:
        """Return the version as it is kept and listed."""
        return {
            "version": number,
            "index": self.driver.index,
            "drawn": self.driver.drawn,
            "new": len(self.new) - self.reopened,
            "opened_again": self.reopened,
            "rows": sum(part.rows for part in self.parts),
            **{name: body[name] for name in ("asked", "proxied", "unanswered")},
            "calls": self.work.gateway.tally.calls,
            "certified": all(claim["holds"] for claim in claims_of(self.parts, self.levels)),
            "reached": reached_by(self.parts, list(self.levels)),
            "bounds": dict(self.parts[-1].bounds),
            "drift": self._drift(),
            "certificate": body,
        }

    def _drift(self) -> dict[str, Any] | None:
        """Say what the watch for drift saw in this version."""
        watch = self.earlier.watch
        if watch is None or not watch.drawn:
            return None
        return {
            "drawn": watch.drawn,
            "errors": list(watch.errors),
            "rates": list(watch.frozen.rates),
            "evidence": watch.evidence.worth,
            "threshold": watch.evidence.threshold,
            "alarm": watch.evidence.alarm,
        }

    def _learn(self, found: Decision) -> None:
        """Keep what the next version starts from: labels, the words' weights, the frozen proxy, the evidence of drift."""
        follow, learnt, table, watch = self.follow, found.learnt, self.driver.table, self.earlier.watch
        assert learnt is not None
        assert table is not None
        follow.words = table.words.weights
        if watch is not None:
            follow.evidence = watch.evidence.after()
        if learnt.frozen is not None or self.earlier.labels is None:
            follow.frozen = learnt.frozen
        chosen = _at_most(MOST_LABELS, learnt.fair, self.work.options.seed)
        rows = learnt.rows[chosen]
        follow.labels = self.earlier.labels
        if len(rows):
            labels = Labels.joined(follow.labels, table.features(rows), found.answers[rows], learnt.fair[chosen])
            follow.labels = labels.last(MOST_LABELS)

    # --- the certificate --------------------------------------------------------------------------------------------

    def _body(self, part: Certificate | None) -> dict[str, Any]:
        follow = self.follow
        bodies = [version["certificate"] for version in follow.versions]
        if len(bodies) < len(self.parts):
            assert part is not None  # one that isn't kept
            bodies.append(part.body)
        standing = [(body, p) for body, p in zip(bodies, self.parts, strict=True) if p.rows]
        last = standing[-1][0] if standing else {}
        names = ("version", "seed", "attempt", "training", "certifying", "self_agreement", "rows_per_call", "stopped")
        lost = {name: 0 if part is None else part.body[name] for name in ("unanswered", "skipped")}
        head = {
            "name": follow.name,
            **{name: last[name] for name in names if name in last},
            **lost,
            "confidence": self.guarantee.confidence,
            "within": self.guarantee.within,
            "drift": follow.versions[-1]["drift"] if follow.versions else None,
            "table": self._table(),
        }
        return living_body(head, standing, self.levels)

    def _table(self) -> dict[str, Any]:
        driver = self.driver
        return {
            "digest": self.population.table_digest.hex(),
            "columns": list(self.population.columns),
            "question": self.ask.question.template.source,
            "operator": self.ask.question.operator,
            "answers": None if driver.number else driver.codes.answers(),
            "groups": [],
            "positions": array_digest(self.population.places),
        }

    def _report(self, certificate: Certificate) -> None:
        """Tell people and programs what this version came to."""
        follow = self.follow
        said = {
            "name": follow.name,
            "version": len(self.parts),
            "finished": len(self.parts) == len(follow.versions),
            "new": len(self.new) - self.reopened,
            "known": len(self.old),
            "opened_again": self.reopened,
            "elsewhere": len(follow.rows.keys) - int(np.sum(follow.rows.find(self.keys) >= 0)),
            "spent": follow.spent,
            "drift": self._drift(),
        }
        report = self.work.report
        self.work.asks[id(self.ask)].report.follow = said
        self.work.listener(CascadeNote("follow", said))
        report.notes.append(
            f"follow {follow.name!r}: version {said['version']:,}, {said['new']:,} new rows, {said['known']:,} answered before"
        )
        for words in _warnings(said, certificate):
            report.notes.append(words)
            self.work.listener(Warned(words))


def _warnings(said: dict[str, Any], certificate: Certificate) -> list[str]:
    """Return what the user should know of a version beyond its figures."""
    found = []
    if said["opened_again"]:
        found.append(
            f"follow {said['name']!r}: {said['opened_again']:,} rows that the proxy had answered were certified anew: others "
            "have left the table, and what was proved of them together no longer sufficed"
        )
    if (drift := said["drift"]) and drift["alarm"]:
        seen = " and ".join(f"{x / drift['drawn']:.1%}" for x in drift["errors"])
        most = " and ".join(f"{rate:.1%}" for rate in drift["rates"])
        found.append(
            f"follow {said['name']!r}: drift: of {drift['drawn']:,} rows drawn from the new ones the earlier proxy would get "
            f"{seen} wrong, where {most} was established at most; it was trained anew without the earlier labels"
        )
    if len(models := certificate.body["oracle"]) > 1:
        found.append(
            f"follow {said['name']!r}: the model changed between versions ({', '.join(models)}): earlier answers are those of "
            "the model then; follow under another name to have all answered by the model now"
        )
    return found


def row_keys(population: Population) -> NDArray[np.bytes_]:
    """Return the name of each row: a hash of its texts, their lengths included."""
    found = bytearray()
    for batch in population.batches():
        for texts in arguments_of(batch, population.columns):
            row = hashlib.blake2b(digest_size=KEY_BYTES)
            for text in texts:
                raw = (text or "").encode("utf-8", "surrogatepass")
                row.update(len(raw).to_bytes(8, "big") + raw)
            found += row.digest()
    return np.frombuffer(bytes(found), KEY)


def _at_most(count: int, fair: NDArray[np.bool_], seed: int) -> NDArray[np.int64]:
    """Choose rows to keep as labels, in order: all, or all that were drawn uniformly and others at random."""
    if len(fair) <= count:
        return np.arange(len(fair))
    order = np.random.default_rng([seed, 4]).permutation(len(fair))
    order = order[np.argsort(~fair[order], kind="stable")]
    return np.sort(order[:count])
