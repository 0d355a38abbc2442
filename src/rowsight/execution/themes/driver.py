"""The themes of a table, step by step: group texts, name the groups, ask about rows drawn at random, guess the others.

1. Every row's text is hashed under the seed; all draws follow the hashes, so the order of the rows changes nothing.
2. A bounded sample of distinct texts is placed in a space and grouped (``proxies.clusters``).
3. The model names each group from texts of it, beside texts of its neighbours, and merges names that mean the same.
4. The model is asked which themes fit: about rows drawn uniformly, and about a few texts near each theme's centre.
5. The rows drawn give each theme's share with exact bounds. All rows asked teach a light model, which guesses the rest;
   where an accuracy is demanded, a cascade goes on from here and certifies the sets of themes.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from rowsight.engines.arrow import python_values
from rowsight.execution.asking import NULL, Told, answered, ask_each, record
from rowsight.execution.certified import POSITION, Population, certified_rows, spooled
from rowsight.execution.ordered import Piece
from rowsight.execution.themes.assigned import Asked, Guesser, Set, named
from rowsight.execution.themes.found import Cell, Example, Theme, Themes
from rowsight.execution.themes.naming import Draft, drafted, nearest_texts
from rowsight.execution.themes.parts import Parts, groups_of, spans_of
from rowsight.execution.themes.shares import Evidence, theme_cells
from rowsight.execution.themes.texts import Texts
from rowsight.operators.themes import themes_question
from rowsight.plan import nodes
from rowsight.plan.theming import EXAMPLES, MOST_CHOSEN, UNASSIGNED
from rowsight.proxies.clusters import Clusters, Space, chosen_count, cluster

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rowsight.engines.base import Spool
    from rowsight.execution.executor import Work
    from rowsight.operators import Question

GROUPED = 10_000
"""Most distinct texts that are grouped."""
EXEMPLARS, EXAMPLE_LENGTH = 5, 500
"""Texts near its centre that describe a theme to a later run; most characters of a text that is shown."""


async def themed(node: nodes.Themes, source: AsyncIterator[Piece], work: Work) -> AsyncGenerator[Piece, None]:
    """Yield the rows of ``source`` in order with their themes; the themes themselves go to the question's report."""
    spool = await spooled(source, work)
    if spool is None:
        work.asks[id(node)].report.themes = _no_themes(node, work, 0)
        return
    finder = _Finder(node, work, spool)
    await finder.find()
    if node.guarantee is not None and node.guarantee.metrics and finder.drafts:
        ask = nodes.Ask(node.input, finder.question(), node.into, guarantee=node.guarantee)
        work.asks[id(ask)] = work.asks[id(node)]
        async with aclosing(certified_rows(ask, spool, work)) as rows:
            async for piece in rows:
                yield piece
        return
    for piece in finder.told():
        yield piece


def _no_themes(node: nodes.Themes, work: Work, rows: int) -> Themes:
    nothing = Theme(UNASSIGNED, "", 0, None, None, None, naming="given")
    notes = ("No row has a text to be asked about.",)
    return _result(node, work, themes=(), unassigned=nothing, rows=rows, askable=0, drawn=0, unanswered=0, notes=notes)


def _result(node: nodes.Themes, work: Work, **found: Any) -> Themes:
    """Return themes with what the run knew of them from the start."""
    assert node.guarantee is not None
    return Themes(
        question=node.question.template.source,
        model=work.options.model,
        confidence=node.guarantee.confidence,
        by=node.theming.by,
        time=node.theming.time,
        seed=work.options.seed,
        **found,
    )


@dataclass
class _Finder:
    """One search for themes: what was grouped, named, asked and guessed."""

    node: nodes.Themes
    work: Work
    spool: Spool
    notes: list[str] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)

    async def find(self) -> None:
        """Find the themes and leave them in the report."""
        population = Population.of(self.spool, self.node)
        report = self.work.asks[id(self.node)].report
        self.texts = await asyncio.to_thread(Texts.of, population, self.work.options.seed)
        if not population.count:
            report.themes = _no_themes(self.node, self.work, self.spool.count)
            return
        parts = self._parts()
        sample, clusters = await asyncio.to_thread(self._grouped)
        self.drafts = await drafted(self.node, clusters, sample, self.work, self.notes)
        await self._ask(clusters)
        await asyncio.to_thread(self._guess)
        report.themes = self._themes(clusters, parts)

    def question(self) -> Question:
        """Return the question that was put to rows."""
        return themes_question(self.node.question.template, tuple((d.name, d.description) for d in self.drafts))

    # --- grouping -----------------------------------------------------------------------------------------------

    def _parts(self) -> dict[str, Parts]:
        """Return the parts of the population by ``by`` and by ``time``, where they are asked for."""
        theming, places = self.node.theming, self.texts.population.places
        found = {}
        if theming.by is not None:
            found["by"] = groups_of(self._column(theming.by, places))
        if theming.time is not None:
            found["time"] = spans_of(self._column(theming.time, places), theming.time)
        return found

    def _column(self, name: str, places: NDArray[np.integer[Any]]) -> list[Any]:
        values = [v for batch in self.spool.batches((name,)) for v in python_values(batch.column(0))]
        return [values[place] for place in places.tolist()]

    def _grouped(self) -> tuple[list[str], Clusters | None]:
        """Place a sample of distinct texts in a space and group them; return their texts and the groups."""
        options, theming = self.work.options, self.node.theming
        self.rows, weights = self.texts.distinct(GROUPED)
        sample = self.texts.read(self.rows)
        self.guesser = Guesser(self.texts, Space.fit(sample, options.seed), options.features)
        if theming.k == 0:
            return sample, None
        _, vectors = self.guesser.space.features(sample)
        self.vectors = vectors if options.features is None else self.guesser.vectors(self.rows)
        k = theming.k or chosen_count(self.vectors, MOST_CHOSEN, options.seed)
        found = cluster(self.vectors, weights, k, options.seed)
        mass = np.bincount(found.owner, weights) / weights.sum()
        return sample, found.largest(max(int((mass >= theming.min_share).sum()), 1))

    # --- asking -------------------------------------------------------------------------------------------------

    async def _ask(self, clusters: Clusters | None) -> None:
        """Ask about the rows drawn, and about texts near each theme's centre."""
        drawn = self.texts.drawn(self.node.theming.sample)
        near = np.empty(0, dtype=np.int64)
        if clusters is not None:
            wanted = [i for d in self.drafts for i in nearest_texts(clusters, d.groups, EXAMPLES)]
            near = self.rows[np.array(wanted, dtype=np.int64)] if wanted else near
        rows = np.concatenate([drawn, near[~np.isin(near, drawn)]])
        told = await ask_each(self.work.alone(self.question()), self.texts.arguments(rows))
        self.asked = Asked(rows, len(drawn), told)

    def _guess(self) -> None:
        """Teach the light model what was answered, and guess every row."""
        sets = self.asked.sets()
        known = np.array([i for i, s in enumerate(sets) if s is not None], dtype=np.int64)
        taught = [s for s in sets if s is not None]
        self.guesser.learn(self.asked.rows[known], taught, drawn=known < self.asked.drawn)
        self.guess = self.guesser.guesses(self.texts.population.count)
        self.left_out: list[Set | None] = [None] * len(sets)
        for place, guess in zip(known.tolist(), self.guesser.left_out, strict=True):
            self.left_out[place] = guess

    # --- the themes ---------------------------------------------------------------------------------------------

    def _themes(self, clusters: Clusters | None, parts: dict[str, Parts]) -> Themes:
        assert self.node.guarantee is not None
        count, drawn, sets = self.texts.population.count, self.asked.drawn, self.asked.sets()
        evidence = Evidence(self.guesser.sets, self.guess, self.asked.rows[:drawn], sets[:drawn], self.left_out[:drawn])
        names, failure = [d.name for d in self.drafts], 1.0 - self.node.guarantee.confidence
        whole = {"whole": Parts(("",), np.zeros(count, dtype=np.int64))}
        shares = {n: theme_cells(evidence, names, p, failure) for n, p in (whole | parts).items()}
        drafts = [*self.drafts, Draft(UNASSIGNED, "", "given", ())]
        cells = [{name: found[number] for name, found in shares.items()} for number in range(len(drafts))]
        made = [self._theme(draft, found, clusters) for draft, found in zip(drafts, cells, strict=True)]
        unanswered = sum(s is None for s in sets[:drawn])
        self._note(unanswered)
        return _result(
            self.node,
            self.work,
            themes=tuple(sorted(made[:-1], key=lambda t: -(t.share or 0.0))),
            unassigned=made[-1],
            rows=self.spool.count,
            askable=count,
            drawn=drawn,
            unanswered=unanswered,
            span=parts["time"].span if "time" in parts else None,
            notes=tuple(self.notes),
        )

    def _theme(self, draft: Draft, cells: dict[str, list[Cell]], clusters: Clusters | None) -> Theme:
        [whole] = cells["whole"]
        near = [] if clusters is None else nearest_texts(clusters, draft.groups, EXEMPLARS)
        return Theme(
            draft.name,
            draft.description,
            None if whole.share is None else round(whole.share * whole.rows),
            whole.share,
            whole.low,
            whole.high,
            self._examples(draft, clusters),
            tuple(cells.get("by", ())),
            tuple(cells.get("time", ())),
            draft.naming,
            draft.reason,
            draft.words,
            tuple(_shortened(t) for t in self.texts.read(self.rows[np.array(near, dtype=np.int64)])),
        )

    def _note(self, unanswered: int) -> None:
        """Say what went otherwise than it should while rows were asked."""
        if unanswered:
            drawn = self.asked.drawn
            self.notes.append(
                f"{unanswered} of {drawn} rows drawn have no answer; the bounds allow each of them any theme"
            )
        oracles = dict.fromkeys(t.oracle for t in self.asked.told if t.oracle is not None)
        if len(oracles) > 1:
            self.notes.append(
                f"the model changed while it was asked ({', '.join(oracles)}); the shares mix its answers"
            )

    def _examples(self, draft: Draft, clusters: Clusters | None) -> tuple[Example, ...]:
        """Return rows that the model said speak of the theme (of nothing, for no theme): the plainest first."""
        sets = self.asked.sets()
        fit = [
            i for i, s in enumerate(sets) if s is not None and (draft.name in s if draft.name != UNASSIGNED else not s)
        ]
        rows = self.asked.rows[np.array(fit, dtype=np.int64)]
        if not len(rows):
            return ()
        texts = self.texts.read(rows)
        likeness = np.zeros(len(rows))
        if clusters is not None and draft.groups:
            vectors = (
                self.guesser.vectors(rows) if self.work.options.features else self.guesser.space.features(texts)[1]
            )
            likeness = (vectors @ clusters.centres[list(draft.groups)].T).max(axis=1)
        order = sorted(range(len(rows)), key=lambda i: (len(sets[fit[i]] or ()), -likeness[i]))
        chosen = list({texts[i]: i for i in reversed(order)}.values())[::-1][:EXAMPLES]
        places = self.texts.population.places[rows[chosen]]
        at = self.spool.take(places, (POSITION,)).column(0).to_pylist()
        return tuple(Example(int(p), _shortened(texts[i])) for p, i in zip(at, chosen, strict=True))

    # --- the rows -----------------------------------------------------------------------------------------------

    def told(self) -> Iterator[Piece]:
        """Yield all rows in order with their themes, counted and traced."""
        made = self.work.asks[id(self.node)]
        numbers = np.full(self.spool.count, -1, dtype=np.int64)
        numbers[self.texts.population.places] = np.arange(self.texts.population.count)
        known = self._known()
        start = 0
        for batch in self.spool.batches():
            rows = [NULL if n < 0 else self._told(n, known) for n in numbers[start : start + batch.num_rows].tolist()]
            start += batch.num_rows
            piece = Piece(batch.column(POSITION), batch.drop_columns([POSITION]))
            record(made.report, rows)
            self.work.trace.write(piece.positions, self.node.into, rows)
            made.unjudged.write(piece.rows, self.node, rows)
            yield answered(self.node, piece, [t.value for t in rows], [t.status for t in rows], made.report)

    def _known(self) -> dict[int, Told]:
        """Return what was told by the hash of the text: further rows of an asked text have its answer, too."""
        if not self.texts.population.count:
            return {}
        hashes = self.texts.hashes[self.asked.rows].tolist()
        return dict(zip(hashes, self.asked.told, strict=True))

    def _told(self, number: int, known: dict[int, Told]) -> Told:
        told = known.get(int(self.texts.hashes[number]))
        if told is not None:
            value = list(named(told.value)) if told.status == "asked" else None
            return Told(value, told.status, told.key, told.reason, told.detail, told.from_ledger)
        guess = int(self.guess[number])
        if guess >= 0:
            return Told(list(self.guesser.sets[guess]), "proxied")
        reasons = Counter(t.reason for t in self.asked.told if t.reason is not None)
        if not reasons:
            return Told(None, "skipped")
        return Told(None, "failed", None, reasons.most_common(1)[0][0], "no row that was asked has an answer")


def _shortened(text: str) -> str:
    return text if len(text) <= EXAMPLE_LENGTH else text[: EXAMPLE_LENGTH - 1] + "…"
