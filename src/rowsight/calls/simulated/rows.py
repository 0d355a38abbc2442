"""The rows that a simulated model knows: their distinct texts and, for each truth column, the majority's answer."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from rowsight.calls.simulated.texts import RowTexts
from rowsight.core.errors import ColumnError, nearest

Rows = Iterable[pa.RecordBatch] | Mapping[str, Sequence[Any]]
"""Arrow record batches (a reader, ``table.to_batches()``), or columns of Python values by name."""


class TruthColumn:
    """One column's right answers: ``values`` are the distinct ones, ``codes[id]`` says which a text has (-1: none)."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.values: list[Any] = []
        self.codes: NDArray[np.int32] = np.empty(0, np.int32)
        self._code_of: dict[Any, int] = {}
        self._rows = array("i")

    def add(self, values: Iterable[Any]) -> None:
        """Append the truths of further rows."""
        self._rows.extend([self._code(value) for value in values])

    def _code(self, value: Any) -> int:
        if value is None or value != value:  # noqa: PLR0124 - NaN
            return -1
        key = orjson.dumps(value, default=str) if isinstance(value, (list, dict)) else value
        code = self._code_of.setdefault(key, len(self.values))
        if code == len(self.values):
            self.values.append(value)
        return code

    def settle(self, ids: NDArray[np.int32], texts: int) -> None:
        """Give each of ``texts`` texts the answer that most of its rows have, the first one on ties."""
        codes = np.frombuffer(self._rows, np.int32)
        kept = (ids >= 0) & (codes >= 0)
        pairs = (ids[kept].astype(np.int64) << 32) | codes[kept]
        distinct, first, count = np.unique(pairs, return_index=True, return_counts=True)
        owner = distinct >> 32
        order = np.lexsort((first, -count, owner))
        owners, place = np.unique(owner[order], return_index=True)
        self.codes = np.full(texts, -1, np.int32)
        self.codes[owners] = (distinct[order[place]] & 0xFFFFFFFF).astype(np.int32)
        self._rows = array("i")
        self._code_of = {}


class KnownRows:
    """The table of a simulated server, read once: memory is the distinct texts and a few numbers a row."""

    def __init__(self, rows: Rows, text: str, truths: Sequence[str]) -> None:
        self.texts = RowTexts()
        self.truths = {name: TruthColumn(name) for name in truths}
        ids = array("i")
        for columns in _columns(rows, text, tuple(self.truths)):
            ids.extend(self.texts.add(columns[0]))
            for truth, values in zip(self.truths.values(), columns[1:], strict=True):
                truth.add(values)
        numbers = np.frombuffer(ids, np.int32)
        for truth in self.truths.values():
            truth.settle(numbers, len(self.texts))
        self.texts.freeze()


def _columns(rows: Rows, text: str, truths: tuple[str, ...]) -> Iterable[list[list[Any]]]:
    """Yield, a batch at a time, the texts as UTF-8 and then each truth's values."""
    if isinstance(rows, Mapping):
        _check((text, *truths), rows)
        yield [[_utf8(value) for value in rows[text]], *(list(rows[name]) for name in truths)]
        return
    for batch in cast("Iterable[pa.RecordBatch]", rows):
        _check((text, *truths), batch.schema.names)
        texts = batch.column(text).cast(pa.large_string()).cast(pa.large_binary()).to_pylist()
        yield [texts, *(batch.column(name).to_pylist() for name in truths)]


def _utf8(value: Any) -> bytes | None:
    return None if value is None else str(value).encode()


def _check(names: Iterable[str], available: Iterable[str]) -> None:
    for name in names:
        if name not in (valid := list(available)):
            raise ColumnError(f"the table of the simulated server has no column {name!r}{nearest(name, valid)}")
