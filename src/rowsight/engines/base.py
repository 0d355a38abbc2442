"""The contract of an engine: it keeps rows, runs SQL over them and streams them as Arrow record batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from rowsight.engines.sources import Source
    from rowsight.plan.nodes import Node


class Relations(Protocol):
    """The rows of one run: opened with its sources, closed at its end."""

    def schema(self, node: Node) -> pa.Schema:
        """Return the Arrow schema of a relational node (one without an ``Ask`` below it)."""

    def stream(self, node: Node, texts: tuple[str, ...], batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a relational node in order.

        For each column in ``texts`` that isn't a string, its text comes beside it in a column ``text_name(column)``.
        """

    def count(self, node: Node) -> int:
        """Return the number of rows of a relational node."""

    def profile(self, node: Node, columns: tuple[str, ...]) -> tuple[int, int, int]:
        """Return (rows without NULL or all-empty values, distinct tuples of ``columns`` among them, their characters)."""

    def binds(self, node: Node, expression: str) -> bool:
        """Say whether ``expression`` is a SQL expression over the columns of a relational node."""

    def computed(self, node: Node, expressions: Mapping[str, str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Yield SQL expressions over the rows of a relational node, as columns by name."""

    def aggregated(self, node: Node, sql: str) -> pa.Table:
        """Return the rows of a SQL query in which the rows of a relational node are the table ``source``."""

    def rowwise(self, batch: pa.RecordBatch, predicate: str) -> pa.RecordBatch:
        """Return the rows of ``batch`` for which the SQL ``predicate`` holds, in order."""

    def open_spool(self, schema: pa.Schema) -> Spool:
        """Return an empty spool on disk, whose rows can be fetched by position: append batches, then finish it."""

    def close(self) -> None:
        """Release the connection and its files."""


class Spool(Protocol):
    """Rows on disk: written a batch at a time, then addressed by position 0..count-1."""

    count: int
    schema: pa.Schema

    def append(self, batch: pa.RecordBatch) -> None:
        """Append rows; nothing can be read before ``finish``."""

    def finish(self) -> None:
        """End writing; from now on the spool is read."""

    def take(self, rows: NDArray[np.integer[Any]], columns: tuple[str, ...]) -> pa.Table:
        """Return ``columns`` of the given rows, in the given order."""

    def batches(self, columns: tuple[str, ...] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield all rows in order."""


class Engine(Protocol):
    """Where rows live: DuckDB on one machine."""

    def schema(self, source: Source) -> pa.Schema:
        """Return the columns of a source; ``SourceError`` where it can't be read."""

    def open(self, sources: Mapping[str, Source]) -> Relations:
        """Open the sources of one run. SQL that runs there can read these and nothing else."""


def text_name(column: str) -> str:
    """Return the name of the helper column that carries ``column`` as text."""
    return f"__text_{column}"
