"""A profile as values: what each column is."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Bar:
    """One bar of a histogram: rows whose value lies from ``low`` up to ``high`` (the last bar holds its ``high``)."""

    low: Any
    high: Any
    count: int


@dataclass(frozen=True)
class Lengths:
    """Lengths of texts in characters."""

    shortest: int
    mean: float
    median: float
    p95: float
    longest: int


@dataclass(frozen=True)
class Personal:
    """Personal data of one kind in one column: how many values, in how many rows, and masked examples.

    ``examples`` are (row, masked value). ``kind`` is ``email``, ``iban``, ``card``, ``ip``, ``phone`` or ``id-`` and a
    country.
    """

    kind: str
    values: int
    rows: int
    examples: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Resembling:
    """Near-duplicates: distinct texts that resemble an earlier one, of ``texts`` looked at.

    ``pairs`` are (row, row, estimated similarity), the most alike first.
    """

    repeated: int
    texts: int
    pairs: tuple[tuple[int, int, float], ...]


@dataclass(frozen=True)
class Trouble:
    """One kind of trouble with the encoding: rows, and the first of them."""

    kind: str
    rows: int
    examples: tuple[int, ...]


@dataclass(frozen=True)
class ColumnProfile:
    """One column. What was not looked for, or makes no sense for its type, is ``None``.

    kind: ``number``, ``time``, ``boolean``, ``text``, ``label``, ``key`` (distinct in every row) or ``other``. type: the
    Arrow type. distinct: distinct values that aren't missing. repeated: values that occurred earlier. quantiles: at .05,
    .25, .5, .75 and .95, approximate. top: (value, rows) of the most frequent. languages: (code, share), ``und`` where
    undetermined.
    """

    name: str
    type: str
    kind: str
    rows: int
    missing: int
    distinct: int
    repeated: int
    top: tuple[tuple[Any, int], ...]
    empty: int | None = None
    low: Any = None
    high: Any = None
    mean: float | None = None
    deviation: float | None = None
    quantiles: tuple[float, ...] | None = None
    histogram: tuple[Bar, ...] = ()
    lengths: Lengths | None = None
    languages: tuple[tuple[str, float], ...] | None = None
    resembling: Resembling | None = None
    personal: tuple[Personal, ...] | None = None
    trouble: tuple[Trouble, ...] | None = None

    def with_(self, **changes: Any) -> ColumnProfile:
        """Return the column with more known about it."""
        return replace(self, **changes)


@dataclass(frozen=True)
class Profile:
    """A table, column by column. Rows are named by their position, from 0.

    repeated_rows: rows equal to an earlier one in every column. text: the column with the longest texts on average,
    ``None`` where no column holds texts. notes: what was not looked at, and why.
    """

    source: str
    rows: int
    repeated_rows: int
    columns: tuple[ColumnProfile, ...]
    text: str | None
    seconds: float
    notes: tuple[str, ...] = field(default=())

    def column(self, name: str) -> ColumnProfile:
        """Return one column; ``KeyError`` where there is none of that name."""
        return {c.name: c for c in self.columns}[name]

    def as_dict(self) -> dict[str, Any]:
        """Return the profile as ``rowsight profile --json`` prints it."""
        found = asdict(self)
        for column in found["columns"]:
            column["top"] = [{"value": value, "rows": rows} for value, rows in column["top"]]
        return found

    def __repr__(self) -> str:
        from rowsight.execution.profile.shown import as_lines  # noqa: PLC0415 - loads on use

        return "\n".join(as_lines(self))
