"""Rows on disk as an Arrow IPC file: fetched by position without holding them in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from numpy.typing import NDArray


class IpcSpool:
    """Rows in an Arrow IPC file: written a batch at a time, then addressed by position 0..count-1.

    It is read, not mapped: mapped pages would count as the process's memory as long as there is any, and a file of ten
    million rows has more than a gigabyte of them. Only the columns asked for are read.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.schema = schema
        self.count = 0
        self._path = path
        self._sizes: list[int] = []
        self._sink = pa.OSFile(str(path), "wb")
        self._writer: Any = pa.ipc.new_file(self._sink, schema)
        self._readers: dict[tuple[str, ...], Any] = {}

    @classmethod
    def write(cls, path: Path, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> IpcSpool:
        """Write ``batches`` to ``path`` and open it."""
        spool = cls(path, schema)
        for batch in batches:
            spool.append(batch)
        spool.finish()
        return spool

    def append(self, batch: pa.RecordBatch) -> None:
        """Append rows; nothing can be read before ``finish``."""
        if batch.num_rows:
            self._writer.write_batch(batch)
            self._sizes.append(batch.num_rows)
            self.count += batch.num_rows

    def finish(self) -> None:
        """End the file; from now on it is read."""
        self._writer.close()
        self._sink.close()
        self._starts = np.concatenate([[0], np.cumsum(self._sizes, dtype=np.int64)]).astype(np.int64)

    def take(self, rows: NDArray[np.integer[Any]], columns: tuple[str, ...]) -> pa.Table:
        """Return ``columns`` of the given rows, in the given order."""
        if not len(rows):
            return self.schema.empty_table().select(list(columns))
        order = np.argsort(rows, kind="stable")
        wanted = rows[order].astype(np.int64)
        owners = np.searchsorted(self._starts, wanted, side="right") - 1
        cuts = np.flatnonzero(np.diff(owners)) + 1
        reader = self._reader(columns)
        pieces = []
        for inside, owner in zip(np.split(wanted, cuts), owners[np.append(0, cuts)].tolist(), strict=True):
            pieces.append(reader.get_batch(owner).take(pa.array(inside - self._starts[owner])))
        back = np.empty(len(rows), dtype=np.int64)
        back[order] = np.arange(len(rows))
        return pa.Table.from_batches(pieces).select(list(columns)).take(pa.array(back))

    def batches(self, columns: tuple[str, ...] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield all rows in order."""
        names = tuple(self.schema.names) if columns is None else columns
        reader = self._reader(names)
        for number in range(len(self._sizes)):
            yield reader.get_batch(number).select(list(names))

    def _reader(self, columns: tuple[str, ...]) -> Any:
        """Return a reader that reads these columns alone."""
        if columns not in self._readers:
            fields = [self.schema.get_field_index(name) for name in columns]
            options = pa.ipc.IpcReadOptions(included_fields=fields)
            self._readers[columns] = pa.ipc.open_file(pa.OSFile(str(self._path)), options=options)
        return self._readers[columns]
