"""The random order of a certification sample, as anyone can replay it with SHA-256 alone.

A Fisher-Yates shuffle that is driven by hashes of a counter and keeps only the places it has touched: the i-th draw
from ``size`` places costs one hash, however many places there are, and the first n draws don't depend on how many
follow.
"""

from __future__ import annotations

from hashlib import sha256

import numpy as np
from numpy.typing import NDArray


def draw_key(seed: int, attempt: int, strata_digest: str, pool: str) -> bytes:
    """Name a draw by what was frozen before it: the seed, the attempt, the strata of all rows, the pool drawn from."""
    return sha256(f"rowsight-draw-1|{seed}|{attempt}|{strata_digest}|{pool}".encode()).digest()


class Draw:
    """Places 0..size-1 in random order, a few at a time."""

    def __init__(self, key: bytes, size: int) -> None:
        self._key = key
        self._moved: dict[int, int] = {}
        self.size = size
        self.drawn = 0

    def take(self, count: int) -> NDArray[np.int64]:
        """Return the next ``count`` places (fewer at the end)."""
        stop = min(self.size, self.drawn + count)
        places = np.fromiter((self._next(i) for i in range(self.drawn, stop)), np.int64, stop - self.drawn)
        self.drawn = stop
        return places

    def _next(self, i: int) -> int:
        number = int.from_bytes(sha256(self._key + i.to_bytes(8, "big")).digest()[:16], "big")
        chosen = i + number % (self.size - i)
        place = self._moved.get(chosen, chosen)
        self._moved[chosen] = self._moved.pop(i, i)
        return place
