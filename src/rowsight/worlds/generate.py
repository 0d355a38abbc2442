"""Tables of labelled texts from a seed, in streams of any batch size.

Rows are made in blocks of 1,024, each from its own seed, so that a row depends on the world, the language, the seed,
the number of rows and its place alone. What the simulated model answers is a function of the text: equal texts get
equal answers, wrong ones more often where the text is easily misread.
"""

from __future__ import annotations

import random as random_module
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zlib import crc32

import pyarrow as pa

from rowsight.worlds.pack import TRAP, Message, Pack, Weighted, pack, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rowsight.worlds.grammar import Fact

BLOCK = 1024
_START = 1_735_689_600  # 2025-01-01T00:00:00Z
_YEAR = 365 * 86_400
_LATE = 0.8  # the share of the year after which one topic grows
_NULL, _EMPTY, _REPEATED, _FOREIGN, _TYPO = 0.0008, 0.0016, 0.02, 0.015, 0.06
_ERRORS = (2, 8, 200)  # of 256, by hardness: how often one answer of the simulated model is wrong
_SCALE = 10


@dataclass(slots=True)
class _Row:
    """One row before it becomes Arrow; ``message`` is None where nothing was written."""

    region: int
    channel: int
    tier: int
    text: str | None
    message: Message | None


@dataclass(frozen=True, slots=True)
class World:
    """One table to generate: a world in a language, its number of rows, its seed."""

    name: str
    lang: str
    rows: int
    seed: int

    def batches(self, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Yield the table in batches of ``batch_rows`` rows, the last one shorter."""
        pending: list[pa.RecordBatch] = []
        held = 0
        for block in self._blocks():
            pending.append(block)
            held += block.num_rows
            if held >= batch_rows:
                yield from (cut := _cut(pending, batch_rows))[:-1]
                pending, held = [cut[-1]], cut[-1].num_rows
        if held:
            yield from _cut(pending, batch_rows)[:-1]
            yield from [last for last in _cut(pending, batch_rows)[-1:] if last.num_rows]

    def _blocks(self) -> Iterator[pa.RecordBatch]:
        native = pack(self.name, self.lang)
        foreign = pack(self.name, "zh" if self.lang == "en" else "en")
        for start in range(0, self.rows, BLOCK):
            source = random_module.Random(f"{self.name}/{self.lang}/{self.seed}/{start}")  # noqa: S311 - no secret
            rows = _draw_block(native, foreign, source.random, start, self.rows)
            yield _to_arrow(native, rows, start, self.rows, self.seed)


def schema(spoken: Pack) -> pa.Schema:
    """Return the columns of a world's table."""
    struct = pa.struct([(name, _arrow_type(spoken.facts[fact])) for name, fact in spoken.extract_fields.items()])
    answers = [
        (spoken.questions["filter_name"], pa.bool_()),
        ("topic", pa.string()),
        ("severity", pa.int64()),
        (spoken.extract_name, struct),
    ]
    return pa.schema(
        [
            ("id", pa.int64()),
            ("created_at", pa.timestamp("s")),
            *((name, pa.string()) for name in ("region", "channel", "tier", "text")),
            *((f"{kind}_{name}", type_) for kind in ("true", "model") for name, type_ in answers),
        ]
    )


def _arrow_type(fact: Fact) -> pa.DataType:
    return pa.string() if fact.low is None else pa.float64() if fact.whole else pa.int64()


def _cut(batches: Sequence[pa.RecordBatch], size: int) -> list[pa.RecordBatch]:
    """Cut batches into whole ones of ``size`` rows, with the rest (perhaps empty) last."""
    joined = pa.concat_batches(batches)
    cuts = range(0, joined.num_rows - size + 1, size)
    return [*(joined.slice(at, size) for at in cuts), joined.slice(len(cuts) * size)]


def _draw_block(native: Pack, foreign: Pack, random: Callable[[], float], start: int, total: int) -> list[_Row]:
    rows: list[_Row] = []
    for at in range(start, min(start + BLOCK, total)):
        region, channel, tier = (_pick(w, random()) for w in (native.regions, native.channels, native.tiers))
        u = random()
        if u < _EMPTY:
            rows.append(_Row(region, channel, tier, None if u < _NULL else "", None))
            continue
        if u < _EMPTY + _REPEATED and rows:
            earlier = rows[int(random() * len(rows))]
            rows.append(_Row(region, channel, tier, earlier.text, earlier.message))
            continue
        odds = native.topic_odds[native.regions.names[region] == native.skewed_region, at / total > _LATE]
        message = _new_message(native, foreign, random, bisect_right(odds, random()))
        rows.append(_Row(region, channel, tier, message.text, message))
    return rows


def _new_message(native: Pack, foreign: Pack, random: Callable[[], float], topic: int) -> Message:
    topic = min(topic, len(native.topics) - 1)
    spoken = foreign if random() < _FOREIGN else native
    message = write(spoken, random, topic, positive=random() < native.topics[topic].share)
    if random() < _TYPO:
        right, wrong = spoken.typos[int(random() * len(spoken.typos))]
        message.text = message.text.replace(right, wrong, 2)
    return message


def _pick(weighted: Weighted, u: float) -> int:
    return min(bisect_right(weighted.cumulative, u), len(weighted.names) - 1)


def _to_arrow(spoken: Pack, rows: Sequence[_Row], start: int, total: int, seed: int) -> pa.RecordBatch:
    columns = [
        pa.array(range(start + 1, start + len(rows) + 1), pa.int64()),
        pa.array([_START + (start + at) * _YEAR // total for at in range(len(rows))], pa.timestamp("s")),
        pa.array([spoken.regions.names[row.region] for row in rows]),
        pa.array([spoken.channels.names[row.channel] for row in rows]),
        pa.array([spoken.tiers.names[row.tier] for row in rows]),
        pa.array([row.text for row in rows], pa.string()),
    ]
    for kind in ("true", "model"):
        columns += _answers(spoken, [_answer(spoken, row.message, seed, model=kind == "model") for row in rows])
    return pa.RecordBatch.from_arrays(columns, schema=schema(spoken))


@dataclass(frozen=True, slots=True)
class _Answer:
    positive: bool
    topic: int
    severity: int
    facts: Mapping[str, str | int | float]


def _answers(spoken: Pack, answers: Sequence[_Answer | None]) -> list[pa.Array]:
    labels = [topic.label for topic in spoken.topics]
    missing = pa.array([answer is None for answer in answers])
    fields = {
        name: pa.array([a and a.facts.get(fact) for a in answers], _arrow_type(spoken.facts[fact]))
        for name, fact in spoken.extract_fields.items()
    }
    return [
        pa.array([a and a.positive for a in answers], pa.bool_()),
        pa.array([a and labels[a.topic] for a in answers], pa.string()),
        pa.array([a and a.severity for a in answers], pa.int64()),
        pa.StructArray.from_arrays(list(fields.values()), list(fields), mask=missing),
    ]


def _answer(spoken: Pack, message: Message | None, seed: int, *, model: bool) -> _Answer | None:
    """Return the truth of a text, or what the simulated model says: the truth bent by a hash of the text."""
    if message is None:
        return None
    noise = crc32(message.text.encode(), seed & 0xFFFFFFFF)
    severity = message.severity + (noise >> 9) % 2
    if not model:
        return _Answer(message.positive, message.topic, severity, message.facts)
    limit = _ERRORS[message.hard]
    positive, topic, facts = message.positive, message.topic, message.facts
    if noise & 255 < limit:
        positive = not positive
    if noise >> 8 & 255 < limit:
        topic = _confused(topic, len(spoken.topics), 0 if message.hard == TRAP else noise)
    if noise >> 16 & 255 < limit:
        severity = severity + 3 if severity + 3 <= _SCALE else severity - 3
    if noise >> 24 < limit:
        facts = _misread(facts)
    return _Answer(positive, topic, severity, facts)


def _confused(topic: int, count: int, noise: int) -> int:
    """Return another topic."""
    return (topic + 1 + noise % (count - 1)) % count


def _misread(facts: Mapping[str, str | int | float]) -> dict[str, str | int | float]:
    """Overlook the names and codes, and slip a digit in the numbers."""
    return {name: value * 10 for name, value in facts.items() if not isinstance(value, str)}
