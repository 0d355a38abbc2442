"""Groups of like texts: latent semantic analysis of words and characters, then spherical k-means.

Texts become hashed TF-IDF features (``proxies.features``), a truncated SVD of these keeps what many texts share
(Deerwester et al., "Indexing by latent semantic analysis", 1990), rows are scaled to unit length, and k-means on them
groups by direction (Dhillon and Modha, "Concept decompositions", 2001). Before that each text moves towards its nearest
neighbours, a few times: what texts of one kind share adds up, what is particular to one of them averages out (diffusion
on the graph of neighbours; Coifman and Lafon, "Diffusion maps", 2006). How many moves, and how many groups, is decided by
the modularity of the groups on that graph (Newman, 2004). A user's own embeddings take the place of the SVD. Everything is
deterministic for texts in a given order and a seed.
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

DIMENSIONS = 200
RAREST, COMMONEST = 3, 0.5
"""A word or character sequence tells groups apart where so many texts have it, and no more than this share of them."""
RECIPE = Recipe(shape=False, char_weight=1.5)
"""Characters weigh more than words here: they know a word by its parts, whatever its ending."""
NEIGHBOURS, STEPS = 15, (2, 8)
"""Texts that a text moves towards, and after how many moves groups are formed; each move is half of the way."""
CHOSEN_ON, LEAST_TEXTS, NEAR_ENOUGH = 2500, 5, 0.01
"""Texts on which the number of groups is chosen, texts that a group has at least, and differences that mean nothing."""
COUNTS = (2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 17, 20, 24, 28, 33, 40, 48, 60, 80, 100)
"""Numbers of groups that are tried."""
RESTARTS, ITERATIONS = 5, 60
_ROWS = 1000
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
    """Group unit vectors (n, d) of texts that stand for ``weights`` rows each into at most ``k`` groups.

    Of k-means after few and after many moves, the groups that cut fewer ties between neighbours are taken.
    """
    ties = Ties.among(vectors)
    found = [_grouped(moved, np.sqrt(weights), k, seed, RESTARTS) for moved in ties.smoothed(vectors)]
    return _ordered(vectors, weights, max(found, key=ties.modularity))


def _grouped(
    moved: NDArray[np.float32], weights: NDArray[np.float64], k: int, seed: int, restarts: int
) -> NDArray[np.int64]:
    distinct = len(np.unique(moved.round(5), axis=0))
    model = KMeans(min(k, distinct), n_init=restarts, max_iter=ITERATIONS, random_state=seed)  # type: ignore[no-untyped-call]
    return np.asarray(model.fit_predict(moved, sample_weight=weights), dtype=np.int64)  # type: ignore[no-untyped-call]


def chosen_count(vectors: NDArray[np.float32], most: int, seed: int) -> int:
    """Return how many groups the texts show: as many as leave the modularity near its greatest, ``most`` at most.

    Rather too many than too few: names of the same meaning are merged later, and what is one group gets one name.
    ``vectors`` (n, d) are in random order; the first ``CHOSEN_ON`` are looked at.
    """
    vectors = vectors[:CHOSEN_ON]
    ties = Ties.among(vectors)
    [moved] = ties.smoothed(vectors, STEPS[-1:])
    even = np.ones(len(vectors))
    tried = [k for k in COUNTS if k <= min(most, max(len(vectors) // LEAST_TEXTS, 2))]
    scores = [ties.modularity(_grouped(moved, even, k, seed, 1)) for k in tried]
    enough = max(scores) - 2 * NEAR_ENOUGH
    return max(k for k, score in zip(tried, scores, strict=True) if score >= enough)


class Ties:
    """The graph of nearest neighbours of some texts, both ways, each tie as strong as the two texts are alike."""

    def __init__(self, strength: sparse.csr_matrix) -> None:
        self._strength = strength
        self._steps = normalize(strength, norm="l1")

    @classmethod
    def among(cls, vectors: NDArray[np.float32]) -> Ties:
        """Tie each of the unit vectors (n, d) to its nearest neighbours and to itself."""
        count = len(vectors)
        nearest = min(NEIGHBOURS + 1, count)
        places, cosines = np.empty((count, nearest), np.int32), np.empty((count, nearest), np.float32)
        for start in range(0, count, _ROWS):
            likeness = vectors[start : start + _ROWS] @ vectors.T
            found = np.argpartition(-likeness, nearest - 1, axis=1)[:, :nearest]
            places[start : start + _ROWS] = found
            cosines[start : start + _ROWS] = np.take_along_axis(likeness, found, 1)
        starts = np.arange(0, count * nearest + 1, nearest)
        one_way = sparse.csr_matrix((np.maximum(cosines, 0).ravel(), places.ravel(), starts), shape=(count, count))
        return cls(sparse.csr_matrix(one_way.maximum(one_way.T)))

    def smoothed(self, vectors: NDArray[np.float32], steps: Sequence[int] = STEPS) -> list[NDArray[np.float32]]:
        """Return the vectors after each number of ``steps``, ascending; a step goes half of the way to the neighbours."""
        found, moved = [], vectors
        for step in range(1, steps[-1] + 1):
            moved = np.asarray(normalize(moved + self._steps @ moved), dtype=np.float32)
            if step in steps:
                found.append(moved)
        return found

    def modularity(self, owner: NDArray[np.int64]) -> float:
        """Return the share of ties that stay inside groups, less what as many ties at random would leave (Newman 2004)."""
        ties = self._strength.tocoo()
        apart = ties.row != ties.col
        strength = ties.data[apart].astype(np.float64)
        inside = owner[ties.row[apart]] == owner[ties.col[apart]]
        if not strength.sum():
            return 0.0
        mass = np.bincount(owner[ties.row[apart]], strength) / strength.sum()
        return float(strength[inside].sum() / strength.sum() - (mass**2).sum())


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
