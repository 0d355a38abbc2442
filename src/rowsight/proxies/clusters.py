"""Groups of like texts: latent semantic analysis of words and characters, then spherical k-means.

Texts become hashed TF-IDF features (``proxies.features``), a truncated SVD of these keeps what many texts share
(Deerwester et al., "Indexing by latent semantic analysis", 1990), rows are scaled to unit length, and k-means on them
groups by direction (Dhillon and Modha, "Concept decompositions", 2001). A user's own embeddings take the place of the SVD.
Everything is deterministic for texts in a given order and a seed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.decomposition import TruncatedSVD
from sklearn.preprocessing import normalize

from rowsight.proxies.features import Featurizer, Recipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

DIMENSIONS = 100
RAREST, COMMONEST = 3, 0.5
"""A word or character sequence tells groups apart where so many texts have it, and no more than this share of them."""
RECIPE = Recipe(shape=False)
RESTARTS, ITERATIONS = 5, 60
WORD = r"(?u)[\u3040-\u30ff\u4e00-\u9fff]{2}|[^\W\d_]{2,}"
"""What counts as a word where words are shown: letters in a row, ideographs and kana in pairs."""


class Space:
    """Texts as directions: unit vectors of at most ``DIMENSIONS`` numbers, near each other where the texts share words."""

    def __init__(self, words: Featurizer, columns: NDArray[np.int64], projection: NDArray[np.float32]) -> None:
        self._words, self._columns, self._projection = words, columns, projection

    @classmethod
    def fit(cls, texts: Sequence[str], seed: int) -> Space:
        """Learn the space from a sample of distinct texts."""
        words = Featurizer.fit(texts, RECIPE)
        counted = words.transform(texts)
        frequency = np.bincount(counted.indices, minlength=counted.shape[1])
        rarest = min(RAREST, max(len(texts) // 10, 1))
        columns = np.flatnonzero((frequency >= rarest) & (frequency <= max(COMMONEST * len(texts), rarest)))
        if not len(columns):
            columns = np.flatnonzero(frequency)[:1]
        kept = counted[:, columns]
        dimensions = min(DIMENSIONS, len(texts) - 1, len(columns) - 1)
        if dimensions < 1:
            return cls(words, columns, np.ones((len(columns), 1), dtype=np.float32))
        svd = TruncatedSVD(dimensions, random_state=seed, n_iter=4).fit(kept)  # type: ignore[no-untyped-call]
        return cls(words, columns, np.ascontiguousarray(svd.components_.T, dtype=np.float32))

    @property
    def dimensions(self) -> int:
        """Numbers of a vector."""
        return int(self._projection.shape[1])

    def features(self, texts: Sequence[str]) -> tuple[sparse.csr_matrix, NDArray[np.float32]]:
        """Return the words and characters (sparse, those that the space knows) and the unit vectors of ``texts``."""
        words = self._words.transform(texts)[:, self._columns]
        return words, np.asarray(normalize(words @ self._projection), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Clusters:
    """``centres`` (k, d) are unit vectors; ``owner`` (n) is each text's group; ``nearness`` (n) its cosine to the centre.

    Groups are ordered by weight, the heaviest first.
    """

    centres: NDArray[np.float32]
    owner: NDArray[np.int64]
    nearness: NDArray[np.float32]

    @property
    def count(self) -> int:
        """How many groups there are."""
        return len(self.centres)

    def largest(self, count: int) -> Clusters:
        """Return the first ``count`` groups; texts of the others keep their numbers, beyond these."""
        return replace(self, centres=self.centres[:count])


def cluster(vectors: NDArray[np.float32], weights: NDArray[np.float64], k: int, seed: int) -> Clusters:
    """Group unit vectors (n, d) of texts that stand for ``weights`` rows each into at most ``k`` groups."""
    distinct = len(np.unique(vectors.round(6), axis=0))
    model = KMeans(min(k, distinct), n_init=RESTARTS, max_iter=ITERATIONS, random_state=seed)  # type: ignore[no-untyped-call]
    owner = model.fit_predict(vectors, sample_weight=np.sqrt(weights))  # type: ignore[no-untyped-call]
    return _ordered(vectors, weights, np.asarray(owner, dtype=np.int64))


def _ordered(vectors: NDArray[np.float32], weights: NDArray[np.float64], owner: NDArray[np.int64]) -> Clusters:
    mass = np.bincount(owner, weights)
    order = np.argsort(-mass, kind="stable")[: np.count_nonzero(mass)]
    place = np.full(len(mass), -1, dtype=np.int64)
    place[order] = np.arange(len(order))
    owner = place[owner]
    centres = np.zeros((len(order), vectors.shape[1]))
    np.add.at(centres, owner, vectors * np.sqrt(weights)[:, None])
    unit = np.asarray(normalize(centres), dtype=np.float32)
    return Clusters(unit, owner, np.einsum("ij,ij->i", vectors, unit[owner]))


def chosen_count(vectors: NDArray[np.float32], weights: NDArray[np.float64], seed: int) -> int:
    """Return the number of groups that ... placeholder."""
    del weights, seed
    return min(20, max(len(vectors) // 10, 1))


def telling_words(groups: Sequence[Sequence[str]], most: int = 4) -> list[list[str]]:
    """Return the words that tell each group of texts from the others, the most telling first.

    Class-based TF-IDF: a word's share of a group's words, by the logarithm of how rare it is over all groups.
    """
    from sklearn.feature_extraction.text import CountVectorizer  # noqa: PLC0415 - where names are wanting

    counter = CountVectorizer(token_pattern=WORD, max_features=20_000)  # type: ignore[no-untyped-call]
    try:
        counts = counter.fit_transform([" ".join(texts) for texts in groups]).astype(float)
    except ValueError:  # no text holds a word
        return [[] for _ in groups]
    rare = np.log1p(counts.sum() / max(len(groups), 1) / np.asarray(counts.sum(axis=0)).ravel())
    weighted = normalize(counts, norm="l1").multiply(rare).toarray()
    names = counter.get_feature_names_out()  # type: ignore[no-untyped-call]
    best = np.argsort(-weighted, axis=1, kind="stable")[:, :most]
    return [[str(names[i]) for i in row if weighted[g, i] > 0] for g, row in enumerate(best)]
