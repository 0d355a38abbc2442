"""The streamed part of a profile: one pass over the texts, a batch at a time, in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rowsight.core.errors import MissingExtraError
from rowsight.engines.base import Relations
from rowsight.execution.profile.columns import group_of, quoted
from rowsight.execution.profile.described import ColumnProfile, Personal, Resembling, Trouble
from rowsight.plan.nodes import Node
from rowsight.proxies.resemblance import families, signatures
from rowsight.texts import encoding
from rowsight.texts.language import shares
from rowsight.texts.personal import CANDIDATE, Finder, masked

MOST_CHARACTERS = 20_000
"""Of a longer text the first so many characters are read: a cell of a billion characters never leaves the engine."""
LANGUAGE_ROWS = 5_000
MOST_SIGNED = 1_000_000
"""Distinct texts that are compared with one another; 240 MB of signatures."""
EXAMPLES = 3
PAIRS = 5
COLUMN_SHARE, COLUMN_ROWS = 0.8, 20
"""A column is made of a kind where so many of its values are, and it has so many."""
_BATCH_ROWS = 2048
_ENOUGH_ROWS = 500
_LONG_NUMBER = 10_000_000
_CELL, _HASH = "cell", "hash"


@dataclass
class _Hits:
    """What one column holds of one kind."""

    values: int = 0
    rows: int = 0
    bare: int = 0
    examples: list[tuple[int, str]] = field(default_factory=list)


@dataclass
class ColumnScan:
    """What is gathered of one column while its texts stream by."""

    column: ColumnProfile
    finder: Finder
    stride: int
    known: int = 0
    hits: dict[str, _Hits] = field(default_factory=dict)
    hopeful: frozenset[str] | None = None
    """Kinds that the column may still turn out to be made of; ``None`` at first."""
    sample: list[str] = field(default_factory=list)
    trouble: dict[str, list[int]] = field(default_factory=dict)
    troubled: Counter[str] = field(default_factory=Counter)
    seen: set[int] = field(default_factory=set)
    signed: list[np.ndarray] = field(default_factory=list)
    signed_rows: list[int] = field(default_factory=list)

    def take(self, start: int, cells: pa.Array, hashes: pa.Array) -> None:
        """Look at the texts of some rows, the first of them row ``start``."""
        self.known += len(cells) - cells.null_count
        self._look_for_personal(start, cells)
        self._give_up()
        if self.column.kind != "text":
            return
        self._look_for_trouble(start, cells)
        texts = cells.to_pylist()
        self.sample += [t for i, t in enumerate(texts) if (start + i) % self.stride == 0 and t]
        self._sign(start, texts, hashes.to_pylist())

    def _look_for_personal(self, start: int, cells: pa.Array) -> None:
        for row, text in _matching(start, cells, CANDIDATE):
            found = self.finder.find(text, self.column.name, self.hopeful)
            for kind in {m.kind for m in found}:
                hits = self.hits.setdefault(kind, _Hits())
                certain = [m for m in found if m.kind == kind and not m.bare]
                hits.bare += any(m.kind == kind for m in found)
                hits.values += len(certain)
                hits.rows += bool(certain)
                match = next(m for m in found if m.kind == kind)
                if len(hits.examples) < EXAMPLES:
                    hits.examples.append((row, masked(kind, text[match.start : match.end])))

    def _give_up(self) -> None:
        """Stop looking for bare numbers of kinds of which the column is clearly not made."""
        if self.known >= _ENOUGH_ROWS:
            hopeful = self.finder.names if self.hopeful is None else self.hopeful
            share = COLUMN_SHARE / 2 * self.known
            self.hopeful = frozenset(k for k in hopeful if k in self.hits and self.hits[k].bare >= share)

    def _look_for_trouble(self, start: int, cells: pa.Array) -> None:
        for row, text in _matching(start, cells, encoding.CANDIDATE):
            if (kind := encoding.trouble(text)) is not None:
                self.troubled[kind] += 1
                rows = self.trouble.setdefault(kind, [])
                if len(rows) < EXAMPLES:
                    rows.append(row)

    def _sign(self, start: int, texts: list[str | None], hashes: list[int]) -> None:
        fresh: list[tuple[int, str]] = []
        for i, (text, key) in enumerate(zip(texts, hashes, strict=True)):
            if text and key not in self.seen and len(self.seen) < MOST_SIGNED:
                self.seen.add(key)
                fresh.append((start + i, text))
        self.signed_rows += [row for row, _ in fresh]
        self.signed.append(signatures(text for _, text in fresh))

    def described(self) -> ColumnProfile:
        """Return the column with what its texts say."""
        column = self._masked(self._personal())
        if column.kind != "text":
            return column
        trouble = tuple(Trouble(kind, n, tuple(self.trouble[kind])) for kind, n in self.troubled.most_common())
        return column.with_(languages=self._languages(), resembling=self._resembling(), trouble=trouble)

    def _personal(self) -> tuple[Personal, ...]:
        found: list[Personal] = []
        for kind, hits in self.hits.items():
            whole = hits.bare >= COLUMN_SHARE * self.known and self.known >= COLUMN_ROWS
            values, rows = (max(hits.values, hits.bare), hits.bare) if whole else (hits.values, hits.rows)
            if rows:
                found.append(Personal(kind, values, rows, tuple(hits.examples)))
        return tuple(sorted(found, key=lambda p: (-p.values, p.kind)))

    def _masked(self, personal: tuple[Personal, ...]) -> ColumnProfile:
        """Return the column with its personal data named, and nothing of it left among the values that are shown."""
        filled = frozenset(p.kind for p in personal if p.rows >= COLUMN_SHARE * self.known)
        name = self.column.name
        top = tuple((self.finder.hidden(str(v), name, filled) if personal else v, n) for v, n in self.column.top)
        column = self.column.with_(personal=personal, top=top)
        if filled:
            return column.with_(low=None, high=None, mean=None, deviation=None, quantiles=None, histogram=())
        return column

    def _languages(self) -> tuple[tuple[str, float], ...] | None:
        try:
            return tuple(shares(self.sample))
        except MissingExtraError:
            return None

    def _resembling(self) -> Resembling:
        found = families(np.concatenate(self.signed), shown=PAIRS)
        pairs = [(self.signed_rows[a], self.signed_rows[b], round(s, 3)) for a, b, s in found.pairs]
        return Resembling(found.repeated, len(self.signed_rows), tuple(pairs))


def scanned(relations: Relations, node: Node, columns: list[ColumnProfile], finder: Finder) -> list[ColumnProfile]:
    """Return the columns with what their texts say: personal data, languages, near-duplicates, trouble."""
    types = {f.name: f.type for f in relations.schema(node)}
    rows = max((c.rows for c in columns), default=0)
    stride = max(rows // LANGUAGE_ROWS, 1)
    scans = {c.name: ColumnScan(c, finder, stride) for c in columns if _worth(c, types[c.name])}
    for start, batch in _batches(relations, node, list(scans)):
        for i, scan in enumerate(scans.values()):
            scan.take(start, batch.column(f"{_CELL}{i}"), batch.column(f"{_HASH}{i}"))
    return [scans[c.name].described() if c.name in scans else c for c in columns]


def _worth(column: ColumnProfile, kind: pa.DataType) -> bool:
    """Say whether a column may hold personal data: strings, and whole numbers as long as a phone number."""
    if pa.types.is_integer(kind):
        return column.high is not None and column.high >= _LONG_NUMBER
    return group_of(kind) == "string"


def _batches(relations: Relations, node: Node, names: list[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
    if not names:
        return
    expressions: dict[str, str] = {}
    for i, name in enumerate(names):
        expressions[f"{_CELL}{i}"] = f"left({quoted(name)}::VARCHAR, {MOST_CHARACTERS})"
        expressions[f"{_HASH}{i}"] = f"hash({quoted(name)})"
    start = 0
    for batch in relations.computed(node, expressions, _BATCH_ROWS):
        yield start, batch
        start += batch.num_rows


def _matching(start: int, cells: pa.Array, pattern: str) -> Iterator[tuple[int, str]]:
    """Yield (row, text) where RE2 finds ``pattern``."""
    places = pc.indices_nonzero(pc.fill_null(pc.match_substring_regex(cells, pattern), fill_value=False))
    for place, text in zip(places.to_pylist(), cells.take(places).to_pylist(), strict=True):
        yield start + place, text
