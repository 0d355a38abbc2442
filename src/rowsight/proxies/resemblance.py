"""Near-duplicates among many texts: MinHash signatures of character 4-grams, in bands (Broder 1997; Leskovec et al. 2014).

Two texts are near-duplicates where their estimated Jaccard similarity is ``ALIKE`` or more. With 12 bands of 5 hashes a
pair of similarity 0.8 meets in a band with probability 0.99, a pair of similarity 0.5 with 0.32; a pair that meets is
judged by all 60 hashes (standard error 0.05 at 0.8). Each text is compared with the first of those it meets in a band,
so that the work grows with the texts and not with the pairs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from rowsight.proxies.features import _BASE, _code_points, _mixed

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALIKE = 0.8
BANDS, BAND_HASHES = 12, 5
GRAM = 4
MOST_CHARACTERS = 2000
"""Of a longer text the first so many characters count."""
_HASHES = BANDS * BAND_HASHES
_CHUNK = 1 << 18
_FACTORS = _mixed(np.arange(1, _HASHES + 1, dtype=np.uint64) * _BASE) | np.uint64(1)


@dataclass(frozen=True)
class Families:
    """Texts that resemble one another. ``family`` numbers each text's family; ``pairs`` are examples, most alike first.

    A pair is (text, text, estimated similarity).
    """

    family: NDArray[np.int64]
    pairs: list[tuple[int, int, float]]

    @property
    def repeated(self) -> int:
        """Texts that resemble an earlier one of their family: what would go if each family kept one."""
        return len(self.family) - len(np.unique(self.family))


def signatures(texts: Iterable[str]) -> NDArray[np.uint32]:
    """Return the MinHash signatures of ``texts``, shape (texts, 60); the empty text has all ones."""
    heads = [text[:MOST_CHARACTERS] for text in texts]
    grams, row_of = _grams(heads)
    found = np.full((len(heads), _HASHES), np.iinfo(np.uint32).max, dtype=np.uint32)
    if not len(grams):
        return found
    starts = np.flatnonzero(np.append(True, row_of[1:] != row_of[:-1]))
    for number, factor in enumerate(_FACTORS):
        hashes = ((grams * factor) >> np.uint64(32)).astype(np.uint32)
        found[row_of[starts], number] = np.minimum.reduceat(hashes, starts)
    return found


def families(found: NDArray[np.uint32], *, shown: int = 5) -> Families:
    """Return which of the texts with these signatures resemble one another."""
    first, second, alike = _linked(found)
    count = len(found)
    graph = sparse.coo_matrix((np.ones(len(first)), (first, second)), shape=(count, count))
    _, family = sparse.csgraph.connected_components(graph, directed=False)
    order = np.lexsort((second, first, -alike))
    pairs = [(int(first[i]), int(second[i]), float(alike[i])) for i in order]
    return Families(family.astype(np.int64), list(dict.fromkeys(pairs))[:shown])


def _grams(texts: list[str]) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
    """Return the hashed 4-grams of all texts and the row of each; a text shorter than that has none of its own length."""
    points, row_of = _code_points(texts)
    count = max(len(points) - GRAM + 1, 0)
    values = _mixed(points.astype(np.uint64) + np.uint64(1))
    grams = np.zeros(count, dtype=np.uint64)
    for place in range(GRAM):
        grams = grams * _BASE + values[place : place + count]
    inside = row_of[:count] == row_of[GRAM - 1 : GRAM - 1 + count]
    return _mixed(grams[inside]), row_of[:count][inside]


def _linked(found: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return (first, second, similarity) of the pairs that meet in a band and are alike."""
    firsts, seconds, alikes = [], [], []
    rows = np.flatnonzero((found != np.iinfo(np.uint32).max).any(axis=1))
    for band in range(BANDS):
        first, second = _met(found[rows, band * BAND_HASHES : (band + 1) * BAND_HASHES])
        first, second = rows[first], rows[second]
        alike = _agreement(found, first, second)
        kept = alike >= ALIKE
        firsts.append(first[kept])
        seconds.append(second[kept])
        alikes.append(alike[kept])
    return np.concatenate(firsts), np.concatenate(seconds), np.concatenate(alikes)


def _met(band: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for each row that meets an earlier one in this band (the earliest of them, the row)."""
    key = np.zeros(len(band), dtype=np.uint64)
    for column in band.T:
        key = _mixed(key * _BASE + column)
    order = np.argsort(key, kind="stable")
    fresh = np.append(True, key[order][1:] != key[order][:-1])[: len(order)]
    leaders = order[np.flatnonzero(fresh)][np.cumsum(fresh) - 1] if len(order) else order
    return leaders[~fresh], order[~fresh]


def _agreement(found: NDArray[np.uint32], first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
    pieces = [
        (found[first[at : at + _CHUNK]] == found[second[at : at + _CHUNK]]).mean(axis=1)
        for at in range(0, len(first), _CHUNK)
    ]
    return np.concatenate(pieces) if pieces else np.empty(0)
