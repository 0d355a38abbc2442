"""The texts of a table, each named by a keyed hash: what is drawn depends on the rows and the seed, not on their order."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rowsight.execution.asking import arguments_of
from rowsight.proxies.features import SEPARATOR

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rowsight.execution.asking import Arguments
    from rowsight.execution.certified import Population

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Texts:
    """The rows of a population and a 64-bit hash of each row's text, keyed by the seed."""

    population: Population
    hashes: NDArray[np.uint64]

    @classmethod
    def of(cls, population: Population, seed: int) -> Texts:
        """Read the texts once."""
        key = hashlib.sha256(f"themes {seed}".encode()).digest()
        found: list[bytes] = []
        names = tuple(population.spool.schema.names)
        for batch in population.spool.batches(names):
            found += [_hashed(a, key) for a in arguments_of(batch, population.columns)]
        every = np.frombuffer(b"".join(found), dtype=np.uint64)
        return cls(population, every[population.places])

    def distinct(self, most: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return a uniform sample of the distinct texts, in the order of their hashes, and the rows of each text.

        Each text is given by a row that holds it.
        """
        _, first, counts = np.unique(self.hashes, return_index=True, return_counts=True)
        return first[:most].astype(np.int64), counts[:most].astype(np.float64)

    def drawn(self, most: int) -> NDArray[np.int64]:
        """Return a uniform sample of the rows, without replacement: rows, not texts; in an order of its own.

        The k-th row of a text has its hash moved by k, so that every row has a random place of its own.
        """
        order = np.argsort(self.hashes, kind="stable")
        ranked = self.hashes[order]
        starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
        repeat = np.arange(len(ranked)) - np.repeat(starts, np.diff(np.append(starts, len(ranked))))
        places = _mixed(ranked + (repeat.astype(np.uint64) + np.uint64(1)) * _GOLDEN)
        return np.asarray(order[np.argsort(places, kind="stable")][:most], dtype=np.int64)

    def arguments(self, rows: NDArray[np.int64]) -> list[Arguments]:
        """Return the argument tuples of some rows."""
        return self.population.arguments(rows)

    def read(self, rows: NDArray[np.int64]) -> list[str]:
        """Return the texts of some rows; several columns are joined."""
        return [SEPARATOR.join(t or "" for t in a) for a in self.arguments(rows)]


def _hashed(arguments: Arguments, key: bytes) -> bytes:
    text = "\x00".join("\x01" if t is None else t for t in arguments)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, key=key).digest()


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit values (the finaliser of splitmix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(values ^ (values >> np.uint64(31)))
