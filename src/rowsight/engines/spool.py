"""Rows on disk as an Arrow IPC file, memory-mapped: fetched by position without holding them in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from numpy.typing import NDArray


def write_ipc(path: Path, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> int:
    """Write batches to an Arrow IPC file; return the number of rows."""
    rows = 0
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for batch in batches:
            if batch.num_rows:
                writer.write_batch(batch)
                rows += batch.num_rows
    return rows


class IpcSpool:
    """Rows in an Arrow IPC file, addressed by position 0..count-1."""

    def __init__(self, path: Path) -> None:
        self._file = pa.ipc.open_file(pa.memory_map(str(path)))
        self.schema: pa.Schema = self._file.schema
        sizes = [self._file.get_batch(i).num_rows for i in range(self._file.num_record_batches)]
        self._starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64)
        self.count = int(self._starts[-1])

    @classmethod
    def write(cls, path: Path, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> IpcSpool:
        """Write ``batches`` to ``path`` and open it."""
        write_ipc(path, batches, schema)
        return cls(path)

    def take(self, rows: NDArray[np.int64], columns: tuple[str, ...]) -> pa.Table:
        """Return ``columns`` of the given rows, in the given order."""
        order = np.argsort(rows, kind="stable")
        owners = np.searchsorted(self._starts, rows[order], side="right") - 1
        pieces = []
        for owner in np.unique(owners):
            inside = rows[order][owners == owner] - self._starts[owner]
            pieces.append(self._file.get_batch(int(owner)).select(list(columns)).take(pa.array(inside)))
        if not pieces:
            return self.schema.empty_table().select(list(columns))
        back = np.empty(len(rows), dtype=np.int64)
        back[order] = np.arange(len(rows))
        return pa.Table.from_batches(pieces).take(pa.array(back))

    def batches(self, columns: tuple[str, ...] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield all rows in order."""
        for number in range(self._file.num_record_batches):
            batch = self._file.get_batch(number)
            yield batch if columns is None else batch.select(list(columns))
