"""A first score for a ranking, before anything is asked: how well a text's own words match the question's (BM25).

Robertson, Walker, Jones, Hancock-Beaulieu and Gatford, "Okapi at TREC-3", 1994. Terms are hashed words and word pieces of
four characters, which stand for a stemmer in any language; ideographs are words of their own, so that Chinese needs no
segmenter. A word that no other text of the table shares with the question counts nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from rowsight.proxies.features import Recipe, counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SATURATION = 1.2
LENGTH = 0.75
PIECES = 0.3
"""Weight of word pieces beside whole words."""
_RECIPE = Recipe(word_bits=20, char_bits=20, word_orders=(1,), char_orders=(4,), shape=False)


class Lexicon:
    """The terms of a question, counted in texts as they come; ``scores`` when all were seen."""

    def __init__(self, question: str) -> None:
        wanted = counted([question], _RECIPE)
        self._terms = wanted.indices
        self._counts: list[sparse.csr_matrix] = []
        self._lengths: list[NDArray[np.float64]] = []

    def add(self, texts: Sequence[str]) -> None:
        """Count the question's terms in further texts."""
        counts = counted(texts, _RECIPE)
        self._lengths.append(np.asarray(counts.sum(axis=1), dtype=np.float64).ravel())
        self._counts.append(sparse.csr_matrix(counts[:, self._terms]))

    def scores(self) -> NDArray[np.float64]:
        """Return the BM25 score of each text in the order in which they came; 0 where no term is shared."""
        if not self._counts:
            return np.empty(0)
        counts = sparse.csr_matrix(sparse.vstack(self._counts, format="csr"), dtype=np.float64)
        lengths = np.concatenate(self._lengths)
        rows, holding = counts.shape[0], np.bincount(counts.indices, minlength=counts.shape[1])
        rarity = np.log1p((rows - holding + 0.5) / (holding + 0.5))
        rarity[self._terms >= 1 << _RECIPE.word_bits] *= PIECES
        spread = SATURATION * (1 - LENGTH + LENGTH * lengths / max(float(lengths.mean()), 1e-9))
        counts.data = counts.data * (SATURATION + 1) / (counts.data + np.repeat(spread, np.diff(counts.indptr)))
        return np.asarray(counts @ rarity).ravel()
