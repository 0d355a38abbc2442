"""Rows worth reading, found without a model: unlike all others, far longer or shorter, or with a damaged encoding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rowsight.engines.base import Relations
from rowsight.execution.profile import ColumnProfile
from rowsight.execution.profile.columns import quoted
from rowsight.plan.nodes import Node
from rowsight.proxies.rarity import Rarity

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_READ = 50_000
"""Texts that are compared with the sample, spread evenly over a larger table."""
SAMPLED = 2000
FEWEST = 30
"""Texts from which on one can stand out."""
MOST = 8
"""Anomalies of one kind that are told."""
FAR = 3.5
"""Robust z-scores (Iglewicz and Hoaglin 1993) from which on a rarity or a length stands out."""
MOST_CHARACTERS = 2000
_BATCH_ROWS = 2048


@dataclass(frozen=True)
class Anomaly:
    """A row worth reading, by its position. kind: ``unlike the others``, ``very long``, ``very short`` or a trouble's name.

    ``score``: the robust z-score, ``None`` for trouble with the encoding.
    """

    row: int
    kind: str
    score: float | None


def anomalies(relations: Relations, node: Node, column: ColumnProfile, seed: int) -> tuple[Anomaly, ...]:
    """Return the rows of a text column that stand out, the most striking of each kind first."""
    stride = max(column.rows // MOST_READ, 1)
    rows, lengths, texts = _read(relations, node, column.name, stride)
    troubled = [Anomaly(row, t.kind, None) for t in column.trouble or () for row in t.examples]
    if len(rows) < FEWEST:
        return tuple(troubled)
    long = np.log1p(lengths)
    found = [
        *_beyond(rows, robust(_rarity(texts, seed)), "unlike the others"),
        *_beyond(rows, robust(long), "very long"),
        *_beyond(rows, -robust(long), "very short"),
    ]
    return _once([*found, *troubled])


def _rarity(texts: list[str], seed: int) -> NDArray[np.float64]:
    """Return how unlike the others each text is; all are alike where there are few distinct ones."""
    distinct = list(dict.fromkeys(texts))
    if len(distinct) < FEWEST:
        return np.zeros(len(texts))
    chosen = np.random.default_rng(seed).permutation(len(distinct))[:SAMPLED]
    rarity = Rarity([distinct[i] for i in chosen], seed)
    return np.concatenate([rarity.of(texts[at : at + _BATCH_ROWS]) for at in range(0, len(texts), _BATCH_ROWS)])


def robust(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return robust z-scores: distances from the median in median absolute deviations, 0 where these are 0."""
    centred = values - np.median(values)
    spread = np.median(np.abs(centred))
    return np.asarray(0.6745 * centred / spread if spread > 0 else np.zeros_like(values))


def _beyond(rows: NDArray[np.int64], scores: NDArray[np.float64], kind: str) -> Iterator[Anomaly]:
    order = np.argsort(-scores, kind="stable")[:MOST]
    for i in order:
        if scores[i] >= FAR:
            yield Anomaly(int(rows[i]), kind, round(float(scores[i]), 2))


def _once(found: list[Anomaly]) -> tuple[Anomaly, ...]:
    """Return each row once, by the first of its kinds."""
    first: dict[int, Anomaly] = {}
    for anomaly in found:
        first.setdefault(anomaly.row, anomaly)
    return tuple(first.values())


def _read(
    relations: Relations, node: Node, column: str, stride: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[str]]:
    """Return every ``stride``-th row that has a text: its position, its length, the beginning of its text."""
    name = quoted(column)
    expressions = {"text": f"left({name}, {MOST_CHARACTERS})", "length": f"length({name})"}
    rows: list[int] = []
    lengths: list[int] = []
    texts: list[str] = []
    start = 0
    for batch in relations.computed(node, expressions, _BATCH_ROWS):
        for i in range(-start % stride, batch.num_rows, stride):
            if text := batch.column(0)[i].as_py():
                rows.append(start + i)
                lengths.append(batch.column(1)[i].as_py())
                texts.append(text)
        start += batch.num_rows
    return np.array(rows, dtype=np.int64), np.array(lengths, dtype=np.int64), texts
