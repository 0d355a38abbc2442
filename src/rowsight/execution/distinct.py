"""The rows that a question about many rows reads: distinct ones, counted, in an order that no row order changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from rowsight.engines.arrow import python_values
from rowsight.engines.spool import IpcSpool
from rowsight.execution.asking import Arguments, arguments_of
from rowsight.execution.ordered import Piece

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHARACTERS_PER_TOKEN = 4
_BYTES_BEYOND = 2
"""UTF-8 has two bytes more than characters for each ideograph, which is about a token of its own."""


def tokens_of(text: str) -> int:
    """Return about how many tokens a text takes: a quarter of its ASCII characters, and one for each ideograph."""
    if text.isascii():
        return len(text) // CHARACTERS_PER_TOKEN + 1
    wide = (len(text.encode("utf-8", "surrogatepass")) - len(text)) // _BYTES_BEYOND
    return (len(text) - wide) // CHARACTERS_PER_TOKEN + wide + 1


async def numbered(batches: Iterable[pa.RecordBatch]) -> AsyncGenerator[Piece, None]:
    """Yield batches as pieces whose positions count on from 0."""
    start = 0
    for batch in batches:
        yield Piece(pa.array(range(start, start + batch.num_rows), pa.int64()), batch)
        start += batch.num_rows


class DistinctRows:
    """A table's rows on disk, and the distinct ones among them, numbered from 0.

    Rows are the same when their arguments (and their group) are. Numbers follow a hash of seed and contents, so that they
    don't depend on the order of the rows, and the first of them are a uniform sample of the distinct rows.
    """

    def __init__(self, columns: tuple[str, ...], by: str | None, seed: int) -> None:
        self._columns, self._by = columns, by
        self._key = seed.to_bytes(8, "big", signed=True)
        self._seen: dict[bytes, int] = {}
        self._tokens: list[int] = []
        self._group: list[int] = []
        self._numbers: list[int] = []
        self._positions: list[pa.Array] = []
        self._nulls: Counter[int] = Counter()
        self.groups: dict[str | None, int] = {None: 0} if by is None else {}
        """Texts of the values of ``by`` and their codes, in order of appearance; one, ``None``, without ``by``."""

    @classmethod
    async def read(
        cls,
        pieces: AsyncIterator[Piece],
        columns: tuple[str, ...],
        directory: Path,
        *,
        by: str | None = None,
        seed: int = 0,
    ) -> DistinctRows:
        """Read all rows once and keep them in ``directory``."""
        found = cls(columns, by, seed)
        spool: IpcSpool | None = None
        async for piece in pieces:
            spool = spool or IpcSpool(directory / "distinct.arrow", piece.rows.schema)
            if piece.rows.num_rows:
                spool.append(piece.rows)
                found._add(piece)
        if spool is not None:
            spool.finish()
        found._settle(spool)
        return found

    def _add(self, piece: Piece) -> None:
        arguments = arguments_of(piece.rows, self._columns)
        groups = [None] * len(arguments) if self._by is None else [a[0] for a in arguments_of(piece.rows, (self._by,))]
        self._positions.append(piece.positions)
        for argument, value in zip(arguments, groups, strict=True):
            group = self.groups.setdefault(value, len(self.groups))
            if None in argument or not any(argument):
                self._numbers.append(-1)
                self._nulls[group] += 1
                continue
            name = self._name(argument) + group.to_bytes(4, "big")
            number = self._seen.setdefault(name, len(self._seen))
            if number == len(self._tokens):
                self._tokens.append(sum(tokens_of(t or "") for t in argument))
                self._group.append(group)
            self._numbers.append(number)

    def _name(self, argument: Arguments) -> bytes:
        """Return the hash of a row's contents, whatever its group; lengths keep neighbouring values apart."""
        texts = [t.encode("utf-8", "surrogatepass") for t in argument if t is not None]
        data = texts[0] if len(texts) == 1 else b"".join([b"%d:" % len(t) + t for t in texts])
        return blake2b(data, digest_size=16, key=self._key).digest()

    def _settle(self, spool: IpcSpool | None) -> None:
        """Renumber the distinct rows by their hash, and forget the hashes."""
        self._spool = spool
        names = sorted(self._seen)
        back = np.empty(len(names), np.int64)
        back[[self._seen[n] for n in names]] = np.arange(len(names))
        self._seen.clear()
        by_hash = np.argsort(back)
        numbers = np.array(self._numbers, np.int64)
        self.number_of_row: NDArray[np.int64] = np.where(numbers < 0, -1, back[numbers] if len(back) else -1)
        """The distinct row of each row of the spool; -1 where the row has nothing to be asked about."""
        self.positions: NDArray[np.int64] = (
            np.concatenate([p.to_numpy() for p in self._positions]) if self._positions else np.empty(0, np.int64)
        )
        """The position in the input of each row of the spool."""
        self.tokens: NDArray[np.int64] = np.array(self._tokens, np.int64)[by_hash]
        self.group: NDArray[np.int64] = np.array(self._group, np.int64)[by_hash]
        given = np.flatnonzero(self.number_of_row >= 0)
        self.copies: NDArray[np.int64] = np.bincount(self.number_of_row[given], minlength=len(names))
        """How many rows each distinct row stands for."""
        self.first: NDArray[np.int64] = np.full(len(names), -1, np.int64)
        """The place in the spool of the first row of each."""
        self.first[self.number_of_row[given][::-1]] = given[::-1]

    @property
    def rows(self) -> int:
        """Rows read, those without arguments included."""
        return len(self.number_of_row)

    @property
    def count(self) -> int:
        """Distinct rows."""
        return len(self.tokens)

    def nulls(self, group: int) -> int:
        """Return how many rows of a group have nothing to be asked about."""
        return self._nulls[group]

    def arguments(self, numbers: Sequence[int] | NDArray[np.int64]) -> list[Arguments]:
        """Return the arguments of distinct rows, in the order given."""
        if not len(numbers) or self._spool is None:
            return []
        table = self.table(self.first[np.asarray(numbers, np.int64)]).combine_chunks()
        return [a for batch in table.to_batches() for a in arguments_of(batch, self._columns)]

    def every(self) -> Iterator[list[Arguments]]:
        """Yield the arguments of all rows, batch by batch, in the order of the input."""
        for batch in [] if self._spool is None else self._spool.batches():
            yield arguments_of(batch, self._columns)

    def table(self, places: NDArray[np.int64]) -> pa.Table:
        """Return rows of the spool, whole, in the order given."""
        assert self._spool is not None
        return self._spool.take(places, tuple(self._spool.schema.names))

    def keys(self, numbers: Sequence[int], column: str) -> list[Any]:
        """Return what the first row of each distinct row has in ``column``."""
        if not len(numbers) or self._spool is None:
            return []
        return python_values(self._spool.take(self.first[np.asarray(numbers)], (column,)).column(column))
