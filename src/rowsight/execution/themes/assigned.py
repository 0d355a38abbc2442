"""The themes of every row: of few rows as the model said, of the others as a light model guesses from these."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from rowsight.plan.theming import NO_OTHER
from rowsight.proxies import ridge
from rowsight.proxies.features import dense_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from rowsight.execution.asking import Told
    from rowsight.execution.themes.texts import Texts
    from rowsight.proxies.clusters import Space

PIECE = 8192
"""Rows whose features are held at once."""
CHOSEN_WEIGHT = 0.2
"""How much a row that was chosen as an example tells of the themes' frequencies."""
SPACE_WEIGHT = 1.0
"""Norm of a row's place in the space beside the norms of its words and characters, 1 each."""

Set = tuple[str, ...]


@dataclass
class Asked:
    """What the model said of some rows: ``rows`` (numbers in the population), the first ``drawn`` drawn at random."""

    rows: NDArray[np.int64]
    drawn: int
    told: list[Told]

    def sets(self) -> list[Set | None]:
        """Return the themes of each row, ``None`` for a row without an answer."""
        return [named(t.value) if t.status == "asked" else None for t in self.told]


def named(value: Sequence[str]) -> Set:
    """Return the themes of an answer."""
    return tuple(v for v in value if v != NO_OTHER)


@dataclass
class Guesser:
    """Guesses the set of themes of a row among the sets that the model gave: a light model, trained once.

    ``left_out``: for each answered row the set that would have been guessed had the row not been known.
    """

    texts: Texts
    space: Space
    given: Any = None
    sets: list[Set] = field(default_factory=list)
    left_out: list[Set] = field(default_factory=list)
    _model: ridge.RidgeDiscriminant | None = None
    _columns: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def learn(self, rows: NDArray[np.int64], sets: list[Set], *, drawn: NDArray[np.bool_]) -> None:
        """Train on answered rows; ``drawn`` says which were drawn at random."""
        self.sets = sorted(set(sets))
        codes = np.array([self.sets.index(s) for s in sets], dtype=np.int64)
        if len(self.sets) < 2:  # noqa: PLR2004 - one set, or none: nothing to tell apart
            self.left_out = list(sets)
            return
        features = self._features(rows)
        self._columns = np.flatnonzero(np.bincount(features.indices, minlength=features.shape[1]))
        weights = np.where(drawn, 1.0, CHOSEN_WEIGHT)
        self._model = ridge.fit(features[:, self._columns], codes, len(self.sets), weights=weights)
        self.left_out = [self.sets[i] for i in self._model.left_out.argmax(axis=1)]

    def guesses(self, count: int) -> NDArray[np.int64]:
        """Return a guess for every row, an index into ``sets``; -1 where no row was answered."""
        if self._model is None:
            return np.full(count, 0 if self.sets else -1, dtype=np.int64)
        found = np.empty(count, dtype=np.int64)
        for rows in _runs(count):
            chances = self._model.predict_proba(self._features(rows)[:, self._columns])
            found[rows] = chances.argmax(axis=1)
        return found

    def _features(self, rows: NDArray[np.int64]) -> sparse.csr_matrix:
        words, places = self.space.features(self.texts.read(rows))
        blocks = [words, sparse.csr_matrix(places * np.float32(SPACE_WEIGHT))]
        if self.given is not None:
            blocks.append(sparse.csr_matrix(self.vectors(rows)))
        return sparse.csr_matrix(sparse.hstack(blocks, format="csr"))

    def vectors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the user's own vectors of some rows, each of length 1: of a column, or what a function makes."""
        if isinstance(self.given, str):
            population = self.texts.population
            table = population.spool.take(population.places[rows], (self.given,))
            return dense_rows(table.column(self.given).to_pylist(), len(rows))
        return dense_rows(self.given(self.texts.read(rows)), len(rows))


def _runs(count: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, count, PIECE):
        yield np.arange(start, min(start + PIECE, count))
